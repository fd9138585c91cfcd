"""Records, as they are read: their attributes with their types stand in a list, and in no signature beside it."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import msgspec
from sphinx.application import Sphinx
from sphinx.domains.python import PyObject


def without_signature(
    app: Sphinx, kind: str, name: str, thing: object, options: Any, signature: str | None, returned: str | None
) -> tuple[str, None] | None:
    """None for a class of which all that could be given is an attribute."""
    is_record = isinstance(thing, type) and (dataclasses.is_dataclass(thing) or issubclass(thing, msgspec.Struct))
    return ("", None) if is_record else None


def with_short_types(app: Sphinx, kind: str, name: str, thing: object, options: Any, lines: list[str]) -> None:
    """``Mapping[str, Option]``, wherever the names are from; called after napoleon has made fields of attributes."""
    for at, line in enumerate(lines):
        if line.startswith(":vartype "):
            lines[at] = re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Z])", "", line)


def setup(app: Sphinx) -> dict[str, bool]:
    """Hook into autodoc; the list of attributes is called that."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("autodoc-process-signature", without_signature)
    app.connect("autodoc-process-docstring", with_short_types, priority=900)
    return {"parallel_read_safe": True}
