"""What becomes of stored attempts when something happens to a parent, a disk or a file."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from builders import an_attempt
from lstm_bench.errors import StoreError
from lstm_bench.record.attempt import SCHEMA_VERSION
from lstm_bench.record.store import prepare_folder, read_attempt, read_folder, write_attempt
from processes import COMMAND, read_only

pytestmark = pytest.mark.one_interpreter

WRITING = Path(__file__).parents[1] / "support" / "writing.py"
FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def source(tmp_path):
    """A file outside the folder of results."""
    (tmp_path / "source").mkdir()
    return write_attempt(an_attempt(), tmp_path / "source")


@pytest.fixture
def folder(tmp_path):
    """A folder with one attempt, of number 1."""
    (tmp_path / "results").mkdir()
    write_attempt(an_attempt(1), tmp_path / "results")
    return tmp_path / "results"


def write(source, folder, first, last, *options):
    """Store the attempts of these numbers in a process of its own."""
    return subprocess.run(
        [sys.executable, WRITING, source, folder, str(first), str(last), *options], capture_output=True, text=True
    )


def numbered(*numbers):
    return [an_attempt(number) for number in numbers]


# --- a parent that dies


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("temporary.open(", False),
        ("file.write(", False),
        ("file.flush(", False),
        ("os.fsync(file.fileno", False),
        ("os.link(", False),
        ("_sync(folder)", True),
        ("os.fsync(descriptor", True),
        ("temporary.unlink(", True),
        ("return path", True),
    ],
)
def test_a_parent_that_is_killed_before_any_line_of_writing_loses_that_attempt_at_most(source, folder, line, kept):
    killed = write(source, folder, 2, 2, "--killed-before", line)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read_folder(folder) == (numbered(1, 2) if kept else numbered(1), [])

    prepare_folder(folder)  # and the next run finds nothing in its way
    later = write(source, folder, 2, 3)
    assert later.stdout.split() == (["3"] if kept else ["2", "3"])
    assert read_folder(folder) == (numbered(1, 2, 3), [])


def test_a_parent_that_dies_in_the_midst_of_writing_leaves_nothing_that_is_read(source, folder):
    died = write(source, folder, 2, 2, "--most-bytes", "1000", "--and-die")
    assert died.returncode == -signal.SIGXFSZ, died.stderr
    (left,) = (path for path in folder.iterdir() if path.suffix != ".json")
    assert left.stat().st_size == 1000
    assert read_folder(folder) == (numbered(1), [])
    assert write(source, folder, 2, 2).returncode == 0
    assert read_folder(folder) == (numbered(1, 2), [])


# --- a disk that is full, or must not be written


def test_a_full_disk_is_named_and_leaves_nothing_behind(source, folder):
    full = write(source, folder, 2, 3, "--most-bytes", "1000")
    assert (full.returncode, full.stdout) == (0, "")
    assert [line.split(": ")[-1] for line in full.stderr.splitlines()] == ["File too large"] * 2
    assert len(list(folder.iterdir())) == 1
    assert read_folder(folder) == (numbered(1), [])


def run_refused(folder, *, prefix=(), **how):
    """A run whose one attempt takes no time, since NumPy has no tf32."""
    command = [*prefix, COMMAND, "run", "-b", "numpy", "--precision", "tf32", "--threads", "1", "--results", folder]
    return subprocess.run(command, capture_output=True, text=True, **how)


def test_a_run_on_a_full_disk_still_shows_its_table_and_says_what_was_not_stored(folder):
    ran = run_refused(folder, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)))
    assert ran.returncode == 1
    assert "NumPy has no tf32" in ran.stdout
    last = ran.stderr.splitlines()[-1]
    assert last.startswith(f"lstm-bench: error: cannot write {folder}/")
    assert last.endswith(": File too large")
    assert "Traceback" not in ran.stderr
    assert read_folder(folder) == (numbered(1), [])


def test_nothing_is_run_where_results_cannot_be_written_and_what_is_there_can_still_be_read(folder):
    with read_only(folder) as prefix:
        ran = run_refused(folder, prefix=prefix)
        reported = subprocess.run([*prefix, COMMAND, "report", folder], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"lstm-bench: error: cannot write results to {folder}: Permission denied. Choose another with --results\n"
    )
    assert (reported.returncode, reported.stderr) == (0, "")
    assert "torch" in reported.stdout


def test_a_report_that_finds_the_disk_full_leaves_the_one_that_was_there(folder, tmp_path):
    report = tmp_path / "report.md"
    report.write_text("an earlier one")
    full = subprocess.run(
        [COMMAND, "report", folder, "-o", report],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    assert (full.returncode, full.stdout) == (2, "")
    assert full.stderr == f"lstm-bench: error: cannot write {report}: File too large\n"
    assert report.read_text() == "an earlier one"
    assert {path.name for path in tmp_path.iterdir()} == {"results", "report.md"}


# --- two parents at once


def test_two_parents_that_write_into_one_folder_at_once_lose_nothing(source, folder):
    ranges = (2, 201), (182, 381)  # twenty have the same name in both: each is stored by one, and refused to the other
    parents = [
        subprocess.Popen(
            [sys.executable, WRITING, source, folder, str(first), str(last), "--wait"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first, last in ranges
    ]
    for parent in parents:
        assert parent.stdout.readline() == "ready\n"
    for parent in parents:
        parent.stdin.write("\n")
        parent.stdin.flush()
    said = [parent.communicate() for parent in parents]
    assert [parent.returncode for parent in parents] == [0, 0]
    stored = [int(number) for out, _ in said for number in out.split()]
    assert sorted(stored) == list(range(2, 382))
    complaints = [line for _, err in said for line in err.splitlines()]
    assert [line.split(": ")[-1] for line in complaints] == ["File exists"] * 20
    assert read_folder(folder) == (numbered(*range(1, 382)), [])
    assert all(path.suffix == ".json" for path in folder.iterdir())


# --- a file that is damaged

OLD, NEW = "of the first schema version", "as it is written today"


@pytest.fixture(params=[OLD, NEW])
def whole(request, source):
    """The content of a file that is whole."""
    return (FIXTURES / "attempt-version-1.json" if request.param == OLD else source).read_bytes()


@pytest.fixture
def read(tmp_path):
    """Reads a content from a file; ``None`` if it is reported as damaged, whatever else is raised is raised."""
    path = tmp_path / "some.json"
    path.touch()

    def read(content):
        with path.open("r+b") as file:  # making a file anew takes a hundred times as long
            file.write(content)
            file.truncate()
        try:
            return read_attempt(path)
        except StoreError:
            return None

    return read


def test_a_file_that_is_cut_off_anywhere_is_reported(whole, read):
    assert whole.endswith(b"}\n")
    assert all(read(whole[:length]) is None for length in range(len(whole) - 1))
    assert read(whole[:-1]) == read(whole)


def test_a_bit_that_is_flipped_anywhere_is_reported_or_changes_nothing(whole, read):
    attempt, draw, reported = read(whole), random.Random(20260102), 0
    for place in draw.sample(range(len(whole)), 200):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << draw.randrange(8)
        found = read(bytes(flipped))
        assert found in (None, attempt), f"byte {place} as {flipped[place]}"
        reported += found is None
    assert reported > 190


def test_reporting_a_damaged_file_leaves_it_as_it_is(folder):
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    write_attempt(an_attempt(2), folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for format_name in ("table", "json"):
        reported = subprocess.run([COMMAND, "report", folder, "--format", format_name], capture_output=True, text=True)
        assert reported.returncode == 1
        assert reported.stderr.startswith(f"lstm-bench: warning: left out: {path} is not a result file: ")
        assert "torch" in reported.stdout
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_that_cannot_be_read_is_reported_and_the_rest_is_read(folder):
    closed = folder / "closed"
    closed.mkdir(0o000)
    try:
        with read_only(folder) as prefix:
            prefix = [word.replace("-dac_override", "-dac_override,-dac_read_search") for word in prefix]
            reported = subprocess.run([*prefix, COMMAND, "report", folder], capture_output=True, text=True)
    finally:
        closed.chmod(0o700)
    assert reported.returncode == 1
    assert reported.stderr == f"lstm-bench: warning: left out: cannot read {closed}: Permission denied\n"
    assert "torch" in reported.stdout


# --- names that are none

NO_UNICODE = os.fsdecode(b"\xff")


@pytest.mark.parametrize("name", [NO_UNICODE, "\x1b[2J", "two\nlines", "a|b", "=cmd()"])
def test_a_file_with_a_hostile_name_is_reported_in_one_harmless_line(folder, name):
    (folder / f"{name}.json").write_text("{}")
    reported = subprocess.run([COMMAND, "report", folder], capture_output=True, text=True)
    assert reported.returncode == 1
    (warning,) = reported.stderr.splitlines()
    assert warning.startswith(f"lstm-bench: warning: left out: {folder}/")
    assert "is not a result file" in warning
    assert "\x1b" not in warning


def test_an_error_in_a_file_is_told_in_brief(folder):
    attempt = f'{{"{"x" * 200_000}":1}}'
    checksum = hashlib.sha256(attempt.encode()).hexdigest()
    (folder / "x.json").write_text(f'{{"schema_version":{SCHEMA_VERSION},"sha256":"{checksum}","attempt":{attempt}}}')
    _, (problem,) = read_folder(folder)
    assert "unknown field `xxx" in problem
    assert len(problem) < 5_000


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-t", f"copy[delay={NO_UNICODE}]"], "cannot read 'copy[delay=\\udcff]': it is not in UTF-8"),
        (["--plugin", f"{NO_UNICODE}.py"], ".py: its path is not in UTF-8, so that workers cannot be told of it"),
        ([], "LSTM_BENCH_DATA names a folder whose path is not in UTF-8: rename it, or name another"),
    ],
    ids=["option", "plugin", "data"],
)
def test_what_is_not_unicode_is_refused_in_one_line(tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    Path(f"{NO_UNICODE}.py").write_text("import lstm_bench\n@lstm_bench.hookimpl\ndef lstm_bench_tasks(): return []")
    if not arguments:
        monkeypatch.setenv("LSTM_BENCH_DATA", f"/tmp/{NO_UNICODE}")
    ran = subprocess.run([COMMAND, "run", "-b", "numpy", *arguments], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("lstm-bench: error: ")
    assert complaint in line
