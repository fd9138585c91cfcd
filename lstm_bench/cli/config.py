"""What a TOML file says of a run, in place of options on the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path

from lstm_bench.errors import LSTMBenchError, UnknownName


def read_config(file: Path, known: Collection[str]) -> dict[str, object]:
    """Every key of the file with its value.

    Args:
        file: TOML.
        known: the keys that it may have.

    Raises:
        LSTMBenchError: if it cannot be read, or a value is a table.
        UnknownName: for any other key, with the nearest that is known.
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
    """A value as one would type it; where there may be several, all of them."""
    if several:
        return [written(one, several=False) for one in (value if isinstance(value, list) else [value])]
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
