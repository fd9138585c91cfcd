"""Arguments of the library: Python values as the text that a ``Request`` takes."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, SupportsIndex

from lstm_bench.errors import InvalidRequest


def several(name: str, given: object) -> tuple[Any, ...]:
    """One value or several, as a tuple.

    Raises:
        InvalidRequest: if it is neither, with the argument's name.
    """
    if isinstance(given, (str, Path, Real)):
        return (given,)
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise InvalidRequest(name, f"must be one value or a list of values; got {given!r}")
    return tuple(given)


def texts(name: str, given: object) -> tuple[Any, ...]:
    """One value or several, each as users type it on the command line: ``True`` is ``"true"``.

    Raises:
        InvalidRequest: if a value is neither text nor a number, with the argument's name.
    """
    return tuple(_text(name, value) for value in several(name, given))


def texts_by_axis(axes: object) -> dict[str, tuple[str, ...]]:
    """The values of each axis as text.

    Raises:
        InvalidRequest: if it is not a mapping, or a value is neither text nor a number.
    """
    if not isinstance(axes, Mapping):
        raise InvalidRequest("axes", f'must be a mapping such as {{"hidden": [64, 128]}}; got {axes!r}')
    return {str(name): texts(f"axes[{name!r}]", values) for name, values in axes.items()}


def seeds(given: object) -> tuple[Any, ...]:
    """Seeds as a tuple. A single number is refused: it could mean one seed or as many seeds.

    Raises:
        InvalidRequest: if it is not a list.
    """
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        raise InvalidRequest("seeds", f"must be a list of whole numbers, such as range(3); got {given!r}")
    return tuple(map(whole, given))


def selections(where: object) -> list[dict[str, str]]:
    """One selection of attempts or several, with their values as text.

    Raises:
        InvalidRequest: if one is no mapping, or holds something other than texts and numbers.
    """
    found = [where] if isinstance(where, Mapping) else where
    if not isinstance(found, Iterable) or not all(isinstance(each, Mapping) for each in found):
        raise InvalidRequest("where", f'must be a mapping such as {{"backend": "torch"}}, or two; got {where!r}')
    return [{str(key): _text(f"where[{key!r}]", value) for key, value in each.items()} for each in found]


def whole(value: Any) -> Any:
    """NumPy's whole numbers as Python's; any other value as it is."""
    return operator.index(value) if isinstance(value, SupportsIndex) and not isinstance(value, bool) else value


def path(name: str, given: object) -> Path:
    """Text or a path as a path.

    Raises:
        InvalidRequest: if it is neither.
    """
    if not isinstance(given, (str, Path)):
        raise InvalidRequest(name, f"must be a path; got {given!r}")
    return Path(given)


def _text(name: str, value: object) -> str:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case Integral():
            return str(int(value))
        case Real():
            return repr(float(value))
    raise InvalidRequest(name, f"must hold texts or numbers; got {value!r}")
