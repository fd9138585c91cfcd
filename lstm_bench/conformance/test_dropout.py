"""Conformance kit: dropout.

Frameworks may choose which elements to drop, but not how many, where, or how the other elements are scaled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_bench.conformance.kit import Candidate, differentiate
from lstm_bench.model.spec import ModelSpec, TrainSpec
from lstm_bench.plugin.backend import Model

P = 0.25
"""Probability that an element is dropped."""

MASKS, WIDTH, MANY = 12, 200, 400
SGD = TrainSpec(loss="mse", optimizer="sgd", learning_rate=0.1, batch_size=MANY)


def dropping(candidate: Candidate, hidden_sizes: tuple[int, ...], dropout: float = P, seed: int = 0) -> Model[Any]:
    """Build a model with dropout between its layers."""
    spec = ModelSpec(input_size=2, hidden_sizes=hidden_sizes, output_size=1, dropout=dropout)
    return candidate.build(spec, SGD, seed=seed)


sizes = pytest.mark.parametrize("hidden_sizes", [(6, 6), (6, 5)], ids=["one size", "two sizes"])


def masks_of(candidate: Candidate, hidden_sizes: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    """Yield dropout masks `(H,)` on the bottom layer's outputs, each recovered from one gradient.

    For one sequence of one step, the gradient of the upper layer's W_ih is the outer product of the gradient of z and
    the masked input. Dividing by the gradient of z and by the unmasked input gives the mask.
    """
    bottom = dropping(candidate, hidden_sizes[:1], 0.0)
    model = dropping(candidate, hidden_sizes)
    for x in np.random.default_rng(0).standard_normal((MASKS, 1, 1, 2)):
        below = bottom.states(bottom.put(x))[0][0, 0]
        _, gradients = model.gradients(model.put(x), model.put(np.ones((1, 1))))
        d_z = gradients["layers.1.forward.bias"]
        k = int(np.argmax(abs(d_z)))
        yield gradients["layers.1.forward.weight_ih"][k] / d_z[k] / below


@pytest.mark.parametrize("hidden_sizes", [(WIDTH, WIDTH), (WIDTH, 5)], ids=["one size", "two sizes"])
def test_elements_are_dropped_or_scaled_so_that_the_expectation_stays(
    candidate: Candidate, hidden_sizes: tuple[int, ...]
) -> None:
    """Kept elements are scaled by 1 / (1 - p). Elements are dropped independently, and anew in every step."""
    candidate.require("train", "states")
    masks = np.array(list(masks_of(candidate, hidden_sizes)))
    dropped = abs(masks) < 1e-12
    np.testing.assert_allclose(masks[~dropped], 1 / (1 - P), rtol=100 * candidate.bands["forward"])
    assert abs(dropped.mean() - P) < 5 * np.sqrt(P * (1 - P) / masks.size)
    assert len({row.tobytes() for row in dropped}) == MASKS, "every step draws its own mask"
    by_row = abs(dropped.mean(axis=1) - P)
    assert (by_row < 5 * np.sqrt(P * (1 - P) / WIDTH)).all(), "elements are dropped one by one"


@sizes
def test_evaluation_drops_nothing_before_and_after_training(
    candidate: Candidate, hidden_sizes: tuple[int, ...]
) -> None:
    """A new model and a trained model evaluate without dropout."""
    candidate.require("train")
    x, y = np.random.default_rng(0).standard_normal((MANY, 3, 2)), np.ones((MANY, 1))
    model, without = (dropping(candidate, hidden_sizes, p) for p in (P, 0.0))
    native = model.put(x)
    np.testing.assert_allclose(
        model.get(model.infer(native)), without.get(without.infer(without.put(x))), **candidate.same
    )
    model.train(native, model.put(y), model.put(np.arange(MANY)[None]))
    np.testing.assert_array_equal(model.get(model.infer(native)), model.get(model.infer(native)))
    if candidate.has("states"):
        np.testing.assert_array_equal(model.states(native)[0], model.states(native)[0])


def test_nothing_is_dropped_above_the_top_layer_nor_below_the_bottom_one(candidate: Candidate) -> None:
    """In a model of one layer nothing is dropped."""
    candidate.require("train")
    x, y = np.random.default_rng(0).standard_normal((5, 3, 2)), np.ones((5, 1))
    with_it, without = (dropping(candidate, (6,), p) for p in (P, 0.0))
    gradients = [model.gradients(model.put(x), model.put(y))[1] for model in (with_it, without)]
    for parameter in gradients[0]:
        np.testing.assert_allclose(
            gradients[0][parameter], gradients[1][parameter], err_msg=parameter, **candidate.same
        )


@sizes
def test_the_gradient_below_passes_through_the_same_mask(candidate: Candidate, hidden_sizes: tuple[int, ...]) -> None:
    """Averaged over many masks, the gradient of the bottom layer equals the gradient without dropout."""
    candidate.require("train")
    x, y = np.random.default_rng(0).standard_normal((MANY, 2, 2)), np.ones((MANY, 1))

    def gradients(dropout: float, seed: int) -> Mapping[str, NDArray[Any]]:
        model = dropping(candidate, hidden_sizes, dropout, seed)  # dropped at the end, so that its program serves again
        return model.gradients(model.put(x), model.put(y))[1]

    total: dict[str, NDArray[Any]] = {}
    for seed in range(8):
        for parameter, gradient in gradients(P, seed).items():
            total[parameter] = total.get(parameter, np.zeros_like(gradient)) + gradient / 8
    expected = gradients(0.0, 0)
    for parameter in ("layers.0.forward.weight_ih", "layers.0.forward.bias"):
        distance = np.linalg.norm(total[parameter] - expected[parameter]) / np.linalg.norm(expected[parameter])
        assert distance < 0.1, f"{parameter}: the mean over masks is {distance:.2f} away from no mask"


@sizes
def test_differentiating_drops_other_elements_in_every_call(
    candidate: Candidate, hidden_sizes: tuple[int, ...]
) -> None:
    """``differentiate`` draws a new mask in every call, as training does, because this is part of the timed work."""
    candidate.require("train", "differentiate")
    x, y = np.random.default_rng(0).standard_normal((4, 3, 2)), np.ones((4, 1))
    model = dropping(candidate, hidden_sizes)
    losses = [float(differentiate(model, x, y)[0]) for _ in range(5)]
    assert len(set(losses)) == len(losses), "every call draws its own mask"
    assert np.ptp(losses) > 1e-3 * np.mean(losses)


def test_the_seed_decides_what_is_dropped(candidate: Candidate) -> None:
    """Equal seeds give equal masks, and other seeds other masks."""
    candidate.require("train")

    def losses(seed: int) -> NDArray[Any]:
        x, y = np.random.default_rng(0).standard_normal((4, 3, 2)), np.ones((4, 1))
        model = dropping(candidate, (6, 6), seed=seed)
        return model.get(model.train(model.put(x), model.put(y), model.put(np.tile(np.arange(4), (3, 1)))))

    once, again, other = losses(1), losses(1), losses(2)
    assert np.linalg.norm(again - once) < 0.1 * np.linalg.norm(other - once)
