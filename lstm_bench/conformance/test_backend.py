"""The conformance kit: what any backend must do. Run it with ``pytest --pyargs lstm_bench.conformance --backend NAME``.

What a backend refuses is skipped, with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_bench.conformance.agreement import REFERENCE, TOLERANCES, error_in_any_layout, fetched, relative_error
from lstm_bench.conformance.cases import Case, Problem, draw_case
from lstm_bench.conformance.confusions import explain
from lstm_bench.conformance.differential import Comparison, Reference
from lstm_bench.conformance.plugin import Chosen
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.model.spec import ModelSpec, Precision, TrainSpec
from lstm_bench.plugin.backend import Backend, Model, State, Unsupported, require_device

PLAIN = ModelSpec(input_size=2, hidden_sizes=(5,), output_size=1)
STACKED = ModelSpec(input_size=2, hidden_sizes=(5, 4), output_size=1, bidirectional=True, batch_norm=True)
ADAM = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-2, batch_size=4)

P = 0.25
"""Share of elements that are dropped."""

MASKS, WIDTH, MANY = 12, 200, 400
SGD = TrainSpec(loss="mse", optimizer="sgd", learning_rate=0.1, batch_size=MANY)


class Subject:
    """The backend in one precision.

    Attributes:
        precision: what it computes in.
        bands: by how much two of its numbers that should be the same may be apart, whatever the device.
        same: tolerances within which two of its ways to the same number agree.
    """

    def __init__(self, backend: Backend, chosen: Chosen, precision: Precision) -> None:
        self.precision = precision
        self._backend = backend
        self._how: dict[str, Any] = {"precision": precision, "device": chosen.device, "options": chosen.options}
        self.bands = TOLERANCES[precision]
        self.same: dict[str, Any] = {"rtol": 10 * self.bands["forward"], "atol": self.bands["forward"]}

    def refusal(self, spec: ModelSpec, train: TrainSpec) -> str | None:
        """Why it does not do this, if it does not."""
        return self._backend.refuses(spec, train, **self._how)

    def build(self, spec: ModelSpec, train: TrainSpec, parameters: Any = None, seed: int = 0) -> Model[Any]:
        """A model; what the backend refuses is skipped."""
        refusal = self.refusal(spec, train)
        if refusal is not None:
            pytest.skip(refusal)
        if parameters is None:
            parameters = initial_parameters(spec, "uniform", 1)
        try:
            return self._backend.build(spec, train, parameters, seed=seed, **self._how)
        except Unsupported as error:
            pytest.skip(str(error))


@pytest.fixture(scope="session")
def backend(chosen: Chosen) -> Backend:
    """Imported and ready."""
    loaded = chosen.info.load()
    try:
        require_device(loaded, chosen.info.name, chosen.device)
    except Unsupported as error:
        pytest.fail(str(error), pytrace=False)
    return loaded


@pytest.fixture(scope="session")
def reference(chosen: Chosen) -> Reference:
    """The float64 reference."""
    return Reference(chosen.plugins.backend(REFERENCE).load())


@pytest.fixture(scope="session")
def subject(backend: Backend, chosen: Chosen) -> Subject:
    """In the finest of the precisions asked for that the backend has."""
    found = [Subject(backend, chosen, precision) for precision in chosen.precisions]
    found.sort(key=lambda one: one.bands["forward"])
    for one in found:
        if one.refusal(PLAIN, ADAM) is None:
            return one
    pytest.skip(f"it has none of {', '.join(chosen.precisions)}: {found[-1].refusal(PLAIN, ADAM)}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every precision, and in it every case."""
    if "number" in metafunc.fixturenames:
        from lstm_bench.conformance.plugin import CHOSEN

        chosen = metafunc.config.stash[CHOSEN]
        metafunc.parametrize("precision", chosen.precisions)
        metafunc.parametrize("number", range(chosen.cases))


# --- it computes what the reference computes


def test_it_agrees_with_the_reference(
    backend: Backend, reference: Reference, chosen: Chosen, precision: Precision, number: int
) -> None:
    """Outputs, states, loss, every gradient, twenty training steps; and that nothing is kept or changed on the way."""
    case, subject = draw_case(chosen.seed, number), Subject(backend, chosen, precision)

    def build(case: Case, problem: Problem) -> Model[Any]:
        return subject.build(case.model, case.train, problem.parameters, case.seed)

    comparison = Comparison(case, build, reference, precision, chosen.device)
    found = comparison.compared(number)
    lines = list(found.faults)
    for kind, quantity in found.quantities.items():
        if not quantity.agrees:
            error = "not a number" if quantity.error is None else f"off by {quantity.error:.1e}"
            lines.append(f"{kind}: {quantity.name} is {error}; {quantity.tolerance:.1e} is allowed")
    if lines:
        lines += [f"it matches if {text}" for text in explain([comparison])]
        pytest.fail("\n".join((*lines, f"the case: {case}")), pytrace=False)


# --- what a model is


def data(spec: ModelSpec, count: int = 12, time: int = 5) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Sequences, targets, and rows of batches of four."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((count, time, spec.input_size))
    y = generator.standard_normal((count, spec.output_size))
    return x, y, np.stack([generator.permutation(count)[:4] for _ in range(6)])


def train(model: Model[Any], spec: ModelSpec, *blocks: slice) -> NDArray[Any]:
    """Losses of training, in one block or in several."""
    x, y, order = data(spec)
    native_x, native_y = model.put(x), model.put(y)
    parts = [model.get(model.train(native_x, native_y, model.put(order[block]))) for block in blocks or (slice(None),)]
    return np.concatenate(parts)


def test_training_in_several_blocks_is_training_in_one(subject: Subject) -> None:
    """However many steps one call makes."""
    at_once, in_parts = subject.build(STACKED, ADAM), subject.build(STACKED, ADAM)
    losses = train(at_once, STACKED)
    parts = train(in_parts, STACKED, slice(0, 1), slice(1, 3), slice(3, 6))
    assert losses.shape == parts.shape == (6,)
    np.testing.assert_allclose(parts, losses, **_loosely(subject))
    after = at_once.parameters()
    for name, array in in_parts.parameters().items():
        np.testing.assert_allclose(array, after[name], err_msg=name, **_loosely(subject))


def _loosely(subject: Subject) -> dict[str, Any]:
    """Tolerances after some training, where what was rounded otherwise has grown."""
    return {"rtol": 10 * subject.bands["update"], "atol": subject.bands["update"]}


def test_two_models_share_nothing(subject: Subject) -> None:
    """Not even of one specification."""
    one, other = subject.build(PLAIN, ADAM), subject.build(PLAIN, ADAM)
    x = other.put(data(PLAIN)[0])
    logits, parameters = other.get(other.infer(x)), other.parameters()
    train(one, PLAIN)
    np.testing.assert_array_equal(other.get(other.infer(x)), logits)
    for name, array in other.parameters().items():
        np.testing.assert_array_equal(array, parameters[name], err_msg=name)


def test_what_goes_in_is_copied(subject: Subject) -> None:
    """The parameters it is built with, and the data."""
    parameters, (x, _, _) = initial_parameters(PLAIN, "uniform", 1), data(PLAIN)
    model = subject.build(PLAIN, ADAM, parameters)
    native = model.put(x)
    logits = model.get(model.infer(native))
    x[:] = 7
    for array in parameters.values():
        array[:] = 7
    np.testing.assert_array_equal(model.get(model.infer(native)), logits)


def test_what_comes_out_stays_as_it_was(subject: Subject) -> None:
    """When training goes on."""
    model = subject.build(PLAIN, ADAM)
    x = model.put(data(PLAIN)[0])
    logits, parameters, (outputs, _) = model.get(model.infer(x)), model.parameters(), model.states(x)
    kept = {name: array.copy() for name, array in parameters.items()}
    kept_logits, kept_outputs = logits.copy(), outputs.copy()
    train(model, PLAIN)
    assert not np.array_equal(model.get(model.infer(x)), kept_logits), "training has changed nothing"
    np.testing.assert_array_equal(logits, kept_logits)
    np.testing.assert_array_equal(outputs, kept_outputs)
    for name, array in kept.items():
        np.testing.assert_array_equal(parameters[name], array, err_msg=name)


def test_asking_for_gradients_changes_nothing(subject: Subject) -> None:
    """Neither parameters nor statistics, nor what is trained afterwards: with a fresh optimizer, and in the midst."""
    asked, left_alone = subject.build(STACKED, ADAM), subject.build(STACKED, ADAM)
    x, y, _ = data(STACKED)
    for block in (slice(0, 2), slice(2, 6)):
        before = asked.parameters()
        asked.gradients(asked.put(x[:4]), asked.put(y[:4]))
        asked.input_gradient(asked.put(x[:4]), asked.put(y[:4]))
        for name, array in asked.parameters().items():
            np.testing.assert_array_equal(array, before[name], err_msg=name)
        np.testing.assert_allclose(train(asked, STACKED, block), train(left_alone, STACKED, block), **_loosely(subject))


either = pytest.mark.parametrize("spec", [PLAIN, STACKED], ids=["plain", "stacked"])


def differentiate(model: Model[Any], x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    """The loss and all gradients; a backend that has no ``differentiate`` is skipped."""
    try:
        loss, gradients = model.differentiate(model.put(x), model.put(y))
    except Unsupported as error:
        pytest.skip(str(error))
    model.synchronize()
    return model.get(loss), fetched(model, gradients)


@either
def test_differentiating_gives_the_loss_and_every_gradient(subject: Subject, spec: ModelSpec) -> None:
    """Those of ``gradients``, in whatever layout."""
    model, (x, y, _) = subject.build(spec, ADAM), data(spec)
    train(model, spec)  # so that running statistics are others than a fresh model's
    loss, gradients = differentiate(model, x[:4], y[:4])
    expected_loss, expected = model.gradients(model.put(x[:4]), model.put(y[:4]))
    assert loss.shape == ()
    np.testing.assert_allclose(loss, expected_loss, **subject.same)
    error = error_in_any_layout(gradients, expected.values())
    assert error < subject.bands["backward"], f"gradients are off those of gradients() by {error:.1e}"


@either
def test_differentiating_changes_nothing(subject: Subject, spec: ModelSpec) -> None:
    """As asking for gradients does not: neither parameters nor statistics, nor what is trained afterwards."""
    asked, left_alone = subject.build(spec, ADAM), subject.build(spec, ADAM)
    x, y, _ = data(spec)
    for block in (slice(0, 2), slice(2, 6)):
        before = asked.parameters()
        for _ in range(3):
            differentiate(asked, x[:4], y[:4])
        for name, array in asked.parameters().items():
            np.testing.assert_array_equal(array, before[name], err_msg=name)
        np.testing.assert_allclose(train(asked, spec, block), train(left_alone, spec, block), **_loosely(subject))


def test_asking_what_ran_changes_nothing(subject: Subject) -> None:
    """Neither parameters nor statistics, nor what is trained afterwards, of a fresh model and in the midst."""
    asked, left_alone = subject.build(STACKED, ADAM), subject.build(STACKED, ADAM)
    x, y, order = data(STACKED)
    for block in (slice(0, 2), slice(2, 6)):
        before = asked.parameters()
        native = asked.put(x), asked.put(y), asked.put(order[block])
        assert isinstance(asked.kernel_path(asked.put(x[:4])), str)
        assert isinstance(asked.training_kernel_path(*native), str)
        for name, array in asked.parameters().items():
            np.testing.assert_array_equal(array, before[name], err_msg=name)
        np.testing.assert_allclose(train(asked, STACKED, block), train(left_alone, STACKED, block), **_loosely(subject))


def test_a_product_can_be_asked_for_again_and_again(backend: Backend, chosen: Chosen, subject: Subject) -> None:
    """Whatever there is of it, in between of models too."""
    product = backend.product(8, precision=subject.precision, device=chosen.device, options=chosen.options)
    if product is None:
        pytest.skip("the backend has no Backend.product, so that there is no ceiling to be measured")
    model, (x, _, _) = subject.build(PLAIN, ADAM), data(PLAIN)
    logits = model.get(model.infer(model.put(x)))
    for _ in range(3):
        product()
    np.testing.assert_array_equal(model.get(model.infer(model.put(x))), logits)


def test_given_states_are_not_remembered(subject: Subject) -> None:
    """The next call begins from zeros."""
    spec = ModelSpec(input_size=2, hidden_sizes=(3, 4), output_size=1, bidirectional=True)
    model = subject.build(spec, ADAM)
    x = model.put(data(spec)[0])
    logits, (outputs, _) = model.get(model.infer(x)), model.states(x)
    given = tuple(tuple(np.full((2, 12, hidden), fill) for hidden in spec.hidden_sizes) for fill in (0.5, -0.5))
    assert not np.array_equal(model.states(x, State(*given))[0], outputs), "given states change nothing"
    np.testing.assert_array_equal(model.get(model.infer(x)), logits)
    np.testing.assert_array_equal(model.states(x)[0], outputs)


@pytest.mark.parametrize(("count", "time"), [(1, 1), (3, 9), (12, 5)])
def test_batches_of_any_shape_can_follow_each_other(
    subject: Subject, reference: Reference, count: int, time: int
) -> None:
    """More sequences or fewer, longer ones or shorter."""
    model = subject.build(PLAIN, ADAM)
    train(model, PLAIN)
    x, _, _ = data(PLAIN, count, time)
    case = Case(model=PLAIN, train=ADAM, time=time)
    expected = reference.build(case, model.parameters())
    error = relative_error(model.get(model.infer(model.put(x))), expected.get(expected.infer(expected.put(x))))
    assert error < 10 * subject.bands["forward"]


# --- dropout: which elements are dropped is each framework's own choice; how many, where, and how the rest grows is not


def dropping(subject: Subject, hidden_sizes: tuple[int, ...], dropout: float = P, seed: int = 0) -> Model[Any]:
    """A model with dropout between its layers."""
    spec = ModelSpec(input_size=2, hidden_sizes=hidden_sizes, output_size=1, dropout=dropout)
    return subject.build(spec, SGD, seed=seed)


sizes = pytest.mark.parametrize("hidden_sizes", [(6, 6), (6, 5)], ids=["one size", "two sizes"])


def masks_of(subject: Subject, hidden_sizes: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    """What the bottom layer's outputs `(H,)` are multiplied by on their way up, read off one gradient each.

    Of one sequence of one step, the gradient of the upper W_ih is the outer product of the gradient of z and the
    dropped input.
    """
    bottom = dropping(subject, hidden_sizes[:1], 0.0)
    model = dropping(subject, hidden_sizes)
    for x in np.random.default_rng(0).standard_normal((MASKS, 1, 1, 2)):
        below = bottom.states(bottom.put(x))[0][0, 0]
        _, gradients = model.gradients(model.put(x), model.put(np.ones((1, 1))))
        d_z = gradients["layers.1.forward.bias"]
        k = int(np.argmax(abs(d_z)))
        yield gradients["layers.1.forward.weight_ih"][k] / d_z[k] / below


@pytest.mark.parametrize("hidden_sizes", [(WIDTH, WIDTH), (WIDTH, 5)], ids=["one size", "two sizes"])
def test_elements_are_dropped_or_scaled_so_that_the_expectation_stays(
    subject: Subject, hidden_sizes: tuple[int, ...]
) -> None:
    """By 1 / (1 - p), each for itself, and others in every step."""
    masks = np.array(list(masks_of(subject, hidden_sizes)))
    dropped = abs(masks) < 1e-12
    np.testing.assert_allclose(masks[~dropped], 1 / (1 - P), rtol=100 * subject.bands["forward"])
    assert abs(dropped.mean() - P) < 5 * np.sqrt(P * (1 - P) / masks.size)
    assert len({row.tobytes() for row in dropped}) == MASKS, "every step draws its own mask"
    by_row = abs(dropped.mean(axis=1) - P)
    assert (by_row < 5 * np.sqrt(P * (1 - P) / WIDTH)).all(), "elements are dropped one by one"


@sizes
def test_evaluation_drops_nothing_before_and_after_training(subject: Subject, hidden_sizes: tuple[int, ...]) -> None:
    """Nor does it after a step in which something was dropped."""
    x, y = np.random.default_rng(0).standard_normal((MANY, 3, 2)), np.ones((MANY, 1))
    model, without = (dropping(subject, hidden_sizes, p) for p in (P, 0.0))
    native = model.put(x)
    np.testing.assert_allclose(
        model.get(model.infer(native)), without.get(without.infer(without.put(x))), **subject.same
    )
    model.train(native, model.put(y), model.put(np.arange(MANY)[None]))
    np.testing.assert_array_equal(model.get(model.infer(native)), model.get(model.infer(native)))
    outputs, _ = model.states(native)
    np.testing.assert_array_equal(outputs, model.states(native)[0])


def test_nothing_is_dropped_above_the_top_layer_nor_below_the_bottom_one(subject: Subject) -> None:
    """Of one layer, nothing is."""
    x, y = np.random.default_rng(0).standard_normal((5, 3, 2)), np.ones((5, 1))
    with_it, without = (dropping(subject, (6,), p) for p in (P, 0.0))
    gradients = [model.gradients(model.put(x), model.put(y))[1] for model in (with_it, without)]
    for parameter in gradients[0]:
        np.testing.assert_allclose(gradients[0][parameter], gradients[1][parameter], err_msg=parameter, **subject.same)


@sizes
def test_the_gradient_below_passes_through_the_same_mask(subject: Subject, hidden_sizes: tuple[int, ...]) -> None:
    """Over many masks, the mean gradient is that of no mask."""
    x, y = np.random.default_rng(0).standard_normal((MANY, 2, 2)), np.ones((MANY, 1))
    total: dict[str, NDArray[Any]] = {}
    for seed in range(8):
        model = dropping(subject, hidden_sizes, seed=seed)
        for parameter, gradient in model.gradients(model.put(x), model.put(y))[1].items():
            total[parameter] = total.get(parameter, np.zeros_like(gradient)) + gradient / 8
    without = dropping(subject, hidden_sizes, 0.0)
    expected = without.gradients(without.put(x), without.put(y))[1]
    for parameter in ("layers.0.forward.weight_ih", "layers.0.forward.bias"):
        distance = np.linalg.norm(total[parameter] - expected[parameter]) / np.linalg.norm(expected[parameter])
        assert distance < 0.1, f"{parameter}: the mean over masks is {distance:.2f} away from no mask"


@sizes
def test_differentiating_drops_other_elements_in_every_call(subject: Subject, hidden_sizes: tuple[int, ...]) -> None:
    """As training does: drawing them is a part of the work."""
    x, y = np.random.default_rng(0).standard_normal((4, 3, 2)), np.ones((4, 1))
    model = dropping(subject, hidden_sizes)
    losses = [float(differentiate(model, x, y)[0]) for _ in range(5)]
    assert len(set(losses)) == len(losses), "every call draws its own mask"
    assert np.ptp(losses) > 1e-3 * np.mean(losses)


def test_the_seed_decides_what_is_dropped(subject: Subject) -> None:
    """The same one drops the same, another one something else."""

    def losses(seed: int) -> NDArray[Any]:
        x, y = np.random.default_rng(0).standard_normal((4, 3, 2)), np.ones((4, 1))
        model = dropping(subject, (6, 6), seed=seed)
        return model.get(model.train(model.put(x), model.put(y), model.put(np.tile(np.arange(4), (3, 1)))))

    once, again, other = losses(1), losses(1), losses(2)
    assert np.linalg.norm(again - once) < 0.1 * np.linalg.norm(other - once)
