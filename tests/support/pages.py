"""The pages of the documentation: the commands that they show, and the output that they show beneath."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "tutorial" / "examples"

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "results/README.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md")),
]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[tuple[str, str]]:
    """The language of each fenced block, and its text."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Each line of the page's shell blocks."""
    return [line for language, text in blocks(page) if language == "sh" for line in text.splitlines()]


def examples(page: Path) -> list[tuple[str, str]]:
    """Each shell block of one line, with the text in the block after it, where that is one of text."""
    found = blocks(page)
    following = [*found[1:], ("", "")]
    return [
        (text.strip(), shown if language == "text" else "")
        for (shell, text), (language, shown) in zip(found, following, strict=True)
        if shell == "sh" and text.count("\n") == 1
    ]
