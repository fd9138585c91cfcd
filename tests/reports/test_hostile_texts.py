"""Hostile texts stay texts in every format, and long texts are cut for people."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_configuration, a_failure, a_judgement, a_machine, a_recipe, an_attempt, some_findings
from formats import FORMATS, PROGRAMS, read_csv, unescape
from lstm_bench.reports.markdown import escape
from lstm_bench.text import one_line

HOSTILE = {
    "html": "<script>alert(1)</script>",
    "entity": "&lt;b&gt; & co",
    "bars": "a|b||c\\|d",
    "backslash at the end": "x\\",
    "emphasis": "*a* _b_ `c` ~~d~~ **e**",
    "link": "[a](http://b) ![c](d)",
    "markup": "[red]x[/red] [/] [bold",
    "formula": "=cmd()",
    "plus": "+1+cmd()",
    "minus": "-1+cmd()",
    "at": "@SUM(A1)",
    "tab": "\t=cmd()",
    "line break": "a\nb",
    "comma and quotes": "a,\"b\",'c'",
    "unicode": "größer 模型 🙂",
    "braces": "{x} {0} %s %(y)s",
    "nothing": "",
}


hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


UNPRINTABLE = {
    "path": "../../etc/passwd",
    "terminal": "\x1b[2J\x1b]0;title\x07\x1b]8;;http://b\x1b\\\\x",
    "terminal of eight bits": "\x9b2J\x9d0;title\x9c\x7f",
    "carriage returns": "a\rb\r\nc\r=cmd()",
    "line breaks that are not": "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g",
    "zero": "\x00",
    "right to left": "\u202eexe.txt",
    "long": "<script>alert(1)</script>|" * 8_000,
}


def a_hostile_attempt(text):
    """An attempt in which every text is this text."""
    judgement = a_judgement(unit=text, metric=text, metrics={text: 1.0}, baselines={text: {text: 2.0}})
    findings = some_findings(
        machine=a_machine(processor=text, system=text, python=text),
        versions={text: text},
        device_name=text,
        judgement=judgement,
        kernel_path=text,
    )
    recipe = a_recipe(text, summary=text)
    options = {text: text}
    configuration = a_configuration(
        task=text, task_options=options, recipe=recipe, backend=text, backend_options=options, device=text
    )
    return an_attempt(configuration=configuration, status="crashed", reason=text, output_tail=text, findings=findings)


def markdown_rows(text):
    """The texts of each row of each table, read as Markdown: an escaped bar is part of a text."""
    return [
        [unescape(text).strip() for text in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]


@hostile
def test_markdown_shows_any_text_as_it_is(text):
    report = FORMATS["md"]([an_attempt(), a_hostile_attempt(text), an_attempt(2)])
    assert "<script" not in report
    seen = " ".join(text.split())
    assert f"crashed: {seen}".strip() in unescape(report)
    tables = [rows for rows in report.split("\n\n") if rows.startswith("|")]
    assert len(tables) == 2, "one for each task, whatever the order of the attempts"
    for table in tables:
        rows = markdown_rows(table)
        assert {len(row) for row in rows} == {len(rows[0])}, "rows of one table must have equally many entries"
    row = markdown_rows(tables[1])[2]
    assert row[1] == seen
    assert row[-1] == "crashed"


@given(st.text())
def test_escaped_markdown_reads_as_the_text_on_one_line(text):
    escaped = escape(text)
    assert unescape(escaped) == one_line(text)
    assert "<" not in escaped
    assert len(escaped.splitlines()) <= 1
    assert not re.search(r"(?<!\\)(?:\\\\)*[|*_`\[]", escaped)


@hostile
def test_csv_keeps_any_text_in_its_column_and_defuses_formulas(text):
    (record,) = read_csv(FORMATS["attempts-csv"]([a_hostile_attempt(text)]))
    defused = f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text
    for column in ("reason", "version", "device", "device_name", "processor", "kernel_path", "unit", "metric"):
        assert record[column] == defused
    assert not any(text.startswith(("=", "+", "-", "@", "\t")) for text in (*record, *record.values()))


@hostile
def test_json_keeps_any_text(text):
    (record,) = json.loads(FORMATS["attempts-json"]([a_hostile_attempt(text)]))
    for column in ("reason", "version", "device", "device_name", "processor", "kernel_path", "unit", "metric"):
        assert record[column] == text


@hostile
def test_the_table_shows_any_text_as_it_is(text):
    report = FORMATS["table"]([an_attempt(), a_hostile_attempt(text)])
    assert " ".join(f"crashed: {text}".split()) in " ".join(report.split())
    rows = report.split("─\n")[-1].split("\n\n")[0]
    assert "crashed" in rows
    for word in text.split():
        assert word in rows
    assert "\x1b" not in report


def test_the_table_passes_no_control_characters_on():
    report = FORMATS["table"]([a_failure(reason="\x1b[2J\x1b]0;title\x07red")])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\x9b]", report)


@pytest.mark.parametrize("text", (HOSTILE | UNPRINTABLE).values(), ids=HOSTILE | UNPRINTABLE)
@pytest.mark.parametrize("name", FORMATS)
def test_no_text_drives_a_terminal_or_a_browser(name, text):
    attempts = [an_attempt(1), a_hostile_attempt(text), an_attempt(3, status="diverged", reason=text)]
    report = FORMATS[name](attempts)
    assert report.endswith("\n")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", report)
    if name not in ("table", *PROGRAMS):
        assert "<script>alert(1)" not in report


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in PROGRAMS])
def test_a_text_without_end_does_not_flood_whoever_reads_it(name):
    attempts = [an_attempt(1), a_failure(2, reason="x" * 200_000), a_hostile_attempt("long " * 40_000)]
    usual, flooded = (FORMATS[name](some) for some in ([an_attempt()] * 3, attempts))
    assert len(flooded) < len(usual) + 100_000


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_get_all_of_a_text(name):
    long = "x" * 200_000
    assert long in FORMATS[name]([a_failure(reason=long, configuration=a_configuration(device=long))])


@pytest.mark.parametrize("text", UNPRINTABLE.values(), ids=UNPRINTABLE)
def test_markdown_of_unprintable_text_is_a_table_still(text):
    report = FORMATS["md"]([a_hostile_attempt(text)])
    for table in (rows for rows in report.split("\n\n") if rows.startswith("|")):
        assert len({len(row) for row in markdown_rows(table)}) == 1


@pytest.mark.parametrize("text", UNPRINTABLE.values(), ids=UNPRINTABLE)
def test_json_of_unprintable_text_says_what_it_was(text):
    (record,) = json.loads(FORMATS["attempts-json"]([a_hostile_attempt(text)]))
    assert record["reason"] == record["metric"] == text


@pytest.mark.parametrize("text", [text for name, text in UNPRINTABLE.items() if name != "long"])  # of the csv module
def test_csv_of_unprintable_text_has_one_row_and_one_header(text):
    (record,) = read_csv(FORMATS["attempts-csv"]([a_hostile_attempt(text)]))
    assert record["status"] == "crashed"
    assert None not in record
