"""Keras has one engine in each process: run this with KERAS_BACKEND set to each of them."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

from builders import a_configuration
from conformance import FEW, build, data_for, disagreements, setting_of
from lstm_bench import LSTMBenchError, ModelSpec, TrainSpec, Unsupported
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.conformance.agreement import TOLERANCES, relative_error
from lstm_bench.execute.attempt import run_attempt
from lstm_bench.model.parameters import initial_parameters, parameter_count
from lstm_bench.plugin import blocks
from lstm_bench.record.configuration import Effort
from lstm_bench.worker.protocol import MeasureJob
from lstm_bench_numpy._model import NumpyBackend
from precisions import observe, observe_denormals

keras = pytest.importorskip("keras", reason="keras or its engine is not installed", exc_type=ImportError)

from lstm_bench_keras._backend import KerasBackend  # noqa: E402
from lstm_bench_keras._optimizers import optimizer  # noqa: E402

ENGINE = keras.backend.backend()
OPTIONS = {"engine": ENGINE, "jit": "auto", "unroll": "false", "read": "once"}
HAS_FLOAT64 = ENGINE == "tensorflow"
FINEST, RTOL = ("float64", 1e-9) if HAS_FLOAT64 else ("float32", 1e-4)
SPEC = ModelSpec(input_size=1, hidden_sizes=(100,), output_size=1)
SMALL = ModelSpec(input_size=2, hidden_sizes=(3,), output_size=1)
ADAM = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-2, batch_size=4)
QUICK = Effort(name="quick", blocks=2, block_seconds=0.002, warmup_blocks=1, warmup_seconds=0.0, epoch_fraction=0.1)

in_blocks = pytest.mark.skipif(ENGINE == "torch", reason="on torch steps are not compiled in blocks")


@pytest.fixture(scope="module")
def backend():
    backend = KerasBackend()
    if set(backend.devices()) != {"cpu"}:
        pytest.skip("Keras computes on the GPU where it sees one: CUDA_VISIBLE_DEVICES=-1 hides it")
    return backend


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_unrolled_it_computes_the_same(backend, cell):
    spec = ModelSpec(input_size=3, hidden_sizes=(4, 3), output_size=2, cell=cell, bidirectional=True, readout="all")
    train = TrainSpec(loss="cross_entropy", optimizer="adam", learning_rate=1e-2, batch_size=4)
    assert disagreements(backend, spec, train, FINEST, time=FEW, **OPTIONS | {"unroll": "true"}) == []


# Only what differs from jit=auto. Without a compiler JAX traces every step again, and with one torch takes 20 seconds.
@pytest.mark.parametrize(
    "options", [{"jit": "on", "read": "loop"}, {"jit": "off"}] if ENGINE == "tensorflow" else [{"jit": "off"}]
)
def test_with_a_compiler_and_without_it_computes_the_same(backend, options):
    spec = ModelSpec(input_size=2, hidden_sizes=(3, 2), output_size=2, cell="gru", bidirectional=True)
    x, y, order = data_for(spec, ADAM)
    x, order = x[:, :3], order[:2]
    ours = build(backend, spec, ADAM, FINEST, **OPTIONS | options)
    reference = build(NumpyBackend(), spec, ADAM, "float64")
    native = ours.put(x)
    np.testing.assert_allclose(ours.get(ours.infer(native)), reference.infer(x), rtol=RTOL)
    gradients = [model.gradients(model.put(x[:4]), model.put(y[:4]))[1] for model in (ours, reference)]
    for name in gradients[1]:
        assert relative_error(gradients[0][name], gradients[1][name]) < TOLERANCES[FINEST]["backward"], name
    losses = ours.get(ours.train(native, ours.put(y), ours.put(order)))
    np.testing.assert_allclose(losses, reference.train(x, y, order), rtol=RTOL)
    trained = ours.parameters()
    for name, array in reference.parameters().items():
        assert relative_error(trained[name], array) < TOLERANCES[FINEST]["update"], name


@pytest.mark.skipif(ENGINE != "tensorflow", reason="this is about TensorFlow")
@pytest.mark.parametrize(("read", "copies"), [("once", False), ("loop", True)])
def test_weights_that_are_read_in_the_loop_over_time_are_copied_for_each_of_its_steps(backend, read, copies):
    spec = ModelSpec(input_size=2, hidden_sizes=(5,), output_size=1)
    model = build(backend, spec, ADAM, "float32", **OPTIONS | {"read": read})
    x, y = np.zeros((3, 7, 2), np.float32), np.zeros((3, 1), np.float32)
    program = model._program.differentiate.experimental_get_compiler_ir(model.put(x), model.put(y))("optimized_hlo")
    assert ("f32[7,5,20]" in program) == copies  # (T, H, 4H): the recurrent kernel at each step


@pytest.mark.skipif(ENGINE == "tensorflow", reason="this is about the other engines")
def test_the_other_engines_read_the_weights_in_one_way_only(backend):
    refusal = backend.refuses(SMALL, ADAM, setting_of(backend, "float32", **OPTIONS | {"read": "loop"}))
    assert "read=loop is for engine=tensorflow alone" in refusal


def paths(model, spec=SMALL):
    """What infers and what trains."""
    x, y, order = (model.put(array) for array in data_for(spec, ADAM))
    return model.kernel_path(x), model.training_kernel_path(x, y, order)


@pytest.mark.parametrize(
    ("engine", "options", "path"),
    [
        ("tensorflow", {}, "XLA program, a loop over time"),
        ("tensorflow", {"unroll": "true"}, "XLA program, no loop"),
        ("tensorflow", {"jit": "off"}, "TensorFlow graph, a loop over time, products by "),
        ("tensorflow", {"jit": "off", "unroll": "true"}, "TensorFlow graph, no loop, products by "),
        ("jax", {}, "XLA program, a loop over time, products by "),
        ("jax", {"unroll": "true"}, "XLA program, no loop, products by "),
        ("jax", {"jit": "off"}, "JAX operations one by one, a loop over time"),
        ("jax", {"jit": "off", "unroll": "true"}, "JAX operations one by one, no loop"),
        ("torch", {}, "ATen loop over time"),
    ],
)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_it_says_whether_there_is_a_loop_and_who_compiled_it(backend, engine, options, path, cell):
    if engine != ENGINE:
        pytest.skip(f"this process has {ENGINE}")
    spec = ModelSpec(input_size=2, hidden_sizes=(3,), output_size=1, cell=cell)
    infers, trains = paths(build(backend, spec, ADAM, "float32", **OPTIONS | options), spec)
    assert infers.startswith(path)
    assert trains.startswith(path)


@pytest.mark.skipif(ENGINE != "tensorflow", reason="this is about TensorFlow")
def test_functions_that_tensorflow_does_not_run_as_such_are_seen_not_to_be(backend):
    tf = importlib.import_module("tensorflow")
    model = build(backend, SMALL, ADAM, "float32", **OPTIONS)
    tf.config.run_functions_eagerly(True)
    try:
        assert paths(model) == ("TensorFlow operations one by one", "TensorFlow operations one by one")
    finally:
        tf.config.run_functions_eagerly(False)
    assert paths(model) == ("XLA program, a loop over time", "XLA program, a loop over time")


@pytest.mark.skipif(ENGINE != "jax", reason="this is about JAX")
def test_jit_that_is_switched_off_for_the_process_is_seen_to_be_off(backend):
    jax = importlib.import_module("jax")
    model = build(backend, SMALL, ADAM, "float32", **OPTIONS)
    with jax.disable_jit():
        assert all(path.startswith("JAX operations one by one") for path in paths(model))
    assert all(path.startswith("XLA program") for path in paths(model))


@pytest.mark.skipif(ENGINE != "tensorflow", reason="this is about TensorFlow's own environment variables")
@pytest.mark.parametrize(
    ("environment", "seen"),
    [
        ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "TensorFlow graph, a loop over time, products by TensorFlow itself"),
        ({"TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"}, "TensorFlow graph with XLA programs in it, "),
    ],
)
def test_what_the_environment_of_a_worker_changes_is_seen(monkeypatch, environment, seen):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    plugins = load_plugins()
    recipe = plugins.task("flights").recipe(None, plugins.task("flights").read({}))
    configuration = a_configuration(
        recipe=recipe, backend="keras", backend_options=OPTIONS | {"jit": "off"}, threads=1, effort=QUICK
    )
    done = run_attempt(
        MeasureJob(configuration=configuration, times_only=True), plugins.backend("keras"), timeout=120.0
    )
    assert (done.status, done.reason) == ("ok", "")
    assert done.findings.kernel_path.startswith(seen)
    assert done.findings.training_kernel_path.startswith(seen)


@pytest.mark.parametrize("jit", ["auto", "on", "off"])
@pytest.mark.parametrize("precision", [FINEST, "float32", "bfloat16"])
def test_there_is_a_product_in_every_precision_with_a_compiler_and_without(backend, precision, jit):
    product = backend.product(64, setting_of(backend, precision, **OPTIONS | {"jit": jit}))
    product()
    product()


@pytest.mark.skipif(ENGINE != "jax", reason="this is about JAX")
@pytest.mark.parametrize(("precision", "products"), [("float32", "HIGHEST"), ("bfloat16", "DEFAULT")])
@pytest.mark.parametrize("jit", ["auto", "off"])
def test_every_product_of_a_model_carries_its_precision_and_the_process_has_none(backend, precision, products, jit):
    jax = importlib.import_module("jax")
    model = build(backend, SMALL, ADAM, precision, **OPTIONS | {"jit": jit})
    x, y, order = map(model.put, data_for(SMALL, ADAM))
    program, state = model._program, model._state
    calls = [
        lambda: program.infer(state.trained, state.others, x),
        lambda: program.train(state, x, y, order, 1),
        lambda: program.differentiate(state.trained, x, y, state.others),
        lambda: program.input_gradient(state.trained, x, y, state.others),
        lambda: program.states(state.trained, x, None),
    ]
    for text in (str(jax.make_jaxpr(call)()) for call in calls):
        assert text.count("dot_general") == text.count(f"precision=(Precision.{products}, Precision.{products})") > 0
    assert jax.config.jax_default_matmul_precision is None


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
def test_its_products_are_computed_in_what_was_asked_for(backend, precision):
    spec = ModelSpec(input_size=1, hidden_sizes=(20,), output_size=1)
    if precision == "float64" and not HAS_FLOAT64:
        pytest.skip(f"Keras has no float64 on {ENGINE}")
    assert set(observe(backend, spec, precision, **OPTIONS).values()) == {precision}


def test_denormal_numbers_are_kept_on_pytorch_and_taken_for_zero_by_the_others(backend):
    assert observe_denormals(backend, SPEC, **OPTIONS) == ("kept" if ENGINE == "torch" else "flushed")


def test_a_block_of_any_length_is_that_many_steps(backend, monkeypatch):
    if ENGINE != "torch":
        monkeypatch.setattr(blocks, "LONGEST_BLOCK", 4)
    x, y, order = data_for(SMALL, ADAM)
    ours, reference = build(backend, SMALL, ADAM, FINEST, **OPTIONS), build(NumpyBackend(), SMALL, ADAM, "float64")
    native_x, native_y = ours.put(x), ours.put(y)
    for steps in (1, 3, 4, 5, 11):  # of one model, since each would be compiled anew
        losses = ours.get(ours.train(native_x, native_y, ours.put(order[:steps])))
        assert losses.shape == (steps,)
        np.testing.assert_allclose(losses, reference.train(x, y, order[:steps]), rtol=RTOL)
        trained = ours.parameters()
        for name, array in reference.parameters().items():
            np.testing.assert_allclose(trained[name], array, rtol=RTOL, err_msg=f"{name} after {steps}")


@in_blocks
def test_one_compilation_serves_blocks_of_every_length(backend):
    model = build(backend, SMALL, ADAM, "float32", **OPTIONS)
    x, y, order = data_for(SMALL, ADAM)
    compiled = []
    for steps in (1, 7, 20):
        model.train(model.put(x), model.put(y), model.put(order[:steps]))
        train = model._program.train
        compiled.append(train._cache_size() if ENGINE == "jax" else train.experimental_get_tracing_count())
    assert len(set(compiled)) == 1


@in_blocks
def test_gradients_alone_are_compiled_once(backend):
    spec = ModelSpec(input_size=2, hidden_sizes=(3, 2), output_size=1, dropout=0.5, batch_norm=True)
    model = build(backend, spec, ADAM, "float32", **OPTIONS)
    x, y, _ = data_for(spec, ADAM)
    for _ in range(3):
        model.differentiate(model.put(x), model.put(y))
    differentiate = model._program.differentiate
    times = differentiate._cache_size() if ENGINE == "jax" else differentiate.experimental_get_tracing_count()
    assert times == 1


@pytest.mark.skipif(ENGINE != "jax", reason="only on jax is there something to wait for on the CPU")
@pytest.mark.parametrize("jit", ["auto", "off"])
def test_waiting_waits_for_everything_asked_for(backend, jit):
    jax = importlib.import_module("jax")
    model = build(backend, SMALL, ADAM, "float32", **OPTIONS | {"jit": jit})
    x, y, _ = data_for(SMALL, ADAM)
    native_x, native_y = model.put(x), model.put(y)
    asked = [(model.infer(native_x), model.differentiate(native_x, native_y)) for _ in range(3)]
    model.synchronize()
    assert all(array.is_ready() for array in jax.tree.leaves(asked))
    assert model._pending == []


def test_what_was_compiled_for_a_model_that_is_gone_serves_the_next_of_its_kind(backend):
    spec = ModelSpec(input_size=2, hidden_sizes=(5, 4), output_size=1, batch_norm=True, dropout=0.5)
    x, y, order = data_for(spec, ADAM)

    def new(seed):
        parameters = initial_parameters(spec, "uniform", seed)
        return backend.build(spec, ADAM, parameters, setting_of(backend, "float32", **OPTIONS), seed=seed)

    def trained(model):
        losses = model.get(model.train(model.put(x), model.put(y), model.put(order)))
        return [losses, model.get(model.infer(model.put(x))), *model.parameters().values()]

    first = new(1)
    program, network = getattr(first, "_program", None), first._network
    expected = trained(first)
    second = new(2)  # beside the first, which still is what it was
    assert second._network is not network
    others = trained(second)
    np.testing.assert_array_equal(first.get(first.infer(first.put(x))), expected[1])
    del first
    again = new(2)
    assert again._network is network
    assert getattr(again, "_program", None) is program
    for ours, theirs, old in zip(trained(again), others, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
        assert not np.allclose(ours, old, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_of_the_grus_second_bias_only_the_candidates_part_ever_moves(backend, bidirectional):
    spec = ModelSpec(input_size=2, hidden_sizes=(3, 4), output_size=1, cell="gru", bidirectional=bidirectional)
    model = build(backend, spec, ADAM, "float32", **OPTIONS)
    x, y, order = data_for(spec, ADAM)
    before = model.parameters()
    model.train(model.put(x), model.put(y), model.put(order[:5]))
    after = model.parameters()
    for layer, hidden in enumerate(spec.hidden_sizes):
        biases = [
            held.variable
            for held in model._network.held
            if any(f"layers.{layer}." in n and "bias" in n for n in held.names)
        ]
        assert len(biases) == len(spec.directions)
        for bias in biases:
            second = model.get(bias.value)[1]
            assert not second[: 2 * hidden].any()
            assert second[2 * hidden :].all()
        for direction in spec.directions:
            name = f"layers.{layer}.{direction}.bias_hn"
            assert (after[name] != before[name]).any(), name


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("cell", "unused"), [("lstm", 0), ("rnn", 0), ("gru", 2)])
def test_keras_counts_the_part_of_the_grus_second_bias_that_is_held_at_zero(backend, cell, unused, bidirectional):
    spec = ModelSpec(input_size=2, hidden_sizes=(3, 4), output_size=1, cell=cell, bidirectional=bidirectional)
    native = build(backend, spec, ADAM, "float32", **OPTIONS).native_parameter_count()
    assert native == parameter_count(spec) + unused * sum(spec.hidden_sizes) * len(spec.directions)


def test_without_biases_there_are_none_in_keras_either(backend):
    spec = ModelSpec(input_size=2, hidden_sizes=(3,), output_size=1, cell="gru", bias=False)
    assert build(backend, spec, ADAM, "float32", **OPTIONS).native_parameter_count() == parameter_count(spec)


def test_in_bfloat16_the_layers_are_and_the_parameters_are_not(backend):
    spec = ModelSpec(input_size=8, hidden_sizes=(32, 16), output_size=4)
    train = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-3, batch_size=4)
    x, y, order = data_for(spec, train)
    ours, reference = (
        build(backend, spec, train, "bfloat16", **OPTIONS),
        build(NumpyBackend(), spec, train, "float64"),
    )
    logits = ours.get(ours.infer(ours.put(x)))
    error = relative_error(logits, reference.infer(x))
    assert TOLERANCES["float32"]["forward"] < error < TOLERANCES["bfloat16"]["forward"]
    losses = ours.get(ours.train(ours.put(x), ours.put(y), ours.put(order)))
    assert logits.dtype == losses.dtype == np.float32
    assert relative_error(losses, reference.train(x, y, order)) < TOLERANCES["bfloat16"]["update"]
    outputs, final = ours.states(ours.put(x))
    assert {array.dtype for array in (outputs, *final.h, *final.c)} == {np.dtype(np.float32)}
    moved = ours.parameters()["head.weight"]
    assert moved.dtype == np.float32
    rounded = ours.get(keras.ops.cast(keras.ops.cast(moved, "bfloat16"), "float32"))
    assert relative_error(moved, rounded) > 1e-5


@pytest.mark.parametrize(
    ("precision", "reason"),
    [("tf32", "NVIDIA"), ("float64", None if HAS_FLOAT64 else "Keras rounds float64 to float32"), ("float32", None)],
)
def test_what_it_cannot_do_it_refuses_with_the_reason(backend, precision, reason):
    refusal = backend.refuses(SPEC, ADAM, setting_of(backend, precision, **OPTIONS))
    assert refusal is None if reason is None else reason in refusal


@pytest.mark.parametrize("unroll", ["false", "true"])
def test_in_bfloat16_a_gru_without_biases_is_refused_where_keras_fails(backend, unroll):
    spec = ModelSpec(input_size=2, hidden_sizes=(3,), output_size=1, cell="gru", bias=False)
    setting = setting_of(backend, "bfloat16", **OPTIONS | {"unroll": unroll})
    refusal, fails = backend.refuses(spec, ADAM, setting) or "", (ENGINE, unroll) == ("jax", "false")
    assert ("GRU without biases adds float32 zeros" in refusal) is fails
    assert fails or disagreements(backend, spec, ADAM, setting) == []


def test_another_engine_than_that_of_the_process_cannot_be_had(backend):
    other = "jax" if ENGINE == "torch" else "torch"
    with pytest.raises(LSTMBenchError, match=f"not with {other}; set KERAS_BACKEND"):
        build(backend, SMALL, ADAM, "float32", **OPTIONS | {"engine": other})


def test_it_names_its_libraries_and_devices(backend):
    assert list(backend.versions())[:2] == ["keras", ENGINE]
    assert "cpu" in backend.devices()
    with pytest.raises(Unsupported, match="not that of cpu"):
        backend.peak_device_memory("cpu")


@pytest.mark.skipif(ENGINE == "torch", reason="on torch the optimizers are torch's own")
@pytest.mark.parametrize(
    ("train", "expected"),
    [
        # p starts at 1, the gradients are 2 and then 1; each line is worked out from the formula by hand
        ({"optimizer": "sgd"}, [0.8, 0.7]),
        ({"optimizer": "sgd", "momentum": 0.5}, [0.8, 0.6]),  # v = 2, then 0.5 * 2 + 1 = 2
        ({"optimizer": "sgd", "clip_norm": 1.0}, [0.9, 0.8]),
        ({"optimizer": "adam"}, [0.9, 0.9 - 0.1 * (0.28 / 0.19) / (0.004996 / 0.001999) ** 0.5]),
        ({"optimizer": "rmsprop"}, [1 - 0.1 * 2 / 0.4**0.5, 1 - 0.1 * 2 / 0.4**0.5 - 0.1 / (0.9 * 0.4 + 0.1) ** 0.5]),
    ],
    ids=["sgd", "momentum", "clipped", "adam", "rmsprop"],
)
def test_optimizers_follow_their_formulas(train, expected):
    spec = TrainSpec(loss="mse", learning_rate=0.1, batch_size=1, **train)
    p = keras.Variable(np.ones(1), dtype="float32")
    updating = optimizer(spec, SimpleNamespace(trainable_variables=[p]))
    seen = []
    for gradient in (2.0, 1.0):
        updating.apply([keras.ops.convert_to_tensor([gradient], dtype="float32")], [p])
        seen.append(float(p.value[0]))
    assert seen == pytest.approx(expected, rel=1e-6)
