"""Which elements are dropped is each framework's own choice; how many, where, and by what the rest grows is not."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest

from lstm_bench import ModelSpec, TrainSpec
from lstm_bench.backend import resolve_options
from lstm_bench.parameters import initial_parameters
from lstm_bench.plugins import load_plugins

P, COUNT = 0.25, 400
STEPS, WIDTH = 12, 200
TRAIN = TrainSpec(loss="mse", optimizer="sgd", learning_rate=0.1, batch_size=COUNT)

backends = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed"))
        for name in ("numpy", "torch", "jax", "keras")
    ],
)
sizes = pytest.mark.parametrize("hidden_sizes", [(6, 6), (6, 5)], ids=["one size", "two sizes"])


@pytest.fixture(autouse=True)
def _skip_keras_without_its_engine(name):
    """Or where that computes on a GPU, which it does wherever it sees one."""
    if name == "keras":
        pytest.importorskip("keras", reason="the engine that Keras is to use is not installed", exc_type=ImportError)
        if set(load_plugins().backend(name).load().devices()) != {"cpu"}:
            pytest.skip("Keras computes on the GPU where it sees one: CUDA_VISIBLE_DEVICES=-1 hides it")


@cache
def backend_of(name):
    """The backend, the options it takes in this process, and the finest precision that it has."""
    given = {}
    if name == "keras":
        import keras

        given["engine"] = keras.backend.backend()
    info = load_plugins().backend(name)
    options, backend = resolve_options(info.options, given, name), info.load()
    spec = ModelSpec(input_size=2, hidden_sizes=(6,), output_size=1)
    refusal = backend.refuses(spec, TRAIN, precision="float64", device="cpu", options=options)
    return backend, options, "float32" if refusal else "float64"


def build(name, seed=0, **changes):
    spec = ModelSpec(**{"input_size": 2, "hidden_sizes": (6, 6), "output_size": 1} | changes)
    backend, options, precision = backend_of(name)
    parameters = initial_parameters(spec, "uniform", 1)
    return backend.build(spec, TRAIN, parameters, precision=precision, device="cpu", seed=seed, options=options)


def same(name):
    """Tolerances within which two ways to the same number agree."""
    return {"float64": {"rtol": 1e-12}, "float32": {"rtol": 1e-5, "atol": 1e-7}}[backend_of(name)[2]]


def masks_of(name, hidden_sizes):
    """What the bottom layer's outputs `(STEPS, H)` are multiplied by on their way up, read off one gradient each.

    Of one sequence whose upper layer is reset at every step (its W_hh and forget gates do not matter at T = 1), the
    gradient of the upper W_ih is the outer product of the gradient of z and the dropped input.
    """
    bottom = build(name, hidden_sizes=hidden_sizes[:1])
    dropping = build(name, hidden_sizes=hidden_sizes, dropout=P)
    masks = []
    for x in np.random.default_rng(0).standard_normal((STEPS, 1, 1, 2)):
        below = bottom.states(bottom.put(x))[0][0, 0]
        _, gradients = dropping.gradients(dropping.put(x), dropping.put(np.ones((1, 1))))
        d_z = gradients["layers.1.forward.bias"]
        k = int(np.argmax(abs(d_z)))
        masks.append(gradients["layers.1.forward.weight_ih"][k] / d_z[k] / below)
    return np.array(masks)


@backends
@pytest.mark.parametrize("hidden_sizes", [(WIDTH, WIDTH), (WIDTH, 5)], ids=["one size", "two sizes"])
def test_elements_are_dropped_or_scaled_so_that_the_expectation_stays(name, hidden_sizes):
    masks = masks_of(name, hidden_sizes)
    dropped = abs(masks) < 1e-12
    np.testing.assert_allclose(
        masks[~dropped], 1 / (1 - P), rtol={"float64": 1e-9, "float32": 1e-3}[backend_of(name)[2]]
    )
    assert abs(dropped.mean() - P) < 5 * np.sqrt(P * (1 - P) / masks.size)
    assert len({row.tobytes() for row in dropped}) == STEPS, "every step draws its own mask"
    by_row = abs(dropped.mean(axis=1) - P)
    assert (by_row < 5 * np.sqrt(P * (1 - P) / WIDTH)).all(), "elements are dropped one by one"


@backends
@sizes
def test_evaluation_drops_nothing_before_and_after_training(name, hidden_sizes):
    x, y = np.random.default_rng(0).standard_normal((COUNT, 3, 2)), np.ones((COUNT, 1))
    dropping, without = (build(name, hidden_sizes=hidden_sizes, dropout=p) for p in (P, 0.0))
    native = dropping.put(x)
    np.testing.assert_allclose(
        dropping.get(dropping.infer(native)), without.get(without.infer(without.put(x))), **same(name)
    )
    dropping.train(native, dropping.put(y), dropping.put(np.arange(COUNT)[None]))
    again = [dropping.get(dropping.infer(native)) for _ in range(2)]
    np.testing.assert_array_equal(*again)
    outputs, _ = dropping.states(native)
    np.testing.assert_array_equal(outputs, dropping.states(native)[0])


@backends
def test_nothing_is_dropped_above_the_top_layer_nor_below_the_bottom_one(name):
    x, y = np.random.default_rng(0).standard_normal((5, 3, 2)), np.ones((5, 1))
    dropping, without = (build(name, hidden_sizes=(6,), dropout=p) for p in (P, 0.0))
    gradients = [model.gradients(model.put(x), model.put(y))[1] for model in (dropping, without)]
    for parameter in gradients[0]:
        np.testing.assert_allclose(gradients[0][parameter], gradients[1][parameter], err_msg=parameter, **same(name))


@backends
@sizes
def test_the_gradient_below_passes_through_the_same_mask(name, hidden_sizes):
    """A step along the gradient of everything lowers the loss that was dropped as it says, to first order."""
    x, y = np.random.default_rng(0).standard_normal((COUNT, 2, 2)), np.ones((COUNT, 1))
    total = {}
    for seed in range(8):
        model = build(name, seed=seed, hidden_sizes=hidden_sizes, dropout=P)
        for parameter, gradient in model.gradients(model.put(x), model.put(y))[1].items():
            total[parameter] = total.get(parameter, 0) + gradient / 8
    without = build(name, hidden_sizes=hidden_sizes)
    expected = without.gradients(without.put(x), without.put(y))[1]
    for parameter in ("layers.0.forward.weight_ih", "layers.0.forward.bias"):
        distance = np.linalg.norm(total[parameter] - expected[parameter]) / np.linalg.norm(expected[parameter])
        assert distance < 0.1, f"{parameter}: the mean over masks is {distance:.2f} away from no mask"
