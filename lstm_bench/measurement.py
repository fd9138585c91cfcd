"""What a worker does with its job: import, build, check, train, evaluate, time."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lstm_bench import agreement, machine, precision, protocol
from lstm_bench.backend import Unsupported, require_device
from lstm_bench.errors import LSTMBenchError
from lstm_bench.extent import Extent, agreement_extent
from lstm_bench.losses import mean_loss
from lstm_bench.parameters import initial_parameters
from lstm_bench.plugins import load_plugins
from lstm_bench.result import Agreement, Cell, Judgement, Memory, Status, Timing
from lstm_bench.text import describe, one_line
from lstm_bench.timing import time_gradient, time_inference, time_training
from lstm_bench.training import Course, Diverged, Feed, finite, train

if TYPE_CHECKING:
    from lstm_bench.backend import Backend, Model
    from lstm_bench.parameters import Parameters
    from lstm_bench.spec import ModelSpec, Precision, Scope
    from lstm_bench.task import Dataset, Evaluation, Metric, Predict, Task

LARGEST_PREDICTION = 1000
"""Sequences that are inferred at once when a task asks for more."""

TIMED_BATCHES = 8
"""Different batches that are gone round where no parameter changes."""


class Mismatch(LSTMBenchError):
    """The backend disagrees with the reference, or computes in another precision than it was asked for."""


def carry_out(job: protocol.Job, session: protocol.Session) -> None:
    """Do what the job asks, and say how it ended, whatever was raised on the way."""
    try:
        work(job, session)
    except Exception as error:
        if isinstance(error, Diverged):
            session.found(training=error.training)
        if not isinstance(error, LSTMBenchError):
            traceback.print_exc()
        session.ended(*_outcome(error))
    else:
        session.ended("ok", "")


def work(job: protocol.Job, session: protocol.Session) -> None:
    """Carry out the job.

    Raises:
        Unsupported: if the backend cannot do it.
        InvalidOutput: if it returns what cannot be compared.
        Mismatch: if it disagrees with the reference, or computes in another precision.
        Diverged: if a training loss was not finite.
    """
    cell, recipe = job.cell, job.cell.recipe
    spec = recipe.model
    plugins = load_plugins(Path(file) for file in job.plugin_files)

    session.found(machine=machine.describe_machine())
    with session.phase("import"):
        backend = plugins.backend(cell.backend).load()
    # Frameworks have classes of their own for versions that are strings and yet no plain ones.
    versions = {str(name): str(version) for name, version in backend.versions().items()}
    session.found(versions=versions)
    after_import = machine.resident_bytes()
    session.found(device_name=_require_support(backend, job))

    with session.phase("data"):
        info = plugins.task(cell.task)
        task = info.load()
        data_dir = Path(job.data_dir) if job.data_dir is not None else None
        dataset = task.load(recipe, cell.task_options, data_dir=data_dir, seed=cell.seed)
        feed = Feed(task, dataset, recipe, cell.seed)
        x, y = feed.first.x, feed.first.y
        epoch = next(feed.orders())
        parameters = initial_parameters(spec, recipe.initialisation, cell.seed, recipe.forget_bias)
        session.found(published=tuple(info.published(recipe, cell.task_options)))

    def build(spec: ModelSpec = spec, parameters: Parameters = parameters) -> Model[Any]:
        return backend.build(
            spec, recipe.train, parameters,
            precision=cell.precision, device=cell.device, seed=cell.seed, options=cell.backend_options,
        )  # fmt: skip

    def build_reference(parameters: Any = parameters, spec: ModelSpec = spec) -> Model[Any]:
        reference = plugins.backend(agreement.REFERENCE).load()
        in_float64: Any = {"precision": "float64", "device": "cpu", "options": {}}
        if (refusal := reference.refuses(spec, recipe.train, **in_float64)) is not None:
            raise Unsupported(f"the reference cannot check it: {refusal}")
        return reference.build(spec, recipe.train, parameters, seed=cell.seed, **in_float64)

    with session.phase("build"):
        model = build()
    count = model.native_parameter_count()
    session.found(native_parameter_count=None if count is None else int(count))

    with session.phase("put"):
        native_x, native_y = model.put(x), model.put(y)
        model.synchronize()

    with session.phase("first step"):  # the first in this process: whatever compiles, compiles here
        model.train(native_x, native_y, model.put(epoch[:1]))
        model.synchronize()
    session.found(threads=machine.read_back_threads(), compile_seconds=backend.compile_seconds())
    del model  # a backend may let the next one have what was compiled for it

    # Which elements are dropped is the framework's own choice, so what trains is compared without dropout. That
    # it is absent from evaluation is seen after training.
    dropless = msgspec.structs.replace(spec, dropout=0.0)
    with session.phase("precision"):  # before the check, to which a coarser product is a large error and no more
        shape = precision.affordable(dropless, (epoch.shape[1], *x.shape[1:]))
        products = precision.product_precisions(lambda changed: build(dropless, changed), dropless, parameters, shape)
        _require_precision(cell.precision, products, session)

    with session.phase("check"):
        whole, extent = _extent(spec, epoch, x)
        rows = epoch[[step % len(epoch) for step in range(extent.steps)]]
        some_x, some_y = x, y
        native: tuple[Any, Any] | None = (native_x, native_y)
        if extent != whole:
            some_x, some_y, rows = _cut(spec, x, y, rows, extent)
            native = None
        found = agreement.compare_fresh(
            lambda: build(dropless), lambda: build_reference(spec=dropless), dropless, cell.precision,
            some_x, some_y, rows, native,
        )  # fmt: skip
        if extent != whole:
            found = msgspec.structs.replace(found, extent=extent)
        _require_agreement(found, session)

    machine.forget_peak()
    judge = _Judge(cell, info.metric, task, dataset, feed)
    with session.phase("train"):
        model = _train(build, feed, (native_x, native_y), cell, judge, session) if cell.epochs else build()

    with session.phase("evaluate"):
        judgement = judge.judgement(model)
        peaks = [machine.peak_resident_bytes()]  # what the reference now takes is not the backend's
        found = agreement.compare_trained(model, build_reference, spec, cell.precision, x[epoch[0]], found)
        session.found(judgement=judgement)
        _require_agreement(found, session)
        machine.forget_peak()

    with session.phase("time"):
        batches = [(model.put(x[rows]), model.put(y[rows])) for rows in epoch[:TIMED_BATCHES]]
        timings: dict[Scope, Timing] = {}
        for scope in recipe.scopes:
            timings[scope] = _time(scope, model, (native_x, native_y, epoch), batches, cell)
            session.found(timings=dict(timings))

    with session.phase("inspect"):
        peaks.append(machine.peak_resident_bytes())
        memory = Memory(
            after_import=after_import,
            peak=max((peak for peak in peaks if peak is not None), default=None),
            device_peak=backend.peak_device_memory(cell.device),
        )
        session.found(memory=memory)
        session.found(kernel_path=model.kernel_path(batches[0][0]))


class _Judge:
    """How good a model is, on the way and in the end: what the task says of it, and its loss on what is held out."""

    def __init__(self, cell: Cell, metric: Metric | None, task: Task[Any], dataset: Dataset, feed: Feed) -> None:
        self._recipe, self._metric, self._task, self._dataset = cell.recipe, metric, task, dataset
        self.held_out = feed.validation

    def evaluate(self, model: Model[Any]) -> Evaluation:
        """What the task says."""
        return self._task.evaluate(_predictor(model, self._recipe.model), self._dataset)

    def metrics(self, model: Model[Any]) -> Mapping[str, float]:
        """Its numbers alone; none where the task is about speed."""
        return {} if self._metric is None else self.evaluate(model).metrics

    def judgement(self, model: Model[Any]) -> Judgement | None:
        """The task's verdict beside its baselines; ``None`` where the task is about speed."""
        if self._metric is None:
            return None
        return _judgement(self._metric, self.evaluate(model), self._task.baselines(self._dataset))

    def validation_loss(self, model: Model[Any]) -> float:
        """The mean loss, in evaluation mode, of the sequences that are held out."""
        assert self.held_out is not None
        logits = _predictor(model, self._recipe.model)(self.held_out.x)
        return mean_loss(self._recipe.train.loss, logits, self.held_out.y)

    def reached(self, metrics: Mapping[str, float]) -> bool:
        """Whether the metric is as good as the recipe's target."""
        if self._metric is None or self._recipe.target is None:
            return False
        value = metrics[self._metric.name]
        return value <= self._recipe.target if self._metric.better == "lower" else value >= self._recipe.target


def _train(
    build: Callable[..., Model[Any]], feed: Feed, native: tuple[Any, Any], cell: Cell, judge: _Judge,
    session: protocol.Session,
) -> Model[Any]:  # fmt: skip
    """The trained model, with the best weights if the recipe wants those.

    Raises:
        Diverged: if a training loss was not finite.
        Mismatch: if a new model with the best weights does not have the validation loss that was seen.
    """
    model, recipe = build(), cell.recipe
    looks = recipe.evaluate_every is not None or judge.held_out is not None
    course = Course(
        epochs=cell.epochs,
        steps=cell.steps,
        every=recipe.evaluate_every,
        metrics=partial(judge.metrics, model) if looks else None,
        validation_loss=None if judge.held_out is None else partial(judge.validation_loss, model),
        patience=recipe.patience,
        minimum_gain=recipe.minimum_gain,
        reached=judge.reached,
    )
    run = train(model, feed, course, session.progress, native)
    training = run.training
    if run.best is not None:
        del model, course  # a backend may let the next one have what was compiled for it
        model = build(parameters=run.best)
        restored = judge.validation_loss(model)
        training = msgspec.structs.replace(training, restored_validation_loss=finite(restored))
        seen, off = training.best_validation_loss or 0.0, agreement.TOLERANCES[cell.precision]["forward"]
        if not abs(restored - seen) <= off * abs(seen):
            session.found(training=training)
            raise Mismatch(
                f"the weights of step {training.best_step} had a validation loss of {seen:.6g}; put into a new model "
                f"they have {restored:.6g}"
            )
    session.found(training=training)
    return model


def _time(
    scope: Scope, model: Model[Any], trained_on: tuple[Any, Any, NDArray[np.intp]], batches: list[tuple[Any, Any]],
    cell: Cell,
) -> Timing:  # fmt: skip
    """The blocks of one scope: training goes over the data of an epoch, everything else over some batches."""
    batch_size = cell.recipe.train.batch_size
    match scope:
        case "train":
            return time_training(model, *trained_on, cell.effort)
        case "gradient":
            return time_gradient(model, batches, batch_size, cell.effort)
        case "infer":
            return time_inference(model, [x for x, _ in batches], batch_size, cell.effort)


def _extent(spec: ModelSpec, epoch: NDArray[np.intp], x: NDArray[Any]) -> tuple[Extent, Extent]:
    """All that is compared of small recipes, and what is of this one."""
    whole = Extent(steps=agreement.STEPS, sequences=epoch.shape[1], time=x.shape[1])
    return whole, agreement_extent(spec, batch=whole.sequences, time=whole.time, steps=whole.steps)


def _cut(
    spec: ModelSpec, x: NDArray[Any], y: NDArray[Any], rows: NDArray[np.intp], extent: Extent
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.intp]]:
    """The sequences, targets and batches that are left of these."""
    used, places = np.unique(rows[:, : extent.sequences], return_inverse=True)
    targets = y[used] if spec.readout == "last" else y[used, : extent.time]
    return x[used, : extent.time], targets, places.reshape(len(rows), -1)


def _require_support(backend: Backend, job: protocol.Job) -> str:
    """The device's own name, if the backend can do what the job asks."""
    cell = job.cell
    name = require_device(backend, cell.backend, cell.device)
    refusal = backend.refuses(
        cell.recipe.model, cell.recipe.train,
        precision=cell.precision, device=cell.device, options=cell.backend_options,
    )  # fmt: skip
    if refusal is not None:
        raise Unsupported(refusal)
    return name


def _require_precision(asked: Precision, products: dict[str, Precision], session: protocol.Session) -> None:
    session.found(observed_precision=precision.coarsest(products))
    if (difference := precision.difference(asked, products)) is not None:
        raise Mismatch(difference)


def _require_agreement(found: Agreement, session: protocol.Session) -> None:
    session.found(agreement=found)
    if found.disagreements:
        name = found.disagreements[0]
        at = f" at {found.worst[name]}" if name in found.worst else ""
        error = found.errors[name]
        shown = "not a number" if error is None else f"{error:.1e}"
        raise Mismatch(
            f"{name} is off the float64 reference by {shown}{at}, more than {found.tolerances[name]:.0e}"
            + (f"; so is {', '.join(found.disagreements[1:])}" if len(found.disagreements) > 1 else "")
        )


def _predictor(model: Model[Any], spec: ModelSpec) -> Predict:
    def predict(x: NDArray[Any]) -> NDArray[Any]:
        parts = [x[begin : begin + LARGEST_PREDICTION] for begin in range(0, len(x), LARGEST_PREDICTION)]
        logits = [
            agreement.expect("logits", model.get(model.infer(model.put(part))), agreement.logits_shape(spec, part))
            for part in parts
        ]
        return np.concatenate(logits).astype(np.float64)

    return predict


def _judgement(metric: Metric, evaluation: Evaluation, baselines: Mapping[str, Mapping[str, float]]) -> Judgement:
    return Judgement(
        metric=metric.name,
        unit=metric.unit,
        better=metric.better,
        metrics={name: finite(value) for name, value in evaluation.metrics.items()},
        series={name: tuple(finite(value) for value in values) for name, values in evaluation.series.items()},
        baselines={
            baseline: {name: finite(value) for name, value in metrics.items()}
            for baseline, metrics in baselines.items()
        },
    )


def _outcome(error: BaseException) -> tuple[Status, str]:
    """The status that an exception means, and the reason in one line."""
    reason = one_line(str(error))
    match error:
        case Mismatch():
            return "mismatch", reason
        case Diverged():
            return "diverged", reason
        case agreement.InvalidOutput():
            return "invalid-output", reason
        case LSTMBenchError():  # Unsupported, or something that the data or a plugin does not allow
            return "unsupported", reason
    described = describe(error)
    words = described.lower()
    if isinstance(error, MemoryError) or any(
        w in words for w in ("outofmemory", "out of memory", "can't allocate memory")
    ):
        return "out-of-memory", described
    return "crashed", described
