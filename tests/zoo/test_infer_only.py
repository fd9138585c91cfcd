"""A runtime that only infers is a whole backend: checked, timed and recorded, without training and without a metric."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from builders import a_configuration
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.execute.attempt import run_attempt
from lstm_bench.record.configuration import Effort
from lstm_bench.worker.protocol import MeasureJob

pytest.importorskip("onnx", minversion="1.23")

COMMAND = Path(sys.executable).with_name("lstm-bench")
PLUGIN = Path(__file__).with_name("infer_only.py")
FILES = (PLUGIN, PLUGIN.with_name("small_tasks.py"))
PLUGINS = load_plugins(FILES)
QUICK = Effort(name="quick", blocks=2, block_seconds=0.002, warmup_blocks=1, warmup_seconds=0.0, epoch_fraction=0.1)


def attempt(task, recipe=None, **changes):
    """One attempt in a worker process."""
    info = PLUGINS.task(task)
    given = {"task": task, "recipe": info.recipe(recipe, info.read({})), "backend": "onnx", "epochs": 1}
    configuration = a_configuration(**given | {"threads": 1, "effort": QUICK} | changes)
    job = MeasureJob(configuration=configuration, plugin_files=tuple(map(str, FILES)))
    return run_attempt(job, PLUGINS.backend("onnx"), timeout=60)


def run(*arguments):
    return subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=240)


def test_check_holds_its_logits_against_the_reference():
    done = run(COMMAND, "check", "--plugin", PLUGIN, "-b", "onnx", "--cases", 18)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "onnx (cpu, float32)  agrees: 18 cases" in done.stdout
    assert "onnx (cpu, float64): left out in 18 cases: the graph has no float64" in done.stdout
    assert re.findall(r"(\w+) +\S+ +\S+ +\S+ +\d+ +agrees", done.stdout) == ["logits"]


def test_the_kit_passes_and_skips_what_is_not_declared(tmp_path):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--pyargs", "lstm_bench.conformance"]
    done = subprocess.run(
        [*command, "--plugin", str(PLUGIN), "--cases", "6"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    undeclared = set(re.findall(r"the backend does not declare '(\w+)'", done.stdout))
    assert {"train", "states", "kernel_path", "product", "device_memory"} <= undeclared
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 6


def test_a_recipe_is_timed_in_inference_and_checked_but_neither_trained_nor_judged():
    done = attempt("flights")
    assert (done.status, done.reason) == ("ok", "")
    found = done.findings
    assert set(found.timings) == {"infer"}
    assert set(found.agreement.errors) == {"logits", "logits repeated", "logits after training"}
    assert found.agreement.disagreements == ()
    assert found.observed_precision == "float32"
    assert found.memory.peak >= found.memory.after_import > 0
    assert found.memory.device_peak is None
    assert (found.training, found.judgement) == (None, None)
    assert (found.kernel_path, found.training_kernel_path) == ("", "")
    assert found.ceiling.flops_per_second is None
    assert set(found.ceiling.floor_seconds) == {"infer"}


def test_a_recipe_that_times_training_alone_is_unsupported_with_the_reason():
    done = attempt("shapes", "trained")
    assert (done.status, done.phase) == ("unsupported", "data")
    assert done.reason == "onnx only infers, and recipe 'trained' times train and gradient"


@pytest.mark.skipif("speed" not in PLUGINS.tasks, reason="the speed task cannot be loaded")
def test_a_published_shape_that_times_training_alone_is_unsupported_with_the_reason():
    done = attempt("speed", "braun2018-short")
    assert done.status == "unsupported"
    assert done.reason.startswith("onnx only infers, and recipe 'braun2018-short' times ")


def test_other_precisions_are_unsupported_with_the_reason():
    done = attempt("flights", precision="float64")
    assert (done.status, done.reason) == ("unsupported", "the graph has no float64")


def test_its_row_of_the_table_has_a_time_and_no_metric(tmp_path):
    options = ("--plugin", PLUGIN, "-b", "onnx", "--quick", "--epochs", 1, "--results", tmp_path / "results")
    done = run(COMMAND, "run", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [re.split(r" {2,}", line.strip()) for line in done.stdout.splitlines()]
    assert ["backend", "infer seq/s", "status"] in lines
    (row,) = [line for line in lines if line[0].startswith("onnx ") and len(line) > 1]
    assert (len(row), row[-1]) == (3, "ok")
    assert "trained for" not in done.stdout
