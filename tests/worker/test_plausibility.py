"""Times that cannot be those of the work, and a harness that a plugin has changed."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from builders import a_configuration, a_model, a_timing
from lstm_bench import Setting
from lstm_bench.model.flops import operations
from lstm_bench.plugin.backend import build_or_refuse
from lstm_bench.plugin.options import NO_OPTIONS
from lstm_bench.record.attempt import Disturbance
from lstm_bench.worker import plausibility, selftest
from lstm_bench.worker.ending import Implausible
from lstm_bench_numpy._model import NumpyBackend, NumpyModel

ONE = a_configuration(threads=1)
RIGHT = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.mark.parametrize(
    "watched",
    [Disturbance(seconds=2.0, used=1.05), Disturbance(seconds=2.0, used=None), Disturbance(seconds=0.1, used=1.9)],
    ids=["as granted", "unknown", "too short to tell"],
)
def test_processor_time_within_what_was_granted_is_plausible(watched, monkeypatch):
    monkeypatch.setattr(plausibility, "processors_of_all_threads", lambda: frozenset({0}))
    plausibility.require_granted_processors(ONE, watched)


def test_more_processor_time_than_granted_is_implausible(monkeypatch):
    monkeypatch.setattr(plausibility, "processors_of_all_threads", lambda: frozenset({0}))
    with pytest.raises(Implausible, match=r"the worker used 1\.9 processors while it was timed; it was given 1"):
        plausibility.require_granted_processors(ONE, Disturbance(seconds=2.0, used=1.9))


@pytest.mark.skipif(RIGHT < 2, reason="there is one processor alone")
def test_a_thread_that_may_run_elsewhere_is_implausible():
    mine, ready, done = os.sched_getaffinity(0), threading.Event(), threading.Event()

    def stray():
        ready.set()
        done.wait()

    thread = threading.Thread(target=stray)
    thread.start()
    ready.wait()
    os.sched_setaffinity(0, {min(mine)})
    try:
        with pytest.raises(Implausible, match=rf"threads of the worker may run on {RIGHT} processors; it was given 1"):
            plausibility.require_granted_processors(ONE, Disturbance(seconds=2.0, used=1.0))
    finally:
        os.sched_setaffinity(0, mine)
        done.set()
        thread.join()


def a_speed(flops_per_second, monkeypatch, **changes):
    """Judge inference at this speed on a machine whose product does 100 GFLOP/s."""
    asked = []
    monkeypatch.setattr(plausibility, "product_of_machine", lambda dtype: asked.append(dtype) or 1e11)
    model = a_model()
    seconds = operations(model, "infer", batch=4, time=12) / flops_per_second
    timing = a_timing("infer", steps_per_block=1000, block_ns=(round(seconds * 1e12),))
    configuration = a_configuration(**{"threads": 1} | changes)
    plausibility.require_possible_speed(model, configuration, (4, 12, 1), [timing])
    return asked


@pytest.mark.parametrize(
    ("speed", "changes", "asked"),
    [
        (9e9, {}, []),
        (2.9e11, {}, ["float32"]),
        (2.9e11, {"precision": "float64"}, ["float64"]),
        (4e12, {"precision": "bfloat16"}, ["float32"]),
        (1e14, {"device": "cuda:0"}, []),
    ],
    ids=["so slow that nobody asks", "below the ceiling", "float64", "matrix units for bfloat16", "a GPU"],
)
def test_speeds_that_processors_may_have_are_plausible(speed, changes, asked, monkeypatch):
    assert a_speed(speed, monkeypatch, **changes) == asked


@pytest.mark.parametrize(("speed", "changes"), [(3.1e11, {}), (5e12, {"precision": "bfloat16"})])
def test_a_speed_far_above_the_ceiling_is_implausible(speed, changes, monkeypatch):
    with pytest.raises(Implausible, match=r"infer does [\d,]+ GFLOP/s; a matrix multiply on these processors does"):
        a_speed(speed, monkeypatch, **changes)


def test_the_product_of_this_machine_takes_time():
    assert 1e8 < plausibility.product_of_machine("float32") < 1e14


def build_reference(parameters, spec):
    train = a_configuration().recipe.train
    return build_or_refuse(NumpyBackend(), spec, train, parameters, Setting("float64", "cpu", NO_OPTIONS), seed=0)


PREPARED = SimpleNamespace(build_reference=build_reference)


def test_an_unchanged_harness_is_intact():
    selftest.require_intact(PREPARED)


def test_a_norm_that_is_always_0_is_noticed(monkeypatch):
    monkeypatch.setattr(np.linalg, "norm", lambda *args, **how: np.float64(0))
    with pytest.raises(Implausible, match="a plugin has changed how errors are computed"):
        selftest.require_intact(PREPARED)


def test_a_reference_that_reads_half_of_each_sequence_is_noticed(monkeypatch):
    whole = NumpyModel.infer
    monkeypatch.setattr(NumpyModel, "infer", lambda self, x: whole(self, x[:, x.shape[1] // 2 :]))
    with pytest.raises(Implausible, match="a plugin has changed the reference: its logit of a known model is"):
        selftest.require_intact(PREPARED)
