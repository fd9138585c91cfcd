from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from builders import an_attempt
from commands import COMMAND, lstm_bench
from lstm_bench.record.store import read_folder, write_attempt
from processes import read_only

pytestmark = pytest.mark.usefixtures("surroundings")


# --- report


def test_the_latest_attempt_of_a_cell_is_shown_unless_all_are_asked_for():
    for _ in range(2):
        assert lstm_bench("run", "-b", "numpy", "--precision", "tf32").returncode == 1
    older, newer = (attempt.id for attempt in read_folder(Path("results/local"))[0])

    latest = lstm_bench("report", "--format", "attempts-json")
    assert latest.returncode == 0
    assert [row["id"] for row in json.loads(latest.stdout)] == [newer]
    assert latest.stderr == "lstm-bench: 1 older attempts of the same configurations are not shown; --all shows them\n"

    every = lstm_bench("report", "--format", "attempts-json", "--all")
    assert [row["id"] for row in json.loads(every.stdout)] == [older, newer]
    assert every.stderr == ""


def test_a_report_of_a_run_is_the_table_that_the_run_printed(glance):
    ran, folder = glance
    assert lstm_bench("report", folder).stdout == ran.stdout


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(("format_name", "parse"), [("attempts-csv", read_csv), ("attempts-json", json.loads)])
def test_formats_for_programs_hold_every_attempt(glance, format_name, parse):
    (row,) = parse(lstm_bench("report", glance[1], "--format", format_name).stdout)
    assert (row["backend"], row["status"], row["effort"]) == ("numpy", "ok", "quick")
    assert float(row["value"]) > 0
    assert float(row["train_sequences_per_s"]) > 0


def test_csv_and_json_hold_the_table(glance):
    ran, folder = glance
    row, *baselines = read_csv(lstm_bench("report", folder, "--format", "csv").stdout)
    assert (row["task"], row["backend"].split()[0], row["status"]) == ("flights:tutorial", "numpy", "ok")
    assert len(baselines) == 2
    (section,) = json.loads(lstm_bench("report", folder, "--format", "json").stdout)["sections"]
    speed = section["rows"][0]["entries"]["train"]["value"]
    assert speed == float(row["train [seq/s]"])
    (shown,) = [line for line in ran.stdout.splitlines() if re.match(r"numpy \d", line)]
    assert any(
        float(word.replace(",", "")) == pytest.approx(speed, rel=0.01)
        for word in re.findall(r"(?<= )[\d,]+(?= |$)", shown)
    )


def test_markdown_is_a_table_whose_lines_have_the_same_cells(glance):
    lines = lstm_bench("report", glance[1], "--format", "md").stdout.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 5  # the head, the rule, numpy, and two baselines
    assert len({line.count("|") for line in table}) == 1


@pytest.mark.parametrize(
    ("name", "format_name"),
    [("x.txt", "table"), ("x.md", "md"), ("x.tex", "latex"), ("x.csv", "csv"), ("x.json", "json"), ("X.MD", "md")],
)
def test_a_report_can_be_written_to_a_file_whose_suffix_chooses_the_format(tmp_path, name, format_name):
    attempt = write_attempt(an_attempt(), tmp_path)
    written = lstm_bench("report", attempt, "-o", name)
    assert (written.returncode, written.stdout) == (0, "")
    assert written.stderr == f"lstm-bench: the report is in {name}\n"
    assert Path(name).read_text() == lstm_bench("report", attempt, "--format", format_name).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([attempt.name, name])


def test_the_format_that_is_asked_for_is_written_whatever_the_suffix_and_replaces_what_is_there(tmp_path):
    attempt = write_attempt(an_attempt(), tmp_path)
    Path("page.txt").write_text("old " * 10_000)
    assert lstm_bench("report", attempt, "--output", "page.txt", "--format", "md").returncode == 0
    assert Path("page.txt").read_text().startswith("### flights:tutorial")


def test_a_plugins_format_has_its_suffix(tmp_path):
    attempt = write_attempt(an_attempt(), tmp_path)
    Path("count.py").write_text(
        "import lstm_bench\n@lstm_bench.hookimpl\ndef lstm_bench_reporters():\n"
        "    render = lambda attempts: f'{len(attempts)}\\n'\n"
        "    yield lstm_bench.ReporterInfo(name='count', summary='', suffix='.n', render=render)\n"
    )
    assert lstm_bench("report", attempt, "--plugin", "count.py", "-o", "attempts.n").returncode == 0
    assert Path("attempts.n").read_text() == "1\n"


def test_what_is_written_to_a_file_has_no_colours_even_from_a_terminal(tmp_path):
    attempt = write_attempt(an_attempt(), tmp_path)
    master, terminal = os.openpty()
    try:
        command = [COMMAND, "report", attempt, "-o", "x.txt"]
        subprocess.run(command, stdout=terminal, env={**os.environ, "COLUMNS": "40"}, check=True)
    finally:
        os.close(master)
        os.close(terminal)
    assert Path("x.txt").read_text() == lstm_bench("report", attempt).stdout


def test_a_report_is_not_written_where_that_is_forbidden(tmp_path):
    attempt = write_attempt(an_attempt(), tmp_path)
    (tmp_path / "closed").mkdir()
    with read_only(tmp_path / "closed") as prefix:
        command = [*prefix, COMMAND, "report", attempt, "-o", "closed/x.md"]
        refused = subprocess.run(command, capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "lstm-bench: error: cannot write closed/x.md: Permission denied\n"


def test_one_file_can_be_reported(tmp_path):
    path = write_attempt(an_attempt(), tmp_path)
    assert "torch" in lstm_bench("report", path).stdout


def test_a_corrupt_file_is_left_out_with_a_warning_and_an_exit_code(tmp_path):
    write_attempt(an_attempt(), tmp_path)
    (tmp_path / "corrupt.json").write_text('{"schema_version": 1')
    reported = lstm_bench("report", tmp_path)
    assert reported.returncode == 1
    assert "torch" in reported.stdout
    (warning,) = reported.stderr.splitlines()
    assert warning.startswith(f"lstm-bench: warning: left out: {tmp_path}/corrupt.json is not a result file: ")


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    write_attempt(an_attempt(), tmp_path)
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        reported = subprocess.run([COMMAND, "report", tmp_path], stdout=write_end, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(write_end)
    assert (reported.returncode, reported.stderr) == (1, "")
