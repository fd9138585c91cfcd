"""The contract of a task: its recipes, its data, and the evaluation of predictions."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

from lstm_bench.errors import InvalidSpec, UnknownName
from lstm_bench.model.spec import Recipe, is_name, is_size
from lstm_bench.plugin.backend import Unsupported
from lstm_bench.plugin.options import Option, Options, read_options, require_names
from lstm_bench.record.published import Observed, Published

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A data file of a task that is not part of its package.

    Attributes:
        folder: subfolder of the user's data folder or of the cache.
        name: file name, such as ``"train-images-idx3-ubyte"``. A gzip file of this name ends with ``.gz``.
        size: bytes of the decompressed content.
        sha256: SHA-256 of the decompressed content, because the gzip headers of mirrors differ.
        urls: download addresses, tried in this order. Addresses that end with ``.gz`` serve gzip.

    Raises:
        InvalidSpec: for a folder or name with a path separator, a malformed SHA-256, or a URL that is not HTTP.
    """

    folder: str
    name: str
    size: int
    sha256: str
    urls: tuple[str, ...]

    def __post_init__(self) -> None:
        for field_, value in (("folder", self.folder), ("name", self.name)):
            if not re.fullmatch(r"\w[\w.+-]*", value):
                raise InvalidSpec(f"DataFile.{field_} must be letters, digits, _, ., + and -; got {value!r}")
        if self.size < 0:
            raise InvalidSpec(f"DataFile.size must be a number of bytes; got {self.size!r}")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise InvalidSpec(f"DataFile.sha256 must be 64 hexadecimal digits in lower case; got {self.sha256!r}")
        for url in self.urls:
            if not url.startswith(("https://", "http://")):
                raise InvalidSpec(f"DataFile.urls must begin with https:// or http://; got {url!r}")


Predict: TypeAlias = "Callable[[NDArray[Any]], NDArray[Any]]"
"""A function from any number of sequences `(B, T, I)` to logits `(B, O)` or `(B, T, O)` in float64."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """The main metric of a task.

    Attributes:
        name: its key in ``Evaluation.metrics``.
        unit: unit of the metric, such as ``"passengers"``; empty if it has none.
        better: whether lower or higher values are better.
    """

    name: str
    unit: str
    better: Literal["lower", "higher"]


@dataclass(frozen=True)
class Split:
    """Sequences and their targets.

    Attributes:
        x: sequences `(N, T, I)`, floating.
        y: targets: floating `(N, O)` or `(N, T, O)`, or integer labels `(N,)` or `(N, T)`.
    """

    x: NDArray[Any]
    y: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Training and test data. A task may derive a class with more fields.

    Attributes:
        train: training data.
        test: test data; ``None`` if the task evaluates in another way.
    """

    train: Split
    test: Split | None = None


@dataclass(frozen=True)
class Evaluation:
    """The result of evaluating a trained model, in the task's units.

    Attributes:
        metrics: numbers by name.
        series: sequences of numbers to draw, such as a forecast, by name.
    """

    metrics: Mapping[str, float]
    series: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


DatasetT = TypeVar("DatasetT", bound=Dataset)


class Task(ABC, Generic[DatasetT]):
    """A problem with its data. A task knows no framework.

    It gets and returns NumPy arrays, and must give the same bytes to every backend.
    """

    @abstractmethod
    def load(self, recipe: Recipe, options: Options, *, data_dir: Path | None, seed: int) -> DatasetT:
        """Load or draw the data, the same bytes for every backend. Called once in a worker process.

        Args:
            recipe: the recipe to train by, with the options applied.
            options: the values of all options of the task.
            data_dir: folder of the user's data files; ``None`` if the user named none.
            seed: for tasks that draw their data.
        """

    def epoch(self, dataset: DatasetT, number: int) -> Split:
        """Return the training data of one epoch, the same bytes for every backend. By default ``dataset.train``.

        A task whose data never repeat draws them here, from ``lstm_bench.named_generator`` with its seed and
        ``number``. All epochs must have the same number of sequences, in the same shape.

        Args:
            dataset: the result of ``load``.
            number: number of the epoch, from 0. Epoch 0 must be ``dataset.train``.
        """
        return dataset.train

    def evaluate(self, predict: Predict, dataset: DatasetT) -> Evaluation:
        """Evaluate a trained model by its predictions.

        Args:
            predict: computes logits in evaluation mode.
            dataset: the result of ``load``.

        Raises:
            Unsupported: if the task has no metric.
        """
        raise Unsupported("the task has nothing to judge")

    def baselines(self, dataset: DatasetT) -> Mapping[str, Mapping[str, float]]:
        """Return the metrics of trivial predictions, by the baseline's name and the metric's, for comparison."""
        return {}


@dataclass(frozen=True, kw_only=True)
class TaskInfo:
    """A task, as known without importing its dependencies. Returned by ``lstm_bench_tasks``.

    Attributes:
        name: name for ``--task``.
        summary: one line for lists.
        metric: the metric in tables; ``None`` for a task about speed alone, whose ``evaluate`` is never called.
        recipes: the recipes, default first, with different names.
        load: returns the task. Called once in a worker process.
        options: options by name. Every name must be a Python name.
        configure: applies the options to a recipe. By default it changes nothing, because options change only the data.
            It raises ``LSTMBenchError`` for options that contradict each other, naming them and the allowed values.
        sequences: number of sequences in an epoch of a recipe, including validation, so that too large a batch is
            refused before anything starts; ``None`` if only loading the data tells.
        time: number of time steps of a recipe's sequences, so that a plan can show the whole shape; ``None`` if only
            loading the data tells.
        length: name of the option that ``--length`` sets; ``None`` if all sequences have the same length.
        files: data files of the task. They exist before ``Task.load`` is called.
        published: published times for a recipe with its options.
        observed: the true series for charts of the recipe's forecasts; ``None`` if the recipe forecasts nothing.
            Attempts keep it, so that charts do not need the task.
        default: whether this task runs if users name none.

    Raises:
        InvalidSpec: for no recipes, two recipes of one name, or a name that cannot be typed after a colon.
    """

    name: str
    summary: str
    metric: Metric | None
    recipes: tuple[Recipe, ...]
    load: Callable[[], Task[Any]]
    options: Mapping[str, Option[Any]] = field(default_factory=dict)
    configure: Callable[[Recipe, Options], Recipe] = lambda recipe, options: recipe
    sequences: Callable[[Recipe, Options], int] | None = None
    time: Callable[[Recipe, Options], int] | None = None
    length: str | None = None
    files: tuple[DataFile, ...] = ()
    published: Callable[[Recipe, Options], Sequence[Published]] = lambda recipe, options: ()
    observed: Callable[[Recipe, Options], Observed | None] = lambda recipe, options: None
    default: bool = False

    def __post_init__(self) -> None:
        require_names(self.options, f"task {self.name!r}")
        names = [recipe.name for recipe in self.recipes]
        if not names or len(set(names)) < len(names):
            listed = ", ".join(names) or "none"
            raise InvalidSpec(f"task {self.name!r} needs one recipe or more, each with a name of its own; got {listed}")
        for name in names:
            if not is_name(name):
                raise InvalidSpec(
                    f"a recipe of task {self.name!r} must be named by letters, digits, - and _; got {name!r}"
                )

    def read(self, given: Mapping[str, str]) -> Options:
        """Parse the options that users wrote. All other options get their defaults.

        Raises:
            LSTMBenchError: for an option or a value that the task does not have.
        """
        return read_options(self.options, given, f"task {self.name!r}")

    def time_steps(self, recipe: Recipe, options: Options) -> int | None:
        """The number of time steps of a recipe's sequences; ``None`` if only loading the data tells.

        Raises:
            InvalidSpec: if the task gives no number of steps.
        """
        found = None if self.time is None else self.time(recipe, options)
        if found is not None and not is_size(found):
            raise InvalidSpec(f"TaskInfo.time of task {self.name!r} must give a number of time steps; got {found!r}")
        return found

    def recipe(self, name: str | None, options: Options) -> Recipe:
        """Return the recipe of this name, or the default for ``None``, with the options applied.

        Raises:
            UnknownName: if the task has no such recipe.
            LSTMBenchError: for options that contradict each other.
        """
        by_name = {recipe.name: recipe for recipe in self.recipes}
        chosen = self.recipes[0].name if name is None else name
        if chosen not in by_name:
            raise UnknownName("recipe", chosen, by_name, f"task {self.name!r}")
        return self.configure(by_name[chosen], options)
