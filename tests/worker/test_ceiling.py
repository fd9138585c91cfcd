"""What a process could at most do: measured on the numpy backend, and held against what a model does."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from builders import a_configuration, a_model, a_recipe, a_timing, a_training, an_attempt, some_findings
from lstm_bench import Backend, Flag, Setting, Unsupported
from lstm_bench.analysis.speed import Achieved, achieved
from lstm_bench.model.flops import operations
from lstm_bench.plugin.options import read_options
from lstm_bench.record.attempt import Ceiling
from lstm_bench.worker import ceiling
from lstm_bench_numpy._model import NumpyBackend

OPTIONS = read_options({"some": Flag(default=True, meaning="")}, {}, "backend 'numpy'")


def a_numpy_configuration(**recipe):
    return a_configuration(backend="numpy", recipe=a_recipe(**recipe))


def of_backend(backend, configuration, first_step_seconds=0.1):
    """The ceiling of a backend that is there already."""
    recipe = configuration.recipe
    setting = Setting(configuration.precision, configuration.device, OPTIONS)
    prepared = SimpleNamespace(
        backend=backend, configuration=configuration, recipe=recipe, setting=setting, scopes=recipe.scopes
    )
    return ceiling.measure(prepared, first_step_seconds)


@pytest.fixture
def hurried(monkeypatch):
    """Every size is tried as often as it must be, and no longer."""
    monkeypatch.setattr(ceiling, "SIZE_SECONDS", 0.0)


class Watched(NumpyBackend):
    """Notes what is asked of it."""

    def __init__(self):
        self.products, self.built = [], []

    def product(self, size, setting):
        self.products.append((size, setting))
        return super().product(size, setting)

    def build(self, spec, train, parameters, setting, *, seed):
        self.built.append((spec, train, setting))
        return super().build(spec, train, parameters, setting, seed=seed)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_product_is_asked_for_as_the_model_was(hurried, precision):
    backend = Watched()
    configuration = msgspec.structs.replace(a_numpy_configuration(), precision=precision)
    found = of_backend(backend, configuration)
    sizes, settings = zip(*backend.products, strict=True)
    assert found.size in sizes
    assert found.flops_per_second > 1e6
    assert sizes == ceiling.SIZES[: len(sizes)]
    assert list(settings) == [Setting(precision, "cpu", OPTIONS)] * len(sizes)


class Clocked(NumpyBackend):
    """Multiplies in a known time, on a clock of its own: what comes first takes longer, and so does every other one."""

    def __init__(self, monkeypatch, flops_per_second):
        self.now, self.speeds, self.calls = 0, flops_per_second, {}
        monkeypatch.setattr("lstm_bench.worker.timing.perf_counter_ns", lambda: self.now)
        monkeypatch.setattr(ceiling, "perf_counter", lambda: self.now / 1e9)

    def refuses(self, spec, train, setting):
        return "it is about products"

    def product(self, size, setting):
        self.calls[size] = 0

        def multiply():
            self.calls[size] += 1
            slower = 10 if self.calls[size] == 1 else 1 + self.calls[size] % 2
            self.now += round(slower * 2 * size**3 / self.speeds.get(size, 1e11) * 1e9)

        return multiply


def test_the_ceiling_is_the_fastest_try_of_the_fastest_size(monkeypatch):
    backend = Clocked(monkeypatch, {512: 1e12, 1024: 3e12, 2048: 2e12, 4096: 1e12, 8192: 1e12})
    found = of_backend(backend, a_numpy_configuration())
    assert found.size == 1024
    assert found.flops_per_second == pytest.approx(3e12, rel=1e-6)


@pytest.mark.parametrize(
    ("flops_per_second", "sizes"),
    [(1e9, [512]), (1e11, [512, 1024]), (1e12, [512, 1024, 2048, 4096]), (1e14, [*ceiling.SIZES])],
)
def test_larger_matrices_are_tried_until_they_would_take_too_long(monkeypatch, flops_per_second, sizes):
    backend = Clocked(monkeypatch, dict.fromkeys(ceiling.SIZES, flops_per_second))
    of_backend(backend, a_numpy_configuration())
    assert list(backend.calls) == sizes
    assert all(calls >= 1 + ceiling.FEWEST_TRIES for calls in backend.calls.values())


@pytest.mark.parametrize(("flops_per_second", "sizes"), [(1e11, [4096]), (1e14, [4096, 8192])])
def test_on_a_gpu_only_what_fills_it_is_tried(monkeypatch, flops_per_second, sizes):
    backend = Clocked(monkeypatch, dict.fromkeys(ceiling.SIZES, flops_per_second))
    of_backend(backend, msgspec.structs.replace(a_numpy_configuration(), device="cuda:0"))
    assert list(backend.calls) == sizes


class WithoutProduct(NumpyBackend):
    product = Backend.product


def test_a_backend_without_a_product_has_a_floor_all_the_same():
    found = of_backend(WithoutProduct(), a_numpy_configuration())
    assert (found.size, found.flops_per_second) == (0, None)
    assert set(found.floor_seconds) == {"train", "infer"}


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_floor_is_a_step_of_the_smallest_model_of_its_kind(hurried, cell, loss):
    backend = Watched()
    model = a_model(cell=cell, hidden_sizes=(64, 64), bidirectional=True, dropout=0.5, batch_norm=True, output_size=3)
    train = a_training(loss=loss, optimizer="adam", batch_size=32, clip_norm=1.0)
    found = of_backend(backend, a_numpy_configuration(model=model, train=train, scopes=("train", "gradient", "infer")))
    ((spec, trained, setting),) = backend.built
    assert (spec.cell, spec.input_size, spec.hidden_sizes, spec.bidirectional) == (cell, 1, (1,), False)
    assert trained == msgspec.structs.replace(train, batch_size=1)
    assert setting.device == "cpu"
    assert list(found.floor_seconds) == ["train", "gradient", "infer"]
    assert all(0 < seconds < 0.1 for seconds in found.floor_seconds.values())
    assert found.floor_seconds["infer"] < found.floor_seconds["train"]


class Refusing(Watched):
    def refuses(self, spec, train, setting):
        return "it has no layers as small as this" if spec.hidden_sizes == (1,) else None


class FindsOutLate(Watched):
    def build(self, spec, train, parameters, setting, *, seed):
        super().build(spec, train, parameters, setting, seed=seed)
        raise Unsupported("there is no kernel for this")


@pytest.mark.parametrize(
    ("backend", "first_step", "built"), [(Refusing, 0.1, 0), (FindsOutLate, 0.1, 1), (Watched, 10.1, 0)]
)
def test_there_is_no_floor_where_the_smallest_model_is_not_to_be_had_or_would_take_long(
    hurried, backend, first_step, built
):
    asked = backend()
    found = of_backend(asked, a_numpy_configuration(), first_step)
    assert found.floor_seconds == {}
    assert found.flops_per_second > 0
    assert len(asked.built) == built


A_MILLISECOND_EACH = a_timing("train", steps_per_block=10, block_ns=(10_000_000,))
SHAPE = (4, 12, 1)
TRAINED = operations(a_model(), "train", batch=4, time=12)


@pytest.mark.parametrize(
    ("findings", "seconds", "expected"),
    [
        ({}, None, Achieved(TRAINED / 1e-3, None)),
        ({}, 2e-3, Achieved(TRAINED / 2e-3, None)),
        ({"ceiling": Ceiling(size=512, flops_per_second=1e10)}, None, Achieved(TRAINED / 1e-3, TRAINED / 1e-3 / 1e10)),
        ({"ceiling": Ceiling(size=0, flops_per_second=None)}, None, Achieved(TRAINED / 1e-3, None)),
        ({"batch_shape": ()}, None, None),
        ({"timings": {}}, None, None),
        ({"timings": {}}, 1e-3, Achieved(TRAINED / 1e-3, None)),
    ],
)
def test_what_was_achieved_are_operations_over_seconds_and_a_share_of_the_ceiling(findings, seconds, expected):
    found = some_findings(**{"timings": {"train": A_MILLISECOND_EACH}, "batch_shape": SHAPE} | findings)
    assert achieved(an_attempt(findings=found), "train", seconds) == expected


def test_of_a_scope_only_its_own_operations_count():
    timings = {scope: a_timing(scope, steps_per_block=1, block_ns=(1_000_000,)) for scope in ("train", "infer")}
    attempt = an_attempt(findings=some_findings(timings=timings, batch_shape=SHAPE))
    trained, inferred = (achieved(attempt, scope).flops_per_second for scope in ("train", "infer"))
    assert inferred == pytest.approx(operations(a_model(), "infer", batch=4, time=12) * 1e3)
    assert 2 < trained / inferred < 3
