"""Parse the names of tasks, backends and devices: ``flights:tutorial``, ``keras[engine=jax]``, ``cuda:0``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from lstm_bench.catalog.loading import Plugins
from lstm_bench.errors import LSTMBenchError, NotInstalled, UnknownName
from lstm_bench.model.spec import Recipe
from lstm_bench.plugin.backend import BackendInfo
from lstm_bench.plugin.options import Options
from lstm_bench.plugin.task import TaskInfo
from lstm_bench.record.configuration import write_options
from lstm_bench.text import is_unicode

_SELECTOR = re.compile(r"(?P<name>[\w-]+)(?::(?P<recipe>[\w-]+))?(?:\[(?P<options>[^\[\]]*)\])?")
_DEVICE = re.compile(r"cpu|(cuda|rocm|tpu|mps)(:(0|[1-9][0-9]*))?")


@dataclass(frozen=True)
class Selector:
    """A name with an optional recipe and options.

    Attributes:
        name: name of a backend or task.
        recipe: recipe after the colon; ``None`` for the default recipe.
        options: values as users wrote them, by option name.
    """

    name: str
    recipe: str | None
    options: dict[str, str]


def parse_selectors(text: str) -> list[Selector]:
    """Parse ``NAME``, ``NAME:RECIPE``, ``NAME[key=value,...]`` or ``NAME:RECIPE[key=value,...]``.

    An option may have several values, as in ``NAME[key=1,2,3,other=x]``. This gives a selector for each value, and for
    several such options a selector for each combination.

    Raises:
        LSTMBenchError: naming the malformed part.
    """
    if not is_unicode(text):
        raise LSTMBenchError(f"cannot read {text!r}: it is not in UTF-8")
    match = _SELECTOR.fullmatch(text)
    if match is None:
        raise LSTMBenchError(f"cannot read {text!r}: write NAME, NAME:RECIPE or NAME[option=value,option=value]")
    options: dict[str, list[str]] = {}
    name = ""
    for item in filter(None, (match["options"] or "").split(",")):
        before, equals, value = (part.strip() for part in item.partition("="))
        if not equals and name and before:
            options[name].append(before)
            continue
        if not (before and equals and value):
            raise LSTMBenchError(f"cannot read {item!r} in {text!r}: write option=value")
        if before in options:
            raise LSTMBenchError(f"option {before!r} is given twice in {text!r}")
        name = before
        options[name] = [value]
    return [
        Selector(match["name"], match["recipe"], dict(zip(options, values, strict=True)))
        for values in product(*(dict.fromkeys(values) for values in options.values()))
    ]


_OTHER_NAMES = {"gpu": "cuda", "nvidia": "cuda", "amd": "rocm", "hip": "rocm", "metal": "mps", "apple": "mps"}
"""Other words for the kinds of devices."""


def parse_device(text: str) -> str:
    """Return the full form of a device name: ``cuda`` becomes ``cuda:0``. Only a worker can tell whether it exists.

    Raises:
        UnknownName: if no framework has devices of this kind; the message suggests the closest name.
    """
    match = _DEVICE.fullmatch(text)
    if match is None:
        kind, colon, number = text.lower().partition(":")
        meant = _OTHER_NAMES[kind] + colon + number if kind in _OTHER_NAMES else None
        raise UnknownName("device", text, ("cpu", "cuda", "cuda:0", "cuda:1", "rocm", "tpu", "mps"), meant=meant)
    return f"{text}:0" if match[1] and not match[2] else text


@dataclass(frozen=True)
class ChosenTask:
    """A task with options and a recipe.

    Attributes:
        info: the task.
        options: the values of all options of the task.
        recipe: the recipe, with the options applied.
    """

    info: TaskInfo
    options: Options
    recipe: Recipe

    @property
    def defaults(self) -> Mapping[str, str]:
        """The default options, as users write them."""
        return self.info.read({}).written

    @property
    def selector(self) -> str:
        """The task as users write it: ``flights:tutorial``, ``copy:default[delay=50]``."""
        return f"{self.info.name}:{self.recipe.name}" + write_options(self.options.written, self.defaults)


@dataclass(frozen=True)
class ChosenBackend:
    """A backend with options.

    Attributes:
        info: the backend.
        options: the values of all options of the backend.
    """

    info: BackendInfo
    options: Options

    @property
    def defaults(self) -> Mapping[str, str]:
        """The default options, as users write them."""
        return self.info.read({}).written

    @property
    def selector(self) -> str:
        """The backend as users write it: ``keras[engine=jax]``."""
        return self.info.name + write_options(self.options.written, self.defaults)


def default_task(plugins: Plugins) -> str:
    """Return the task that runs if users name none.

    Raises:
        LSTMBenchError: if the number of tasks with ``default`` set is not one.
    """
    asking = [name for name, info in plugins.tasks.items() if info.default]
    if len(asking) != 1:
        there_is = ", ".join(asking or plugins.tasks) or "none"
        raise LSTMBenchError(f"which task? There is: {there_is}. Name one with --task")
    return asking[0]


def choose_tasks(plugins: Plugins, tasks: Sequence[str], lengths: Sequence[str] = ()) -> list[ChosenTask]:
    """Return the tasks of some selectors, in their order and without duplicates.

    Args:
        plugins: all plugins.
        tasks: selectors; empty for the default task.
        lengths: sequence lengths, each combined with every task; empty for the lengths of the selectors.

    Raises:
        UnknownName: for an unknown task, recipe or option; the message suggests the closest name.
        LSTMBenchError: for a value that is not allowed, or for lengths with a task whose length is fixed.
    """
    chosen = []
    for selector in (selector for text in tasks or (default_task(plugins),) for selector in parse_selectors(text)):
        info = plugins.task(selector.name)
        if lengths and info.length is None:
            raise LSTMBenchError(f"task {info.name!r} has sequences of one length only: leave --length out")
        for length in lengths or (None,):
            typed = selector.options.get(str(info.length), length)
            if length not in (None, typed):
                raise LSTMBenchError(
                    f"{info.name}[{info.length}={typed}] and --length {length} contradict each other: give one of them"
                )
            given = selector.options if length is None else {**selector.options, str(info.length): length}
            options = info.read(given)
            chosen.append(ChosenTask(info, options, info.recipe(selector.recipe, options)))
    return list({task.selector: task for task in chosen}.values())


def choose_backends(plugins: Plugins, texts: Sequence[str]) -> list[ChosenBackend]:
    """Return the backends of some selectors; without selectors, all installed backends.

    Raises:
        UnknownName: for an unknown backend or option; the message suggests the closest name.
        NotInstalled: for a backend whose framework is not installed.
        LSTMBenchError: for a value that is not allowed.
    """
    found = []
    for text in texts or [name for name, info in plugins.backends.items() if not info.missing()]:
        for selector in parse_selectors(text):
            if selector.recipe is not None:
                raise LSTMBenchError(
                    f"cannot read {text!r}: a backend has no recipes; write {selector.name}[option=value]"
                )
            info = plugins.backend(selector.name)
            backend = ChosenBackend(info, info.read(selector.options))
            _require_installed(backend, text)
            found.append(backend)
    return found


def choose_engines(plugins: Plugins, texts: Sequence[str]) -> list[ChosenBackend]:
    """Return the backends of some selectors; without selectors, all installed backends on all frameworks they can use.

    Args:
        plugins: all plugins.
        texts: selectors. If empty, every installed backend is returned with its defaults, and again with each option
            value that requires another installed package.

    Raises:
        LSTMBenchError: as ``choose_backends``.
    """
    if texts:
        return choose_backends(plugins, list(dict.fromkeys(texts)))
    found = []
    for info in plugins.backends.values():
        variants: list[dict[str, str]] = [{}]
        for name, option in info.options.items():
            variants += [{name: text} for text in option.requires if text != option.write(option.default)]
        chosen = [ChosenBackend(info, info.read(given)) for given in variants]
        found += [backend for backend in chosen if not info.missing(backend.options)]
    return found


def _require_installed(backend: ChosenBackend, text: str) -> None:
    """Require that the packages of a backend and its options are installed. Imports no package.

    Raises:
        NotInstalled: with the pip command that installs them.
    """
    info = backend.info
    missing = info.missing(backend.options)
    if missing:
        mend = info.install if set(missing) & set(info.missing()) else f"pip install {' '.join(missing)}"
        raise NotInstalled(
            f"backend {text!r} needs {', '.join(missing)}, which is not installed" + (f": {mend}" if mend else "")
        )
