"""The notes beneath the tables: what was learned, what failed, what the columns mean, and where it was measured."""

from __future__ import annotations

import statistics as stats
from collections.abc import Sequence

from lstm_bench.analysis.groups import Group
from lstm_bench.analysis.learning import best_baseline, metric_of
from lstm_bench.analysis.statistics import FEWEST_SEEDS, chance_of_difference, surprising
from lstm_bench.conformance.agreement import REFERENCE
from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.record.attempt import SOUND, Attempt
from lstm_bench.record.configuration import Configuration
from lstm_bench.reports.models import SameModel, attempt_name
from lstm_bench.reports.numbers import significant
from lstm_bench.reports.table import RELATIVE, Section

MEANINGS: dict[Scope, str] = {
    "train": "forward, loss, backward and update",
    "gradient": "forward, loss and backward, without an update",
    "infer": "forward in evaluation mode",
}
"""What is timed in each scope."""


def beaten_baselines(groups: Sequence[Group]) -> list[str]:
    """How many models beat the best baseline, each with its median over seeds.

    Args:
        groups: that learn from the same data.
    """
    judged = [
        Group(ok)
        for group in groups
        if (ok := tuple(a for a in group.attempts if a.status in SOUND and a.findings.judgement))
    ]
    judgement = judged[0].first.findings.judgement if judged else None
    baseline = None if judgement is None else best_baseline(judgement)
    if judgement is None or baseline is None:
        return []
    best, least = baseline
    unit = f" {judgement.unit}" if judgement.unit else ""
    values = [stats.median(numbers) if (numbers := group.numbers(metric_of)) else None for group in judged]
    beating = sum(v is not None and (v < least if judgement.better == "lower" else v > least) for v in values)
    says = "no model beats" if beating == 0 else f"{beating} of {len(values)} models beat"
    return [
        f"{judged[0].first.configuration.task_selector}: {says} the best baseline, {best} "
        f"({judgement.metric} {significant(least)}{unit})"
    ]


def seeds_explain(model: SameModel) -> list[str]:
    """Whether a backend's metric differs from the reference's by more than the spread between seeds."""
    judged = [group for group in model.groups if len(group.numbers(metric_of)) >= FEWEST_SEEDS]
    reference = next((group for group in judged if group.first.configuration.backend == REFERENCE), None)
    if reference is None or reference.first.findings.judgement is None:
        return []
    others = [group for group in judged if group is not reference]
    if not others:
        return []
    theirs = reference.numbers(metric_of)
    chances = [chance_of_difference(group.numbers(metric_of), theirs) or 0.0 for group in others]
    metric = reference.first.findings.judgement.metric
    notes = [
        f"{model.name}: {metric} of {group.first.configuration.backend_selector} differs from {REFERENCE}'s by more "
        f"than the spread between seeds (p = {chance:.2g}, rank-sum test, {len(group.trained)} seeds)"
        for group, chance, differs in zip(others, chances, surprising(chances), strict=True)
        if differs
    ]
    return notes or [
        f"{model.name}: no backend's {metric} differs from {REFERENCE}'s by more than the spread between seeds "
        f"(p = {min(chances):.2g} or more, rank-sum test, {len(theirs)} seeds)"
    ]


def failures(attempts: Sequence[Attempt]) -> list[str]:
    """Status and reason of each attempt that did not end ``ok``; the same text only once."""
    return list(dict.fromkeys(f"{attempt_name(a)}: {a.status}: {a.reason}" for a in attempts if a.status != "ok"))


def own_lengths(attempts: Sequence[Attempt]) -> list[str]:
    """What ``*`` means, for each length of training that is not the recipe's."""
    trained = [a for a in attempts if a.findings.training is not None or a.status not in SOUND]
    return sorted({_own_length(a.configuration) for a in trained if a.configuration.own_length})


def _own_length(configuration: Configuration) -> str:
    limits = (
        [f"{configuration.epochs} of {configuration.recipe.epochs} epochs"]
        if configuration.epochs != configuration.recipe.epochs
        else []
    )
    limits += [f"at most {configuration.steps:,} steps"] if configuration.steps is not None else []
    return f"* trained {' and '.join(limits)}"


def parameter_counts(attempts: Sequence[Attempt]) -> list[str]:
    """What the second number of parameters is, where a framework counts differently."""
    counts = [(a.findings.native_parameter_count, a.configuration.parameter_count) for a in attempts]
    if all(native in (None, canonical) for native, canonical in counts):
        return []
    return ["params: trained parameters of the model (in brackets: as the framework counts them)"]


def meanings(attempts: Sequence[Attempt], sections: Sequence[Section]) -> list[str]:
    """What the columns mean, and who published times."""
    trained = [attempt for attempt in attempts if attempt.configuration.epochs]
    several = any(entry.interval for section in sections for row in section.rows for entry in row.entries)
    interval = "geometric mean over rounds, ± half its 95% interval" if several else "one round, so no interval"
    notes = []
    if trained:
        notes.append(f"seq/s: sequences per second; {interval}")
    if len(trained) < len(attempts):
        notes.append(f"times: of one batch; {interval}")
    if any(column.title == RELATIVE for section in sections for column in section.columns):
        notes.append(f"{RELATIVE}: how many times as long as the fastest row takes for the same work")
    if any(len(t.block_ns) < a.configuration.effort.blocks for a in attempts for t in a.findings.timings.values()):
        notes.append("a step that lasts seconds is timed in fewer blocks than usual")
    if any(a.findings.ceiling is not None for a in attempts):
        notes.append("GFLOP/s: matrix-multiply operations per second (percent of the fastest matrix multiply here)")
    notes.append("first step: time of the first training step, including JIT compilation")
    memory = "memory: peak while steps were taken, minus the level after the framework's import"
    if any(a.findings.memory is not None and a.findings.memory.device_peak is not None for a in attempts):
        memory += "; on a GPU, the peak of the framework's allocator"
    notes.append(memory)
    scopes = {scope for attempt in attempts for scope in attempt.configuration.recipe.scopes}
    notes += [f"{scope} times {MEANINGS[scope]}" for scope in SCOPES if scope in scopes]
    sources = dict.fromkeys(p.source for a in attempts for p in a.findings.published)
    if sources:
        notes.append(f"published: measured by others on other hardware: {'; '.join(sources)}")
    return notes


def measured(attempts: Sequence[Attempt]) -> list[str]:
    """Where and how times were measured: one line for each combination of machine, threads and effort."""
    lines = dict.fromkeys(
        f"effort {a.configuration.effort.name}, "
        f"{a.configuration.threads} thread{'s' if a.configuration.threads > 1 else ''}, "
        + (f"{m.processor}, {m.system}, Python {m.python}" if (m := a.findings.machine) else "machine unknown")
        + (f", {a.findings.device_name}" if a.findings.device_name else "")
        for a in attempts
    )
    return [f"measured with {line}" for line in lines]
