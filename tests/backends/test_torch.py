from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from builders import a_configuration
from conformance import build, data_for, disagreements, setting_of
from lstm_bench import ModelSpec, TrainSpec, Unsupported
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.conformance.agreement import TOLERANCES, relative_error
from lstm_bench.execute.attempt import run_attempt
from lstm_bench.record.configuration import Effort
from lstm_bench.worker.protocol import MeasureJob
from lstm_bench_numpy._model import NumpyBackend
from precisions import observe, observe_denormals

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from lstm_bench_torch._model import TorchBackend  # noqa: E402
from lstm_bench_torch._products import multiplying_in  # noqa: E402

FUSED = {"impl": "fused", "compile": "false", "denormals": "keep"}
SPEC = ModelSpec(input_size=1, hidden_sizes=(100,), output_size=1)
ADAM = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-3, batch_size=1)
SLOW_PATHS = Path(__file__).parents[1] / "zoo" / "slow_paths.py"
QUICK = Effort(name="quick", blocks=2, block_seconds=0.002, warmup_blocks=1, warmup_seconds=0.0, epoch_fraction=0.1)

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device on this machine")


@pytest.mark.parametrize(("precision", "forward", "backward"), [("float32", 1e-5, 1e-4), ("float64", 1e-12, 1e-10)])
def test_it_agrees_with_numpy_on_the_flights_recipe(precision, forward, backward):
    generator = np.random.default_rng(0)
    x, y = generator.uniform(-1, 1, (120, 12, 1)), generator.uniform(-1, 1, (120, 1))
    ours, numpy = (build(TorchBackend(), SPEC, ADAM, precision, **FUSED), build(NumpyBackend(), SPEC, ADAM, precision))
    batch, target = x[:1], y[:1]
    logits = [model.get(model.infer(model.put(batch))) for model in (ours, numpy)]
    assert relative_error(*logits) < forward
    gradients = [model.gradients(model.put(batch), model.put(target))[1] for model in (ours, numpy)]
    for name in gradients[0]:
        assert relative_error(gradients[0][name], gradients[1][name]) < backward, name
    order = np.arange(100)[:, None]
    losses = [model.get(model.train(model.put(x), model.put(y), model.put(order))) for model in (ours, numpy)]
    np.testing.assert_allclose(*losses, rtol=1e-4, atol=1e-4 * losses[1].mean())


def test_the_second_bias_is_counted_by_torch_but_never_moves():
    model = build(TorchBackend(), SPEC, ADAM, "float32", **FUSED)
    assert model.native_parameter_count() == 41_301
    assert sum(array.size for array in model.parameters().values()) == 40_901
    x, y = model.put(np.ones((1, 12, 1))), model.put(np.ones((1, 1)))
    before = model.parameters()
    model.train(x, y, model.put(np.zeros((5, 1), int)))
    second = model._network.stacks[0].bias_hh_l0
    assert not second.requires_grad
    assert torch.count_nonzero(second) == 0
    assert not np.array_equal(model.parameters()["layers.0.forward.bias"], before["layers.0.forward.bias"])


def test_neighbouring_layers_of_one_size_share_one_module():
    spec = ModelSpec(input_size=2, hidden_sizes=(4, 4, 3), output_size=1)
    network = build(TorchBackend(), spec, ADAM, "float32", **FUSED)._network
    assert [(stack.hidden_size, stack.num_layers) for stack in network.stacks] == [(4, 2), (3, 1)]


def paths(model, spec=SPEC):
    """What infers and what trains."""
    x, y, order = np.zeros((4, 12, spec.input_size)), np.zeros((4, spec.output_size)), np.arange(4).reshape(2, 2)
    return model.kernel_path(model.put(x)), model.training_kernel_path(*map(model.put, (x, y, order)))


needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here")


@needs_onednn
@pytest.mark.parametrize(
    ("cell", "precision", "path"),
    [
        ("lstm", "float32", "oneDNN RNN"),
        ("lstm", "float64", "ATen loop over time"),
        ("gru", "float32", "ATen loop over time"),
        ("rnn", "float32", "ATen loop over time"),
    ],
)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_runs_on_onednn_where_torch_has_it_and_says_where_not(cell, precision, path, bidirectional):
    spec = ModelSpec(input_size=1, hidden_sizes=(7, 7), output_size=1, cell=cell, bidirectional=bidirectional)
    assert paths(build(TorchBackend(), spec, ADAM, precision, **FUSED)) == (path, path)


@needs_onednn
def test_onednn_that_is_switched_off_is_seen_to_be_off(monkeypatch):
    model = build(TorchBackend(), SPEC, ADAM, "float32", **FUSED)
    assert paths(model) == ("oneDNN RNN", "oneDNN RNN")
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert paths(model) == ("ATen loop over time", "ATen loop over time")


@needs_onednn
def test_where_training_alone_leaves_the_fast_path_that_is_seen_too(monkeypatch):
    model = build(TorchBackend(), SPEC, ADAM, "float32", **FUSED)
    forward = model._network.__call__

    def without_onednn_in_training(x, *, training=False, remember=False):
        monkeypatch.setattr(torch.backends.mkldnn, "enabled", not training)
        return forward(x, training=training, remember=remember)

    monkeypatch.setattr(model, "_forward", without_onednn_in_training)
    assert paths(model) == ("oneDNN RNN", "ATen loop over time")


@pytest.mark.parametrize("impl", ["cell", "loop"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_its_loops_run_as_loops(cell, impl):
    spec = ModelSpec(input_size=1, hidden_sizes=(7,), output_size=1, cell=cell)
    model = build(TorchBackend(), spec, ADAM, "float32", **FUSED | {"impl": impl})
    assert paths(model) == ("ATen loop over time", "ATen loop over time")


def attempt(backend, **changes):
    """A round that is only timed, in a worker process of its own."""
    plugins = load_plugins([SLOW_PATHS])
    recipe = plugins.task("flights").recipe(None, plugins.task("flights").read({}))
    given = {"backend": backend, "recipe": recipe, "backend_options": FUSED, "threads": 1, "effort": QUICK}
    job = MeasureJob(configuration=a_configuration(**given | changes), plugin_files=(str(SLOW_PATHS),), times_only=True)
    return run_attempt(job, plugins.backend(backend), timeout=60.0)


@needs_onednn
@pytest.mark.parametrize(
    ("backend", "status", "path", "reason"),
    [
        ("torch", "ok", "oneDNN RNN", ""),
        (
            "torch-without-onednn",
            "mismatch",
            "ATen loop over time",
            "infer and train ran on 'ATen loop over time', where --require-kernel asks for onednn or cudnn",
        ),
    ],
)
def test_a_worker_that_has_lost_the_kernel_that_is_required_is_a_mismatch(backend, status, path, reason):
    done = attempt(backend, require_kernel="onednn|cudnn")
    assert (done.status, done.reason) == (status, reason)
    assert done.phase == ("verify" if status == "ok" else "inspect")
    assert (done.findings.kernel_path, done.findings.training_kernel_path) == (path, path)
    assert set(done.findings.timings) == {"train", "infer"}


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
def test_its_product_is_in_the_precision_that_was_asked_for(precision):
    seen = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            seen.append((function.overloadpacket, *((a.shape, a.dtype) for a in args)))
            return function(*args, **(kwargs or {}))

    product = TorchBackend().product(64, setting_of(TorchBackend(), precision, **FUSED))
    with Watch():
        product()
    matrix = ((64, 64), getattr(torch, precision))
    assert seen == [(torch.ops.aten.mm, matrix, matrix)]


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler imports what torch deprecates
def test_compiled_it_computes_the_same():
    spec = ModelSpec(input_size=3, hidden_sizes=(4,), output_size=2, batch_norm=True)
    train = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-2, batch_size=4)
    assert disagreements(TorchBackend(), spec, train, "float64", **FUSED | {"impl": "loop", "compile": "true"}) == []
    model = build(TorchBackend(), spec, train, "float64", **FUSED | {"impl": "loop", "compile": "true"})
    assert paths(model, spec) == ("loop over time by torch.compile", "loop over time by torch.compile")


@pytest.mark.parametrize("impl", ["fused", "cell", "loop"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_in_bfloat16_the_layers_are_and_the_parameters_are_not(cell, impl):
    spec = ModelSpec(input_size=8, hidden_sizes=(32, 16), output_size=4, cell=cell, batch_norm=True)
    train = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-3, batch_size=4)
    x, y, order = data_for(spec, train)
    ours = build(TorchBackend(), spec, train, "bfloat16", **FUSED | {"impl": impl})
    reference = build(NumpyBackend(), spec, train, "float64")
    logits = ours.get(ours.infer(ours.put(x)))
    error = relative_error(logits, reference.infer(x))
    assert TOLERANCES["float32"]["forward"] < error < TOLERANCES["bfloat16"]["forward"]
    losses = ours.get(ours.train(ours.put(x), ours.put(y), ours.put(order)))
    assert logits.dtype == losses.dtype == np.float32
    assert relative_error(losses, reference.train(x, y, order)) < TOLERANCES["bfloat16"]["update"]
    moved = torch.from_numpy(ours.parameters()["head.weight"])
    assert not torch.equal(moved, moved.bfloat16().float()), "parameters have more digits than bfloat16"


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
def test_gradients_alone_are_in_the_precision_of_the_parameters_and_keep_no_graph(precision):
    spec = ModelSpec(input_size=3, hidden_sizes=(4,), output_size=2, cell="gru", batch_norm=True)
    x, y, _ = data_for(spec, ADAM)
    model = build(TorchBackend(), spec, ADAM, precision, **FUSED)
    loss, gradients = model.differentiate(model.put(x), model.put(y))
    wanted = torch.float64 if precision == "float64" else torch.float32
    assert {array.dtype for array in (loss, *gradients)} == {wanted}
    assert not any(array.requires_grad for array in (loss, *gradients))


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
def test_its_products_are_computed_in_what_was_asked_for(precision):
    spec = ModelSpec(input_size=1, hidden_sizes=(20,), output_size=1)
    assert set(observe(TorchBackend(), spec, precision, **FUSED).values()) == {precision}


@pytest.mark.parametrize(
    ("precision", "options", "reason"),
    [
        ("tf32", FUSED, "NVIDIA"),
        ("float32", {"impl": "fused", "compile": "true"}, "impl=cell or impl=loop"),
        ("bfloat16", FUSED, None),
        ("float32", FUSED | {"denormals": "flush"}, None),
    ],
)
def test_what_it_cannot_do_it_refuses_with_the_reason(precision, options, reason):
    refusal = TorchBackend().refuses(SPEC, ADAM, setting_of(TorchBackend(), precision, **options))
    assert refusal is None if reason is None else reason in refusal


def test_denormals_are_flushed_on_the_cpu_alone():
    refusal = TorchBackend().refuses(SPEC, ADAM, setting_of(TorchBackend(), "float32", "cuda:0", denormals="flush"))
    assert "for the CPU alone" in refusal


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize(("denormals", "seen"), [("keep", "kept"), ("flush", "flushed")])
def test_denormals_are_kept_unless_they_are_to_be_flushed(denormals, seen, precision):
    try:
        assert observe_denormals(TorchBackend(), SPEC, precision, **FUSED | {"denormals": denormals}) == seen
    finally:
        torch.set_flush_denormal(False)


def test_it_does_not_compile_without_a_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    setting = setting_of(TorchBackend(), "float32", impl="loop", compile="true")
    assert "no-such-compiler" in TorchBackend().refuses(SPEC, ADAM, setting)


def test_it_names_its_libraries_and_devices():
    versions = TorchBackend().versions()
    assert next(iter(versions)) == "torch"
    assert "cpu" in TorchBackend().devices()


@needs_cuda
@pytest.mark.parametrize("readout", ["last", "all"])
def test_cudnn_agrees_with_the_reference_in_ieee_float32(readout):
    spec = ModelSpec(input_size=3, hidden_sizes=(8, 8, 5), output_size=2, bidirectional=True, readout=readout)
    x, y, order = data_for(spec, ADAM)
    model = build(TorchBackend(), spec, ADAM, setting_of(TorchBackend(), "float32", "cuda:0"))
    reference = build(NumpyBackend(), spec, ADAM, "float64")
    assert relative_error(model.get(model.infer(model.put(x))), reference.infer(x)) < 1e-5
    losses = model.get(model.train(model.put(x), model.put(y), model.put(order)))
    assert relative_error(losses, reference.train(x, y, order)) < 1e-4
    assert model.kernel_path(model.put(x)) == "cuDNN RNN"
    assert model.training_kernel_path(model.put(x), model.put(y), model.put(order)) == "cuDNN RNN"


@needs_cuda
def test_tf32_is_off_for_float32_and_on_when_asked_for():
    wide = ModelSpec(input_size=512, hidden_sizes=(512,), output_size=1)
    x = np.random.default_rng(0).standard_normal((64, 4, 512))
    expected = build(NumpyBackend(), wide, ADAM, "float64").infer(x)
    models = {
        precision: build(TorchBackend(), wide, ADAM, setting_of(TorchBackend(), precision, "cuda:0"))
        for precision in ("float32", "tf32")
    }
    for _ in range(2):  # whichever was built or called last
        errors = {
            name: relative_error(model.get(model.infer(model.put(x))), expected) for name, model in models.items()
        }
        assert errors["float32"] < 1e-5 < errors["tf32"] < 1e-2


def test_each_model_switches_the_process_to_its_own_products():
    seen = []

    def forward(x, **mode):
        seen.append((torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.rnn.fp32_precision))
        return x

    ieee, tf32 = (multiplying_in(chosen, forward) for chosen in ("ieee", "tf32"))
    for model in (ieee, tf32, tf32, ieee):
        model(torch.zeros(1), training=True)
    assert seen == [("ieee", "ieee"), ("tf32", "tf32"), ("tf32", "tf32"), ("ieee", "ieee")]


@needs_cuda
def test_device_memory_is_read_from_the_allocator():
    build(TorchBackend(), SPEC, ADAM, setting_of(TorchBackend(), "float32", "cuda:0"))
    assert TorchBackend().peak_device_memory("cuda:0") >= 41_301 * 4


def test_the_memory_of_the_cpu_is_not_told():
    with pytest.raises(Unsupported, match="the memory of GPUs alone, not that of cpu"):
        TorchBackend().peak_device_memory("cpu")


def test_the_benchmark_of_kernels_finds_pytorchs_own_precise():
    script = Path(__file__).parents[2] / "benchmarks" / "kernels.py"
    done = subprocess.run(
        [sys.executable, script, "--device", "cpu", "--hidden", "1", "8"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in done.stdout.splitlines()[3:-1]]
    assert [row[:2] for row in rows] == [[cell, size] for cell in ("lstm", "gru", "rnn") for size in ("1", "8")]
    assert all(float(error) < 1e-6 for row in rows for error in row[2:])
