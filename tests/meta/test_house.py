"""The house stays as CONTRIBUTING.md says: small rooms, and one name for one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted(path for folder in ("lstm_bench", "backends", "tasks") for path in (ROOT / folder).rglob("*.py"))
ALL = sorted([*CODE, *(path for folder in ("tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py"))])
LONGEST_FILE, LONGEST_FUNCTION = 400, 60

by_file = pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(ROOT)))


@by_file
def test_a_file_is_short(path):
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def lines_of_code(function):
    """Lines from its name to its end, without the docstring."""
    first = function.body[0]
    is_docstring = ast.get_docstring(function) is not None
    return function.end_lineno - function.lineno + 1 - is_docstring * (first.end_lineno - first.lineno + 1)


@by_file
def test_a_function_is_short(path):
    nodes = ast.walk(ast.parse(path.read_text()))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    assert [f.name for f in functions if lines_of_code(f) > LONGEST_FUNCTION] == []


def test_no_two_classes_of_the_core_have_one_name():
    rooms = defaultdict(list)
    for path in CODE:
        if path.is_relative_to(ROOT / "lstm_bench"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    rooms[node.name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in rooms.items() if len(paths) > 1} == {}


def test_a_map_of_the_folders_names_each_of_them_once():
    folders = {path.parent.name for path in (ROOT / "lstm_bench").glob("*/__init__.py")}
    rows = re.findall(r"^\| `(\w+)/` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(folders)


def test_tests_have_the_same_folders():
    folders = {path.parent.name for path in (ROOT / "lstm_bench").glob("*/__init__.py")}
    assert {name for name in folders if not (ROOT / "tests" / name).is_dir()} == set()


@pytest.mark.parametrize("words", ["fmt: skip", "how: dict", '== "true"', '== "false"', 'options["'])
def test_what_the_contract_has_a_way_for_is_done_in_that_way(words):
    found = {str(path.relative_to(ROOT)) for path in CODE if words in path.read_text()}
    assert found - {"lstm_bench/plugin/options.py"} == set()
