"""The command, typed as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COMMAND = Path(sys.executable).with_name("lstm-bench")
ZOO = Path(__file__).parents[1] / "zoo"
FAULTS = ZOO / "fault_backends.py"
WRONG = ZOO / "wrong_backends.py"
RESULT = Path(__file__).parents[1] / "fixtures" / "attempt-version-3.json"
INTERRUPTED, GO_ON = "interrupted; attempts kept in here", "the same command with --resume goes on"
GLANCE = ("--quick", "--epochs", "1", "--threads", "1")


def lstm_bench(*arguments):
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True)
