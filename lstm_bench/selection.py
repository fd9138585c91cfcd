"""What users type to choose things: ``flights:tutorial``, ``keras[engine=jax]``, ``cuda:0``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product

from lstm_bench.errors import LSTMBenchError, UnknownName
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
