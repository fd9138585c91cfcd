"""Conformance kit: calls of a model change what they should and nothing else."""

from __future__ import annotations

from functools import partial

import numpy as np

from lstm_bench.conformance.agreement import error_in_any_layout
from lstm_bench.conformance.kit import ADAM, PLAIN, STACKED, Candidate, data, differentiate, either, infer, train
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.model.spec import ModelSpec
from lstm_bench.plugin.backend import State, if_supported


def test_training_in_several_blocks_is_training_in_one(candidate: Candidate) -> None:
    """The result does not depend on how many steps one call takes."""
    candidate.require("train")
    at_once, in_parts = candidate.build(STACKED, ADAM), candidate.build(STACKED, ADAM)
    losses = train(at_once, STACKED)
    parts = train(in_parts, STACKED, slice(0, 1), slice(1, 3), slice(3, 6))
    assert losses.shape == parts.shape == (6,)
    np.testing.assert_allclose(parts, losses, **candidate.loosely)
    after = at_once.parameters()
    for name, array in in_parts.parameters().items():
        np.testing.assert_allclose(array, after[name], err_msg=name, **candidate.loosely)


def test_two_models_share_nothing(candidate: Candidate) -> None:
    """Training one model changes nothing in another model of the same spec."""
    candidate.require("train")
    one, other = candidate.build(PLAIN, ADAM), candidate.build(PLAIN, ADAM)
    x = other.put(data(PLAIN)[0])
    logits, parameters = other.get(other.infer(x)), other.parameters()
    train(one, PLAIN)
    np.testing.assert_array_equal(other.get(other.infer(x)), logits)
    for name, array in other.parameters().items():
        np.testing.assert_array_equal(array, parameters[name], err_msg=name)


def test_what_goes_in_is_copied(candidate: Candidate) -> None:
    """Changing the given parameters or data afterwards changes nothing in the model."""
    parameters, (x, _, _) = initial_parameters(PLAIN, "uniform", 1), data(PLAIN)
    model = candidate.build(PLAIN, ADAM, parameters)
    native = model.put(x)
    logits = model.get(model.infer(native))
    x[:] = 7
    for array in parameters.values():
        array[:] = 7
    np.testing.assert_array_equal(model.get(model.infer(native)), logits)


def test_what_comes_out_stays_as_it_was(candidate: Candidate) -> None:
    """Returned arrays do not change when training continues."""
    candidate.require("train")
    model = candidate.build(PLAIN, ADAM)
    x = model.put(data(PLAIN)[0])
    given = {"logits": model.get(model.infer(x)), **model.parameters()}
    if candidate.has("states"):
        given["outputs"], _ = model.states(x)
    kept = {name: array.copy() for name, array in given.items()}
    train(model, PLAIN)
    assert not np.array_equal(model.get(model.infer(x)), kept["logits"]), "training has changed nothing"
    for name, array in kept.items():
        np.testing.assert_array_equal(given[name], array, err_msg=name)


def test_asking_for_gradients_changes_nothing(candidate: Candidate) -> None:
    """``gradients`` changes no parameters, statistics or later training, with a new optimizer and during training."""
    candidate.require("train")
    asked, left_alone = candidate.build(STACKED, ADAM), candidate.build(STACKED, ADAM)
    x, y, _ = data(STACKED)
    for block in (slice(0, 2), slice(2, 6)):
        before = asked.parameters()
        asked.gradients(asked.put(x[:4]), asked.put(y[:4]))
        if candidate.has("input_gradient"):
            asked.input_gradient(asked.put(x[:4]), asked.put(y[:4]))
        for name, array in asked.parameters().items():
            np.testing.assert_array_equal(array, before[name], err_msg=name)
        np.testing.assert_allclose(train(asked, STACKED, block), train(left_alone, STACKED, block), **candidate.loosely)


@either
def test_differentiating_gives_the_loss_and_every_gradient(candidate: Candidate, spec: ModelSpec) -> None:
    """``differentiate`` returns the loss and gradients of ``gradients``, in any layout."""
    candidate.require("train", "differentiate")
    model, (x, y, _) = candidate.build(spec, ADAM), data(spec)
    train(model, spec)  # moves the running statistics away from their initial values
    loss, gradients = differentiate(model, x[:4], y[:4])
    expected_loss, expected = model.gradients(model.put(x[:4]), model.put(y[:4]))
    assert loss.shape == ()
    np.testing.assert_allclose(loss, expected_loss, **candidate.same)
    error = error_in_any_layout(gradients, expected.values())
    assert error < candidate.bands["backward"], f"gradients are off those of gradients() by {error:.1e}"


@either
def test_differentiating_changes_nothing(candidate: Candidate, spec: ModelSpec) -> None:
    """``differentiate`` changes no parameters, statistics or later training."""
    candidate.require("train", "differentiate")
    asked, left_alone = candidate.build(spec, ADAM), candidate.build(spec, ADAM)
    x, y, _ = data(spec)
    for block in (slice(0, 2), slice(2, 6)):
        before = asked.parameters()
        for _ in range(3):
            differentiate(asked, x[:4], y[:4])
        for name, array in asked.parameters().items():
            np.testing.assert_array_equal(array, before[name], err_msg=name)
        np.testing.assert_allclose(train(asked, spec, block), train(left_alone, spec, block), **candidate.loosely)


def test_asking_what_ran_changes_nothing(candidate: Candidate) -> None:
    """``kernel_path`` changes no parameters, statistics or later training, of a new model and during training."""
    candidate.require("kernel_path", "train")
    asked, left_alone = candidate.build(STACKED, ADAM), candidate.build(STACKED, ADAM)
    x, y, order = data(STACKED)
    for block in (slice(0, 2), slice(2, 6)):
        before = asked.parameters()
        native = asked.put(x), asked.put(y), asked.put(order[block])
        if_supported(partial(asked.kernel_path, asked.put(x[:4])))
        if_supported(partial(asked.training_kernel_path, *native))
        for name, array in asked.parameters().items():
            np.testing.assert_array_equal(array, before[name], err_msg=name)
        np.testing.assert_allclose(train(asked, STACKED, block), train(left_alone, STACKED, block), **candidate.loosely)


def test_a_product_can_be_asked_for_again_and_again(candidate: Candidate) -> None:
    """``product`` can be called repeatedly, also between calls of a model, and changes no logits."""
    candidate.require("product")
    product = candidate.backend.product(8, candidate.setting)
    model, (x, _, _) = candidate.build(PLAIN, ADAM), data(PLAIN)
    logits = infer(model, x)
    for _ in range(3):
        product()
    np.testing.assert_array_equal(infer(model, x), logits)


def test_given_states_are_not_remembered(candidate: Candidate) -> None:
    """After a call of ``states`` with an initial state, the next call starts from zeros again."""
    candidate.require("states")
    spec = ModelSpec(input_size=2, hidden_sizes=(3, 4), output_size=1, bidirectional=True)
    model = candidate.build(spec, ADAM)
    x = model.put(data(spec)[0])
    logits, (outputs, _) = model.get(model.infer(x)), model.states(x)
    given = tuple(tuple(np.full((2, 12, hidden), fill) for hidden in spec.hidden_sizes) for fill in (0.5, -0.5))
    assert not np.array_equal(model.states(x, State(*given))[0], outputs), "given states change nothing"
    np.testing.assert_array_equal(model.get(model.infer(x)), logits)
    np.testing.assert_array_equal(model.states(x)[0], outputs)
