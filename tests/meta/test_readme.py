"""The README shows commands that CI types, and a published table."""

from __future__ import annotations

from pages import ROOT, blocks

README = ROOT / "README.md"


def test_ci_types_what_a_newcomer_does():
    ci = (ROOT / ".ci" / "run").read_text()
    set_up = [text.strip() for language, text in blocks(README) if language == "sh" and text.startswith("pip install")]
    assert len(set_up) == 3
    for text in set_up:
        assert f"'{text}'" in ci, f"CI does not run: {text}"


def test_its_table_is_a_published_one():
    published = (ROOT / "results" / "README.md").read_text().splitlines()
    text = README.read_text()
    table = [line for line in text[: text.index("## From a clone")].splitlines() if line.startswith("|")]
    assert len(table) > 6
    assert [line for line in table if line not in published] == []
