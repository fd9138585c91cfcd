"""What users type to choose things: ``flights:tutorial``, ``keras[engine=jax]``, ``cuda:0``."""

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
    """A name, perhaps a recipe, perhaps options.

    Attributes:
        name: of a backend or task.
        recipe: after a colon; ``None`` for the default.
        options: values by option name.
    """

    name: str
    recipe: str | None
    options: dict[str, str]


def parse_selectors(text: str) -> list[Selector]:
    """Read ``NAME``, ``NAME:RECIPE``, ``NAME[key=value,...]`` or ``NAME:RECIPE[key=value,...]``.

    An option may have several values, as in ``NAME[key=1,2,3,other=x]``; then there is a selector for each, and for
    several such options for every combination.

    Raises:
        LSTMBenchError: saying which part is malformed.
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
"""What users type for a device whose name here is another."""


def parse_device(text: str) -> str:
    """A device name in its full form: ``cuda`` is ``cuda:0``. Whether it exists, only a worker can tell.

    Raises:
        UnknownName: if no framework has a device of such a name, with the nearest that there is.
    """
    match = _DEVICE.fullmatch(text)
    if match is None:
        kind, colon, number = text.lower().partition(":")
        meant = _OTHER_NAMES[kind] + colon + number if kind in _OTHER_NAMES else None
        raise UnknownName("device", text, ("cpu", "cuda", "cuda:0", "cuda:1", "rocm", "tpu", "mps"), meant=meant)
    return f"{text}:0" if match[1] and not match[2] else text


@dataclass(frozen=True)
class ChosenTask:
    """A task with its options and one of its recipes.

    Attributes:
        info: the task.
        options: every option of the task.
        recipe: what is trained, with the options applied.
    """

    info: TaskInfo
    options: Options
    recipe: Recipe

    @property
    def defaults(self) -> Mapping[str, str]:
        """What the options are when users say nothing, as they would write it."""
        return self.info.read({}).written

    @property
    def selector(self) -> str:
        """As a user would write it: ``flights:tutorial``, ``copy:default[delay=50]``."""
        return f"{self.info.name}:{self.recipe.name}" + write_options(self.options.written, self.defaults)


@dataclass(frozen=True)
class ChosenBackend:
    """A backend with its options.

    Attributes:
        info: the backend.
        options: every option of the backend.
    """

    info: BackendInfo
    options: Options

    @property
    def defaults(self) -> Mapping[str, str]:
        """What the options are when users say nothing, as they would write it."""
        return self.info.read({}).written

    @property
    def selector(self) -> str:
        """As a user would write it: ``keras[engine=jax]``."""
        return self.info.name + write_options(self.options.written, self.defaults)


def default_task(plugins: Plugins) -> str:
    """The task that runs when users name none.

    Raises:
        LSTMBenchError: if no task asks to be that, or several do.
    """
    asking = [name for name, info in plugins.tasks.items() if info.default]
    if len(asking) != 1:
        there_is = ", ".join(asking or plugins.tasks) or "none"
        raise LSTMBenchError(f"which task? There is: {there_is}. Name one with --task")
    return asking[0]


def choose_tasks(plugins: Plugins, tasks: Sequence[str], lengths: Sequence[str] = ()) -> list[ChosenTask]:
    """The tasks of some selectors, in their order; a task that is named twice is there once.

    Args:
        plugins: what there is.
        tasks: selectors; none for the default task.
        lengths: of sequences, each of which is given to every task; none for what the selectors say.

    Raises:
        UnknownName: for whatever does not exist, with the nearest that does.
        LSTMBenchError: for a value that makes no sense, and for a task whose sequences have no other length.
    """
    chosen = []
    for selector in (selector for text in tasks or (default_task(plugins),) for selector in parse_selectors(text)):
        info = plugins.task(selector.name)
        if lengths and info.length is None:
            raise LSTMBenchError(f"task {info.name!r} has sequences of one length only: leave --length out")
        for length in lengths or (None,):
            given = selector.options if length is None else {**selector.options, str(info.length): length}
            options = info.read(given)
            chosen.append(ChosenTask(info, options, info.recipe(selector.recipe, options)))
    return list({task.selector: task for task in chosen}.values())


def choose_backends(plugins: Plugins, texts: Sequence[str]) -> list[ChosenBackend]:
    """The backends of some selectors; without any, every installed backend.

    Raises:
        UnknownName: for whatever does not exist, with the nearest that does.
        NotInstalled: for a backend whose framework is missing.
        LSTMBenchError: for a value that makes no sense.
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
    """The backends of some selectors; without any, every installed one on each of the frameworks that it can use.

    Args:
        plugins: what there is.
        texts: selectors; none for every installed backend, and beside its defaults every value of its options that
            brings another framework in.

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
    """Make sure that a backend's framework is there, and what its options need, without importing any.

    Raises:
        NotInstalled: with the pip line that mends it.
    """
    info = backend.info
    missing = info.missing(backend.options)
    if missing:
        mend = info.install if set(missing) & set(info.missing()) else f"pip install {' '.join(missing)}"
        raise NotInstalled(
            f"backend {text!r} needs {', '.join(missing)}, which is not installed" + (f": {mend}" if mend else "")
        )
