import csv
import html
import io
import json
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_configuration, a_failure, a_judgement, a_machine, a_recipe, an_attempt, some_findings
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.record.attempt import Agreement, Memory
from lstm_bench.record.configuration import EFFORTS
from lstm_bench.record.store import to_frame
from lstm_bench.reports.markdown import escape
from lstm_bench.reports.summary import summarise
from lstm_bench.text import one_line

FORMATS = {name: info.render for name, info in load_plugins().reporters.items()}
every_format = pytest.mark.parametrize("render", FORMATS.values(), ids=FORMATS)
for_people = pytest.mark.parametrize("render", [FORMATS["table"], FORMATS["md"]], ids=["table", "md"])
PROGRAMS = ("csv", "json", "attempts-csv", "attempts-json")


class Stdout(io.StringIO):
    """Stands in for what the report will be printed to."""

    def __init__(self, on_terminal):
        super().__init__()
        self.isatty = lambda: on_terminal


@pytest.fixture(autouse=True)
def _piped(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Stdout(on_terminal=False))


def numpy_configuration(**changes):
    return a_configuration(backend="numpy", **changes)


def an_attempt_of(value, number=1, **judgement):
    return an_attempt(
        number,
        configuration=a_configuration(backend=f"backend{number}"),
        findings=some_findings(judgement=a_judgement(value, **judgement)),
    )


def unescape(text):
    """What a reader of Markdown sees."""
    return html.unescape(re.sub(r"\\([\\`*_{}\[\]|~])", r"\1", text))


def markdown_rows(text):
    """Configurations of each line of each table, read as Markdown is: an escaped bar divides nothing."""
    return [
        [unescape(text).strip() for text in re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]


def words(text):
    return text.replace("\u00a0", " ").split()


# What each format says


def test_the_summary_of_an_attempt_says_what_it_did():
    (section,) = summarise([an_attempt()]).sections
    texts = {column.title: text for column, text in zip(section.columns, section.rows[0].texts, strict=True)}
    assert section.title == "flights:tutorial"
    assert section.subtitle == "rmse in passengers, lower is better"
    assert {title: " ".join(words(text)) for title, text in texts.items()} == {
        "backend": "torch 2.9.1",
        "device": "cpu",
        "precision": "float32",
        "params": "40,901 (41,301)",
        "rmse": "50.25",
        "train seq/s": "28,300",
        "infer seq/s": "160,000",
        "first step": "250 ms",
        "memory": "3 MiB",
        "status": "ok",
    }


@for_people
def test_tables_hold_status_metric_both_parameter_counts_and_baselines(render):
    text = render([an_attempt(), a_failure(2, configuration=numpy_configuration())])
    for part in ("flights:tutorial", "torch 2.9.1", "50.25", "40,901 (41,301)", "160,000", "ok", "crashed"):
        assert part in text
    lines = text.splitlines()
    for name, value in {"last value": "102.5", "same month": "60.75"}.items():
        (row,) = (line for line in lines if f"baseline: {name}" in line)
        assert value in row


def test_baselines_follow_the_attempts_and_are_marked_as_what_they_are():
    (section,) = summarise([an_attempt(1), an_attempt(2, configuration=numpy_configuration())]).sections
    assert [(row.texts[0].split()[0], row.baseline) for row in section.rows] == [
        ("torch", False),
        ("numpy", False),
        ("baseline:", True),
        ("baseline:", True),
    ]


def test_each_task_is_a_section_of_its_own_with_its_own_metric():
    accuracy = a_judgement(
        metric="accuracy", unit="", better="higher", metrics={"accuracy": 0.5}, baselines={"chance": {"accuracy": 0.1}}
    )
    copy = an_attempt(2, configuration=a_configuration(task="copy"), findings=some_findings(judgement=accuracy))
    sections = summarise([an_attempt(1), copy, a_failure(3, configuration=a_configuration(task="new"))]).sections
    assert [(section.title, section.subtitle, section.columns[4].title) for section in sections] == [
        ("flights:tutorial", "rmse in passengers, lower is better", "rmse"),
        ("copy:tutorial", "accuracy, higher is better", "accuracy"),
        ("new:tutorial", "", "metric"),
    ]
    assert [len(section.rows) for section in sections] == [3, 2, 1]


def test_a_task_has_one_section_in_whatever_order_the_attempts_come():
    configurations = [a_configuration(), a_configuration(task="copy"), a_configuration(seed=1)]
    summary = summarise(
        [an_attempt(number, configuration=configuration) for number, configuration in enumerate(configurations)]
    )
    assert [section.title for section in summary.sections] == ["flights:tutorial", "copy:tutorial"]


def test_parameters_are_shown_once_where_the_framework_counts_the_same():
    for native in (None, 40_901):
        summary = summarise([an_attempt(findings=some_findings(native_parameter_count=native))])
        assert summary.sections[0].rows[0].texts[3] == "40,901"


@pytest.mark.parametrize(
    ("configurations", "marks", "notes"),
    [
        ([a_configuration()], ["50.25"], []),
        ([a_configuration(epochs=30)], ["50.25*"], ["* trained for 30 of the recipe's 300 epochs"]),
        (
            [
                a_configuration(),
                a_configuration(epochs=1),
                a_configuration(epochs=600),
                a_configuration(epochs=1, seed=1),
            ],
            ["50.25", "50.25*", "50.25*"],
            ["* trained for 1 of the recipe's 300 epochs", "* trained for 600 of the recipe's 300 epochs"],
        ),
    ],
    ids=["in full", "shortened", "some"],
)
def test_a_model_that_was_not_trained_as_the_recipe_says_is_marked(configurations, marks, notes):
    summary = summarise(
        [an_attempt(number, configuration=configuration) for number, configuration in enumerate(configurations)]
    )
    section = summary.sections[0]
    at = [column.title for column in section.columns].index("rmse")
    assert [row.texts[at] for row in section.rows if not row.baseline] == marks
    assert [note for note in summary.notes if "epochs" in note] == notes


VERDICTS = {
    "none": ([70.0, 60.75], {}, "no model beats the best baseline, same month (rmse 60.75 passengers)"),
    "one of one": ([50.0], {}, "1 of 1 models beat the best baseline, same month (rmse 60.75 passengers)"),
    "one of two": ([50.0, 70.0], {}, "1 of 2 models beat the best baseline, same month (rmse 60.75 passengers)"),
    "unknown beats nothing": ([50.0, None], {}, "1 of 2 models beat the best baseline, same month"),
    "higher is better": ([50.0, 70.0, 110.0], {"better": "higher"}, "1 of 3 models beat the best baseline, last value"),
    "no unit": ([50.0], {"unit": ""}, "1 of 1 models beat the best baseline, same month (rmse 60.75)"),
    "a baseline that has no value": (
        [50.0],
        {"baselines": {"broken": {"rmse": None}, "other": {"mae": 1.0}, "good": {"rmse": 60.0}}},
        "1 of 1 models beat the best baseline, good (rmse 60.00 passengers)",
    ),
}


@pytest.mark.parametrize(("values", "judgement", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_the_verdict_says_how_many_models_beat_the_best_baseline(values, judgement, verdict):
    attempts = [an_attempt_of(value, number, **judgement) for number, value in enumerate(values)]
    for render in (FORMATS["table"], FORMATS["md"]):
        (line,) = (line for line in render(attempts).splitlines() if "best baseline" in line)
        assert f"flights:tutorial: {verdict}" in line


def test_only_models_that_ended_well_are_judged():
    good, bad = an_attempt_of(70.0, 1), an_attempt_of(1.0, 2)
    failed = an_attempt(3, status="mismatch", reason="logits", configuration=bad.configuration, findings=bad.findings)
    assert "no model beats" in FORMATS["table"]([good, failed])
    assert "best baseline" not in FORMATS["table"]([failed])


@pytest.mark.parametrize("baselines", [{}, {"last value": {"mae": 1.0}}, {"last value": {"rmse": None}}], ids=str)
def test_without_a_baseline_to_compare_with_there_is_no_verdict(baselines):
    assert "best baseline" not in FORMATS["table"]([an_attempt_of(50.0, baselines=baselines)])


@for_people
def test_every_failure_is_listed_with_its_reason(render):
    failures = [
        a_failure(1),
        a_failure(2, status="timeout", reason="not done after 5 s", configuration=numpy_configuration()),
        a_failure(3, status="unsupported", reason="no GRU here", configuration=numpy_configuration(device="cuda:0")),
    ]
    text = unescape(render([an_attempt(0, configuration=a_configuration(seed=1)), *failures]))
    for line in (
        "torch on flights:tutorial (cpu, float32): crashed: left in phase 'start'",
        "numpy on flights:tutorial (cpu, float32): timeout: not done after 5 s",
        "numpy on flights:tutorial (cuda:0, float32): unsupported: no GRU here",
    ):
        assert line in text
    assert ": ok: " not in text


@for_people
def test_where_and_how_it_was_measured_is_said_once_for_each_way(render):
    one = a_configuration(threads=1, effort=EFFORTS["quick"])
    away = some_findings(machine=a_machine(processor="Another"), device_name="")
    attempts = [an_attempt(1), an_attempt(2), an_attempt(3, configuration=one, findings=away), a_failure(4)]
    lines = [line for line in render(attempts).splitlines() if "measured with" in line]
    assert [line.removeprefix("- ") for line in lines] == [
        "measured with effort default, 2 threads, Abacus 9, Linux 6.1, Python 3.11.7, Slide rule",
        "measured with effort quick, 1 thread, Another, Linux 6.1, Python 3.11.7",
        "measured with effort default, 2 threads, machine unknown",
    ]


def test_columns_are_explained_where_they_need_it():
    notes = "\n".join(summarise([an_attempt()]).notes)
    assert "params: " in notes
    assert "seq/s: " in notes
    assert "memory: " in notes
    assert "params: " not in "\n".join(summarise([a_failure()]).notes)


def test_memory_is_that_of_the_device_where_it_has_its_own():
    memory = Memory(after_import=2**28, peak=2**30, device_peak=5 * 2**20)
    on_gpu = an_attempt(configuration=numpy_configuration(device="cuda:0"), findings=some_findings(memory=memory))
    summary = summarise([on_gpu])
    assert summary.sections[0].rows[0].texts[-2] == "5\u00a0MiB"
    assert "on a GPU, the most that its allocator held" in "\n".join(summary.notes)
    assert "on a GPU" not in "\n".join(summarise([an_attempt()]).notes)


def test_a_number_that_nobody_knows_is_an_empty_entry():
    unknown = some_findings(
        judgement=a_judgement(None),
        timings={},
        memory=Memory(after_import=1, peak=None, device_peak=None),
        seconds={},
        native_parameter_count=None,
    )
    row = summarise([an_attempt(findings=unknown)]).sections[0].rows[0]
    assert row.texts == ("torch 2.9.1", "cpu", "float32", "40,901", "", "", "", "", "", "ok")


@every_format
def test_failures_alone_can_be_reported(render):
    text = render([a_failure(1), a_failure(2, configuration=numpy_configuration())])
    assert "crashed" in text
    assert "left in phase 'start'" in html.unescape(text) or render is FORMATS["csv"]  # which has the tables alone
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


@every_format
@pytest.mark.parametrize("attempts", [[], [an_attempt()], [a_failure()]], ids=["none", "one", "one failure"])
def test_a_report_ends_in_one_line_break(render, attempts):
    text = render(attempts)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_a_report_of_nothing_says_so():
    assert FORMATS["table"]([]) == "no attempts\n"
    assert FORMATS["md"]([]) == "- no attempts\n"
    assert json.loads(FORMATS["attempts-json"]([])) == []
    assert FORMATS["attempts-csv"]([]).strip() == ""
    assert json.loads(FORMATS["json"]([])) == {"sections": [], "notes": ["no attempts"]}
    assert FORMATS["csv"]([]) == "task\n"
    assert r"\item no attempts" in FORMATS["latex"]([])


# For programs


def test_json_holds_the_values_of_the_frame():
    attempts = [an_attempt_of(50.123456789012345, 1), a_failure(2)]
    records = json.loads(FORMATS["attempts-json"](attempts))
    expected = to_frame(attempts).astype(object).where(lambda frame: frame.notna(), None).to_dict("records")
    assert len(records) == 2
    for record, row in zip(records, expected, strict=True):
        assert record == {
            name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value for name, value in row.items()
        }


@pytest.mark.parametrize("value", [1.2345678901234567e-05, 1.2345678901234567e-10, 1.2345678901234567e-14])
def test_json_holds_small_numbers_as_exactly_as_large_ones(value):
    agreement = Agreement(errors={"logits": value}, tolerances={"logits": 1.0}, worst={})
    (record,) = json.loads(FORMATS["attempts-json"]([an_attempt(findings=some_findings(agreement=agreement))]))
    assert record["error_logits"] == pytest.approx(value, rel=1e-12, abs=0)


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_csv_holds_every_column_and_the_exact_values():
    attempts = [an_attempt_of(1.2345678901234567e-10, 1), a_failure(2)]
    frame = to_frame(attempts)
    first, second = read_csv(FORMATS["attempts-csv"](attempts))
    assert list(first) == list(frame.columns)
    assert float(first["value"]) == 1.2345678901234567e-10
    assert float(first["train_step_s"]) == frame["train_step_s"][0]
    assert first["parameters"] == second["parameters"] == "40901"
    assert first["metric"] == "rmse"
    assert second["value"] == second["metric"] == second["version"] == ""
    assert second["reason"] == "left in phase 'start'"


# Hostile texts stay texts

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


def a_hostile_attempt(text):
    """An attempt all of whose texts are this one."""
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
        assert {len(row) for row in rows} == {10}, "rows of one table must have equally many entries"
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


def test_csv_leaves_negative_numbers_alone():
    (record,) = read_csv(FORMATS["attempts-csv"]([an_attempt_of(-1.5)]))
    assert record["value"] == "-1.5"


def test_a_carriage_return_begins_no_new_row_in_csv():
    (record,) = read_csv(FORMATS["attempts-csv"]([a_failure(reason="50%\r=cmd()")]))
    assert record["reason"] == "50%\n=cmd()"


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


# The terminal


@pytest.fixture
def terminal(monkeypatch):
    """Sets up a terminal of a width."""

    def set_up(columns):
        monkeypatch.setattr(sys, "stdout", Stdout(on_terminal=True))
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm-256color")
        for variable in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(variable, raising=False)

    return set_up


COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def test_a_terminal_gets_colours_and_a_file_the_same_text_without(terminal):
    attempts = [an_attempt(), a_failure(2, configuration=numpy_configuration())]
    in_file = FORMATS["table"](attempts)
    terminal(160)
    on_terminal = FORMATS["table"](attempts)
    assert not COLOURS.search(in_file)
    assert COLOURS.search(on_terminal)
    assert COLOURS.sub("", on_terminal) == in_file


def test_colours_are_for_terminals_only(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not COLOURS.search(FORMATS["table"]([an_attempt()]))


@pytest.mark.parametrize("columns", [160, 100, 80])
def test_a_terminal_of_usual_width_cuts_no_number_and_no_word(terminal, columns):
    terminal(columns)
    text = COLOURS.sub("", FORMATS["table"]([an_attempt(), a_failure(2, configuration=numpy_configuration())]))
    assert max(map(len, text.splitlines())) <= columns
    for word in (
        "torch",
        "2.9.1",
        "40,901",
        "(41,301)",
        "50.25",
        "28,300",
        "160,000",
        "250\u00a0ms",
        "crashed",
        "baseline:",
    ):
        assert word in text


@pytest.mark.parametrize("columns", [40, 10])
def test_a_narrow_terminal_still_gets_a_table(terminal, columns):
    terminal(columns)
    assert FORMATS["table"]([an_attempt()]).endswith("\n")


def test_in_a_file_notes_are_not_broken():
    reason = "a long story " * 50 + "with an end"
    assert f"crashed: {reason}\n" in FORMATS["table"]([a_failure(reason=reason)])
