"""Write the JSON Schemas of result files and of files for ``run --config``.

docs/attempt.schema.json is made from the types, docs/config.schema.json from the options of the command line.
"""

import inspect
import json
import re
from pathlib import Path
from typing import Annotated, Any

import click
import msgspec

from lstm_bench.cli.running import FLAGS_OF_EFFORT, NOT_IN_A_FILE, run
from lstm_bench.record.attempt import SCHEMA_VERSION, Attempt

PAGE = Path(__file__).with_name("attempt.schema.json")
CONFIG = Path(__file__).with_name("config.schema.json")


class File(msgspec.Struct):
    """One attempt as ``lstm-bench run`` stores it. Files of earlier schema versions are upgraded when read.

    Attributes:
        schema_version: of the file.
        sha256: of the attempt in UTF-8 without spaces, numbers as short as can be.
        attempt: what was asked, and what came of it.
    """

    schema_version: Annotated[int, msgspec.Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    attempt: Attempt


def schema() -> dict[str, Any]:
    """The schema, with what docstrings say of an attribute beside that attribute."""
    made = msgspec.json.schema(File)
    for definition in made["$defs"].values():
        text, _, attributes = inspect.cleandoc(definition["description"]).partition("\n\nAttributes:\n")
        definition["description"] = " ".join(text.split())
        for name, meaning in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
            if name in definition["properties"]:
                definition["properties"][name]["description"] = " ".join(meaning.split())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "lstm-bench result file", **made}


def config_schema() -> dict[str, Any]:
    """The schema of a file for ``run --config``: a key for each option, and ``effort`` for the flags of it."""
    keys: dict[str, Any] = {"effort": {"description": "How long to measure.", "enum": ["default", *FLAGS_OF_EFFORT]}}
    for option in run.params:
        name = max(option.opts, key=len).removeprefix("--")
        if isinstance(option, click.Option) and option.name not in NOT_IN_A_FILE:
            keys[name] = {"description": " ".join((option.help or "").split()), **_values(option)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lstm-bench run --config",
        "type": "object",
        "additionalProperties": False,
        "properties": dict(sorted(keys.items())),
    }


def _values(option: click.Option) -> dict[str, Any]:
    """What an option takes: one value, or several in a list if it is repeatable."""
    kind = option.type
    one: dict[str, Any]
    if option.is_flag:
        one = {"type": "boolean"}
    elif isinstance(kind, click.Choice):
        # true and false are booleans in TOML
        one = {"enum": [*kind.choices, *(True for text in kind.choices if text == "true")]}
        one["enum"] += [False] if "false" in kind.choices else []
    elif isinstance(kind, (click.IntRange, click.FloatRange)):
        one = {"type": "integer" if isinstance(kind, click.IntRange) else "number"}
        if kind.min is not None:
            one["exclusiveMinimum" if kind.min_open else "minimum"] = kind.min
        if kind.max is not None:
            one["maximum"] = kind.max
    else:
        one = {"type": ["string", "integer", "number", "boolean"] if option.multiple else "string"}
    return {"anyOf": [one, {"type": "array", "items": one}]} if option.multiple else one


def written() -> dict[Path, str]:
    """Both schemas as they stand in their files."""
    return {path: json.dumps(made(), indent=2) + "\n" for path, made in ((PAGE, schema), (CONFIG, config_schema))}


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text)
