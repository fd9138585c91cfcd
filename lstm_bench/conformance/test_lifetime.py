"""Conformance kit: models in one process do not depend on each other, and are freed when they are dropped."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_bench.conformance.agreement import relative_error
from lstm_bench.conformance.kit import ADAM, PLAIN, STACKED, Candidate, data, infer, train
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.model.spec import PRECISIONS, Precision


def test_what_one_model_has_put_other_models_use(candidate: Candidate) -> None:
    """Models of one spec and setting share native arrays, even after the model that put them is gone."""
    owner, other = candidate.build(PLAIN, ADAM), candidate.build(PLAIN, ADAM)
    x, y, order = data(PLAIN)
    native = owner.put(x), owner.put(y), owner.put(order)
    expected = infer(other, x)
    np.testing.assert_array_equal(other.get(other.infer(native[0])), expected)
    del owner
    gc.collect()
    np.testing.assert_array_equal(other.get(other.infer(native[0])), expected)
    if candidate.has("train"):
        again = candidate.build(PLAIN, ADAM)
        np.testing.assert_allclose(
            again.get(again.train(*native)), train(candidate.build(PLAIN, ADAM), PLAIN), **candidate.loosely
        )


def test_every_build_with_equal_weights_gives_an_equal_model(candidate: Candidate) -> None:
    """The harness builds a new model for each phase, so equal weights must give equal logits and losses."""
    parameters, (x, _, _) = initial_parameters(STACKED, "uniform", 1), data(STACKED)

    def results() -> tuple[NDArray[Any], NDArray[Any]]:
        model = candidate.build(STACKED, ADAM, parameters)
        return infer(model, x), train(model, STACKED) if candidate.has("train") else np.empty(0)

    logits, losses = results()
    for _ in range(2):
        again, losses_again = results()
        np.testing.assert_allclose(again, logits, **candidate.same)
        np.testing.assert_allclose(losses_again, losses, **candidate.loosely)


def test_a_model_ends_when_it_is_dropped(candidate: Candidate) -> None:
    """The backend keeps no reference to a model. All models of a run together would not fit into memory."""
    model = candidate.build(PLAIN, ADAM)
    infer(model, data(PLAIN)[0])
    if candidate.has("train"):
        train(model, PLAIN)
    ended = weakref.ref(model)
    del model
    gc.collect()
    assert ended() is None, "something still holds the model"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_model_in_another_precision_changes_nothing_about_an_older_one(
    candidate: Candidate, precision: Precision
) -> None:
    """Process-wide switches are set when the backend is loaded, not when a model is built."""
    older, (x, _, _) = candidate.build(PLAIN, ADAM), data(PLAIN)
    logits = infer(older, x)
    newer = candidate.build(PLAIN, ADAM, setting=replace(candidate.setting, precision=precision))
    infer(newer, x)
    if candidate.has("train"):
        train(newer, PLAIN)
    assert relative_error(infer(older, x), logits) <= np.finfo(logits.dtype).eps, "the older model infers otherwise now"
    fresh = candidate.build(PLAIN, ADAM)
    assert relative_error(infer(fresh, x), logits) <= np.finfo(logits.dtype).eps, "a new model infers otherwise now"
