"""Show which share of their time attempts spend on verification.

    lstm-bench run --results /tmp/runs
    python benchmarks/verification.py /tmp/runs

For each backend and task, the table shows the seconds of all attempts together, and the share of three phases:

- ``check`` compares the backend with the reference, before the clock starts;
- ``time`` runs the blocks, and builds the new models that take turns in them;
- ``verify`` tries calls on new inputs and computes timed results again.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from lstm_bench.record.store import read_folder

PHASES = ("check", "time", "verify")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of result files")
    attempts, problems = read_folder(parser.parse_args().folder)
    for problem in problems:
        print(problem)
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for attempt in attempts:
        name = attempt.configuration.task_selector, attempt.configuration.backend_selector
        for phase, seconds in attempt.findings.seconds.items():
            found[name][phase] += seconds
    print("| task | backend | seconds | " + " | ".join(PHASES) + " |")
    print("|---|---|---:|" + "---:|" * len(PHASES))
    for (task, backend), phases in sorted(found.items()):
        total = sum(phases.values())
        shares = " | ".join(f"{phases[phase] / total:.0%}" for phase in PHASES)
        print(f"| {task} | {backend} | {total:.0f} | {shares} |")


if __name__ == "__main__":
    main()
