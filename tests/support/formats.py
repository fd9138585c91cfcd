"""Every format of reports, and what its readers see."""

from __future__ import annotations

import csv
import html
import io
import re
from functools import partial
from typing import Any

import pytest

from builders import a_configuration, a_judgement, an_attempt, some_findings
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.record.attempt import Attempt
from lstm_bench.record.configuration import Configuration
from lstm_bench.reports import terminal

FORMATS = {name: info.render for name, info in load_plugins().reporters.items()} | {
    "table": partial(terminal.render, details=True)
}
"""With every column and note, also on a terminal."""

USUAL_TABLE = terminal.render
PROGRAMS = ("csv", "json", "attempts-csv", "attempts-json")

for_people = pytest.mark.parametrize("render", [FORMATS["table"], FORMATS["md"]], ids=["table", "md"])


class Stdout(io.StringIO):
    """Stands in for the file or terminal that the report will be printed to."""

    def __init__(self, on_terminal: bool) -> None:
        super().__init__()
        self._on_terminal = on_terminal

    def isatty(self) -> bool:
        return self._on_terminal


def numpy_configuration(**changes: Any) -> Configuration:
    return a_configuration(backend="numpy", **changes)


def an_attempt_of(value: float | None, number: int = 1, **judgement: Any) -> Attempt:
    """An attempt with this metric, each number on another backend."""
    return an_attempt(
        number,
        configuration=a_configuration(backend=f"backend{number}"),
        findings=some_findings(judgement=a_judgement(value, **judgement)),
    )


def unescape(text: str) -> str:
    """The text that a reader of Markdown sees."""
    return html.unescape(re.sub(r"\\([\\`*_{}\[\]|~])", r"\1", text))


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
