"""``lstm_bench.run``, ``load`` and ``compare``, in this process and from ``python -c``."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lstm_bench
from builders import ROUNDS, a_failure, an_attempt, some_run, times
from lstm_bench import LSTMBenchError
from lstm_bench.errors import InvalidRequest, NoResults, PluginError, StoreError, UnknownName
from lstm_bench.record.store import read_folder, write_attempt

pytestmark = pytest.mark.filterwarnings("ignore:plugin .* is left out:UserWarning")

CRASHES = """
import os, lstm_bench

@lstm_bench.hookimpl
def lstm_bench_backends():
    return [lstm_bench.BackendInfo(name="crashes", summary="", load=lambda: os._exit(3))]
"""
GLANCE = {"effort": "quick", "epochs": 1, "steps": 2, "threads": 1}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of its own to stand in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LSTM_BENCH_DATA", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def glance(tmp_path_factory):
    """A real run with a failure and a refusal in it, and all that was told of its progress."""
    folder = tmp_path_factory.mktemp("glance")
    (folder / "crashes.py").write_text(CRASHES)
    told = []
    done = lstm_bench.run(
        backends=["numpy", "crashes"],
        precisions=["float32", "tf32"],
        axes={"hidden": 4},
        results=folder / "results",
        plugin_files=folder / "crashes.py",
        on_progress=told.append,
        **GLANCE,
    )
    return done, folder / "results", told


# --- run


def test_a_run_has_every_attempt_in_the_order_of_the_table_however_it_ended(glance):
    done, _, _ = glance
    assert [(a.configuration.precision, a.configuration.backend, a.status) for a in done.attempts] == [
        ("float32", "numpy", "ok"),
        ("float32", "crashes", "crashed"),
        ("tf32", "numpy", "unsupported"),
        ("tf32", "crashes", "crashed"),
    ]
    assert {a.run for a in done.attempts} == {done.run_id}
    assert done.problems == ()


def test_a_run_is_stored_as_the_command_line_stores_it(glance):
    done, folder, _ = glance
    attempts, problems = read_folder(folder)
    assert problems == []
    assert sorted(a.id for a in attempts) == sorted(a.id for a in done.attempts)


def test_a_run_shows_itself_as_its_table_and_gives_a_frame(glance):
    done, _, _ = glance
    assert repr(done) == f"<Run {done.run_id}: 1 ok, 2 crashed, 1 unsupported>"
    assert done.table == done.report("table")
    assert all(word in done.table for word in ("numpy", "crashed", "NumPy has no tf32"))
    assert done._repr_markdown_() == done.report("md")
    frame = done.frame()
    assert list(frame["status"]) == ["ok", "crashed", "unsupported", "crashed"]
    assert list(frame["hidden_sizes"]) == ["4"] * 4
    with pytest.raises(UnknownName, match=r"unknown format 'cvs'\. Did you mean 'csv'"):
        done.report("cvs")


def test_progress_is_told_from_each_start_to_each_end(glance):
    done, _, told = glance
    assert [each.number for each in told if each.phase == "start" and each.attempt is None] == [1, 2, 3, 4]
    assert {each.total for each in told} == {4}
    assert [each.attempt.id for each in told if each.attempt] == sorted(a.id for a in done.attempts)


def test_nothing_is_stored_where_no_folder_is_named(here):
    done = lstm_bench.run(backends="numpy", precisions="tf32", results=None, **GLANCE)
    assert [a.status for a in done.attempts] == ["unsupported"]
    assert list(here.iterdir()) == []


def test_the_folder_is_that_of_the_command_line_unless_another_is_named(here):
    lstm_bench.run(backends="numpy", precisions="tf32", **GLANCE)
    assert len(list((here / "results" / "local").glob("*.json"))) == 1


def test_a_run_goes_on_where_an_earlier_one_ended(glance, tmp_path):
    given = {"backends": "numpy", "axes": {"hidden": 4}, "results": tmp_path / "r", "resume": True} | GLANCE
    first = lstm_bench.run(**given)
    told = []
    again = lstm_bench.run(**given, on_progress=told.append)
    assert (again.run_id, again.attempts) == (first.run_id, first.attempts)
    assert told == []


def test_what_cannot_be_stored_is_in_the_run_all_the_same(tmp_path):
    folder = tmp_path / "gone"

    def vanish(progress):
        if progress.attempt is not None:
            folder.rmdir()

    done = lstm_bench.run(backends="numpy", precisions="tf32", results=folder, on_progress=vanish, **GLANCE)
    assert len(done.attempts) == 1
    (problem,) = done.problems
    assert problem.startswith(f"cannot write {folder}")


def test_what_a_progress_function_raises_ends_the_run(tmp_path):
    def fail(progress):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        lstm_bench.run(backends="numpy", results=tmp_path / "r", on_progress=fail, **GLANCE)


def test_a_file_that_cannot_be_read_is_warned_of_where_a_run_goes_on(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    with pytest.warns(UserWarning, match=r"left out: .*broken\.json is not a result file") as caught:
        lstm_bench.run(backends="numpy", precisions="tf32", results=tmp_path, resume=True, **GLANCE)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"backends": ["nunpy"]}, UnknownName, "unknown backend 'nunpy'. Did you mean 'numpy'?"),
        ({"tasks": "flihgts"}, UnknownName, "unknown task 'flihgts'. Did you mean 'flights'?"),
        ({"tasks": "flights:tutorail"}, UnknownName, "Did you mean 'tutorial'?"),
        ({"devices": "cdua"}, UnknownName, "unknown device 'cdua'. Did you mean 'cuda'?"),
        ({"precisions": "float23"}, UnknownName, "unknown precision 'float23'. Did you mean 'float32'?"),
        ({"effort": "fast"}, UnknownName, "unknown effort 'fast'."),
        ({"effort": None}, UnknownName, "unknown effort 'None'."),
        ({"axes": {"hiden": [3]}}, UnknownName, "unknown axis 'hiden'. Did you mean 'hidden'?"),
        ({"axes": {"cell": "gruu"}}, UnknownName, "unknown value 'gruu'"),
        ({"axes": {"hidden": 0}}, LSTMBenchError, "--hidden 0 does not suit task 'flights': write a whole number"),
        ({"axes": {"hidden": [None]}}, InvalidRequest, "axes['hidden'] must hold texts or numbers; got None"),
        ({"axes": ["hidden"]}, InvalidRequest, "axes must be a mapping"),
        ({"axes": {"batch": 10**6}}, LSTMBenchError, "use --batch "),
        ({"lengths": 10}, LSTMBenchError, "task 'flights' has sequences of one length only"),
        ({"seeds": 3}, InvalidRequest, "seeds must be a list of whole numbers, such as range(3); got 3"),
        ({"seeds": [-1]}, InvalidRequest, "seeds must be a whole number from 0"),
        ({"epochs": 0}, InvalidRequest, "epochs must be a whole number from 1"),
        ({"steps": 0.5}, InvalidRequest, "steps must be a whole number from 1"),
        ({"threads": 10**6}, InvalidRequest, "threads must be a whole number from 1 to 4096; got 1000000"),
        ({"threads": 4096}, InvalidRequest, "threads 4096 is more than the "),
        ({"timeout": float("nan")}, InvalidRequest, "timeout must be a number of seconds above 0"),
        ({"timeout": -1}, InvalidRequest, "timeout must be a number of seconds above 0"),
        ({"require_kernel": "onednn|"}, LSTMBenchError, "has an empty name"),
        ({"results": 3}, InvalidRequest, "results must be a path; got 3"),
        ({"results": "file"}, StoreError, "cannot write results to file"),
        ({"results": None, "resume": True}, InvalidRequest, "resume needs a results folder"),
        ({"plugin_files": "missing.py"}, PluginError, "plugin missing.py: there is no such file"),
        ({"plugin_files": [3]}, InvalidRequest, "plugin_files must be a path; got 3"),
        ({"on_progress": "print"}, InvalidRequest, "on_progress must be a function; got 'print'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_run_is_refused_with_what_to_do_and_leaves_no_trace(given, kind, message, here):
    (here / "file").touch()
    with pytest.raises(kind) as caught:
        lstm_bench.run(**{"backends": "numpy"} | given)
    assert isinstance(caught.value, LSTMBenchError)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in here.iterdir()] == ["file"]


# --- load


def test_a_folder_is_a_frame_of_every_attempt(tmp_path):
    for attempt in (an_attempt(1), an_attempt(2), a_failure(3)):
        write_attempt(attempt, tmp_path)
    assert list(lstm_bench.load(tmp_path)["status"]) == ["ok", "ok", "crashed"]


def test_a_file_that_cannot_be_read_is_warned_of_where_it_was_loaded(tmp_path):
    write_attempt(an_attempt(), tmp_path)
    (tmp_path / "broken.json").write_text("{")
    with pytest.warns(UserWarning, match=r"left out: .*broken\.json is not a result file") as caught:
        assert len(lstm_bench.load(str(tmp_path))) == 1
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("folder", "kind", "message"),
    [
        ("missing", StoreError, "there is no folder missing"),
        (".", NoResults, "there are no results in ."),
        (3, InvalidRequest, "folder must be a path; got 3"),
    ],
)
def test_what_cannot_be_loaded_is_refused(folder, kind, message):
    with pytest.raises(kind, match=message):
        lstm_bench.load(folder)


# --- compare


def test_two_sides_are_a_frame_of_ratios_with_verdicts():
    frame = lstm_bench.compare(some_run(*ROUNDS), some_run(*times(1.5), run="new")).frame()
    assert list(frame["measure"]) == ["train", "first step"]
    assert list(frame["verdict"]) == ["slower", "slower"]
    assert frame["ratio"].tolist() == pytest.approx([1.5, 1.5])
    assert frame["new_s"].tolist() == pytest.approx((frame["old_s"] * 1.5).tolist())
    assert (frame["low"] < 1.5).all()
    assert (frame["high"] > 1.5).all()


def test_a_side_may_be_a_folder_or_a_file_or_a_run(glance, tmp_path):
    done, folder, _ = glance
    old = tmp_path / "old"
    old.mkdir()
    files = [write_attempt(attempt, old) for attempt in some_run(*ROUNDS)]
    for side in (old, str(old), files[0]):
        assert lstm_bench.compare(side, side).frame()["ratio"].tolist() == [1, 1]
    same = lstm_bench.compare(done, folder, where={"backend": "numpy"}).frame()
    assert set(same["verdict"]) == {"not judged", "not compared"}


def test_two_selections_of_one_side_are_compared():
    both = [*some_run(*ROUNDS), *some_run(*times(2), backend="jax")]
    found = lstm_bench.compare(both, where=[{"backend": "torch"}, {"backend": "jax"}])
    assert found.frame()["ratio"].tolist() == pytest.approx([2, 2])
    assert "| jax on flights:tutorial" in found._repr_markdown_()


def test_a_pair_that_cannot_be_compared_is_a_row_without_numbers():
    configuration = some_run(1.0)[0].configuration
    old = [*some_run(*ROUNDS), *some_run(*ROUNDS, backend="jax")]
    new = [a_failure(9, configuration=configuration, run="new", findings=some_run(1.0)[0].findings)]
    new += some_run(*ROUNDS, backend="jax", run="new")
    frame = lstm_bench.compare(old, new).frame().set_index("verdict")
    assert frame.loc["not compared", "configuration"] == configuration.name
    assert frame.loc["not compared", ["ratio", "low", "old_s"]].isna().all()


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({}, InvalidRequest, "new is missing: name a second side, or two selections"),
        ({"where": {"backend": "torch"}}, InvalidRequest, "new is missing"),
        ({"where": [{}, {}, {}]}, InvalidRequest, "where selects two sides at most; got 3"),
        ({"where": "backend=torch"}, InvalidRequest, "where must be a mapping"),
        ({"new": "missing"}, StoreError, "there is no folder missing"),
        ({"new": "."}, NoResults, "there are no results in ."),
        ({"new": []}, InvalidRequest, "new has no attempts"),
        ({"new": 3}, InvalidRequest, "new must be a folder, a Run or a list of attempts; got 3"),
        ({"new": ["torch"]}, InvalidRequest, "new must be a folder, a Run or a list of attempts"),
        ({"new": some_run(1.0), "although": "machines"}, UnknownName, "Did you mean 'machine'?"),
        ({"new": some_run(1.0), "where": {"backend": "jaks"}}, LSTMBenchError, "no attempt has backend=jaks"),
        ({"new": some_run(1.0, backend="jax")}, LSTMBenchError, "nothing to compare"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_comparison_is_refused(given, kind, message):
    with pytest.raises(kind) as caught:
        lstm_bench.compare(some_run(*ROUNDS), **given)
    assert isinstance(caught.value, LSTMBenchError)
    assert message in str(caught.value)


# --- the process that calls it


def python(code):
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)


def test_a_worker_starts_from_python_c_and_nothing_is_printed():
    done = python(f"import lstm_bench; assert lstm_bench.run(backends='numpy', **{GLANCE!r}).attempts")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_the_package_imports_nothing_heavy():
    heavy = ["numpy", "pandas", "scipy", "torch", "tensorflow", "keras", "jax", "click", "rich", "altair"]
    done = python(f"import sys, lstm_bench; lstm_bench.run; print([n for n in {heavy} if n in sys.modules])")
    assert (done.stdout, done.stderr) == ("[]\n", "")
