"""Run ``lstm-bench check`` on this machine, and write its tables into docs/correctness.md, between its two marks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("correctness.md")
COMMAND = ["lstm-bench", "check", "--rigorous", "--format", "md"]


def main() -> None:
    """Check, and replace the old tables. If a backend disagrees, the tables and the exit code say so."""
    done = subprocess.run(COMMAND, stdout=subprocess.PIPE, text=True, check=False)
    machine = subprocess.run(["lstm-bench", "env"], stdout=subprocess.PIPE, text=True, check=True).stdout
    how = f"`python docs/observe.py` made these tables with `{' '.join(COMMAND)}`, on:"
    made = f"{how}\n\n```text\n{machine}```\n\n{done.stdout}"
    text, found = re.subn(r"(?s)(<!-- observed -->\n).*?(<!-- end -->)", lambda m: m[1] + made + m[2], PAGE.read_text())
    if found != 1:
        raise SystemExit(f"{PAGE}: no place between <!-- observed --> and <!-- end -->")
    PAGE.write_text(text)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
