from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from builders import an_attempt
from lstm_bench.cli.running import exit_code
from lstm_bench.record.store import read_folder, write_attempt
from processes import read_only, started

COMMAND = Path(sys.executable).with_name("lstm-bench")
ZOO = Path(__file__).parents[1] / "zoo"
FAULTS = ZOO / "fault_backends.py"
WRONG = ZOO / "wrong_backends.py"
RESULT = Path(__file__).parents[1] / "fixtures" / "attempt-version-3.json"
INTERRUPTED, GO_ON = "interrupted; attempts kept in here", "the same command with --resume goes on"
GLANCE = ("--quick", "--epochs", "1", "--threads", "1")


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """A folder of its own to stand in, and no terminal."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LSTM_BENCH_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # a plugin's bytecode beside it is Python's doing


def lstm_bench(*arguments):
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def glance(tmp_path_factory):
    """A real run of numpy, and the folder with its results."""
    folder = tmp_path_factory.mktemp("glance") / "new" / "results"
    return lstm_bench("run", "-b", "numpy", *GLANCE, "--results", folder), folder


# --- run


def test_a_run_prints_the_table_with_its_baselines_and_says_how_it_was_measured(glance):
    ran, _ = glance
    assert ran.returncode == 0
    assert [line.split(" ")[0] for line in ran.stdout.splitlines()].count("numpy") == 1
    for words in ("ok", "baseline: same month last year", "baseline: last value", "1 of", "300 epochs", "effort quick"):
        assert words in ran.stdout
    assert "\x1b" not in ran.stdout + ran.stderr


def test_a_run_says_on_stderr_how_far_it_is(glance):
    first, *lines = glance[0].stderr.splitlines()
    assert first.startswith("lstm-bench: 1 to run, effort quick, results in ")
    assert all(line.startswith("[1/1] numpy on flights:tutorial (cpu, float32)") for line in lines)
    assert "ok" in lines[-1]


def test_a_run_leaves_one_file_for_each_attempt_and_nothing_else(glance):
    _, folder = glance
    ((done,), problems) = read_folder(folder)
    assert problems == []
    assert (done.status, done.configuration.effort.name, done.configuration.epochs, done.configuration.threads) == (
        "ok",
        "quick",
        1,
        1,
    )
    assert [file.name for file in folder.iterdir()] == [f"{done.configuration.fingerprint[:12]}-{done.id}.json"]


def test_what_fails_has_a_row_beside_what_is_ok():
    ran = lstm_bench(
        "run", "--plugin", WRONG, "--plugin", FAULTS, "-b", "segfault", "-b", "answers-nan", "-b", "numpy", *GLANCE
    )
    assert ran.returncode == 1
    statuses = {a.configuration.backend: a.status for a in read_folder(Path("results/local"))[0]}
    assert statuses == {"segfault": "crashed", "answers-nan": "invalid-output", "numpy": "ok"}
    for backend, status in statuses.items():
        assert any(backend in line and status in line for line in ran.stdout.splitlines())
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.parametrize(("kernel", "status", "code"), [("cudnn|openblas|mkl", "ok", 0), ("cudnn", "mismatch", 1)])
def test_a_row_whose_kernel_is_not_the_one_that_is_required_is_a_mismatch(kernel, status, code, tmp_path):
    done = lstm_bench("run", "-b", "numpy", *GLANCE, "--require-kernel", kernel, "--results", tmp_path)
    assert done.returncode == code, done.stdout
    (attempt,), _ = read_folder(tmp_path)
    assert (attempt.status, attempt.configuration.require_kernel) == (status, kernel)
    if status == "mismatch":
        assert "where --require-kernel asks for cudnn" in done.stdout


def test_results_that_cannot_be_stored_are_still_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_NOTES", str(tmp_path / "results"))
    ran = lstm_bench(
        "run", "--plugin", FAULTS, "-b", "vandal[moment=load]", "--precision", "tf32", "--results", "results"
    )
    assert ran.returncode == 1
    assert "vandal" in ran.stdout
    assert "NumPy has no tf32" in ran.stdout
    assert ran.stderr.splitlines()[-1].startswith("lstm-bench: error: cannot write results/")


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["ok", "ok"], 0),
        (["ok", "unsupported"], 0),
        (["unsupported"], 1),
        ([], 1),
        *((["ok", status], 1) for status in ("mismatch", "diverged", "timeout", "out-of-memory", "crashed")),
    ],
)
def test_the_exit_code_tells_whether_anything_failed(statuses, code):
    assert exit_code([an_attempt(status=status) for status in statuses]) == code


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
    cell = section["rows"][0]["cells"]["train seq/s"]
    assert cell["text"] == row["train seq/s"]
    assert cell["text"] in ran.stdout
    assert float(cell["text"].replace(",", "")) == pytest.approx(cell["value"], rel=0.01)


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


def test_the_format_that_is_asked_for_goes_before_the_suffix_and_replaces_what_is_there(tmp_path):
    attempt = write_attempt(an_attempt(), tmp_path)
    Path("page.html").write_text("old " * 10_000)
    assert lstm_bench("report", attempt, "--output", "page.html", "--format", "md").returncode == 0
    assert Path("page.html").read_text().startswith("### flights:tutorial")


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


# --- what is wrong with a command


@pytest.fixture
def clutter(tmp_path):
    """Things that do not work as folders or plugins."""
    (tmp_path / "empty").mkdir()
    for name, text in {
        "file": "",
        "plugin.txt": "",
        "raises.py": "1 / 0",
        "garbled.py": "def",
        "leaves.py": "raise SystemExit(0)",
        "idle.py": "",
        "gives_nonsense.py": "import lstm_bench\n@lstm_bench.hookimpl\ndef lstm_bench_backends(): return [7]",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("run -b nunpy", "unknown backend 'nunpy'. Did you mean 'numpy'? There is: "),
        ("run -b numpy -t flihgts", "unknown task 'flihgts'. Did you mean 'flights'? There is: "),
        ("run -b numpy -t flights:tutorail", "unknown recipe 'tutorail' of task 'flights'. Did you mean 'tutorial'?"),
        ("run -b numpy -t flights[mnoths=9]", "unknown option 'mnoths' of task 'flights'."),
        ("run -b numpy[speed=9]", "unknown option 'speed' of backend 'numpy'."),
        (f"run -b hang[momnet=load] --plugin {FAULTS}", "option 'momnet' of backend 'hang'. Did you mean 'moment'?"),
        (f"run -b hang[moment=biuld] --plugin {FAULTS}", "unknown value 'biuld' of option 'moment' of backend 'hang'."),
        ("run -b numpy[", "cannot read 'numpy['"),
        ("run -b numpy[fast]", "cannot read 'fast' in 'numpy[fast]': write option=value"),
        ("run -b numpy:tutorial", "a backend has no recipes"),
        ("run -b numpy -t flights[a=1,a=2]", "option 'a' is given twice"),
        ("run -b numpy --device cdua", "unknown device 'cdua'. Did you mean 'cuda'? There is: "),
        ("run -b numpy --threads 4096", "--threads 4096 is more than the "),
        ("run -b numpy --require-kernel onednn|", "--require-kernel 'onednn|' has an empty name beside a |"),
        ("run -b numpy --results file", "cannot write results to file: "),
        ("run -b numpy --results file/below", "cannot write results to file/below: "),
        (
            "report empty --format cvs",
            "unknown format 'cvs'. Did you mean 'csv'? There is: attempts-csv, attempts-json, ",
        ),
        ("report empty -o x.pdf", "unknown suffix '.pdf' of --output x.pdf, where no --format is given. "),
        ("report empty -o x", "unknown suffix '' of --output x, where no --format is given. There is: .csv, "),
        (f"report {RESULT} -o no/x.md", "cannot write no/x.md: there is no folder no"),
        (f"report {RESULT} -o empty --format md", "cannot write empty: it is no regular file"),
        (f"report {RESULT} -o . --format md", "cannot write .: it is no regular file"),
        (f"report {RESULT} -o /dev/null --format md", "cannot write /dev/null: it is no regular file"),
        ("report empty", "there are no results in empty: "),
        ("report missing", "there is no folder missing: "),
        ("report file", "file is not a result file: "),
        ("data fetch flihgts", "unknown task 'flihgts'. Did you mean 'flights'? There is: "),
        ("data path flihgts", "unknown task 'flihgts'. Did you mean 'flights'? There is: "),
        ("list --plugin missing.py", "plugin missing.py: there is no such file"),
        ("list --plugin plugin.txt", "plugin plugin.txt: it is not a Python file"),
        ("list --plugin raises.py", "plugin raises.py: ZeroDivisionError: division by zero"),
        ("list --plugin garbled.py", "plugin garbled.py: SyntaxError: "),
        ("list --plugin idle.py", "plugin idle.py: it has no function marked with lstm_bench.hookimpl"),
        ("env --plugin gives_nonsense.py", "plugin gives_nonsense.py: gave int where BackendInfo belongs"),
        ("list --plugin leaves.py", "plugin leaves.py: SystemExit"),
    ],
)
def test_a_wrong_command_is_one_line_that_says_what_and_leaves_no_trace(command, complaint, clutter):
    before = sorted(clutter.rglob("*"))
    ran = lstm_bench(*command.split())
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("lstm-bench: error: ")
    assert complaint in line
    assert sorted(clutter.rglob("*")) == before


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("runn", "No such command 'runn'"),
        ("run --bakend numpy", "No such option"),
        ("run --precision float23", "'float23' is not one of"),
        ("run --epochs 0", "0 is not in the range"),
        ("run --threads 0", "0 is not in the range"),
        ("run --seed -1", "-1 is not in the range"),
        ("run --timeout 0", "0.0 is not in the range"),
        ("run --timeout nan", "nan is no number of seconds"),
        ("list bakends", "'bakends' is not one of"),
        ("report one two", "unexpected extra argument"),
        ("data fech", "No such command 'fech'"),
        ("data path one two", "unexpected extra argument"),
    ],
)
def test_what_click_refuses_is_shown_with_the_usage(command, complaint, tmp_path):
    ran = lstm_bench(*command.split())
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("Usage: lstm-bench ")
    assert complaint in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_where_it_went_wrong():
    ran = lstm_bench("--debug", "run", "-b", "nunpy")
    assert ran.returncode == 1
    assert "Traceback (most recent call last)" in ran.stderr
    assert "unknown backend 'nunpy'" in ran.stderr.splitlines()[-1]


# --- help


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", ["run", "report", "list", "data", "env", "--debug", "--version"]),
        ("run", ["--backend", "--task", "--device", "--quick", "--rigorous", "--epochs", "--timeout", "--plugin"]),
        ("report", ["[FOLDER]", "--format", "--output", "--all"]),
        ("list", ["backends|tasks|recipes|formats|charts"]),
        ("plot", ["KIND [FOLDER]", "--output", ".svg, .png or .json", "--where", "--all", "--dark"]),
        ("data", ["fetch", "list", "path", "LSTM_BENCH_DATA", "LSTM_BENCH_CACHE"]),
        ("data fetch", ["[TASK]...", "--plugin"]),
        ("data list", ["[TASK]...", "damaged"]),
        ("data path", ["[TASK]"]),
        ("env", ["bug report"]),
    ],
)
def test_every_command_has_help(command, words):
    helped = lstm_bench(*command.split(), "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert helped.stdout.startswith(f"Usage: lstm-bench {command}".rstrip())
    assert [word for word in words if word not in helped.stdout] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["list"],
        ["list", "recipes"],
        ["list", "charts"],
        ["plot", "--help"],
        ["data", "path"],
        ["--version"],
    ],
)
def test_help_and_list_import_no_framework(arguments):
    code = f"""
import sys
sys.argv = ["lstm-bench", *{arguments}]
from lstm_bench.cli import main
try:
    main()
finally:
    heavy = {{"numpy", "pandas", "torch", "tensorflow", "keras", "jax", "altair", "vl_convert", "jinja2"}}
    print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "[]\n")
    assert ran.stdout


# --- Ctrl-C


def test_ctrl_c_ends_a_run_keeps_what_is_done_and_leaves_no_worker(tmp_path, monkeypatch):
    notes = tmp_path / "notes"
    os.mkfifo(notes)
    monkeypatch.setenv("ZOO_NOTES", str(notes))
    with started(  # the seed has them take their turns in this order
        "run", "--plugin", FAULTS, "-b", "exit-3", "-b", "hang", "-b", "numpy", "--results", "here", "--seed", 3
    ) as running:
        worker = int(notes.read_text())
        assert psutil.pid_exists(worker)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
        assert not psutil.pid_exists(worker)
    assert running.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == f"lstm-bench: {INTERRUPTED}: 1; {GO_ON}"
    assert err.count("interrupted") == 1
    assert "Traceback" not in err
    assert [(a.configuration.backend, a.status) for a in read_folder(Path("here"))[0]] == [("exit-3", "crashed")]


@pytest.mark.parametrize("seen", ["round 1 of 10", "check", "time"])
def test_ctrl_c_ends_a_worker_at_work(seen):
    with started("run", "-b", "numpy", "--rigorous", "--epochs", "1", "--results", "here") as running:
        assert any(line.endswith(f"{seen}\n") for line in running.stderr)
        workers = psutil.Process(running.pid).children()
        running.send_signal(signal.SIGINT)
        last = running.stderr.read().splitlines()[-1]
        running.wait()
    assert (running.returncode, last) == (130, f"lstm-bench: {INTERRUPTED}: 0; {GO_ON}")
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert all(worker.status() == psutil.STATUS_ZOMBIE for worker in alive)
    assert list(Path("here").iterdir()) == []


def test_python_runs_it_as_a_module_under_its_own_name():
    done = subprocess.run(
        [sys.executable, "-m", "lstm_bench", "run", "--no-such-option"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: lstm-bench run ")
