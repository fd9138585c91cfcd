"""Options of backends and tasks, as in ``keras[engine=jax]``. The kind of an option checks what users write."""

from __future__ import annotations

import keyword
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from lstm_bench.errors import InvalidSpec, LSTMBenchError, PluginError, UnknownName

Value = TypeVar("Value")

AS_IT_IS = ""
"""How users and result files write an option without a value and without a default."""


@dataclass(frozen=True, kw_only=True)
class Option(ABC, Generic[Value]):
    """An option of a plugin: a ``Choice``, ``Flag``, ``Integer``, ``Integers``, ``Number`` or ``Text``.

    Attributes:
        default: value if users give none; ``None`` lets the plugin decide.
        meaning: one line for lists.
        requires: import names of additional packages that a value needs, by the value as users write it.

    Raises:
        InvalidSpec: if the default is not an allowed value.
    """

    default: Value | None
    meaning: str
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Refuse plain options, which plugins for lstm-bench 0.1 create, and name the kinds."""
        if cls is Option:
            raise PluginError(
                "Option has kinds since lstm-bench 0.2: write Choice, Flag, Integer, Integers, Number or Text in its "
                'place, see "Migrating a plugin" in CHANGELOG.md'
            )
        return super().__new__(cls)

    def __post_init__(self) -> None:
        if self.default is not None and not self._accepts(self.write(self.default)):
            raise InvalidSpec(f"the default of an option must be {self.wanted}; got {self.default!r}")

    @property
    @abstractmethod
    def wanted(self) -> str:
        """Describe the allowed values, in words that follow "must be"."""

    @property
    def shown(self) -> str:
        """Describe the allowed values briefly, for lists."""
        return "any"

    @abstractmethod
    def read(self, text: str) -> Value:
        """Parse a value.

        Raises:
            ValueError: if it is not allowed.
        """

    def write(self, value: Value | None) -> str:
        """Write a value as the text that ``read`` parses."""
        return AS_IT_IS if value is None else str(value)

    def _accepts(self, text: str) -> bool:
        try:
            self.read(text)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class Choice(Option[str]):
    """One of a few words.

    Attributes:
        choices: the words, in the order of lists and messages.
    """

    choices: tuple[str, ...]

    @property
    def wanted(self) -> str:
        """The words."""
        return " or ".join(self.choices)

    @property
    def shown(self) -> str:
        """The words."""
        return "|".join(self.choices)

    def read(self, text: str) -> str:
        """Return the word."""
        if text not in self.choices:
            raise ValueError(text)
        return text


@dataclass(frozen=True, kw_only=True)
class Flag(Option[bool]):
    """A boolean, written ``true`` or ``false``."""

    @property
    def wanted(self) -> str:
        """Both words."""
        return "true or false"

    @property
    def shown(self) -> str:
        """Both words."""
        return "true|false"

    def read(self, text: str) -> bool:
        """Parse ``true`` or ``false``."""
        return {"true": True, "false": False}[text] if text in ("true", "false") else _refuse(text)

    def write(self, value: bool | None) -> str:
        """Write ``true`` or ``false``."""
        return AS_IT_IS if value is None else str(value).lower()


@dataclass(frozen=True, kw_only=True)
class Integer(Option[int]):
    """A whole number in a range.

    Attributes:
        low: smallest allowed number.
        high: largest allowed number.
    """

    low: int = 1
    high: int = 10**9

    @property
    def wanted(self) -> str:
        """The range."""
        return f"a whole number from {self.low} to {self.high}"

    @property
    def shown(self) -> str:
        """The range."""
        return f"{self.low}..{self.high}"

    def read(self, text: str) -> int:
        """Parse digits without leading zeros."""
        return _whole(text, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class Integers(Option[tuple[int, ...]]):
    """Whole numbers in a range, written ``128x64x32``.

    Attributes:
        low: smallest allowed number.
        high: largest allowed number.
    """

    low: int = 1
    high: int = 10**9

    @property
    def wanted(self) -> str:
        """The range and an example."""
        return f"a whole number from {self.low} to {self.high}, or several as in 128x64x32"

    @property
    def shown(self) -> str:
        """The form."""
        return "128 or 128x64x32"

    def read(self, text: str) -> tuple[int, ...]:
        """Parse whole numbers separated by ``x``."""
        return tuple(_whole(part, self.low, self.high) for part in text.split("x"))

    def write(self, value: tuple[int, ...] | None) -> str:
        """Write whole numbers separated by ``x``."""
        return AS_IT_IS if value is None else "x".join(map(str, value))


@dataclass(frozen=True, kw_only=True)
class Number(Option[float]):
    """A number in a range.

    Attributes:
        low: smallest allowed number.
        high: largest allowed number.
    """

    low: float
    high: float

    @property
    def wanted(self) -> str:
        """The range."""
        return f"a number from {self.low:g} to {self.high:g}"

    @property
    def shown(self) -> str:
        """The range."""
        return f"{self.low:g}..{self.high:g}"

    def read(self, text: str) -> float:
        """Parse a number as Python does."""
        return number if self.low <= (number := float(text)) <= self.high else _refuse(text)

    def write(self, value: float | None) -> str:
        """Write the shortest text with this value."""
        return AS_IT_IS if value is None else repr(float(value))


@dataclass(frozen=True, kw_only=True)
class Text(Option[str]):
    """Any text that matches a pattern.

    Attributes:
        pattern: regular expression that the whole text must match.
        described: description of the allowed texts, in words that follow "must be".
    """

    pattern: str = ".+"
    described: str = "a text"

    @property
    def wanted(self) -> str:
        """The plugin's description."""
        return self.described

    def read(self, text: str) -> str:
        """Return the text."""
        return text if re.fullmatch(self.pattern, text) else _refuse(text)


def _whole(text: str, low: int, high: int) -> int:
    """Read a whole number in a range: digits alone, without leading zeros."""
    number = int(text) if re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text) else _refuse(text)
    return number if low <= number <= high else _refuse(text)


def _refuse(text: str) -> Any:
    raise ValueError(text)


class Options(Mapping[str, Any]):
    """The values of all options: ``options.compile`` or ``options["compile"]``. Immutable.

    Attributes:
        written: each value as users write it, by name.
    """

    written: Mapping[str, str]

    def __init__(self, values: Mapping[str, Any], written: Mapping[str, str]) -> None:
        self.__dict__.update(_values=dict(values), written=MappingProxyType(dict(written)))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._values:
            raise AttributeError(f"there is no option {name!r}")
        return self._values[name]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("options cannot be changed")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self) == dict(other)

    def __repr__(self) -> str:
        return f"Options({self._values!r})"


NO_OPTIONS = Options({}, {})
"""The options of a plugin without options."""


def require_names(options: Mapping[str, Option[Any]], owner: str) -> None:
    """Require names that work as attributes of ``Options``.

    Raises:
        InvalidSpec: naming the option whose name does not.
    """
    for name in options:
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_") or hasattr(NO_OPTIONS, name):
            raise InvalidSpec(
                f"option {name!r} of {owner} must be a Python name that no mapping has, such as 'hidden_size'"
            )


def read_options(options: Mapping[str, Option[Any]], given: Mapping[str, str], owner: str) -> Options:
    """Parse all options, given or default, sorted by name.

    Args:
        options: the options of ``owner``, by name.
        given: what users wrote, by name.
        owner: for messages, such as ``"backend 'torch'"``.

    Raises:
        UnknownName: for an option, or a value of a ``Choice``, that ``owner`` does not have.
        LSTMBenchError: for any other value that is not allowed, with the allowed values.
    """
    for name in given:
        if name not in options:
            raise UnknownName("option", name, options, owner)
    values: dict[str, Any] = {}
    for name, option in sorted(options.items()):
        text = given.get(name, AS_IT_IS)
        if text == AS_IT_IS and (name not in given or option.default is None):
            values[name] = option.default
            continue
        try:
            values[name] = option.read(text)
        except ValueError as error:
            if isinstance(option, Choice):
                raise UnknownName("value", text, option.choices, f"option {name!r} of {owner}") from error
            raise LSTMBenchError(f"option {name!r} of {owner} must be {option.wanted}; got {text!r}") from error
    return Options(values, {name: options[name].write(value) for name, value in values.items()})
