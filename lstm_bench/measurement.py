"""What a worker does with its job: import, build, check, train, evaluate, time."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lstm_bench import agreement, machine, precision, protocol
from lstm_bench.backend import Unsupported, require_device
from lstm_bench.errors import LSTMBenchError
from lstm_bench.parameters import initial_parameters
from lstm_bench.plugins import load_plugins
from lstm_bench.result import Agreement, Judgement, Memory, Status
from lstm_bench.text import describe, one_line
from lstm_bench.timing import time_inference, time_training
from lstm_bench.training import Diverged, epoch_orders, finite, train_epochs

if TYPE_CHECKING:
    from lstm_bench.backend import Backend, Model
    from lstm_bench.parameters import Parameters
    from lstm_bench.spec import ModelSpec, Precision
    from lstm_bench.task import Evaluation, Metric, Predict

LARGEST_PREDICTION = 1000
"""Sequences that are inferred at once when a task asks for more."""


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
        x, y = dataset.train.x, dataset.train.y
        epoch = next(_orders(job, len(x)))
        parameters = initial_parameters(spec, recipe.initialisation, cell.seed)

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
        shape = (epoch.shape[1], *x.shape[1:])
        products = precision.product_precisions(lambda changed: build(dropless, changed), dropless, parameters, shape)
        _require_precision(cell.precision, products, session)

    with session.phase("check"):
        rows = epoch[[step % len(epoch) for step in range(agreement.STEPS)]]
        found = agreement.compare_fresh(
            lambda: build(dropless), lambda: build_reference(spec=dropless), dropless, cell.precision, x, y, rows
        )
        _require_agreement(found, session)

    machine.forget_peak()
    with session.phase("train"):
        model = build()
        training = train_epochs(
            model, native_x, native_y, _orders(job, len(x)), cell.epochs,
            on_epoch=lambda done: session.progress(done, cell.epochs),
        )  # fmt: skip
    session.found(training=training)

    with session.phase("evaluate"):
        judgement = _judge(info.metric, task.evaluate(_predictor(model, job), dataset), task.baselines(dataset))
        found = agreement.compare_trained(model, build_reference, spec, cell.precision, x[epoch[0]], found)
        session.found(judgement=judgement)
        _require_agreement(found, session)

    with session.phase("time"):
        trained = time_training(model, native_x, native_y, epoch, cell.effort)
        session.found(timings={"train": trained})
        batches = [model.put(x[rows]) for rows in epoch[:8]]
        inferred = time_inference(model, batches, recipe.train.batch_size, cell.effort)
        session.found(timings={"train": trained, "infer": inferred})

    with session.phase("inspect"):
        memory = Memory(
            after_import=after_import,
            peak=machine.peak_resident_bytes(),
            device_peak=backend.peak_device_memory(cell.device),
        )
        session.found(memory=memory)
        session.found(kernel_path=model.kernel_path(batches[0]))


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


def _orders(job: protocol.Job, count: int) -> Iterator[NDArray[np.intp]]:
    recipe = job.cell.recipe
    return epoch_orders(count, recipe.train.batch_size, shuffle=recipe.shuffle, seed=job.cell.seed)


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


def _predictor(model: Model[Any], job: protocol.Job) -> Predict:
    def predict(x: NDArray[Any]) -> NDArray[Any]:
        parts = [x[begin : begin + LARGEST_PREDICTION] for begin in range(0, len(x), LARGEST_PREDICTION)]
        spec = job.cell.recipe.model
        logits = [
            agreement.expect("logits", model.get(model.infer(model.put(part))), agreement.logits_shape(spec, part))
            for part in parts
        ]
        return np.concatenate(logits).astype(np.float64)

    return predict


def _judge(metric: Metric, evaluation: Evaluation, baselines: Any) -> Judgement:
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
