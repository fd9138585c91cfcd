from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from lstm_bench.record.store import read_folder
from processes import read_only, soon, started
from sites import a_data_file, serving, squeezed

pytestmark = pytest.mark.one_interpreter

COMMAND = Path(sys.executable).with_name("lstm-bench")
NUMBERS = np.random.default_rng(0).integers(0, 99, 100_000, np.uint8).tobytes()
GLANCE = ("-b", "numpy", "--quick", "--epochs", "1", "--threads", "1")

PLUGIN = """
import numpy as np

from lstm_bench import (
    DataFile, Dataset, Evaluation, Metric, ModelSpec, Recipe, Split, Task, TaskInfo, TrainSpec, hookimpl, read_file
)

FILES = {files}


class Sums(Task):
    def load(self, recipe, options, *, data_dir, seed):
        numbers = np.concatenate([np.frombuffer(read_file(file, data_dir), np.uint8) for file in FILES])
        x = numbers[:120].reshape(10, 4, 3) / 99
        return Dataset(train=Split(x=x, y=x.sum(axis=(1, 2))[:, None] / 12))

    def evaluate(self, predict, dataset):
        return Evaluation({{"mse": float(np.mean((predict(dataset.train.x) - dataset.train.y) ** 2))}})


@hookimpl
def lstm_bench_tasks():
    model = ModelSpec(input_size=3, hidden_sizes=(4,), output_size=1)
    train = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-3, batch_size=5)
    recipe = Recipe(name="small", summary="for tests", model=model, train=train, epochs=1)
    metric = Metric(name="mse", unit="", better="lower")
    yield TaskInfo(name="sums", summary="for tests", metric=metric, recipes=(recipe,), load=Sums, files=FILES)
"""


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """A folder of its own to stand in, a cache in it, and no terminal."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LSTM_BENCH_DATA"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LSTM_BENCH_CACHE", "cache")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.fixture
def site():
    with serving() as site:
        yield site


def plugin(*files):
    """A plugin with a task that reads these files, in the folder where the command is started."""
    Path("sums.py").write_text(PLUGIN.format(files=repr(files)))
    return "sums.py"


def lstm_bench(*arguments, prefix=()):
    return subprocess.run([*prefix, COMMAND, *map(str, arguments)], capture_output=True, text=True)


def put(path, content):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# --- fetch


def test_fetch_brings_what_is_missing_and_prints_where_all_lies(site, monkeypatch):
    one, two = (a_data_file(NUMBERS, site.put(name, NUMBERS), name=name) for name in ("one", "two"))
    put("mine/some/two.gz", squeezed(NUMBERS))
    monkeypatch.setenv("LSTM_BENCH_DATA", "mine")
    done = lstm_bench("data", "fetch", "sums", "--plugin", plugin(one, two))
    assert (done.returncode, done.stdout) == (0, "cache/some/one\nmine/some/two.gz\n")
    assert done.stderr == f"fetching some/one from {one.urls[0]}\nfetched cache/some/one\n"
    assert Path("cache/some/one").read_bytes() == NUMBERS

    again = lstm_bench("data", "fetch", "sums", "--plugin", "sums.py")
    assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")
    assert site.asked == [("one", 0)]


def test_fetch_goes_on_after_what_cannot_be_had(site):
    one, two = (a_data_file(NUMBERS, f"{site.url}/{name}", name=name) for name in ("one", "two"))
    site.put("two", NUMBERS)
    done = lstm_bench("data", "fetch", "sums", "--plugin", plugin(one, two))
    assert (done.returncode, done.stdout) == (1, "cache/some/two\n")
    assert done.stderr.splitlines()[-2:] == [
        f"lstm-bench: error: one cannot be fetched: {site.url.removeprefix('http://')} answers 404 Not Found",
        "lstm-bench: Put one into cache/some (with .gz behind a name if it is compressed)",
    ]


def test_fetch_knows_tasks_as_run_does(site):
    name = plugin(a_data_file(NUMBERS, site.put("numbers", NUMBERS)))
    assert lstm_bench("data", "fetch", "sums:small", "sums", "--plugin", name).stdout == "cache/some/numbers\n"
    assert lstm_bench("data", "fetch", "flights").stdout == ""
    wrong = lstm_bench("data", "fetch", "sumz", "--plugin", name)
    assert wrong.returncode == 2
    assert "unknown task 'sumz'. Did you mean 'sums'?" in wrong.stderr


def test_two_at_once_fetch_once(site):
    held = threading.Event()
    file = a_data_file(NUMBERS, site.put("numbers", NUMBERS, breaks=[1000], held=held))
    command = ("data", "fetch", "sums", "--plugin", plugin(file))
    with started(*command) as first, started(*command) as second, ExitStack() as readers:
        said = {}
        waiting = threading.Event()

        def read(child):
            said[child] = []
            for line in child.stderr:
                said[child].append(line)
                if line.startswith("waiting"):
                    waiting.set()

        for child in (first, second):
            reader = threading.Thread(target=read, args=(child,))
            reader.start()
            readers.callback(reader.join)
        try:
            assert waiting.wait(60)
        finally:
            held.set()
        assert [child.stdout.read() for child in (first, second)] == ["cache/some/numbers\n"] * 2
        assert [child.wait() for child in (first, second)] == [0, 0]
    waited, fetched = sorted(said.values(), key=len)
    assert waited == ["waiting for another process, which is fetching into cache/some\n"]
    assert len(fetched) == 2
    assert site.asked == [("numbers", 0)]


def test_ctrl_c_leaves_what_has_come_for_the_next_time(site):
    held = threading.Event()
    url = site.put("numbers", NUMBERS, breaks=[40_000], held=held)
    command = ("data", "fetch", "sums", "--plugin", plugin(a_data_file(NUMBERS, url)))

    def parts():
        return [path.read_bytes() for path in Path("cache/some").glob("numbers.*.part")]

    with started(*command) as running:
        assert soon(lambda: parts() == [NUMBERS[:40_000]])
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
    assert (running.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "lstm-bench: interrupted"
    assert "Traceback" not in err
    assert parts() == [NUMBERS[:40_000]]
    held.set()
    assert lstm_bench(*command).returncode == 0
    assert site.asked == [("numbers", 0), ("numbers", 40_000)]
    assert [path.name for path in Path("cache/some").iterdir() if path.name != ".lock"] == ["numbers"]


def test_a_cache_that_cannot_be_written_is_one_line(site):
    name = plugin(a_data_file(NUMBERS, site.put("numbers", NUMBERS)))
    Path("cache").mkdir()
    with read_only(Path("cache")) as prefix:
        done = lstm_bench("data", "fetch", "--plugin", name, "sums", prefix=prefix)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "lstm-bench: error: cannot write cache/some: Permission denied; set LSTM_BENCH_CACHE to another folder\n"
    )


# --- list and path


def test_list_tells_of_each_file_whether_it_is_there_and_right(monkeypatch):
    monkeypatch.setenv("LSTM_BENCH_DATA", "mine")
    name = plugin(*(a_data_file(NUMBERS, name=name) for name in ("right", "wrong", "missing")))
    put("mine/some/right.gz", squeezed(NUMBERS))
    put("cache/some/wrong", NUMBERS[:-1])
    listed = lstm_bench("data", "list", "sums", "--plugin", name)
    assert (listed.returncode, listed.stderr) == (1, "")
    assert [" ".join(line.split()) for line in listed.stdout.splitlines()] == [
        "sums some/right 100,000 bytes verified mine/some/right.gz",
        "sums some/wrong 100,000 bytes damaged cache/some/wrong is truncated: it has 99,999 of 100,000 bytes",
        "sums some/missing 100,000 bytes missing",
    ]
    assert Path("cache/some/wrong").exists()
    Path("cache/some/wrong").unlink()
    assert lstm_bench("data", "list", "sums", "--plugin", name).returncode == 0


def test_list_is_of_all_tasks_unless_some_are_named():
    name = plugin(a_data_file(NUMBERS))
    assert "some/numbers" in lstm_bench("data", "list", "--plugin", name).stdout
    assert lstm_bench("data", "list", "flights", "--plugin", name).stdout == ""


def test_path_prints_the_folders_in_their_order(monkeypatch):
    name = plugin(*(a_data_file(NUMBERS, name=name) for name in ("one", "two")))
    assert lstm_bench("data", "path").stdout == "cache\n"
    monkeypatch.setenv("LSTM_BENCH_DATA", "mine")
    assert lstm_bench("data", "path").stdout == "mine\ncache\n"
    assert lstm_bench("data", "path", "sums", "--plugin", name).stdout == "mine/some\ncache/some\n"
    assert lstm_bench("data", "path", "flights").stdout == ""


# --- what needs the files


def test_a_run_fetches_what_it_needs_before_it_begins(site):
    file = a_data_file(NUMBERS, site.put("numbers.gz", squeezed(NUMBERS)))
    done = lstm_bench("run", "-t", "sums", "--plugin", plugin(file), *GLANCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.splitlines()[:2] == [
        f"fetching some/numbers from {file.urls[0]}",
        "fetched cache/some/numbers.gz",
    ]
    ((attempt,), _) = read_folder(Path("results/local"))
    assert attempt.status == "ok"


def test_a_trajectory_fetches_what_it_needs_before_it_begins(site):
    file = a_data_file(NUMBERS, site.put("numbers", NUMBERS))
    done = lstm_bench("check", "--trajectory", "-t", "sums", "-b", "numpy", "--steps", "3", "--plugin", plugin(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert Path("cache/some/numbers").exists()


@pytest.mark.parametrize("command", [("run", *GLANCE), ("check", "--trajectory", "-b", "numpy")])
def test_nothing_is_trained_on_data_that_is_damaged(command, monkeypatch):
    monkeypatch.setenv("LSTM_BENCH_DATA", "mine")
    put("mine/some/numbers", NUMBERS[::-1])
    done = lstm_bench(*command, "-t", "sums", "--plugin", plugin(a_data_file(NUMBERS)))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("lstm-bench: error: mine/some/numbers has the wrong content: ")
    assert "it is now numbers.bad" in line
    assert sorted(path.name for path in Path().rglob("*")) == ["mine", "numbers.bad", "some", "sums.py"]


def test_nothing_is_trained_without_data():
    done = lstm_bench("run", *GLANCE, "-t", "sums", "--plugin", plugin(a_data_file(NUMBERS)))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(
        "lstm-bench: error: numbers cannot be fetched: no address is known for it. Put numbers into cache/some "
    )
    assert not Path("results").exists()
