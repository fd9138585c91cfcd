"""Put code of the repository into pages, between two marks, so that a forge shows it as well as the site does.

Usage: ``python docs/code.py``. ``<!-- code examples/pergate.py PerGate.put -->`` takes a function, method or class;
``top`` in place of a name takes the lines before the first of them, and ``whole`` takes the file.
"""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

DOCS = Path(__file__).parent
MARKED = re.compile(r"(?s)(<!-- code (\S+) (\S+) -->\n).*?(<!-- end -->)")

Definition = ast.FunctionDef | ast.ClassDef


def code_of(file: Path, name: str) -> str:
    """The source of a definition with its decorators; of what comes before for ``top``, of the file for ``whole``."""
    text = file.read_text()
    if name == "whole":
        return text.rstrip()
    lines = text.splitlines()
    body: list[ast.stmt] = ast.parse(text).body
    if name == "top":
        first = next(node for node in body if isinstance(node, Definition))
        return "\n".join(lines[: _begin(first) - 1]).rstrip()
    found = None
    for part in name.split("."):
        found = next((node for node in body if isinstance(node, Definition) and node.name == part), None)
        if found is None:
            raise SystemExit(f"{file}: there is no {name}")
        body = found.body
    assert found is not None
    return textwrap.dedent("\n".join(lines[_begin(found) - 1 : found.end_lineno]))


def _begin(node: Definition) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def filled(page: Path) -> str:
    """The text of a page with the code that its marks name."""

    def fill(match: re.Match[str]) -> str:
        return f"{match[1]}\n```python\n{code_of(page.parent / match[2], match[3])}\n```\n\n{match[4]}"

    return MARKED.sub(fill, page.read_text())


if __name__ == "__main__":
    for page in sorted(DOCS.rglob("*.md")):
        page.write_text(filled(page))
