"""Valid specifications, configurations and attempts, of which a test changes what it is about."""

from __future__ import annotations

from typing import Any, NoReturn

from hypothesis import strategies as st

from lstm_bench import BackendInfo, Metric, ModelSpec, Recipe, ReporterInfo, TaskInfo, TrainSpec
from lstm_bench.catalog.loading import Plugins
from lstm_bench.record.attempt import (
    Agreement,
    Attempt,
    Findings,
    Judgement,
    Machine,
    Memory,
    Threads,
    Timing,
    Training,
)
from lstm_bench.record.configuration import EFFORTS, Configuration

PIP_LINE = 'pip install "lstm-bench[nowhere]"'
NOT_THERE = "no_such_package_xyz"


def a_model(**changes: Any) -> ModelSpec:
    return ModelSpec(**{"input_size": 1, "hidden_sizes": (100,), "output_size": 1} | changes)


def a_training(**changes: Any) -> TrainSpec:
    return TrainSpec(**{"loss": "mse", "optimizer": "sgd", "learning_rate": 0.5, "batch_size": 4} | changes)


def a_recipe(name: str = "tutorial", **changes: Any) -> Recipe:
    given = {"summary": "for tests", "model": a_model(), "train": a_training(), "epochs": 300}
    return Recipe(name=name, **given | changes)


def a_configuration(**changes: Any) -> Configuration:
    given = {
        "task": "flights",
        "task_options": {},
        "recipe": a_recipe(),
        "epochs": 300,
        "backend": "torch",
        "backend_options": {},
        "device": "cpu",
        "precision": "float32",
        "threads": 2,
        "seed": 0,
        "effort": EFFORTS["default"],
    }
    return Configuration(**given | changes)


def a_machine(**changes: Any) -> Machine:
    given = {"system": "Linux 6.1", "processor": "Abacus 9", "cores": 2, "memory_bytes": 2**33, "python": "3.11.7"}
    return Machine(**given | changes)


def a_judgement(value: float | None = 50.25, **changes: Any) -> Judgement:
    given = {
        "metric": "rmse",
        "unit": "passengers",
        "better": "lower",
        "metrics": {"rmse": value, "mae": 40.125},
        "series": {"forecast": (1.5, None, 2.5)},
        "baselines": {"last value": {"rmse": 102.5}, "same month": {"rmse": 60.75}},
    }
    return Judgement(**given | changes)


def a_timing(scope: str = "train", **changes: Any) -> Timing:
    given = {"batch_size": 4, "steps_per_block": 10, "warmup_ns": (9_000_000,), "block_ns": (2_000_000, 1_000_000)}
    return Timing(scope=scope, **given | changes)


def some_findings(**changes: Any) -> Findings:
    """Of a worker that got to its end."""
    given = {
        "machine": a_machine(),
        "versions": {"torch": "2.9.1", "oneDNN": "3.7"},
        "device_name": "Slide rule",
        "threads": Threads(affinity=2, libraries={"openmp libgomp.so": 2}),
        "native_parameter_count": 41_301,
        "seconds": {"import": 1.5, "first step": 0.25},
        "observed_precision": "float32",
        "observed_denormals": "flushed",
        "agreement": Agreement(errors={"logits": 0.125}, tolerances={"logits": 0.5}, worst={"gradients": "head.bias"}),
        "training": Training(steps=3, seconds=2.5, first_losses=(1.0, 0.5), epoch_losses=(0.75,)),
        "judgement": a_judgement(),
        "timings": {"train": a_timing("train"), "infer": a_timing("infer", block_ns=(250_000,))},
        "memory": Memory(after_import=2**28, peak=2**28 + 3 * 2**20, device_peak=None),
        "kernel_path": "oneDNN lstm",
    }
    return Findings(**given | changes)


def an_attempt(number: int = 1, **changes: Any) -> Attempt:
    """One that ended well. Attempts with greater numbers began later."""
    given = {
        "id": f"20260102T030405-{number:06d}-0123abcd",
        "created": "2026-01-02T03:04:05+00:00",
        "lstm_bench": "0.1.0",
        "configuration": a_configuration(),
        "status": "ok",
        "reason": "",
        "phase": "inspect",
        "output_tail": "",
        "findings": some_findings(),
    }
    return Attempt(**given | changes)


def a_failure(number: int = 1, **changes: Any) -> Attempt:
    """One whose worker died before it had found out anything."""
    given = {"status": "crashed", "reason": "left in phase 'start'", "phase": "start", "findings": Findings()}
    return an_attempt(number, **given | changes)


ROUNDS = (1.0, 1.02, 0.98)
"""Milliseconds."""


def some_run(
    *milliseconds: float,
    run: str = "old",
    findings: dict[str, Any] | None = None,
    scopes: tuple[str, ...] = ("train",),
    versions: dict[str, str] | None = None,
    **configuration: Any,
) -> list[Attempt]:
    """Rounds whose training steps took so long, and whose first ones took a hundred times as long."""
    made = []
    for number, each in enumerate(milliseconds):
        found = some_findings(
            timings={scope: a_timing(scope, steps_per_block=1, block_ns=(round(each * 1e6),)) for scope in scopes},
            seconds={"build": 0.1, "first step": each / 10},
            versions=versions or {"torch": "2.9.1"},
            **(findings or {}),
        )
        recipe = a_recipe(scopes=tuple(scopes))
        given = {
            "configuration": a_configuration(**{"recipe": recipe} | configuration),
            "findings": found,
            "round": number,
            "run": run,
        }
        made.append(an_attempt(len(run) * 100 + number, times_only=number > 0, **given))
    return made


def times(factor: float) -> list[float]:
    """The same rounds, all slower by a factor."""
    return [factor * each for each in ROUNDS]


def never(*_: object) -> NoReturn:
    """In place of what only a worker may call."""
    raise AssertionError("only a worker may load this")


def a_backend_info(name: str, **changes: Any) -> BackendInfo:
    return BackendInfo(name=name, **{"summary": f"{name} for tests", "load": never} | changes)


def a_missing_backend_info(name: str = "nowhere") -> BackendInfo:
    return a_backend_info(name, requires=("numpy", NOT_THERE), install=PIP_LINE)


def a_task_info(name: str, **changes: Any) -> TaskInfo:
    metric = Metric(name="rmse", unit="", better="lower")
    given = {"summary": f"{name} for tests", "metric": metric, "recipes": (a_recipe(),), "load": never}
    return TaskInfo(name=name, **given | changes)


def some_plugins(*infos: BackendInfo | TaskInfo | ReporterInfo, failures: tuple[str, ...] = ()) -> Plugins:
    def by_name(kind: type) -> dict[str, Any]:
        return {info.name: info for info in infos if isinstance(info, kind)}

    return Plugins(by_name(BackendInfo), by_name(TaskInfo), by_name(ReporterInfo), failures)


sizes = st.integers(1, 9)

models = st.builds(
    ModelSpec,
    input_size=sizes,
    hidden_sizes=st.lists(sizes, min_size=1, max_size=3).map(tuple),
    output_size=sizes,
    cell=st.sampled_from(["lstm", "gru", "rnn"]),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    dropout=st.floats(0, 1, exclude_max=True),
    batch_norm=st.booleans(),
    readout=st.sampled_from(["last", "all"]),
)

trainings = st.builds(
    TrainSpec,
    loss=st.sampled_from(["mse", "cross_entropy"]),
    optimizer=st.just("sgd"),
    learning_rate=st.floats(0, 1e9, exclude_min=True),
    batch_size=sizes,
    momentum=st.floats(0, 1, exclude_max=True),
    clip_norm=st.none() | st.floats(0, 1e9, exclude_min=True),
)

recipes = st.builds(
    Recipe,
    name=st.text(),
    summary=st.text(),
    model=models,
    train=trainings,
    epochs=sizes,
    initialisation=st.sampled_from(["uniform", "glorot"]),
    shuffle=st.booleans(),
)


def months(first, count):
    """So many months from the first on, as ISO dates."""
    year, month = map(int, first.split("-"))
    return tuple(f"{at // 12}-{at % 12 + 1:02}" for at in range(12 * year + month - 1, 12 * year + month - 1 + count))
