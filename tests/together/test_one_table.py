"""All frameworks in one environment: one command, one table, and every row of it right."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from lstm_bench.record.store import read_folder

ADDING = Path(__file__).parents[2] / "docs" / "tutorial" / "examples" / "adding.py"
COMMAND = Path(sys.executable).with_name("lstm-bench")

FOUR = ["numpy", "torch", "keras", "jax"]

SIX = ["numpy", "torch", "keras", "keras[engine=jax]", "keras[engine=torch]", "jax"]

VARIANTS = [
    "torch[impl=cell]",
    "torch[impl=loop]",
    "jax[impl=unrolled]",
    "keras[jit=off]",
    "keras[unroll=true]",
    "keras[engine=jax,unroll=true]",
    "keras[engine=torch,unroll=true]",
]

pytestmark = [
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("torch", "jax", "optax", "keras", "tensorflow")),
        reason="not all frameworks are installed",
    ),
    pytest.mark.timeout(900),
]


PLAINLY = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_parallel_codegen_split_count=1"
}
"""Plain code, since compilers take long over a loop that is written out."""


def run(folder, backends, *arguments, environ=()):
    """Run backends on one thread each: two threads of torch wait for each other for long if other tests run beside."""
    chosen = [word for backend in backends for word in ("--backend", backend)]
    done = subprocess.run(
        [COMMAND, "run", *chosen, "--quick", "--threads", "1", *arguments, "--results", folder],
        env=os.environ | dict(environ),
        capture_output=True,
        text=True,
        check=False,
    )
    attempts, problems = read_folder(folder)
    assert problems == []
    found = {attempt.configuration.backend_selector: attempt for attempt in attempts}
    assert set(found) == set(backends), done.stderr
    return done, found


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    """One run of all."""
    return run(tmp_path_factory.mktemp("six"), SIX, "--epochs", "1")


def test_six_rows_come_from_one_command_and_lose_alike(six):
    done, found = six
    assert {name: (attempt.status, attempt.reason) for name, attempt in found.items()} == dict.fromkeys(SIX, ("ok", ""))
    assert done.returncode == 0
    assert {attempt.configuration.parameter_count for attempt in found.values()} == {40_901}
    losses = {name: np.array(attempt.findings.training.first_losses[:100]) for name, attempt in found.items()}
    for name in SIX:
        assert len(losses[name]) == 100
        np.testing.assert_allclose(losses[name], losses["numpy"], rtol=1e-4, atol=1e-4 * losses["numpy"].mean())


def test_every_worker_keeps_to_the_threads_it_was_given(six):
    _, found = six
    for name, attempt in found.items():
        threads = attempt.findings.threads
        assert threads.affinity == 1, name
        assert set(threads.libraries.values()) <= {1}, f"{name}: {threads.libraries}"
        pools = {pool: count for pool, count in threads.pools.items() if pool in ("tf_XLAEigen", "tf_Compute")}
        assert set(pools.values()) <= {1}, f"{name}: {pools}"


def test_every_variant_computes_the_same(tmp_path):
    _, found = run(tmp_path, VARIANTS, "--epochs", "1", environ=PLAINLY)
    assert {n: (a.status, a.reason) for n, a in found.items()} == dict.fromkeys(VARIANTS, ("ok", ""))
    paths = {name: attempt.findings.kernel_path for name, attempt in found.items()}
    assert paths["torch[impl=cell]"] == paths["torch[impl=loop]"] == "ATen loop over time"
    assert "no loop" in paths["jax[impl=unrolled]"]
    assert "no loop" in paths["keras[unroll=true]"]
    assert paths["keras[jit=off]"].startswith("TensorFlow graph, a loop over time, products by ")


def test_a_strangers_task_gets_its_row_on_every_backend(tmp_path):
    done, found = run(tmp_path, FOUR, "--task", "adding", "--plugin", ADDING, "--epochs", "1", environ=PLAINLY)
    assert {name: (attempt.status, attempt.reason) for name, attempt in found.items()} == dict.fromkeys(
        FOUR, ("ok", "")
    )
    curves = {name: [point.metrics["rmse"] for point in a.findings.training.curve] for name, a in found.items()}
    for name in FOUR:
        np.testing.assert_allclose(curves[name], curves["numpy"], rtol=1e-3)
    assert "baseline: always 1" in done.stdout


@pytest.mark.skipif("LSTM_BENCH_DATA" not in os.environ, reason="LSTM_BENCH_DATA names no folder with MNIST")
def test_real_mnist_is_learnt_alike_on_every_backend(tmp_path):
    done, found = run(tmp_path, FOUR, "--task", "mnist-rows", "--steps", "300")
    assert {name: (attempt.status, attempt.reason) for name, attempt in found.items()} == dict.fromkeys(
        FOUR, ("ok", "")
    )
    assert {attempt.configuration.parameter_count for attempt in found.values()} == {31_960}
    curves = {name: {p.step: p.metrics["accuracy"] for p in a.findings.training.curve} for name, a in found.items()}
    for name in FOUR:
        assert list(curves[name]) == [0, 100, 200, 300]
        assert curves[name][300] > 0.7
        for step, accuracy in curves[name].items():
            assert abs(accuracy - curves["numpy"][step]) < 0.02, f"{name} at step {step}"
    assert "baseline: most frequent" in done.stdout
