"""What a task promises: its recipes, its data, and how its predictions are judged."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar

from lstm_bench.errors import InvalidSpec, UnknownName
from lstm_bench.model.spec import Recipe, is_name
from lstm_bench.plugin.backend import Unsupported
from lstm_bench.plugin.options import Option, Options, read_options, require_names
from lstm_bench.record.published import Observed, Published

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A file that a task reads and that is not part of its package.

    Attributes:
        folder: that it lies in, below the folder of the user's data or of the cache.
        name: such as ``"train-images-idx3-ubyte"``; compressed with gzip it has ``.gz`` behind it.
        size: of its content in bytes, decompressed.
        sha256: of its content, decompressed: mirrors serve it compressed with different headers.
        urls: where it can be had, compressed with gzip or not, as their names end; tried in this order.

    Raises:
        InvalidSpec: if folder or name lead elsewhere, the SHA-256 is none, or a URL is not of HTTP.
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
"""Sequences `(B, T, I)` in, logits `(B, O)` or `(B, T, O)` out as float64; any number of sequences at once."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """The number by which a task is judged first.

    Attributes:
        name: its key in ``Evaluation.metrics``.
        unit: in the task's own terms, such as ``"passengers"``; empty for a bare number.
        better: which way is better.
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
    """What a model learns from and is judged on; a task may derive a class that carries more.

    Attributes:
        train: seen in training.
        test: held out; ``None`` if the task judges in another way.
    """

    train: Split
    test: Split | None = None


@dataclass(frozen=True)
class Evaluation:
    """How a trained model did, in the task's own units.

    Attributes:
        metrics: numbers by name.
        series: named sequences of numbers worth drawing, such as a forecast.
    """

    metrics: Mapping[str, float]
    series: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


DatasetT = TypeVar("DatasetT", bound=Dataset)


class Task(ABC, Generic[DatasetT]):
    """One problem with its data; it knows no framework."""

    @abstractmethod
    def load(self, recipe: Recipe, options: Options, *, data_dir: Path | None, seed: int) -> DatasetT:
        """The data, the same bytes for every backend.

        Args:
            recipe: what is to be trained.
            options: every option of the task's info.
            data_dir: folder of the user's data files, if any was named.
            seed: for tasks that draw their data.
        """

    def epoch(self, dataset: DatasetT, number: int) -> Split:
        """What is learnt from in one epoch, the same bytes for every backend.

        By default the same sequences in all of them. A task whose data never repeat draws them here, from
        ``lstm_bench.named_generator`` of its seed and ``number``, as many sequences of one shape in each epoch.

        Args:
            dataset: what ``load`` gave.
            number: of the epoch, from 0, whose sequences are ``dataset.train``.
        """
        return dataset.train

    def evaluate(self, predict: Predict, dataset: DatasetT) -> Evaluation:
        """Judge a trained model by its predictions.

        Raises:
            Unsupported: if the task is about speed alone, and its info names no metric.
        """
        raise Unsupported("the task has nothing to judge")

    def baselines(self, dataset: DatasetT) -> Mapping[str, Mapping[str, float]]:
        """What needs no model reaches, by the baseline's name and the metric's, so that a reader can judge the rest."""
        return {}


@dataclass(frozen=True, kw_only=True)
class TaskInfo:
    """All that may be known about a task without importing its dependencies. Given by ``lstm_bench_tasks``.

    Attributes:
        name: what users type after ``--task``.
        summary: one line for people.
        metric: what the table shows; ``None`` for a task that is about speed alone, whose ``evaluate`` is not called.
        recipes: the default first, each with a name of its own.
        load: returns the task; called only in a worker process.
        options: options by name, each a Python name.
        configure: the recipe with the options applied; by default options change the data alone. Raises
            ``LSTMBenchError`` for options that make no sense together, naming them and what they must be.
        sequences: how many sequences an epoch of a recipe has to learn from, validation included, so that a batch that
            is too large is refused before anything starts; ``None`` if only loading the data tells.
        length: the option that ``--length`` sets, for tasks whose sequences may have any length.
        files: the files that the task reads, which are there before it loads.
        published: times that others have published for a recipe with its options.
        observed: the true series that a chart draws beside the recipe's forecasts; ``None`` where nothing is forecast.
            Attempts keep it, so that charts need no installed task.
        default: whether this task runs when users name none.

    Raises:
        InvalidSpec: without a recipe, with two of one name, or with a name that cannot be typed after a colon.
    """

    name: str
    summary: str
    metric: Metric | None
    recipes: tuple[Recipe, ...]
    load: Callable[[], Task[Any]]
    options: Mapping[str, Option[Any]] = field(default_factory=dict)
    configure: Callable[[Recipe, Options], Recipe] = lambda recipe, options: recipe
    sequences: Callable[[Recipe, Options], int] | None = None
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
        """Every option's value, from what users wrote.

        Raises:
            LSTMBenchError: for an option or a value that the task does not have.
        """
        return read_options(self.options, given, f"task {self.name!r}")

    def recipe(self, name: str | None, options: Options) -> Recipe:
        """The recipe of this name, or the first one for ``None``, with the options applied.

        Raises:
            UnknownName: if the task has no such recipe.
            LSTMBenchError: for options that make no sense together.
        """
        by_name = {recipe.name: recipe for recipe in self.recipes}
        chosen = self.recipes[0].name if name is None else name
        if chosen not in by_name:
            raise UnknownName("recipe", chosen, by_name, f"task {self.name!r}")
        return self.configure(by_name[chosen], options)
