"""The panel that opens below a row: its numbers in full, how they were measured, and the command to repeat it."""

from __future__ import annotations

import statistics as stats
from collections.abc import Iterator
from dataclasses import dataclass

from lstm_bench.analysis import statistics
from lstm_bench.analysis.groups import Group
from lstm_bench.analysis.speed import achieved_by
from lstm_bench.model.spec import SCOPES
from lstm_bench.publish.page.command import reproduce
from lstm_bench.record.attempt import Attempt, Disturbance
from lstm_bench.reports.frame import printable
from lstm_bench.reports.numbers import compact, digits, mebibytes, percent, seconds
from lstm_bench.text import LONGEST_LINE, brief


@dataclass(frozen=True)
class Table:
    """A small table.

    Attributes:
        title: above it.
        columns: titles; the first column names each row.
        rows: texts.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class RowPanel:
    """Everything that is known about a group of attempts.

    Attributes:
        command: measures the group again.
        problems: status and reason of each attempt that is not ``ok``, with the end of its output.
        tables: of numbers.
        facts: name and text of everything else.
        attempts: id of each attempt, with its seed and round.
    """

    command: str
    problems: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    facts: tuple[tuple[str, str], ...]
    attempts: tuple[tuple[str, str], ...]


def open_up(group: Group) -> RowPanel:
    """Make the panel of a row."""
    seeds = sorted({attempt.configuration.seed for attempt in group.attempts})
    return RowPanel(
        command=_whole(reproduce(group.first.configuration, seeds)),
        problems=tuple(
            (
                f"{_turn(attempt)}: {attempt.status}: {brief(attempt.reason)}",
                printable(attempt.output_tail[-LONGEST_LINE:]),
            )
            for attempt in group.attempts
            if attempt.status != "ok"
        ),
        tables=tuple(table for table in (_times(group), _agreement(group), _metrics(group)) if table.rows),
        facts=tuple((name, text) for name, text in _facts(group) if text),
        attempts=tuple((attempt.id, _turn(attempt)) for attempt in group.attempts),
    )


def _whole(command: str) -> str:
    """The command in full, unless it is longer than a line may be."""
    return printable(command) if len(command) <= LONGEST_LINE else brief(command)


def _turn(attempt: Attempt) -> str:
    """Seed and round of an attempt."""
    seed = f"seed {attempt.configuration.seed}, " if attempt.configuration.seed else ""
    return f"{seed}round {attempt.round + 1}"


def _times(group: Group) -> Table:
    rows = []
    for scope in SCOPES:
        rounds, found = group.rounds(scope), group.estimate(scope)
        if found is None:
            continue
        count = digits(found.value, found.relative)
        ends = "one round" if found.interval is None else " .. ".join(seconds(end, count + 1) for end in found.interval)
        each = ", ".join(seconds(stats.median(blocks), count + 1) for blocks in rounds.values())
        states = dict.fromkeys(statistics.steadiness(blocks) for blocks in rounds.values())
        far = sum(statistics.outliers(blocks) for blocks in rounds.values())
        timing = next(t for a in group.final.values() if (t := a.findings.timings.get(scope)) is not None)
        blocks = f"{len(timing.block_ns)} of {timing.steps_per_block} steps, {len(timing.warmup_ns)} to warm up"
        rows.append((scope, seconds(found.value, count), ends, each, ", ".join(states), str(far), blocks))
    titles = ("a step of", "time", "95% interval", "each round's median", "steadiness", "outliers", "blocks")
    return Table("Times", titles, tuple(rows))


def _agreement(group: Group) -> Table:
    found = next((a.findings.agreement for a in group.attempts if a.findings.agreement is not None), None)
    rows = []
    for name, tolerance in found.tolerances.items() if found else ():
        assert found is not None
        error = found.errors.get(name)
        rows.append((name, "not a number" if error is None else f"{error:.1e}", f"{tolerance:.0e}"))
    return Table("Beside the float64 reference", ("quantity", "relative error", "tolerance"), tuple(rows))


def _metrics(group: Group) -> Table:
    rows = []
    for attempt in group.trained:
        judgement = attempt.findings.judgement
        for name, value in judgement.metrics.items() if judgement else ():
            shown = "not a number" if value is None else f"{value:.6g}"
            rows.append((name, str(attempt.configuration.seed), shown))
    return Table("What the task says of the trained model", ("metric", "seed", "value"), tuple(rows))


def _facts(group: Group) -> Iterator[tuple[str, str]]:
    """Name and text of each fact, the most wanted first."""
    first = group.first
    configuration, found = first.configuration, first.findings
    effort = configuration.effort
    yield "inference ran on", found.kernel_path
    yield "training ran on", found.training_kernel_path
    yield "precision seen", found.observed_precision or ""
    yield "denormal numbers", {"kept": "kept", "flushed": "taken for 0"}.get(found.observed_denormals or "", "")
    yield (
        "protocol",
        f"effort {effort.name}: {effort.rounds} round{'s' if effort.rounds > 1 else ''}, each in a process of its own, "
        f"of {effort.blocks} blocks of at least {effort.block_seconds:g} s and {effort.block_steps} steps, after "
        f"{effort.warmup_blocks} blocks and {effort.warmup_seconds:g} s to warm up",
    )
    threads = found.threads
    if threads is not None:
        said = "; ".join(f"{name} {count}" for name, count in {**threads.libraries, **threads.pools}.items())
        yield (
            "threads",
            f"{configuration.threads} asked for, {threads.affinity} processors allowed" + (f"; {said}" if said else ""),
        )
    training = found.training
    if training is not None:
        ended = f", ended by {training.stopped}" if training.stopped else ""
        best = f", best after {training.best_step:,}" if training.best_step is not None else ""
        yield "training", f"{training.steps:,} steps in {seconds(training.seconds)}{ended}{best}"
    yield "phases", ", ".join(f"{name} {seconds(value)}" for name, value in found.seconds.items())
    memory = found.memory
    if memory is not None and memory.peak is not None:
        more = mebibytes(memory.peak - memory.after_import)
        device = f", on the device {mebibytes(memory.device_peak)}" if memory.device_peak is not None else ""
        yield "memory", f"{mebibytes(memory.after_import)} after import, at most {more} more{device}"
    ceiling = found.ceiling
    if ceiling is not None:
        yield "ceiling", "; ".join(_bounds(group))
    yield "disturbance", _disturbance(found.disturbance)
    yield "versions", ", ".join(f"{name} {version}" for name, version in found.versions.items())
    machine = found.machine
    if machine is not None:
        yield (
            "machine",
            f"{machine.processor}, {machine.cores} processors, {machine.memory_bytes / 2**30:.0f} GiB, "
            f"{machine.system}, Python {machine.python}" + (f", {found.device_name}" if found.device_name else ""),
        )
    yield "measured", f"{first.created} with lstm-bench {first.lstm_bench}"


def _bounds(group: Group) -> Iterator[str]:
    found = group.first.findings.ceiling
    assert found is not None
    if found.flops_per_second is not None:
        yield f"a product of two {found.size} x {found.size} matrices: {compact(found.flops_per_second / 1e9)} GFLOP/s"
    for scope in SCOPES:
        done, time, floor = achieved_by(group, scope), group.estimate(scope), found.floor_seconds.get(scope)
        if done is not None and done.share is not None:
            yield f"{scope} reaches {percent(done.share)} of it"
        if floor is not None and time is not None:
            yield f"a step of the smallest model, {seconds(floor)}, is {percent(floor / time.value)} of one of {scope}"


def _disturbance(found: Disturbance | None) -> str:
    if found is None:
        return ""
    told = [f"watched for {seconds(found.seconds)}"]
    for name, share in (
        ("others used", found.others),
        ("others on its processors", found.crowded),
        ("stolen", found.stolen),
    ):
        if share is not None:
            told.append(f"{name} {percent(share)}")
    if found.throttled:
        told.append(f"held back by a quota for {seconds(found.throttled)}")
    if found.overheated:
        told.append(f"slowed down by heat {found.overheated} times")
    if found.gpu_processes:
        told.append(f"{found.gpu_processes} other processes on the GPU")
    return ", ".join(told)
