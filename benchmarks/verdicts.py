"""Count how often verdicts are wrong: compare equal backends, and backends of which one is slower by a known share.

    python benchmarks/verdicts.py record default --slower 0.1 --trials 40 -o default.json
    python benchmarks/verdicts.py record rigorous --slower 0.05 --rounds 60 -o rigorous.json
    python benchmarks/verdicts.py judge default.json rigorous.json

``record`` runs real rounds as ``lstm-bench run`` does, for about 20 minutes; the machine should be quiet. A round has
three fresh worker processes in random order: a configuration, the same configuration again, and the same with the
slowed backend. ``judge`` counts how often two of them are called different: in the trials as they were run, and in
thousands more trials that it draws from the recorded rounds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lstm_bench.analysis.statistics import CONFIDENCE, MARGIN, ratio, verdict

SLOWED = Path(__file__).with_name("slowed_backend.py")

RESAMPLES = 1000
"""Resamples of the bootstrap, which ``judge`` shows beside the interval in use."""


def record(arguments: argparse.Namespace) -> None:
    """Run the rounds, and write the seconds per step of every block to a file."""
    from lstm_bench.catalog.loading import load_plugins
    from lstm_bench.execute.attempt import run_attempt
    from lstm_bench.execute.plan import Request, plan_configurations
    from lstm_bench.host.machine import describe_machine, usable_cores
    from lstm_bench.record.configuration import EFFORTS
    from lstm_bench.worker.protocol import MeasureJob

    plugins, effort = load_plugins([SLOWED]), EFFORTS[arguments.effort]
    configuration, slower = (
        msgspec.structs.replace(configuration, recipe=msgspec.structs.replace(configuration.recipe, scopes=("train",)))
        for configuration in plan_configurations(
            plugins,
            Request(
                backends=["slowed[by=0]", f"slowed[by={arguments.slower}]"],
                tasks=[arguments.task],
                devices=["cpu"],
                precisions=["float32"],
                effort=effort,
                threads=arguments.threads or usable_cores(),
            ),
        )
    )
    sides = {"one": configuration, "same": configuration, "slower": slower}
    count = arguments.rounds or arguments.trials * effort.rounds
    generator = np.random.default_rng(0)
    rounds: list[dict[str, list[float]]] = []
    disturbed = 0
    for number in range(count):
        found: dict[str, list[float]] = {}
        for name in generator.permutation(list(sides)):
            job = MeasureJob(configuration=sides[name], plugin_files=(str(SLOWED),), round=1, times_only=True)
            attempt = run_attempt(job, plugins.backend("slowed"), timeout=600)
            if attempt.status not in ("ok", "disturbed"):
                raise SystemExit(f"{name}: {attempt.status}: {attempt.reason}")
            disturbed += attempt.status == "disturbed"
            timing = attempt.findings.timings["train"]
            found[str(name)] = [block / timing.steps_per_block / 1e9 for block in timing.block_ns]
        rounds.append(found)
        print(f"\r{number + 1}/{count}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    machine = describe_machine()
    about = {
        "effort": effort.name,
        "rounds": effort.rounds,
        "blocks": effort.blocks,
        "slower": arguments.slower,
        "task": configuration.task_selector,
        "threads": configuration.threads,
        "processor": machine.processor,
        "system": machine.system,
        "disturbed": disturbed,
    }
    arguments.output.write_text(json.dumps({"about": about, "recorded": rounds}) + "\n")


def said(rounds: Sequence[dict[str, list[float]]], ours: str, theirs: str) -> str:
    """The verdict of one trial, as ``lstm-bench compare`` gives it."""
    found = ratio(
        {at: each[ours] for at, each in enumerate(rounds)},
        {at: each[theirs] for at, each in enumerate(rounds)},
        paired=True,
    )
    return verdict(found)


def said_by_bootstrap(
    rounds: Sequence[dict[str, list[float]]], ours: str, theirs: str, generator: np.random.Generator
) -> str:
    """The verdict by a percentile interval of a hierarchical bootstrap, which draws rounds and then blocks of each."""
    blocks = np.log([[each[ours], each[theirs]] for each in rounds])
    count, _, length = blocks.shape
    drawn = generator.integers(count, size=(RESAMPLES, count))
    at = generator.integers(length, size=(RESAMPLES, count, 2, length))
    medians = np.median(np.take_along_axis(blocks[drawn], at, axis=-1), axis=-1)
    ratios = np.exp(np.median(medians[..., 0] - medians[..., 1], axis=1))
    low, high = np.quantile(ratios, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return "slower" if low > 1 + MARGIN else "faster" if high < 1 - MARGIN else "no difference shown"


def judge(arguments: argparse.Namespace) -> None:
    """Print a table with the share of each verdict."""
    print("| effort | slower by | trials | called slower | called faster | no difference shown |")
    print("|---|---:|---|---:|---:|---:|")
    for path in arguments.files:
        content = json.loads(path.read_text())
        about, recorded = content["about"], content["recorded"]
        count = about["rounds"]
        generator = np.random.default_rng(0)
        whole = [recorded[begin : begin + count] for begin in range(0, len(recorded) - count + 1, count)]
        drawn = [
            [recorded[at] for at in generator.choice(len(recorded), count, replace=False)]
            for _ in range(arguments.drawn)
        ]
        for name, share in (("same", "nothing"), ("slower", f"{about['slower']:.0%}")):
            kinds: dict[str, list[str]] = {
                f"{len(whole)} as they were run": [said(trial, name, "one") for trial in whole],
                f"{arguments.drawn:,} of {len(recorded)} recorded rounds": [
                    said(trial, name, "one") for trial in drawn
                ],
                "the same, by a percentile bootstrap": [
                    said_by_bootstrap(trial, name, "one", generator) for trial in drawn
                ],
            }
            for trials, verdicts in kinds.items():
                print(row(about, share, trials, verdicts))
    for path in arguments.files:
        content = json.loads(path.read_text())
        print(f"\n{noise(content['about'], content['recorded'])}", end="")
    print()


def row(about: dict[str, Any], share: str, trials: str, verdicts: Sequence[str]) -> str:
    """One line of the table."""
    counts = Counter(verdicts)
    shares = [counts[each] / len(verdicts) for each in ("slower", "faster", "no difference shown")]
    return f"| {about['effort']} | {share} | {trials} | " + " | ".join(f"{each:.1%}" for each in shares) + " |"


def noise(about: dict[str, Any], recorded: Sequence[dict[str, list[float]]]) -> str:
    """A sentence about how much processes differ, and blocks within a process."""
    logs = np.log([each["one"] for each in recorded])
    ratios = np.array([np.median(each["same"]) / np.median(each["one"]) for each in recorded])
    return (
        f"- {about['effort']}: {about['task']}, {about['threads']} threads, {about['processor']}, {about['system']}; "
        f"{len(recorded)} rounds of {about['blocks']} blocks, {about['disturbed']} of {3 * len(recorded)} processes "
        f"disturbed. Standard deviations: of blocks within a process {logs.std(axis=1, ddof=1).mean():.2%}, of "
        f"processes' medians {np.median(logs, axis=1).std(ddof=1):.2%}, of the ratio of two in one round "
        f"{np.log(ratios).std(ddof=1):.2%}"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    recording = commands.add_parser("record")
    recording.add_argument("effort", choices=("default", "rigorous"))
    recording.add_argument("--slower", type=float, required=True, help="share, such as 0.1")
    recording.add_argument("--task", default="flights")
    recording.add_argument("--threads", type=int)
    recording.add_argument("--trials", type=int, default=40)
    recording.add_argument("--rounds", type=int, help="number of rounds, in place of --trials")
    recording.add_argument("-o", "--output", type=Path, required=True)
    recording.set_defaults(run=record)
    judging = commands.add_parser("judge")
    judging.add_argument("files", nargs="+", type=Path)
    judging.add_argument("--drawn", type=int, default=4000, help="trials to draw from the recorded rounds")
    judging.set_defaults(run=judge)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
