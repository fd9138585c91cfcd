"""A plugin of backends whose timed numbers are not of work that was done as specified.

Each ended ``ok`` while only untimed calls were compared. The docstring of a class says what is wrong. A group has a
file in ``cheating/``:

- ``lazy``, ``remembering``, ``forgetful``: the work is put off, handed out again, or left out;
- ``looking``: it is done only where somebody looks;
- ``scopes``: the gradient alone, in which no number was compared;
- ``machine``: it is done on more processors than were granted, or after the clock was read;
- ``slips``: a mistake in good faith shows only later than ten steps;
- ``hostile``: the harness is changed from within its process;
- ``odd``: nothing is wrong, and the harness must not say so.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path

from lstm_bench import BackendInfo, hookimpl

GROUPS = ("lazy", "remembering", "forgetful", "looking", "scopes", "machine", "slips", "hostile", "odd")

if (HERE := str(Path(__file__).parent)) not in sys.path:
    sys.path.append(HERE)
for group in GROUPS:
    importlib.import_module(f"cheating.{group}")

base = importlib.import_module("cheating.base")
ANIMALS = base.ANIMALS


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield from base.backends()
