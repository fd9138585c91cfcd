"""What a worker does with its job: import, build, check, time, see what ran and what could, train, evaluate."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lstm_bench.catalog import required_kernel as kernels
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.conformance import agreement, denormals, precision
from lstm_bench.conformance.extent import agreement_extent
from lstm_bench.errors import LSTMBenchError, print_error
from lstm_bench.host import machine
from lstm_bench.host.disturbance import Watch, is_judged, verdict
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.plugin.backend import Unsupported, require_device
from lstm_bench.record.attempt import Agreement, Extent, Memory, Status, Timing
from lstm_bench.text import describe, one_line
from lstm_bench.worker import ceiling, protocol
from lstm_bench.worker.judging import Judge
from lstm_bench.worker.timing import time_scope
from lstm_bench.worker.training import Course, Diverged, Feed, finite, train

if TYPE_CHECKING:
    from lstm_bench.model.parameters import Parameters
    from lstm_bench.model.spec import ModelSpec, Precision, Scope
    from lstm_bench.plugin.backend import Backend, Model

TIMED_BATCHES = 8
"""Different batches that are gone round where no parameter changes."""


OUT_OF_MEMORY = (
    "out of memory",  # torch on CUDA; XLA after RESOURCE_EXHAUSTED, which it also says of registers and shared memory
    "outofmemory",  # torch's class of error
    "out_of_memory",  # CUDA's own name for it
    "can't allocate memory",  # torch on the host
    "cannot allocate memory",  # the system's own words
    "oom when allocating",  # TensorFlow
    "failed to allocate memory",  # likewise
    "alloc_failed",  # cuBLAS, cuDNN, cuSOLVER
    "allocation_failed",  # cuDNN 9
)
"""What errors say, in small letters, when memory has run out and no ``MemoryError`` is raised."""


class Mismatch(LSTMBenchError):
    """The backend disagrees with the reference, or has another precision or another kernel than it was asked for."""


class Disturbed(LSTMBenchError):
    """All is well but the timing, since something else was at work on the machine meanwhile."""


def carry_out(job: protocol.Job, session: protocol.Session) -> None:
    """Do what the job asks, and say how it ended, whatever was raised on the way."""
    try:
        work(job, session)
    except Exception as error:
        if isinstance(error, Diverged):
            session.found(training=error.training)
        if not isinstance(error, LSTMBenchError):
            print_error(error)
        session.ended(*outcome_of(error))
    else:
        session.ended("ok", "")


def work(job: protocol.Job, session: protocol.Session) -> None:
    """Carry out the job.

    What is timed is timed before the recipe is trained, so that every round of a run finds the same process.

    Raises:
        Unsupported: if the backend cannot do it.
        InvalidOutput: if it returns what cannot be compared.
        Mismatch: if it disagrees with the reference, computes in another precision or with another kernel.
        Diverged: if a training loss was not finite.
        Disturbed: after all the rest, if what else the machine did forbids to trust the timing.
    """
    session.found(machine=machine.describe_machine())
    bench = _Bench(job, session)
    bench.take_first_step()
    if not job.times_only:
        bench.check()
    bench.time()
    bench.inspect()
    if not job.times_only:
        bench.find_ceiling()
        bench.train_and_judge()
    bench.require_quiet()


class _Bench:
    """A backend that is loaded, with a task's data, and what is done with them phase by phase.

    Args:
        job: what to do.
        session: is told what is found.
    """

    def __init__(self, job: protocol.Job, session: protocol.Session) -> None:
        self._configuration, self._session = job.configuration, session
        self._recipe = job.configuration.recipe
        self._bands = agreement.tolerances(job.configuration.precision, job.configuration.device)
        self._plugins = load_plugins(Path(file) for file in job.plugin_files)
        with session.phase("import"):
            self._backend = self._plugins.backend(self._configuration.backend).load()
        # Frameworks have classes of their own for versions that are strings and yet no plain ones.
        session.found(versions={str(name): str(version) for name, version in self._backend.versions().items()})
        self._after_import = machine.resident_bytes()
        self._peak = machine.PeakMemory(partial(self._backend.peak_device_memory, self._configuration.device))
        session.found(device_name=_require_support(self._backend, job))

        with session.phase("data"):
            info = self._plugins.task(self._configuration.task)
            task = info.load()
            data_dir = Path(job.data_dir) if job.data_dir is not None else None
            dataset = task.load(
                self._recipe, self._configuration.task_options, data_dir=data_dir, seed=self._configuration.seed
            )
            self._feed = Feed(task, dataset, self._recipe, self._configuration.seed)
            self._x, self._y = self._feed.first.x, self._feed.first.y
            self._epoch = next(self._feed.orders())
            self._parameters = initial_parameters(
                self._recipe.model, self._recipe.initialisation, self._configuration.seed, self._recipe.forget_bias
            )
            session.found(
                published=tuple(info.published(self._recipe, self._configuration.task_options)),
                observed=info.observed(self._recipe, self._configuration.task_options),
            )
        self._judge = Judge(self._recipe, info.metric, task, dataset, self._feed)

    def _build(self, spec: ModelSpec | None = None, parameters: Parameters | None = None) -> Model[Any]:
        configuration = self._configuration
        return self._backend.build(
            spec or self._recipe.model,
            self._recipe.train,
            parameters or self._parameters,
            precision=configuration.precision,
            device=configuration.device,
            seed=configuration.seed,
            options=configuration.backend_options,
        )

    def _build_reference(self, parameters: Parameters | None = None, spec: ModelSpec | None = None) -> Model[Any]:
        reference = self._plugins.backend(agreement.REFERENCE).load()
        spec, train = spec or self._recipe.model, self._recipe.train
        in_float64: Any = {"precision": "float64", "device": "cpu", "options": {}}
        if (refusal := reference.refuses(spec, train, **in_float64)) is not None:
            raise Unsupported(f"the reference cannot check it: {refusal}")
        return reference.build(spec, train, parameters or self._parameters, seed=self._configuration.seed, **in_float64)

    def take_first_step(self) -> None:
        """Build a model, bring the data to it, and train it for one step: whatever compiles, compiles here."""
        session = self._session
        with session.phase("build"):
            model = self._build()
        count = model.native_parameter_count()
        session.found(native_parameter_count=None if count is None else int(count))

        with session.phase("put"):
            self._native = model.put(self._x), model.put(self._y)
            model.synchronize()

        with session.phase("first step"):
            begin = perf_counter()
            model.train(*self._native, model.put(self._epoch[:1]))
            model.synchronize()
            self._first_step_seconds = perf_counter() - begin
        session.found(threads=machine.read_back_threads(), compile_seconds=self._backend.compile_seconds())

    def check(self) -> None:
        """Hold the backend against the reference, on the recipe's first batches."""
        # Which elements are dropped is the framework's own choice, so what trains is compared without dropout. That
        # it is absent from evaluation is seen after training.
        spec, session = self._recipe.model, self._session
        dropless = msgspec.structs.replace(spec, dropout=0.0)
        x, y, epoch = self._x, self._y, self._epoch
        with session.phase("precision"):  # before the check, to which a coarser product is a large error and no more
            shape = precision.affordable(dropless, (epoch.shape[1], *x.shape[1:]))
            build = partial(self._build, dropless)
            products = precision.product_precisions(build, dropless, self._parameters, shape)
            _require_precision(self._configuration.precision, products, session)
            found = denormals.observe(build, self._parameters, shape, self._configuration.precision)
            session.found(observed_denormals=found)

        with session.phase("check"):
            whole, extent = _extent(spec, epoch, x)
            rows = epoch[[step % len(epoch) for step in range(extent.steps)]]
            native: tuple[Any, Any] | None = self._native
            if extent != whole:
                x, y, rows = _cut(spec, x, y, rows, extent)
                native = None
            self._agreement = agreement.compare_fresh(
                lambda: self._build(dropless),
                lambda: self._build_reference(spec=dropless),
                dropless,
                self._bands,
                x,
                y,
                rows,
                native,
            )
            if extent != whole:
                self._agreement = msgspec.structs.replace(self._agreement, extent=extent)
            _require_agreement(self._agreement, session)

    def time(self) -> None:
        """The blocks of every scope, with a model that has learnt nothing yet."""
        with self._peak.counted():
            self._timed = self._build()
            put, epoch = self._timed.put, self._epoch
            watch = Watch(self._configuration.device)
            with self._session.phase("time"):
                self._batches = [(put(self._x[rows]), put(self._y[rows])) for rows in epoch[:TIMED_BATCHES]]
                self._session.found(batch_shape=(epoch.shape[1], *self._x.shape[1:]))
                timings: dict[Scope, Timing] = {}
                for scope in self._recipe.scopes:
                    timings[scope] = time_scope(
                        scope, self._timed, *self._native, epoch, self._batches, self._configuration.effort
                    )
                    self._session.found(timings=dict(timings))
            self._disturbance = watch.ended()
        self._session.found(disturbance=self._disturbance)

    def inspect(self) -> None:
        """See what really ran. After the timing, since a profiler may leave traces; before training, which is long.

        Raises:
            Mismatch: if that is not the kernel that is required.
        """
        model, order = self._timed, self._timed.put(self._epoch[:1])
        with self._session.phase("inspect"):
            paths = {
                "infer": model.kernel_path(self._batches[0][0]),
                "train": model.training_kernel_path(*self._native, order),
            }
            self._session.found(kernel_path=paths["infer"], training_kernel_path=paths["train"])
        del self._timed, self._batches  # a backend may let the next one have what was compiled for it
        if (shortfall := kernels.shortfall(paths, self._configuration.require_kernel)) is not None:
            raise Mismatch(shortfall)

    def find_ceiling(self) -> None:
        """See what could at most be reached in this process."""
        with self._session.phase("ceiling"):
            self._session.found(ceiling=ceiling.measure(self._backend, self._configuration, self._first_step_seconds))

    def train_and_judge(self) -> None:
        """Train the recipe, and say how good the model has become."""
        session, configuration = self._session, self._configuration
        with self._peak.counted(), session.phase("train"):
            model = self._train() if configuration.epochs else self._build()

        with session.phase("evaluate"):
            with self._peak.counted():  # what the reference takes is not the backend's
                judgement = self._judge.judgement(model)
            found = agreement.compare_trained(
                model, self._build_reference, self._recipe.model, self._bands, self._x[self._epoch[0]], self._agreement
            )
            peak = self._peak
            memory = Memory(after_import=self._after_import, peak=peak.resident, device_peak=peak.device)
            session.found(judgement=judgement, memory=memory)
            _require_agreement(found, session)

    def require_quiet(self) -> None:
        """Make sure that the machine did nothing else of weight while blocks were timed.

        Raises:
            Disturbed: if it did.
        """
        if is_judged() and (reason := verdict(self._disturbance)):
            raise Disturbed(reason)

    def _train(self) -> Model[Any]:
        """The trained model, with the best weights if the recipe wants those.

        Raises:
            Diverged: if a training loss was not finite.
            Mismatch: if a new model with the best weights does not have the validation loss that was seen.
        """
        model, recipe, judge, session = self._build(), self._recipe, self._judge, self._session
        looks = recipe.evaluate_every is not None or judge.held_out is not None
        course = Course(
            epochs=self._configuration.epochs,
            steps=self._configuration.steps,
            every=recipe.evaluate_every,
            metrics=partial(judge.metrics, model) if looks else None,
            validation_loss=None if judge.held_out is None else partial(judge.validation_loss, model),
            patience=recipe.patience,
            minimum_gain=recipe.minimum_gain,
            reached=judge.reached,
        )
        run = train(model, self._feed, course, session.progress, self._native)
        training = run.training
        if run.best is not None:
            del model, course  # a backend may let the next one have what was compiled for it
            model = self._build(parameters=run.best)
            restored = judge.validation_loss(model)
            training = msgspec.structs.replace(training, restored_validation_loss=finite(restored))
            seen, off = (
                training.best_validation_loss or 0.0,
                agreement.TOLERANCES[self._configuration.precision]["forward"],
            )
            if not abs(restored - seen) <= off * abs(seen):
                session.found(training=training)
                raise Mismatch(
                    f"the weights of step {training.best_step} had a validation loss of {seen:.6g}; put into a new "
                    f"model they have {restored:.6g}"
                )
        session.found(training=training)
        return model


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
    configuration = job.configuration
    name = require_device(backend, configuration.backend, configuration.device)
    refusal = backend.refuses(
        configuration.recipe.model,
        configuration.recipe.train,
        precision=configuration.precision,
        device=configuration.device,
        options=configuration.backend_options,
    )
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


def outcome_of(error: BaseException) -> tuple[Status, str]:
    """The status that an exception means, and the reason in one line."""
    reason = one_line(str(error))
    match error:
        case Mismatch():
            return "mismatch", reason
        case Diverged():
            return "diverged", reason
        case Disturbed():
            return "disturbed", reason
        case agreement.InvalidOutput():
            return "invalid-output", reason
        case LSTMBenchError():  # Unsupported, or something that the data or a plugin does not allow
            return "unsupported", reason
    described = describe(error)
    if isinstance(error, MemoryError) or any(words in described.lower() for words in OUT_OF_MEMORY):
        return "out-of-memory", described
    return "crashed", described
