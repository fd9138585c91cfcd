from __future__ import annotations

import numpy as np
import pytest

from conformance import FEW, TIME, build, data_for, disagreements, setting_of
from lstm_bench import ModelSpec, TrainSpec
from lstm_bench.conformance.agreement import TOLERANCES, relative_error
from lstm_bench.plugin import blocks
from lstm_bench_numpy._model import NumpyBackend
from precisions import observe, observe_denormals

jax = pytest.importorskip("jax", reason="jax is not installed")

from lstm_bench_jax import _layers  # noqa: E402
from lstm_bench_jax._backend import JaxBackend  # noqa: E402
from lstm_bench_jax._float64 import in_64_bits  # noqa: E402

SPEC = ModelSpec(input_size=1, hidden_sizes=(100,), output_size=1)
ADAM = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-3, batch_size=1)

needs_cuda = pytest.mark.skipif(jax.default_backend() != "gpu", reason="there is no CUDA device on this machine")


@pytest.fixture(scope="module")
def backend():
    return JaxBackend()


def paths(model, spec=SPEC, train=ADAM, time=TIME):
    """What infers and what trains."""
    x, y, order = (model.put(array) for array in data_for(spec, train, time=time))
    return model.kernel_path(x), model.training_kernel_path(x, y, order)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_unrolled_it_computes_the_same(backend, cell):
    deep = cell == "lstm"  # one of the cells with all there is: what is unrolled takes long to compile
    spec = ModelSpec(
        input_size=3,
        hidden_sizes=(4, 3) if deep else (4,),
        output_size=2,
        cell=cell,
        bidirectional=deep,
        batch_norm=True,
        readout="all",
    )
    train = TrainSpec(loss="cross_entropy", optimizer="adam", learning_rate=1e-2, batch_size=4)
    assert disagreements(backend, spec, train, "float64", time=FEW, impl="unrolled") == []
    for impl, loop in (("unrolled", "no loop"), ("scan", "a loop over time")):
        for path in paths(build(backend, spec, train, "float64", impl=impl), spec, train, FEW):
            assert path.startswith(f"XLA program, {loop}, products by ")


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@in_64_bits
def test_its_own_backward_pass_is_the_derivative_that_jax_would_find(cell):
    """Also of what training never asks for: the inputs' gradient, and the initial state's."""
    generator = np.random.default_rng(0)
    kind = _layers.CELLS[cell]
    shapes = {"weight_ih": (kind.gates * 3, 2), "weight_hh": (kind.gates * 3, 3), "bias": (kind.gates * 3,)}
    if cell == "gru":
        shapes["bias_hn"] = (3,)
    weights = jax.device_put(kind.pack({name: generator.standard_normal(s) for name, s in shapes.items()}))
    xs = jax.numpy.asarray(generator.standard_normal((5, 4, 2)))
    initial = tuple(jax.numpy.asarray(generator.standard_normal((4, 3))) for _ in range(kind.states))
    up = generator.standard_normal((5, 4, 3)), generator.standard_normal((kind.states, 4, 3))

    def value(layer, weights, xs, initial):
        outputs, final = layer(weights, xs, initial)
        return (outputs * up[0]).sum() + sum((f * u).sum() for f, u in zip(final, up[1], strict=True))

    def without_ours(weights, xs, initial):
        def step(state, x):
            state, _ = kind.step(weights, x, state)
            return state, state[0]

        final, outputs = jax.lax.scan(step, initial, xs, reverse=True)
        return outputs, final

    ours = _layers._scan(cell, False, True, True)
    found, expected = (
        jax.grad(value, argnums=(1, 2, 3))(layer, weights, xs, initial) for layer in (ours, without_ours)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), found, expected)


@pytest.mark.parametrize("steps", [1, 3, 4, 5, 11])
def test_a_block_of_any_length_is_that_many_steps(backend, monkeypatch, steps):
    monkeypatch.setattr(blocks, "LONGEST_BLOCK", 4)
    train = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-2, batch_size=4)
    spec = ModelSpec(input_size=2, hidden_sizes=(3,), output_size=1)
    x, y, order = data_for(spec, train)
    ours, reference = build(backend, spec, train, "float64", impl="scan"), build(NumpyBackend(), spec, train, "float64")
    losses = ours.get(ours.train(ours.put(x), ours.put(y), ours.put(order[:steps])))
    assert losses.shape == (steps,)
    np.testing.assert_allclose(losses, reference.train(x, y, order[:steps]), rtol=1e-9)
    for name, array in reference.parameters().items():
        np.testing.assert_allclose(ours.parameters()[name], array, rtol=1e-9, err_msg=name)


def test_one_compilation_serves_blocks_of_every_length(backend):
    train = TrainSpec(loss="mse", optimizer="sgd", learning_rate=1e-3, batch_size=4)
    spec = ModelSpec(input_size=2, hidden_sizes=(3,), output_size=1)
    x, y, order = data_for(spec, train)
    for _ in range(2):  # two models of one spec share it, too
        model = build(backend, spec, train, "float32", impl="scan")
        for steps in (1, 7, 20):
            model.train(model.put(x), model.put(y), model.put(order[:steps]))
    assert model._program.train._cache_size() == 1
    assert backend.compile_seconds() > 0


def test_to_say_what_ran_nothing_is_compiled_that_had_not_run(backend):
    train = TrainSpec(loss="mse", optimizer="rmsprop", learning_rate=1e-3, batch_size=4)
    model = build(backend, SPEC, train, "float32", impl="scan")
    x, y, order = (model.put(array) for array in data_for(SPEC, train))
    model.infer(x)
    model.train(x, y, order)
    model.synchronize()
    compiling = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: compiling.append(event))
    model.kernel_path(x)
    model.training_kernel_path(x, y, order)
    assert not [event for event in compiling if "backend_compile" in event]


def test_jit_that_is_switched_off_for_the_process_is_seen_to_be_off(backend):
    model = build(backend, ModelSpec(input_size=1, hidden_sizes=(3,), output_size=1), ADAM, "float32", impl="scan")
    with jax.disable_jit():
        assert paths(model) == ("JAX operations one by one", "JAX operations one by one")
    assert all(path.startswith("XLA program, a loop over time") for path in paths(model))


@pytest.mark.parametrize(
    ("precision", "dtype", "products"),
    [("float64", "f64", "HIGHEST"), ("float32", "f32", "HIGHEST"), ("bfloat16", "bf16", "DEFAULT")],
)
def test_its_product_is_in_the_precision_that_was_asked_for(backend, precision, dtype, products):
    product = backend.product(64, setting_of(backend, precision))
    text = str(jax.make_jaxpr(product)())
    assert text.count("dot_general") == 1
    assert f"precision=(Precision.{products}, Precision.{products})" in text
    assert f"{dtype}[64,64] = dot_general" in text.replace("\n", " ")


def test_float64_models_and_products_leave_float32_programs_as_they_are(backend):
    model, wide = build(backend, SPEC, ADAM, "float32"), build(backend, SPEC, ADAM, "float64")
    given = data_for(SPEC, ADAM)
    wide.train(*map(wide.put, given))
    backend.product(8, setting_of(backend, "float64"))()
    assert not jax.config.jax_enable_x64
    text = model._program.train.lower(model._state, *map(model.put, given), 20).as_text()
    assert "f32>" in text
    assert "f64>" not in text


def test_waiting_waits_for_everything_asked_for(backend):
    model = build(backend, SPEC, ADAM, "float32", impl="scan")
    x = model.put(np.zeros((1, 12, 1)))
    y = model.put(np.zeros((1, 1)))
    asked = [(model.infer(x), model.differentiate(x, y)) for _ in range(50)]
    model.synchronize()
    assert all(array.is_ready() for array in jax.tree.leaves(asked))
    assert model._pending == []


def test_gradients_alone_are_compiled_once_and_leave_out_that_of_the_inputs(backend):
    spec = ModelSpec(input_size=50, hidden_sizes=(3,), output_size=1, dropout=0.5, batch_norm=True)
    x, y, _ = data_for(spec, ADAM)
    for _ in range(2):
        model = build(backend, spec, ADAM, "float32", impl="scan")
        for _ in range(3):
            model.differentiate(model.put(x), model.put(y))
    program, state = model._program, model._state
    assert program.differentiate._cache_size() == 1
    given = state.trained, state.statistics, model.put(x), model.put(y), state.key
    with_them = jax.jit(jax.value_and_grad(program._loss, argnums=(0, 2), has_aux=True))
    without, more = (f.lower(*given).compile().cost_analysis()["flops"] for f in (program.differentiate, with_them))
    of_the_product = 2 * x.size * 4 * 3  # x (B, T, I), and for each element as many terms as there are gates
    assert more - without >= 0.9 * of_the_product


def test_in_bfloat16_the_layers_are_and_the_parameters_are_not(backend):
    spec = ModelSpec(input_size=8, hidden_sizes=(32, 16), output_size=4)
    train = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-3, batch_size=4)
    x, y, order = data_for(spec, train)
    ours, reference = (
        build(backend, spec, train, "bfloat16", impl="scan"),
        build(NumpyBackend(), spec, train, "float64"),
    )
    logits = ours.get(ours.infer(ours.put(x)))
    error = relative_error(logits, reference.infer(x))
    assert TOLERANCES["float32"]["forward"] < error < TOLERANCES["bfloat16"]["forward"]
    losses = ours.get(ours.train(ours.put(x), ours.put(y), ours.put(order)))
    outputs, final = ours.states(ours.put(x))
    assert {a.dtype for a in (logits, losses, outputs, *final.h, *final.c)} == {np.dtype(np.float32)}
    assert relative_error(losses, reference.train(x, y, order)) < TOLERANCES["bfloat16"]["update"]
    moved = ours.parameters()["head.weight"]
    assert relative_error(moved.astype(np.float32), np.array(jax.numpy.asarray(moved, "bfloat16"), np.float32)) > 1e-5


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
def test_cudnn_gets_its_weights_in_the_order_that_jax_documents(monkeypatch, bias, reverse):
    """No GPU is needed: JAX keeps a reference beside its call of cuDNN, which takes the same flat weights."""
    from jax.experimental import rnn

    def reference(x, h, c, flat, lengths, input_size, hidden_size, layers, dropout, bidirectional, precision=None):
        parts = rnn.unpack_lstm_weights(flat, input_size, hidden_size, layers, bidirectional)
        return rnn.lstm_ref(x, h, c, *parts, lengths, input_size, hidden_size, layers, dropout, bidirectional)

    monkeypatch.setattr(rnn, "lstm", reference)
    generator = np.random.default_rng(0)
    canonical = {"weight_ih": (12, 2), "weight_hh": (12, 3)} | ({"bias": (12,)} if bias else {})
    weights = _layers.CELLS["lstm"].pack({name: generator.standard_normal(s) for name, s in canonical.items()})
    weights = jax.tree.map(lambda array: jax.numpy.asarray(array, "float32"), weights)
    xs = jax.numpy.asarray(generator.standard_normal((5, 4, 2)), "float32")
    initial = tuple(jax.numpy.asarray(generator.standard_normal((4, 3)), "float32") for _ in range(2))
    how = {"reverse": reverse, "sequence": True}
    found, expected = (
        _layers.cudnn(weights, xs, initial, **how),
        _layers.scan("lstm", unroll=False)(weights, xs, initial, **how),
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected)
    assert _layers.cudnn(weights, xs, initial, reverse=reverse, sequence=False)[0] is None


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
def test_its_products_are_computed_in_what_was_asked_for(backend, precision):
    spec = ModelSpec(input_size=1, hidden_sizes=(20,), output_size=1)
    assert set(observe(backend, spec, precision, impl="scan").values()) == {precision}


@pytest.mark.parametrize("impl", ["scan", "unrolled"])
def test_xla_takes_denormal_numbers_for_zero_on_a_cpu(backend, impl):
    assert observe_denormals(backend, SPEC, impl=impl) == "flushed"


@pytest.mark.parametrize(
    ("precision", "impl", "reason"),
    [("tf32", "scan", "NVIDIA"), ("float32", "cudnn", "NVIDIA"), ("float32", "scan", "")],
)
def test_what_it_cannot_do_it_refuses_with_the_reason(backend, precision, impl, reason):
    refusal = backend.refuses(SPEC, ADAM, setting_of(backend, precision, impl=impl))
    assert refusal is None if not reason else reason in refusal


@pytest.mark.parametrize(("cell", "precision"), [("gru", "float32"), ("lstm", "bfloat16"), ("lstm", "float64")])
def test_what_jax_does_not_give_of_cudnn_is_refused(backend, cell, precision):
    spec = ModelSpec(input_size=1, hidden_sizes=(4,), output_size=1, cell=cell)
    refusal = backend.refuses(spec, ADAM, setting_of(backend, precision, "cuda:0", impl="cudnn"))
    assert "cuDNN" in refusal


def test_it_names_its_libraries_and_devices(backend):
    assert next(iter(backend.versions())) == "jax"
    assert "cpu" in backend.devices()


@needs_cuda
def test_cudnn_agrees_with_the_reference_in_ieee_float32(backend):
    spec = ModelSpec(input_size=3, hidden_sizes=(8, 5), output_size=2, bidirectional=True)
    x, y, order = data_for(spec, ADAM)
    model = build(backend, spec, ADAM, setting_of(backend, "float32", "cuda:0", impl="cudnn"))
    reference = build(NumpyBackend(), spec, ADAM, "float64")
    assert relative_error(model.get(model.infer(model.put(x))), reference.infer(x)) < 1e-5
    losses = model.get(model.train(model.put(x), model.put(y), model.put(order)))
    assert relative_error(losses, reference.train(x, y, order)) < 1e-4
    assert paths(model, spec) == ("cuDNN RNN", "cuDNN RNN")
