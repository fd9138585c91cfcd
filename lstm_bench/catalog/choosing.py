"""What users type to choose things: ``flights:tutorial``, ``keras[engine=jax]``, ``cuda:0``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from lstm_bench.catalog.loading import Plugins
from lstm_bench.errors import LSTMBenchError, NotInstalled, UnknownName
from lstm_bench.model.spec import Recipe
from lstm_bench.plugin.backend import BackendInfo, resolve_options
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


def parse_device(text: str) -> str:
    """A device name in its full form: ``cuda`` is ``cuda:0``. Whether it exists, only a worker can tell.

    Raises:
        UnknownName: if no framework has a device of such a name.
    """
    match = _DEVICE.fullmatch(text)
    if match is None:
        raise UnknownName("device", text, ("cpu", "cuda", "cuda:0", "cuda:1", "rocm", "tpu", "mps"))
    return f"{text}:0" if match[1] and not match[2] else text


@dataclass(frozen=True)
class ChosenTask:
    """A task with its options and one of its recipes.

    Attributes:
        info: the task.
        options: all of them, resolved.
        recipe: what is trained, with the options applied.
    """

    info: TaskInfo
    options: dict[str, str]
    recipe: Recipe

    @property
    def defaults(self) -> dict[str, str]:
        """What the options are when nothing is said."""
        return resolve_options(self.info.options, {}, self.info.name)

    @property
    def selector(self) -> str:
        """As a user would write it: ``flights:tutorial``, ``copy:default[delay=50]``."""
        return f"{self.info.name}:{self.recipe.name}" + write_options(self.options, self.defaults)


def plan_tasks(plugins: Plugins, tasks: Sequence[str], lengths: Sequence[str] = ()) -> list[ChosenTask]:
    """What the selectors mean, in their order; what is asked for twice is planned once.

    Args:
        plugins: what there is.
        tasks: selectors.
        lengths: of sequences, each of which is given to every task; none for what the selectors say.

    Raises:
        UnknownName: for whatever does not exist, with the nearest that does.
        LSTMBenchError: for a value that makes no sense, and for a task whose sequences have no other length.
    """
    chosen = []
    for selector in (selector for text in tasks for selector in parse_selectors(text)):
        info = plugins.task(selector.name)
        if lengths and info.length is None:
            raise LSTMBenchError(f"task {info.name!r} has sequences of one length only: leave --length out")
        for length in lengths or (None,):
            given = selector.options if length is None else {**selector.options, str(info.length): length}
            options = resolve_options(info.options, given, f"task {info.name!r}")
            chosen.append(ChosenTask(info, options, info.recipe(selector.recipe, options)))
    return list({task.selector: task for task in chosen}.values())


def plan_subjects(
    plugins: Plugins, backends: Sequence[str], device: str
) -> list[tuple[BackendInfo, dict[str, str], str]]:
    """Backends with their resolved options, and the device's full name.

    Args:
        plugins: what there is.
        backends: selectors; none for every installed backend, and beside its defaults every value of its options that
            brings another framework in.
        device: device name.

    Raises:
        UnknownName: for whatever does not exist, with the nearest that does.
        NotInstalled: for a backend that was asked for and whose framework is missing.
    """
    place = parse_device(device)
    if backends:
        return [(info, options, place) for info, options in _chosen(plugins, list(dict.fromkeys(backends)))]
    found = []
    for info in plugins.backends.values():
        variants: list[dict[str, str]] = [{}]
        for name, option in info.options.items():
            variants += [{name: value} for value in option.requires if value != option.default]
        for given in variants:
            if not info.missing(given):
                found.append((info, resolve_options(info.options, given, f"backend {info.name!r}"), place))
    return found


def _chosen(plugins: Plugins, texts: Sequence[str]) -> list[tuple[BackendInfo, dict[str, str]]]:
    """The backends of these selectors, with their resolved options."""
    found = []
    for text in texts:
        for selector in parse_selectors(text):
            if selector.recipe is not None:
                raise LSTMBenchError(
                    f"cannot read {text!r}: a backend has no recipes; write {selector.name}[option=value]"
                )
            info = plugins.backend(selector.name)
            require_installed(info, selector.options)
            found.append((info, resolve_options(info.options, selector.options, f"backend {info.name!r}")))
    return found


def require_installed(info: BackendInfo, options: Mapping[str, str]) -> None:
    """Make sure that a backend's framework is there, and what its options need, without importing any.

    Raises:
        NotInstalled: with the pip line that mends it.
    """
    missing = info.missing(options)
    if missing:
        what = info.name + write_options(dict(options), {})
        mend = info.install if set(missing) & set(info.missing()) else f"pip install {' '.join(missing)}"
        raise NotInstalled(
            f"backend {what!r} needs {', '.join(missing)}, which is not installed" + (f": {mend}" if mend else "")
        )
