"""What the tables for people say, whatever they are written in: a section for each task, and the lines beneath."""

from __future__ import annotations

import math
import re
import statistics as stats
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from lstm_bench.analysis.best import METRIC, Best, explain_marks, find_best
from lstm_bench.analysis.groups import Group, group_attempts, settings, varied
from lstm_bench.analysis.learning import best_baseline, metric_of
from lstm_bench.analysis.speed import achieved_by
from lstm_bench.analysis.statistics import FEWEST_SEEDS, chance_of_difference, spread, surprising
from lstm_bench.conformance.agreement import REFERENCE
from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.record.attempt import SOUND, Attempt, Machine
from lstm_bench.record.configuration import Configuration
from lstm_bench.reports.numbers import NO_BREAK, digits, mebibytes, percent, seconds, significant, with_interval
from lstm_bench.reports.speed import bounds, compared, soundness


@dataclass(frozen=True)
class Column:
    """A column's title, and whether it holds numbers, which are aligned at their right."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Entry:
    """What stands in one row under one column.

    Attributes:
        text: for people, rounded.
        value: the number that it stands for, by which rows are sorted: seconds, bytes, sequences or GFLOP per second,
            the median of a metric; ``None`` where there is none.
        interval: of 95 %, around the value; ``None`` where it is not known.
        best: whether it is shown to be the best of its column among the rows that compute the same.
    """

    text: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    best: bool = False


@dataclass(frozen=True)
class Row:
    """What stands under each column.

    Attributes:
        entries: in order of the columns.
        baseline: whether this is no attempt, but what needs no model.
        group: the attempts that it tells of, if it tells of any.
    """

    entries: tuple[Entry, ...]
    baseline: bool = False
    group: Group | None = None

    @classmethod
    def of(cls, *texts: str, baseline: bool = False) -> Row:
        """A row of nothing but texts."""
        return cls(tuple(map(Entry, texts)), baseline)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts."""
        return tuple(entry.text for entry in self.entries)


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        title: a task's selector.
        subtitle: what the model is judged by, such as ``rmse in passengers, lower is better``.
        columns: in order; the metric's title is the metric's name.
        rows: attempts, then baselines.
    """

    title: str
    subtitle: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Summary:
    """Tables for people.

    Attributes:
        sections: one for each task.
        notes: what failed and why, what the columns mean, and where it was measured.
    """

    sections: tuple[Section, ...]
    notes: tuple[str, ...]


def summarise(attempts: Sequence[Attempt]) -> Summary:
    """The tables of these attempts, in their order."""
    if not attempts:
        return Summary((), ("no attempts",))
    by_recipe: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in attempts:
        by_recipe.setdefault((attempt.configuration.task, attempt.configuration.recipe.name), []).append(attempt)
    sections, notes = [], []
    marked: dict[str, Collection[Group]] = {}
    for of_recipe in by_recipe.values():
        groups = group_attempts(of_recipe)
        models = _by_model(groups)
        best = find_best([of_model for _, of_model in models])
        marked.update(best)
        sections.append(_section(groups, best))
        notes += [note for on_data in _by_data(groups) for note in _verdict(on_data)]
        notes += [note for name, of_model in models for note in _seeds_explain(name, of_model)]
        recipe = _recipe(groups[0].first.configuration)
        notes += compared(recipe, models)
        notes += bounds(recipe, models)
        notes += soundness(groups)
    notes += dict.fromkeys(f"{_told_apart(a)}: {a.status}: {a.reason}" for a in attempts if a.status != "ok")
    notes += sorted({_own_length(a.configuration) for a in attempts if a.configuration.own_length})
    counts = [(a.findings.native_parameter_count, a.configuration.parameter_count) for a in attempts]
    if any(native not in (None, canonical) for native, canonical in counts):
        notes.append("params: trained numbers of the canonical model (as the framework counts them)")
    notes += explain_marks(marked)
    notes += _meaning(attempts, sections)
    notes += _measured(attempts)
    return Summary(tuple(sections), tuple(notes))


def _told_apart(attempt: Attempt) -> str:
    """The configuration's name, and in which round it was."""
    rounds = attempt.configuration.effort.rounds
    return attempt.configuration.name + (
        f" round {attempt.round + 1} of {rounds}" if rounds > 1 and attempt.run else ""
    )


def _by_data(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups that learn the same, whatever their models: what the same baselines stand beside."""
    return _together(groups, lambda group: group.first.configuration.task_selector)


def _by_model(groups: Sequence[Group]) -> list[tuple[str, list[Group]]]:
    """Groups with the same model as well, trained equally long on one machine, with the name of what they compute."""

    def alike(group: Group) -> Hashable:
        configuration = group.first.configuration
        return (
            configuration.task_selector,
            *settings(configuration).items(),
            configuration.epochs,
            configuration.steps,
            _hardware(group),
        )

    apart = _several_machines(groups)
    return [
        (_named(found[0].first.configuration) + (f" on {_hardware(found[0])}" if apart else ""), found)
        for found in _together(groups, alike)
    ]


def _several_machines(groups: Sequence[Group]) -> bool:
    return len({_hardware(group) for group in groups} - {""}) > 1


def _hardware(group: Group) -> str:
    """The machine, whatever runs on it; empty where it is not known."""
    machine = group.first.findings.machine
    if machine is None:
        return ""
    size = f"{machine.cores} cores, {machine.memory_bytes / 2**30:.0f}{NO_BREAK}GiB"
    return f"{processor_name(machine)}, {size}"


def _machine(group: Group) -> str:
    """What a row was measured on: the device's own name, where it has one, and the machine."""
    return ", ".join(part for part in (group.first.findings.device_name, _hardware(group)) if part)


def processor_name(machine: Machine) -> str:
    """``Intel Xeon`` for ``Intel(R) Xeon(R) Processor``."""
    return re.sub(r"\((R|TM)\)| Processor\b| CPU\b", "", machine.processor).strip() or machine.processor


def _together(groups: Sequence[Group], alike: Callable[[Group], Hashable]) -> list[list[Group]]:
    found: dict[Hashable, list[Group]] = {}
    for group in groups:
        found.setdefault(alike(group), []).append(group)
    return list(found.values())


def _recipe(configuration: Configuration) -> str:
    return f"{configuration.task}:{configuration.recipe.name}"


def _section(groups: Sequence[Group], best: Best) -> Section:
    configurations = [group.first.configuration for group in groups]
    judgement = next((a.findings.judgement for g in groups for a in g.attempts if a.findings.judgement), None)
    columns_of = varied(groups)
    scopes = [
        scope for scope in SCOPES if any(scope in configuration.recipe.scopes for configuration in configurations)
    ]
    judged = any(configuration.epochs for configuration in configurations)
    told = _Told(groups, columns_of, scopes, best, judged=judged)
    columns = told.columns(judgement.metric if judgement else "metric")
    rows = [told.row(group) for group in groups]
    if judgement is not None:
        rows += told.baselines(judgement.metric)
    rows += told.published()
    metric = ""
    if judgement is not None:
        unit = f" in {judgement.unit}" if judgement.unit else ""
        metric = f"{judgement.metric}{unit}, {judgement.better} is better"
    selectors = {configuration.task_selector for configuration in configurations}
    title = selectors.pop() if len(selectors) == 1 else _recipe(configurations[0])
    constant = {
        name: value for name, value in configurations[0].changes.items() if name.replace("-", " ") not in columns_of
    }
    changed = ", ".join(f"{name} {value}" for name, value in constant.items())
    return Section(title, "; ".join(filter(None, (changed, metric))), columns, tuple(rows))


class _Told:
    """What the columns of a section say.

    Args:
        groups: its rows.
        varied: the settings that have a column.
        scopes: what was timed.
        best: what is marked.
        judged: whether models were trained and judged; if not, times are shown for a batch, not sequences per second.
    """

    def __init__(
        self, groups: Sequence[Group], varied: Sequence[str], scopes: Sequence[Scope], best: Best, *, judged: bool
    ) -> None:
        self._groups, self._varied, self._scopes, self._best, self._judged = groups, varied, scopes, best, judged
        recipes = [group.first.configuration.recipe for group in groups]
        self._several_machines = _several_machines(groups)
        self._several_seeds = any(len(group.trained) > 1 for group in groups)
        self._ends_early = judged and any(r.target is not None or r.patience is not None for r in recipes)
        self._counted = bool(scopes) and any(achieved_by(group, scopes[0]) for group in groups)
        targets = {recipe.target for recipe in recipes}
        self._target = targets.pop() if len(targets) == 1 else None

    def columns(self, metric: str) -> tuple[Column, ...]:
        ends = (f"steps to {self._target:g}" if self._target is not None else "steps", "training")
        per = " seq/s" if self._judged else ""
        return (
            Column("backend"),
            Column("device"),
            Column("precision"),
            *([Column("machine")] if self._several_machines else []),
            *(Column(name, numeric=True) for name in self._varied),
            *([Column("seeds", numeric=True)] if self._several_seeds else []),
            Column("params", numeric=True),
            *([Column(metric, numeric=True)] if self._judged else []),
            *(Column(title, numeric=True) for title in ends if self._ends_early),
            *(Column(f"{scope}{per}", numeric=True) for scope in self._scopes),
            *([Column(f"{self._scopes[0]} GFLOP/s", numeric=True)] if self._counted else []),
            Column("first step", numeric=True),
            Column("memory", numeric=True),
            Column("status"),
        )

    def row(self, group: Group) -> Row:
        first = group.first
        configuration, found = first.configuration, first.findings
        version = next(iter(found.versions.values()), "")
        native = next(iter(group.numbers(lambda a: a.findings.native_parameter_count)), None)
        parameters = f"{configuration.parameter_count:,}"
        if native not in (None, configuration.parameter_count):
            parameters += f" ({native:,.0f})"
        set_to = settings(configuration)
        entries = (
            Entry(f"{configuration.backend_selector} {version}".strip()),
            Entry(configuration.device),
            Entry(configuration.precision),
            *([Entry(_machine(group))] if self._several_machines else []),
            *(_setting(set_to.get(name, "")) for name in self._varied),
            *([_count(len(group.trained))] if self._several_seeds else []),
            Entry(parameters, configuration.parameter_count),
            *([self._value(group)] if self._judged else []),
            *(self._end(group) if self._ends_early else ()),
            *(self._speed(group, scope) for scope in self._scopes),
            *([self._work(group, self._scopes[0])] if self._counted else []),
            _median(group.numbers(lambda a: a.findings.seconds.get("first step")), seconds),
            _median(group.numbers(_memory), mebibytes),
            Entry(_status(group)),
        )
        return Row(entries, group=group)

    def _value(self, group: Group) -> Entry:
        entry = _spread(group.numbers(metric_of))
        shortened = "*" if entry.text and group.first.configuration.own_length else ""
        return replace(entry, text=entry.text + shortened, best=group in self._best.get(METRIC, ()))

    def _end(self, group: Group) -> tuple[Entry, Entry]:
        """After how many steps training ended, and how long it took."""
        trainings = [a.findings.training for a in group.attempts if a.findings.training is not None]
        if not trainings:
            return Entry(""), Entry("")
        steps = _count(stats.median(training.steps for training in trainings))
        if self._target is not None:
            reached = [training for training in trainings if training.stopped == "target"]
            if len(reached) < len(trainings):
                most = max(training.steps for training in trainings)
                steps = Entry(f"not in{NO_BREAK}{most:,}")
                if reached:
                    steps = Entry(f"{len(reached)} of {len(trainings)} in{NO_BREAK}{most:,}")
        return steps, _median([training.seconds for training in trainings], seconds)

    def _speed(self, group: Group, scope: Scope) -> Entry:
        found = group.estimate(scope)
        if found is None:
            return Entry("")
        if self._judged:
            found = found.rate(group.first.configuration.recipe.train.batch_size)
            text = significant(found.value, digits(found.value, found.relative))
        else:
            text = seconds(found.value, digits(found.value, found.relative))
        text = with_interval(text, found.relative)
        return Entry(text, found.value, found.interval, best=group in self._best.get(scope, ()))

    def _work(self, group: Group, scope: Scope) -> Entry:
        """What is computed in a second, with the share of the ceiling where that is known."""
        found, done = group.estimate(scope), achieved_by(group, scope)
        if found is None or done is None:
            return Entry("")
        speed = found.rate(done.flops_per_second * found.value / 1e9)
        text = significant(speed.value, digits(speed.value, speed.relative))
        return Entry(text if done.share is None else f"{text} ({percent(done.share)})", speed.value, speed.interval)

    def _other(self, name: str, entries: Mapping[str, Entry]) -> Row:
        """A row that is no attempt: blank but for these, by column title."""
        titles = [column.title for column in self.columns("metric")]
        return Row((Entry(name), *(entries.get(title, Entry("")) for title in titles[1:])), baseline=True)

    def baselines(self, metric: str) -> list[Row]:
        """What needs no model, once for all rows whose data are alike."""
        values: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
        for group in self._groups:
            options = group.first.configuration.task_options
            of_data = tuple((name, options[name]) for name in self._varied if name in options)
            for attempt in group.attempts:
                baselines = attempt.findings.judgement.baselines if attempt.findings.judgement else {}
                for name, metrics in baselines.items():
                    found = values.setdefault((name, of_data), [])
                    if (value := metrics.get(metric)) is not None:
                        found.append(value)
        return [
            self._other(f"baseline: {name}", {**{at: _setting(v) for at, v in of_data}, "metric": _spread(numbers)})
            for (name, of_data), numbers in values.items()
        ]

    def published(self) -> list[Row]:
        """Times that others have published for these recipes."""
        if self._judged:
            return []
        published = dict.fromkeys(p for group in self._groups for a in group.attempts for p in a.findings.published)
        rows: dict[tuple[str, str], dict[str, Entry]] = {}
        for one in published:
            row = rows.setdefault((one.name, one.hardware), {"device": Entry(one.hardware)})
            row[one.scope] = Entry(seconds(one.seconds), one.seconds)
        return [self._other(f"published: {name}", entries) for (name, _), entries in rows.items()]


def _memory(attempt: Attempt) -> float | None:
    """The device's, where it has some of its own: what the host holds of it is drivers and compilers."""
    memory = attempt.findings.memory
    if memory is None:
        return None
    if memory.device_peak is not None:
        return memory.device_peak
    return memory.peak - memory.after_import if memory.peak else None


def _setting(text: str) -> Entry:
    """A setting, which stands for a number where it is one."""
    try:
        value = float(text)
    except ValueError:
        return Entry(text)
    return Entry(text, value if math.isfinite(value) else None)


def _count(value: float) -> Entry:
    return Entry(f"{value:,.0f}", value)


def _median(values: Sequence[float], form: Callable[[float], str]) -> Entry:
    return Entry(form(stats.median(values)), stats.median(values)) if values else Entry("")


def _spread(values: Sequence[float]) -> Entry:
    """The median, and the range where there is one."""
    found = spread(values)
    if found is None:
        return Entry("")
    text = significant(found.median)
    if found.least != found.most:
        text += f" ({significant(found.least)} .. {significant(found.most)})"
    return Entry(text, found.median)


def _status(group: Group) -> str:
    """What all ended with, or how many ended with what."""
    statuses = Counter(group.statuses)
    if len(statuses) == 1:
        return str(*statuses)
    return ", ".join(f"{count} {status}" for status, count in statuses.most_common())


def _verdict(groups: Sequence[Group]) -> list[str]:
    """Whether the models are any good: how many of them beat the best baseline, each in its median over seeds."""
    judged = [
        Group(ok)
        for group in groups
        if (ok := tuple(a for a in group.attempts if a.status in SOUND and a.findings.judgement))
    ]
    judgement = judged[0].first.findings.judgement if judged else None
    if judgement is None:
        return []
    if (baseline := best_baseline(judgement)) is None:
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


def _named(configuration: Configuration) -> str:
    """The task as it was run: ``copy:default[delay=50] (cell gru)``."""
    changes = ", ".join(f"{name} {value}" for name, value in configuration.changes.items())
    return configuration.task_selector + (f" ({changes})" if changes else "")


def _seeds_explain(name: str, groups: Sequence[Group]) -> list[str]:
    """Whether a backend's metric is off the reference's by more than other seeds make it vary.

    Args:
        name: of what all of them compute.
        groups: the same model on the same data.
    """
    reference = next(
        (g for g in groups if g.first.configuration.backend == REFERENCE and len(g.numbers(metric_of)) >= FEWEST_SEEDS),
        None,
    )
    if reference is None or reference.first.findings.judgement is None:
        return []
    others = [g for g in groups if g is not reference and len(g.numbers(metric_of)) >= FEWEST_SEEDS]
    theirs = reference.numbers(metric_of)
    chances = [chance_of_difference(group.numbers(metric_of), theirs) or 0.0 for group in others]
    if not others:
        return []
    metric = reference.first.findings.judgement.metric
    notes = [
        f"{name}: {metric} of {group.first.configuration.backend_selector} is off {REFERENCE}'s by more than seeds "
        "explain "
        f"(p = {chance:.2g}, rank-sum test, {len(group.trained)} seeds)"
        for group, chance, differs in zip(others, chances, surprising(chances), strict=True)
        if differs
    ]
    return notes or [
        f"{name}: {metric} of no backend is off {REFERENCE}'s by more than seeds explain "
        f"(p = {min(chances):.2g} or more, rank-sum test, {len(theirs)} seeds)"
    ]


def _own_length(configuration: Configuration) -> str:
    """What ``*`` means for this configuration."""
    limits = (
        [f"{configuration.epochs} of the recipe's {configuration.recipe.epochs} epochs"]
        if configuration.epochs != configuration.recipe.epochs
        else []
    )
    limits += [f"at most {configuration.steps:,} steps"] if configuration.steps is not None else []
    return f"* trained for {' and '.join(limits)}"


def _meaning(attempts: Sequence[Attempt], sections: Sequence[Section]) -> list[str]:
    """What the columns say."""
    trained = [attempt for attempt in attempts if attempt.configuration.epochs]
    memory = "memory: peak above the level after import"
    if any(a.findings.memory is not None and a.findings.memory.device_peak is not None for a in attempts):
        memory += "; on a GPU, the most that its allocator held"
    several = any(entry.interval for section in sections for row in section.rows for entry in row.entries)
    interval = "median over blocks of steps" + (
        ", geometric mean over rounds and seeds ± half its 95% interval" if several else ", one round"
    )
    notes = []
    if trained:
        notes.append(f"seq/s: sequences per second; {interval}; {memory}")
    if len(trained) < len(attempts):
        notes.append(f"times: for one batch; {interval}; {memory}")
    if any(len(t.block_ns) < a.configuration.effort.blocks for a in attempts for t in a.findings.timings.values()):
        notes.append("steps that last seconds are timed in fewer blocks than the effort has")
    if any(a.findings.ceiling is not None for a in attempts):
        notes.append(
            "GFLOP/s: billions of operations of the products in a second (share of the ceiling: the fastest product of "
            "two square matrices in the same process); floor: share of a step that one of the smallest model takes"
        )
    scopes = {scope for attempt in attempts for scope in attempt.configuration.recipe.scopes}
    if "gradient" in scopes:
        notes.append("; ".join(f"{scope}: {MEANINGS[scope]}" for scope in SCOPES if scope in scopes))
    sources = dict.fromkeys(p.source for a in attempts for p in a.findings.published)
    if sources:
        notes.append(f"published: measured by others, on other hardware: {'; '.join(sources)}")
    return notes


MEANINGS: dict[Scope, str] = {
    "train": "forward, loss, backward, update",
    "gradient": "forward, loss and backward, without an update",
    "infer": "forward in evaluation mode",
}
"""What is timed in each."""


def _measured(attempts: Sequence[Attempt]) -> list[str]:
    """Where and how: one line for each combination of machine, threads and effort."""
    lines = dict.fromkeys(
        f"effort {a.configuration.effort.name}, "
        f"{a.configuration.threads} thread{'s' if a.configuration.threads > 1 else ''}, "
        + (f"{m.processor}, {m.system}, Python {m.python}" if (m := a.findings.machine) else "machine unknown")
        + (f", {a.findings.device_name}" if a.findings.device_name else "")
        for a in attempts
    )
    return [f"measured with {line}" for line in lines]
