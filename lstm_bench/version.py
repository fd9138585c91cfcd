"""The version of lstm-bench, and the command that installs more of it, in a file that every folder may read."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

__version__ = "0.2.0"


@lru_cache
def pip_line(extra: str) -> str:
    """Return the pip command that installs an extra of lstm-bench, from where lstm-bench itself was installed.

    A checkout that pip installed is named by its folder, since no index may have the package.

    Args:
        extra: such as ``"torch"``.
    """
    try:
        origin = json.loads(metadata.distribution("lstm-bench").read_text("direct_url.json") or "{}")
        where = urlsplit(origin.get("url", "")) if "dir_info" in origin else urlsplit("")
    except (metadata.PackageNotFoundError, ValueError, AttributeError):
        where = urlsplit("")
    folder = Path(unquote(where.path))
    package = str(folder) if where.scheme == "file" and (folder / "pyproject.toml").is_file() else "lstm-bench"
    return f'pip install "{package}[{extra}]"'
