"""Every fault in docs/reliability.md names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.endswith("| shown by |")
]


def names_in(name):
    tree = ast.parse((ROOT / "tests" / name).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_the_page_has_rows():
    assert len(ROWS) > 30
    assert {len(row) for row in ROWS} == {3}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_fault_is_shown_by_tests_that_there_are(row):
    fault, happens, shown = row
    assert fault
    assert happens
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", shown)
    assert len(named) == shown.count("`") / 2 > 0
    assert [test for file, test in named if test not in names_in(file)] == []
