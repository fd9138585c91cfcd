"""Prepare a measurement: import the backend, load the data, and draw the initial weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from lstm_bench.catalog.loading import Plugins, load_plugins
from lstm_bench.conformance.agreement import REFERENCE, tolerances
from lstm_bench.errors import LSTMBenchError
from lstm_bench.host.machine import PeakMemory, describe_machine, resident_bytes
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.plugin.backend import Unsupported, build_or_refuse, if_supported, load_backend, require_device
from lstm_bench.plugin.setting import Setting
from lstm_bench.record.attempt import Findings
from lstm_bench.worker.judging import Judge
from lstm_bench.worker.training import Feed

if TYPE_CHECKING:
    import numpy as np

    from lstm_bench.model.parameters import Parameters
    from lstm_bench.model.spec import ModelSpec, Recipe, Scope, TrainSpec
    from lstm_bench.plugin.backend import Backend, Model
    from lstm_bench.record.configuration import Configuration
    from lstm_bench.worker.protocol import MeasureJob
    from lstm_bench.worker.session import Session


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The input of all later phases.

    Attributes:
        configuration: what to compute and how to measure it.
        plugins: all plugins.
        backend: the loaded backend.
        setting: precision, device and options of the backend.
        trains: whether the backend can train. If it only infers, only inference is timed and checked.
        scopes: the scopes of the recipe to time.
        feed: the data, epoch by epoch.
        judge: evaluates models.
        order: the batches of the first epoch, `(steps, B)`.
        parameters: initial parameters, float64 by canonical name.
        after_import: resident bytes after the framework was imported.
        peak: peak memory of the phases that count it.
    """

    configuration: Configuration
    plugins: Plugins
    backend: Backend
    setting: Setting
    trains: bool
    scopes: tuple[Scope, ...]
    feed: Feed
    judge: Judge
    order: NDArray[np.intp]
    parameters: Parameters
    after_import: int
    peak: PeakMemory

    @property
    def recipe(self) -> Recipe:
        """The recipe to train by."""
        return self.configuration.recipe

    @property
    def x(self) -> NDArray[Any]:
        """Sequences of the first epoch, `(N, T, I)`."""
        return self.feed.first.x

    @property
    def y(self) -> NDArray[Any]:
        """Targets of the first epoch."""
        return self.feed.first.y

    @property
    def bands(self) -> dict[str, float]:
        """The largest relative errors, as ``tolerances`` gives them."""
        return tolerances(self.setting.precision, self.setting.device)

    def build(
        self, parameters: Parameters | None = None, spec: ModelSpec | None = None, train: TrainSpec | None = None
    ) -> Model[Any]:
        """Build a model of the backend, by default with the initial parameters and the recipe's specifications."""
        return build_or_refuse(
            self.backend,
            spec or self.recipe.model,
            train or self.recipe.train,
            parameters or self.parameters,
            self.setting,
            seed=self.configuration.seed,
        )

    def build_reference(
        self,
        parameters: Parameters | None = None,
        spec: ModelSpec | None = None,
        precision: Literal["float64", "float32"] = "float64",
    ) -> Model[Any]:
        """Build the same model of the reference, usually in float64.

        Raises:
            Unsupported: if the reference refuses this model.
        """
        info = self.plugins.backend(REFERENCE)
        try:
            return build_or_refuse(
                load_backend(info),
                spec or self.recipe.model,
                self.recipe.train,
                parameters or self.parameters,
                Setting(precision, "cpu", info.read({})),
                seed=self.configuration.seed,
            )
        except Unsupported as error:
            raise Unsupported(f"the reference cannot check it: {error}") from error


def prepare(job: MeasureJob, session: Session) -> Prepared:
    """Import the backend, ask whether it refuses the job, and load the data.

    Raises:
        Unsupported: if the backend refuses the job.
        LSTMBenchError: if the data cannot be loaded or have too few sequences.
    """
    configuration = job.configuration
    recipe = configuration.recipe
    session.found(Findings(machine=describe_machine()))
    plugins = load_plugins(Path(file) for file in job.plugin_files)
    info = plugins.backend(configuration.backend)
    setting = Setting(configuration.precision, configuration.device, info.read(configuration.backend_options))
    with session.phase("import"):
        backend = load_backend(info)
    # Some frameworks use subclasses of str for their versions.
    session.found(Findings(versions={str(name): str(version) for name, version in backend.versions().items()}))
    after_import = resident_bytes()
    peak = PeakMemory(lambda: if_supported(partial(backend.peak_device_memory, configuration.device)))
    device_name = require_device(backend, info.name, configuration.device)
    if (refusal := backend.refuses(recipe.model, recipe.train, setting)) is not None:
        raise Unsupported(refusal)
    session.found(Findings(device_name=device_name))

    with session.phase("data"):
        task_info = plugins.task(configuration.task)
        options = task_info.read(configuration.task_options)
        task = task_info.load()
        data_dir = Path(job.data_dir) if job.data_dir is not None else None
        dataset = task.load(recipe, options, data_dir=data_dir, seed=configuration.seed)
        feed = Feed(task, dataset, recipe, configuration.seed)
        parameters = initial_parameters(recipe.model, recipe.initialisation, configuration.seed, recipe.forget_bias)
        session.found(
            Findings(
                published=tuple(task_info.published(recipe, options)), observed=task_info.observed(recipe, options)
            )
        )
    trains = "train" in info.abilities
    return Prepared(
        configuration=configuration,
        plugins=plugins,
        backend=backend,
        setting=setting,
        trains=trains,
        scopes=_scopes(recipe, info.name, trains=trains),
        feed=feed,
        judge=Judge(recipe, task_info.metric, task, dataset, feed),
        order=next(feed.orders()),
        parameters=parameters,
        after_import=after_import,
        peak=peak,
    )


def _scopes(recipe: Recipe, name: str, *, trains: bool) -> tuple[Scope, ...]:
    """Return the scopes of a recipe that can be timed on a backend.

    Raises:
        LSTMBenchError: if there is no such scope.
    """
    scopes = recipe.scopes if trains else tuple(scope for scope in recipe.scopes if scope == "infer")
    if not scopes:
        raise LSTMBenchError(f"{name} only infers, and recipe {recipe.name!r} times {' and '.join(recipe.scopes)}")
    return scopes
