"""Read the options of a run from a TOML file, in place of the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path

from lstm_bench.errors import LSTMBenchError, UnknownName


def read_config(file: Path, known: Collection[str]) -> dict[str, object]:
    """Read every key of the file with its value.

    Args:
        file: TOML.
        known: the keys that the file may have.

    Raises:
        LSTMBenchError: if the file cannot be read, or a value is a table.
        UnknownName: for an unknown key; the message names the nearest known key.
    """
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise LSTMBenchError(f"cannot read --config {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LSTMBenchError(f"--config {file} is no TOML: {error}") from error
    for key, value in given.items():
        if key not in known:
            raise UnknownName("key", key, known, f"--config {file}")
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value)):
            raise LSTMBenchError(f"--config {file}: {key} must be a value or a list of values")
    return given


def written(value: object, *, several: bool) -> object:
    """Return a value as a user would type it; a list of them if the option is repeatable."""
    if several:
        return [written(one, several=False) for one in (value if isinstance(value, list) else [value])]
    return str(value).lower() if isinstance(value, bool) else str(value)
