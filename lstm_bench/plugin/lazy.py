"""Refer to a function by name, without importing its module."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class lazy:  # noqa: N801  # used as a function
    """A callable that imports its module when it is called.

    A plugin's module must not import a framework, so use this for ``load``:
    ``load=lazy("my_package.model:MyBackend")``.

    Attributes:
        target: ``"module:function"``.
    """

    target: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Import the module and call the function."""
        return pkgutil.resolve_name(self.target)(*args, **kwargs)
