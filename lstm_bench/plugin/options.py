"""Options of backends and tasks, as in ``keras[engine=jax]``: each has a kind, which checks what users write."""

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
"""How users and result files write an option that nobody has set and that has no default."""


@dataclass(frozen=True, kw_only=True)
class Option(ABC, Generic[Value]):
    """One thing that users may choose. Its kind is one of ``Choice``, ``Flag``, ``Integer``, ``Number``, ``Text``.

    Attributes:
        default: the value when users say nothing; ``None`` if the plugin then decides.
        meaning: one line for people.
        requires: import names of packages that a value needs beside those of the plugin, by the value as it is written.

    Raises:
        InvalidSpec: if users could not write the default.
    """

    default: Value | None
    meaning: str
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Name the kinds to a plugin that was written before there were any."""
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
        """What users may write, in words that follow "must be"."""

    @property
    def shown(self) -> str:
        """What users may write, in as few letters as a list has room for."""
        return "any"

    @abstractmethod
    def read(self, text: str) -> Value:
        """The value that a text means.

        Raises:
            ValueError: if it means none.
        """

    def write(self, value: Value | None) -> str:
        """The one text for a value, which ``read`` takes."""
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
        choices: the words, in the order in which people should see them.
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
        """The word itself."""
        if text not in self.choices:
            raise ValueError(text)
        return text


@dataclass(frozen=True, kw_only=True)
class Flag(Option[bool]):
    """Yes or no, written ``true`` and ``false``."""

    @property
    def wanted(self) -> str:
        """Both words."""
        return "true or false"

    @property
    def shown(self) -> str:
        """Both words."""
        return "true|false"

    def read(self, text: str) -> bool:
        """``true`` or ``false``."""
        return {"true": True, "false": False}[text] if text in ("true", "false") else _refuse(text)

    def write(self, value: bool | None) -> str:
        """In small letters."""
        return AS_IT_IS if value is None else str(value).lower()


@dataclass(frozen=True, kw_only=True)
class Integer(Option[int]):
    """A whole number in a range.

    Attributes:
        low: the least.
        high: the largest.
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
        """Digits alone, without leading zeros."""
        number = int(text) if re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text) else _refuse(text)
        return number if self.low <= number <= self.high else _refuse(text)


@dataclass(frozen=True, kw_only=True)
class Integers(Option[tuple[int, ...]]):
    """Whole numbers in a range, written ``128x64x32``.

    Attributes:
        low: the least.
        high: the largest.
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
        """Numbers with an x between them."""
        one = Integer(default=None, meaning=self.meaning, low=self.low, high=self.high)
        return tuple(map(one.read, text.split("x")))

    def write(self, value: tuple[int, ...] | None) -> str:
        """With an x between them."""
        return AS_IT_IS if value is None else "x".join(map(str, value))


@dataclass(frozen=True, kw_only=True)
class Number(Option[float]):
    """A number in a range.

    Attributes:
        low: the least.
        high: the largest.
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
        """As Python reads it."""
        return number if self.low <= (number := float(text)) <= self.high else _refuse(text)

    def write(self, value: float | None) -> str:
        """As short as it can be."""
        return AS_IT_IS if value is None else repr(float(value))


@dataclass(frozen=True, kw_only=True)
class Text(Option[str]):
    """Any text that matches a pattern.

    Attributes:
        pattern: a regular expression for all of the text.
        described: what users may write, in words that follow "must be".
    """

    pattern: str = ".+"
    described: str = "a text"

    @property
    def wanted(self) -> str:
        """As the plugin describes it."""
        return self.described

    def read(self, text: str) -> str:
        """The text itself."""
        return text if re.fullmatch(self.pattern, text) else _refuse(text)


def _refuse(text: str) -> Any:
    raise ValueError(text)


class Options(Mapping[str, Any]):
    """The value of every option: ``options.compile`` or ``options["compile"]``. It cannot be changed.

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
"""Of a plugin that offers none."""


def require_names(options: Mapping[str, Option[Any]], owner: str) -> None:
    """Make sure that plugins can read every option as an attribute.

    Raises:
        InvalidSpec: naming the option that they cannot.
    """
    for name in options:
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_") or hasattr(NO_OPTIONS, name):
            raise InvalidSpec(
                f"option {name!r} of {owner} must be a Python name that no mapping has, such as 'hidden_size'"
            )


def read_options(options: Mapping[str, Option[Any]], given: Mapping[str, str], owner: str) -> Options:
    """The value of every option, given or default, sorted by name.

    Args:
        options: what ``owner`` offers.
        given: what users wrote.
        owner: for messages, such as ``"backend 'torch'"``.

    Raises:
        UnknownName: for an option, or a word, that ``owner`` does not have.
        LSTMBenchError: for any other value that the option does not take, with those that it does.
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
