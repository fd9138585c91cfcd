"""The examples of the documentation, as programs."""

from __future__ import annotations

import re
from pathlib import Path


def python_blocks(page: Path) -> dict[str, str]:
    """Each Python block of a page by the hook that it implements."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return {found[1]: block for block in blocks if (found := re.search(r"def (lstm_bench_\w+)", block))}
