from __future__ import annotations

import numpy as np
import pytest

from builders import a_configuration
from lstm_bench import ModelSpec
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.execute.attempt import run_attempt
from lstm_bench.record.configuration import Effort
from lstm_bench.worker.protocol import MeasureJob
from lstm_bench_numpy._model import NumpyBackend, NumpyModel
from precisions import observe_denormals

QUICK = Effort(name="quick", blocks=2, block_seconds=0.002, warmup_blocks=1, warmup_seconds=0.0, epoch_fraction=0.1)
SPEC = ModelSpec(input_size=1, hidden_sizes=(100,), output_size=1)


class Other(NumpyBackend):
    """The NumPy backend with changed logits."""

    def __init__(self, change):
        self._change = change

    def build(self, spec, train, parameters, setting, *, seed):
        change = self._change

        class Changed(NumpyModel):
            def infer(self, x):
                return change(super().infer(x))

        return Changed(spec, train, parameters, np.dtype(setting.precision), seed)


def flush(logits):
    return np.where(np.abs(logits) < np.finfo(logits.dtype).smallest_normal, 0, logits)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("readout", ["last", "all"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_what_keeps_them_and_what_takes_them_for_zero_are_told_apart(cell, readout, precision):
    spec = ModelSpec(input_size=2, hidden_sizes=(7, 5), output_size=3, cell=cell, readout=readout)
    assert observe_denormals(NumpyBackend(), spec, precision) == "kept"
    assert observe_denormals(Other(flush), spec, precision) == "flushed"


def test_the_head_is_found_without_bias_and_behind_batch_norm():
    spec = ModelSpec(input_size=2, hidden_sizes=(5,), output_size=1, bias=False, batch_norm=True)
    assert observe_denormals(NumpyBackend(), spec) == "kept"
    assert observe_denormals(Other(flush), spec) == "flushed"


def test_nothing_is_said_of_what_answers_zero_to_everything():
    assert observe_denormals(Other(np.zeros_like), SPEC) is None


def test_what_was_seen_is_recorded():
    plugins = load_plugins([])
    recipe = plugins.task("flights").recipe(None, {})
    configuration = a_configuration(backend="numpy", recipe=recipe, epochs=1, threads=1, effort=QUICK)
    done = run_attempt(MeasureJob(configuration=configuration, plugin_files=()), plugins.backend("numpy"), timeout=60)
    assert (done.status, done.findings.observed_denormals) == ("ok", "kept")
