"""docs/correctness.md has the tables that its command writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lstm_bench.conformance.quantities import KINDS
from lstm_bench.reports.markdown import escape

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "correctness.md").read_text()


def test_it_has_one_place_for_what_was_observed_and_names_the_command():
    assert len(re.findall(r"(?s)<!-- observed -->\n.+?<!-- end -->", PAGE)) == 1
    words = re.findall(r'"([^"]+)"', re.search(r"COMMAND = \[(.*)\]", (DOCS / "observe.py").read_text())[1])
    assert f"`{' '.join(words)}`" in PAGE


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_quantity_was_observed_on_every_case_and_nothing_disagreed(precision):
    table = re.search(rf"(?s)### {precision}\n\n(.*?)\n\n", PAGE)[1].splitlines()
    rows = {line.strip("| ").split(" | ")[0]: line.strip("| ").split(" | ")[1:] for line in table[2:]}
    assert list(rows) == [*(escape(kind.name) for kind in KINDS), "cases"]
    assert set(rows["cases"]) == {"200"}
    assert "disagrees" not in PAGE
    for share in re.findall(r"\((\d+)%\)", "".join(table)):
        assert int(share) <= 100
