"""Write docs/attempt.schema.json: what a result file holds, as JSON Schema, made from the types."""

import inspect
import json
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec

from lstm_bench.record.attempt import SCHEMA_VERSION, Attempt

PAGE = Path(__file__).with_name("attempt.schema.json")


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


def written() -> str:
    """The schema as it stands in the file."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(written())
