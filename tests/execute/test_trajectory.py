from __future__ import annotations

import json
import signal
import subprocess
import sys
from itertools import chain, islice
from pathlib import Path

import numpy as np
import psutil
import pytest

from builders import a_backend_info, a_model, a_recipe, a_task_info, a_training
from lstm_bench.catalog.choosing import ChosenBackend, ChosenTask
from lstm_bench.execute.pool import Subject
from lstm_bench.execute.trajectory import Curve, Trajectory, parting
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.plugin.options import NO_OPTIONS
from lstm_bench.plugin.setting import Setting
from lstm_bench.reports.trajectory import render_json, summarise
from lstm_bench.worker.training import epoch_orders
from lstm_bench_numpy._model import NumpyBackend
from processes import gone, soon, started

pytestmark = pytest.mark.one_interpreter

COMMAND = Path(sys.executable).with_name("lstm-bench")
WRONG = Path(__file__).parents[1] / "zoo" / "wrong_backends.py"

NARROW = """
import os
from lstm_bench import BackendInfo, hookimpl
from lstm_bench_numpy._model import NumpyBackend, NumpyModel
import numpy as np


class Narrow(NumpyBackend):
    def refuses(self, spec, train, setting):
        return "this one has no float64" if setting.precision == "float64" else None


class Dying(NumpyModel):
    calls = 0

    def train(self, x, y, order):
        self.calls += 1
        if self.calls == 2:
            os.abort()
        return super().train(x, y, order)


class Dies(NumpyBackend):
    def build(self, spec, train, parameters, setting, *, seed):
        return Dying(spec, train, parameters, np.dtype(setting.precision), seed)


@hookimpl
def lstm_bench_backends():
    yield BackendInfo(name="narrow", summary="float32 alone", load=Narrow)
    yield BackendInfo(name="dies", summary="in its second call", load=Dies)
"""

SHUFFLED = """
from pathlib import Path
import numpy as np
from lstm_bench import Dataset, Metric, ModelSpec, Number, Recipe, Split, Task, TaskInfo, TrainSpec, hookimpl
from lstm_bench.errors import LSTMBenchError


class Drawn(Task):
    def load(self, recipe, options, *, data_dir, seed):
        if data_dir is None:
            raise LSTMBenchError("set LSTM_BENCH_DATA")
        x = np.load(data_dir / "x.npy") * options.scale
        return Dataset(train=Split(x=x, y=x[:, -1:, 0]))

    def evaluate(self, predict, dataset):
        raise AssertionError("nothing is judged")


@hookimpl
def lstm_bench_tasks():
    yield TaskInfo(
        name="drawn", summary="with dropout, in an order that is drawn", load=Drawn,
        metric=Metric(name="mse", unit="", better="lower"),
        options={"scale": Number(default=1.0, meaning="of the sequences", low=0.0, high=1e9)},
        recipes=(Recipe(
            name="small", summary="", epochs=1, shuffle=True,
            model=ModelSpec(input_size=2, hidden_sizes=(3, 4), output_size=1, dropout=0.5),
            train=TrainSpec(loss="mse", optimizer="adam", learning_rate=0.01, batch_size=2),
        ),),
    )
"""


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LSTM_BENCH_DATA", raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "narrow.py").write_text(NARROW)
    (tmp_path / "shuffled.py").write_text(SHUFFLED)


def check(*arguments):
    return subprocess.run([COMMAND, "check", *map(str, arguments)], capture_output=True, text=True)


def trajectory(*arguments):
    return check("--trajectory", *arguments)


def row(done, name):
    """The cells of a backend's row in Markdown."""
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


# --- where two curves part


@pytest.mark.parametrize(
    ("ours", "theirs", "step"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], None),
        ([1.0, 2.01, 3.0], [1.0, 2.0, 3.0], None),  # no more than the threshold
        ([1.0, 2.03, 3.0], [1.0, 2.0, 3.0], 2),
        ([1.0, 1.97, 3.5], [1.0, 2.0, 3.0], 2),
        ([1e-9, 1.2e-9], [1e-9, 1e-9], 2),  # relative to the losses, however small
        ([1.0, 1.0, 2e-3], [1.0, 1.0, 1e-3], None),  # of which one may be smaller than the others
        ([1.0] * 200 + [2e-3] * 100, [1.0] * 200 + [1e-3] * 100, 291),  # though not for long
        ([1.0, None, 1.0], [1.0, 1.0, 1.0], 2),
        ([1.0, 1.0, 1.0], [1.0, 1.0, None], 3),
        ([0.0, 1e-30], [0.0, 0.0], 2),
        ([1.0], [1.0, 2.0], None),
        ([], [1.0], None),
    ],
)
def test_curves_part_at_the_first_step_that_is_further_off_than_the_threshold(ours, theirs, step):
    assert parting(ours, theirs, 0.01) == step


LONG = [1.0] * 20


def a_trajectory(low=LONG, double=LONG, reference=LONG, precision="float32", **of_low):
    task = ChosenTask(a_task_info("flights"), NO_OPTIONS, a_recipe())

    def curve(name, precision, losses, **how):
        return Curve(
            task, Subject(ChosenBackend(a_backend_info(name), NO_OPTIONS), precision, "cpu"), losses=list(losses), **how
        )

    return Trajectory(
        task=task,
        steps=len(LONG),
        low=curve("torch", precision, low, **of_low),
        double=curve("torch", "float64", double),
        reference=curve("numpy", "float64", reference),
    )


def with_loss(step, loss):
    return [*LONG[: step - 1], loss, *LONG[step:]]


def test_parting_late_is_no_disagreement_and_parting_early_is():
    assert a_trajectory().verdict == "agrees"
    assert a_trajectory(low=with_loss(11, 1.5)).verdict == "agrees"
    assert a_trajectory(low=with_loss(10, 1.5)).verdict == "disagrees"


def test_float64_is_held_to_more_than_float32_and_bfloat16_to_less():
    off = with_loss(5, 1 + 2e-5)
    assert a_trajectory(low=off).verdict == "agrees"
    assert a_trajectory(double=off).verdict == "disagrees"
    assert a_trajectory(low=with_loss(5, 1.01)).verdict == "disagrees"
    assert a_trajectory(low=with_loss(5, 1.01), precision="bfloat16").verdict == "agrees"


def test_a_loss_that_is_not_finite_is_no_agreement_unless_the_references_is_not_either():
    assert a_trajectory(low=with_loss(15, None)).verdict == "diverged"
    assert a_trajectory(low=with_loss(5, None)).verdict == "disagrees"
    assert a_trajectory(low=with_loss(5, None), reference=with_loss(5, None)).verdict == "agrees"


def test_a_curve_that_ended_early_is_compared_as_far_as_it_goes():
    stopped = a_trajectory(low=LONG[:12], status="crashed", reason="killed after 12 steps by SIGSEGV")
    assert stopped.verdict == "crashed"
    (section,) = summarise([stopped], seed=0).sections
    assert section.rows[-1].texts[1:] == ("12", "1", *["-"] * 6, "crashed")
    parted = a_trajectory(low=with_loss(11, 1.5)[:12], status="crashed", reason="killed after 12 steps by SIGSEGV")
    (section,) = summarise([parted], seed=0).sections
    assert section.rows[-1].texts[1:] == ("12", "1", *["step\u00a011"] * 6, "crashed")


def test_json_writes_null_for_a_loss_that_is_not_finite():
    (task,) = json.loads(render_json([a_trajectory(low=with_loss(15, None))], seed=0))
    (backend,) = task["backends"]
    assert backend["curves"][0]["losses"] == with_loss(15, None)
    assert backend["parts_from_reference"] == {"1e-6": 15, "1e-4": 15, "1e-2": 15}


# --- the command


def test_float32_parts_from_float64_by_rounding_and_the_exit_code_is_0():
    done = trajectory("-b", "numpy", "--steps", 150, "--format", "md")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "### flights:tutorial" in done.stdout
    assert "float32 on cpu, 150 steps, seed 0" in done.stdout
    cells = row(done, "numpy")
    assert cells[1] == "150"
    assert cells[3].startswith("step\u00a0")
    assert cells[5] == "never"
    assert cells[3:6] == cells[6:9]  # its own float64 is the reference
    assert cells[9] == "agrees"
    assert "2 curves of 150 steps each" in done.stderr


def test_a_wrong_optimizer_parts_at_an_early_step_and_from_the_reference_alone():
    done = trajectory(
        "--plugin", WRONG, "-b", "unchanged", "-b", "takes-a-large-epsilon", "--steps", 12, "--format", "md"
    )
    assert done.returncode == 1
    assert row(done, "unchanged")[9] == "agrees"
    cells = row(done, "takes-a-large-epsilon")
    assert cells[4] == "step\u00a02"  # the first loss comes before the first update
    assert cells[7] == "never"
    assert cells[9] == "disagrees"
    for precision in ("float32", "float64"):
        assert f"takes-a-large-epsilon (cpu, {precision}) on flights:tutorial: at step 2 the loss is " in done.stdout


def test_a_backend_without_float64_is_shown_with_the_reason():
    done = trajectory("--plugin", "narrow.py", "-b", "narrow", "--steps", 5, "--format", "md")
    assert done.returncode == 0, done.stdout + done.stderr
    cells = row(done, "narrow")
    assert cells[5] == "never"
    assert cells[6:] == ["refused", "refused", "refused", "agrees"]
    assert "narrow (cpu, float64) on flights:tutorial: unsupported: this one has no float64" in done.stdout


def test_a_backend_that_crashes_says_so_and_the_others_are_still_shown():
    done = trajectory("--plugin", "narrow.py", "-b", "dies", "-b", "numpy", "--steps", 120, "--format", "md")
    assert done.returncode == 1
    assert row(done, "numpy")[9] == "agrees"
    cells = row(done, "dies")
    assert cells[1] == "100"
    assert cells[5] == "-"
    assert cells[9] == "crashed"
    assert "dies (cpu, float32) on flights:tutorial: crashed: killed after 100 steps by SIGABRT" in done.stdout


def test_losses_that_turn_nan_are_not_a_number_and_no_agreement():
    done = trajectory("--plugin", WRONG, "-b", "diverges-soon", "--steps", 20, "--format", "md")
    assert done.returncode == 1
    cells = row(done, "diverges-soon")
    assert cells[2] == "not a number"
    assert cells[5] == "step\u00a015"
    assert cells[9] == "diverged"


def test_losses_of_a_wrong_shape_are_invalid_output():
    done = trajectory("--plugin", WRONG, "-b", "returns-one-loss", "--steps", 3, "--format", "md")
    assert done.returncode == 1
    assert row(done, "returns-one-loss")[1:] == ["0", "-", *["-"] * 6, "invalid-output"]
    assert "training losses must have shape (3,); the backend returned ()" in done.stdout


def test_if_all_refuse_there_is_no_agreement():
    done = trajectory("--plugin", WRONG, "-b", "refuses-everything", "--steps", 3, "--format", "md")
    assert done.returncode == 1
    assert row(done, "refuses-everything")[9] == "unsupported"
    assert "this zoo has no lstm of 100 units" in done.stdout


def test_weights_order_and_data_are_those_of_the_seed_and_go_on_over_the_epochs(tmp_path, monkeypatch):
    """The same losses come of the harness's own parts put together here, without dropout."""
    x = np.random.default_rng(1).standard_normal((7, 4, 2))
    np.save(tmp_path / "x.npy", x)
    monkeypatch.setenv("LSTM_BENCH_DATA", str(tmp_path))
    arguments = ("--plugin", "shuffled.py", "-b", "numpy", "-t", "drawn[scale=0.5]", "--steps", 8)
    done = trajectory(*arguments, "--seed", 5, "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    (task,) = json.loads(done.stdout)
    assert (task["task"], task["seed"], task["steps"]) == ("drawn:small[scale=0.5]", 5, 8)

    spec = a_model(input_size=2, hidden_sizes=(3, 4), output_size=1)
    train = a_training(optimizer="adam", learning_rate=0.01, batch_size=2)
    for curve in (task["reference"], *task["backends"][0]["curves"]):
        model = NumpyBackend().build(
            spec, train, initial_parameters(spec, "uniform", 5), Setting(curve["precision"]), seed=5
        )
        order = np.stack(list(islice(chain.from_iterable(epoch_orders(7, 2, shuffle=True, seed=5)), 8)))
        losses = model.train(model.put(x * 0.5), model.put(x[:, -1:, 0] * 0.5), order)
        assert curve["losses"] == pytest.approx(losses.tolist(), rel=1e-6 if curve["precision"] == "float32" else 1e-12)

    shown = trajectory(*arguments)
    assert "drawn:small[scale=0.5]: trained without dropout" in shown.stdout


def test_a_task_without_its_data_leaves_nothing_to_compare():
    done = trajectory("--plugin", "shuffled.py", "-b", "numpy", "-t", "drawn", "-t", "flights", "--steps", 3)
    assert done.returncode == 1
    assert done.stdout.count("unsupported: set LSTM_BENCH_DATA") == 2
    assert "no reference" in done.stdout
    assert "flights:tutorial  float32 on cpu, 3 steps, seed 0" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-t", "flights"], "--task goes only with --trajectory"),
        (["--steps", "3"], "--steps goes only with --trajectory"),
        (["--trajectory", "--cases", "3"], "--cases does not go with --trajectory"),
        (["--trajectory", "--rigorous"], "--rigorous does not go with --trajectory"),
        (["--trajectory", "--case", "{}"], "--case does not go with --trajectory"),
        (["--trajectory", "--precision", "float64"], "takes one --precision, which it shows beside float64: float32,"),
        (["--trajectory", "--precision", "float32", "--precision", "bfloat16"], "takes one --precision"),
        (["--trajectory", "-t", "fligths"], "Did you mean 'flights'?"),
        (["--trajectory", "-b", "nunpy"], "Did you mean 'numpy'?"),
    ],
)
def test_a_wrong_command_is_one_line_and_nothing_runs(arguments, words):
    done = check(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_leaves_no_worker_behind():
    with started("check", "--trajectory", "-b", "numpy", "--steps", 10000000) as parent:
        assert soon(lambda: psutil.Process(parent.pid).children())
        workers = [child.pid for child in psutil.Process(parent.pid).children(recursive=True)]
        parent.send_signal(signal.SIGINT)
        output, errors = parent.communicate(timeout=60)
    assert parent.returncode == 130
    assert output == ""
    assert errors.splitlines()[-1] == "lstm-bench: interrupted"
    assert soon(lambda: all(map(gone, workers)))
