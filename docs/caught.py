"""Run every cheat of tests/zoo in default runs, and write what caught it into docs/correctness.md, between two marks.

Usage: ``python docs/caught.py [RUNS]``, from a checkout, on a quiet machine. The exit code is 1 if a run of a cheat, or
of more than one, ended ``ok``.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
PAGE = Path(__file__).with_name("correctness.md")
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "zoo")]

import test_cheats as cheats  # noqa: E402 - it lies in a folder that was added above

from lstm_bench.record.attempt import Attempt  # noqa: E402
from lstm_bench.record.configuration import EFFORTS  # noqa: E402

FINDERS: tuple[tuple[str, str], ...] = (
    (r"asked for", "the precision probe, before the clock"),
    (r"is off the float64 reference", "the comparison of some calls, before the clock"),
    (r"dropout does not draw", "training steps that only the dropout masks can change"),
    (r"results are computed late", "the time of reading a result right after the clock has stopped"),
    (r"works before the clock starts", "the time of putting inputs before the clock starts"),
    (r"leaves out work when it is timed", "new inputs, whose results are all held, beside the timed calls"),
    (r"losses of timed training are off the float64", "the reference, which follows timed training"),
    (r"off those of another model in short calls", "another model, which takes the timed steps in short calls"),
    (r"(logits|loss|gradients) .* off the float64", "the reference, on results of timed calls"),
    (r"timed training leaves", "the parameters and losses of timed training with dropout"),
    (r"losses of the recipe", "the reference, which follows the recipe's training"),
    (r"the worker used|threads of the worker", "processor time and affinity after timing"),
    (r"GFLOP/s", "the matrix multiply of the machine"),
    (r"take .* s: no work", "a block that stays empty however many steps it has"),
    (r"a plugin has changed|the worker ended", "the test of the harness itself"),
)
"""A pattern of a reason, and what found it."""


def finder(attempt: Attempt) -> str:
    """What found the cheat of this attempt."""
    for pattern, name in FINDERS:
        if re.search(pattern, attempt.reason):
            return name
    return f"{attempt.status}: {attempt.reason}"


def runs(name: str, count: int) -> Iterator[Attempt]:
    """The last attempt of each run of a cheat: the first one that is not ``ok``. A disturbed run is repeated once."""
    for _ in range(count):
        for _ in range(2):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["CHEATS_NOTES"] = folder
                last = list(cheats.a_run(name, EFFORTS["default"]))[-1]
            if last.status != "disturbed":
                break
        yield last


def main() -> None:
    """Run the cheats, and replace the old table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    caught: dict[str, dict[str, None]] = defaultdict(dict)
    passed = []
    for name, animal in cheats.ANIMALS.items():
        if animal.shows == "nothing":
            continue
        for attempt in runs(name, count):
            print(name, attempt.status, attempt.reason, flush=True)
            if attempt.status == "ok":
                passed.append(name)
            else:
                caught[finder(attempt)][animal.kind.__doc__ or name] = None
    order = [name for _, name in FINDERS]
    rows = sorted(caught.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))
    lines = ["| what catches it | cheats | for example |", "|---|---:|---|"]
    lines += [f"| {name} | {len(found)} | {'; '.join(list(found)[:2])} |" for name, found in rows]
    total = len([animal for animal in cheats.ANIMALS.values() if animal.shows != "nothing"])
    how = f"`python docs/caught.py {count}` made this table of {total} cheats; several things may catch one.\n\n"
    made = how + "\n".join(lines) + "\n"
    text, places = re.subn(r"(?s)(<!-- caught -->\n).*?(<!-- end -->)", lambda m: m[1] + made + m[2], PAGE.read_text())
    if places != 1:
        raise SystemExit(f"{PAGE}: no place between <!-- caught --> and <!-- end -->")
    PAGE.write_text(text)
    print("not caught:", ", ".join(passed) or "none")
    sys.exit(bool(passed))


if __name__ == "__main__":
    main()
