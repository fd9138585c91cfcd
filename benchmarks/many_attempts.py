"""Measure how long ``lstm-bench report`` and ``compare`` take with thousands of stored attempts.

    python benchmarks/many_attempts.py
    python benchmarks/many_attempts.py --attempts 100000 --format attempts-csv --keep /tmp/many

The attempts are runs of a sweep over four backends, five hidden sizes and ten seeds, in ten rounds, again and again.
A report shows the latest run of each configuration, and with --all every run. Each attempt is a published attempt
with other times, and so has the size of a real one: 200 first losses, a learning curve, ten blocks of two scopes. The
command ``compare`` compares two backends. Each command is a new process. The first line of the table is a plain loop
that decodes the same files and does nothing with them. Times are processor seconds. For 10,000 attempts on an Intel
Xeon the loop took 1.5 s, ``report`` 2.3 s, ``report --all`` 2.7 s and ``compare`` 1.8 s.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import count, islice, product
from pathlib import Path
from time import process_time

import msgspec

from lstm_bench.model.axes import vary
from lstm_bench.record.attempt import Attempt, Timing
from lstm_bench.record.store import read_folder, write_attempt

ROOT = Path(__file__).parents[1]
COMMAND = Path(sys.executable).with_name("lstm-bench")
VERSIONS = {"numpy": "2.4.6", "torch": "2.13.0", "keras": "3.15.1", "jax": "0.10.2"}
HIDDEN, SEEDS, ROUNDS, REPEATS = ("32", "64", "128", "256", "512"), 10, 10, 5


def template() -> Attempt:
    """A published attempt of task ``copy`` on NumPy."""
    attempts, _ = read_folder(ROOT / "results" / "copy")
    return next(attempt for attempt in attempts if attempt.configuration.backend == "numpy")


def slightly_off(timing: Timing, draw: random.Random) -> Timing:
    """The timing with slightly different blocks, as another run might have it."""
    block_ns = tuple(round(ns * draw.uniform(0.98, 1.05)) for ns in timing.block_ns)
    return msgspec.structs.replace(timing, block_ns=block_ns)


def made_up() -> Iterator[Attempt]:
    """Endless attempts: run after run, each with round after round of the same configurations."""
    real, draw = template(), random.Random(0)
    for number, (of_round, seed, hidden, backend) in enumerate(
        (of_round, *rest) for of_round in count() for rest in product(range(SEEDS), HIDDEN, VERSIONS)
    ):
        recipe, changes = vary(real.configuration.recipe, {"hidden": hidden}, "task 'copy'")
        timings = {scope: slightly_off(timing, draw) for scope, timing in real.findings.timings.items()}
        yield msgspec.structs.replace(
            real,
            id=f"20260102T030405-{number:06d}-{draw.getrandbits(32):08x}",
            configuration=msgspec.structs.replace(
                real.configuration, backend=backend, recipe=recipe, changes=changes, seed=seed
            ),
            findings=msgspec.structs.replace(
                real.findings, timings=timings, versions={backend: VERSIONS[backend], **real.findings.versions}
            ),
            run=f"20260102T030405-{of_round // ROUNDS:08x}",
            round=of_round % ROUNDS,
        )


def command_seconds(*arguments: str | Path) -> float:
    """Processor seconds of one command in a new process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([COMMAND, *arguments], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def loop_seconds(folder: Path) -> float:
    """Processor seconds to decode every file in this process."""
    begin = process_time()
    for path in folder.iterdir():
        json.loads(path.read_bytes())
    return process_time() - begin


def measure(folder: Path, formats: list[str]) -> None:
    """Print the median time of a few reports in each format, and of a few comparisons."""
    sizes = [path.stat().st_size for path in folder.iterdir()]
    print(f"{len(sizes):,} attempts of {statistics.mean(sizes) / 1024:.1f} KiB in the mean")
    plain = statistics.median(loop_seconds(folder) for _ in range(REPEATS))
    print(f"{'json.loads of each':32} {plain:6.2f} s")
    for command, *options in [
        *(["report", "--format", name, *more] for name in formats for more in ([], ["--all"])),
        ["compare", "--where", "backend=numpy", "--where", "backend=torch"],
    ]:
        seconds = [command_seconds(command, folder, *options) for _ in range(REPEATS)]
        name = " ".join([command, *options]).replace("--where backend=", "")
        print(
            f"{name:32} {statistics.median(seconds):6.2f} s    "
            f"{min(seconds):.2f} .. {max(seconds):.2f} s, {statistics.median(seconds) / plain:.2f} of the loop"
        )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attempts", type=int, default=10_000, metavar="N")
    parser.add_argument("--format", action="append", metavar="NAME", help="[default: table, csv]")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="folder for the attempts; one that exists is used unchanged"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary, "attempts")
        if not folder.is_dir():
            folder.mkdir(parents=True)
            for attempt in islice(made_up(), arguments.attempts):
                write_attempt(attempt, folder)
        measure(folder, arguments.format or ["table", "csv"])


if __name__ == "__main__":
    main()
