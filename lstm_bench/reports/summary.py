"""What the tables for people say, whatever they are written in: a section for each task, and the lines beneath."""

from __future__ import annotations

import statistics as stats
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from lstm_bench.agreement import REFERENCE
from lstm_bench.groups import Group, group_attempts, settings
from lstm_bench.reports.speed import NO_BREAK, bounds, compared, gigaflops, percent, soundness
from lstm_bench.result import SOUND, Attempt, Cell
from lstm_bench.spec import SCOPES, Scope
from lstm_bench.statistics import FEWEST_SEEDS, chance_of_difference, spread, surprising


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
        value: the number that it stands for, by which rows are sorted; ``None`` where there is none.
        interval: of 95 %, around the value; ``None`` where it is not known.
        best: whether it is shown to be the best of its column.
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
    def cells(self) -> tuple[str, ...]:
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
        by_recipe.setdefault((attempt.cell.task, attempt.cell.recipe.name), []).append(attempt)
    sections, notes = [], []
    for of_recipe in by_recipe.values():
        groups = group_attempts(of_recipe)
        sections.append(_section(groups))
        notes += [note for on_data in _by_data(groups) for note in _verdict(on_data)]
        for of_model in _by_model(groups):
            notes += _seeds_explain(of_model)
            notes += compared(_named(of_model[0].first.cell), of_model)
            notes += bounds(_named(of_model[0].first.cell), of_model)
        notes += soundness(groups)
    notes += dict.fromkeys(f"{_told_apart(a)}: {a.status}: {a.reason}" for a in attempts if a.status != "ok")
    notes += sorted({_own_length(a.cell) for a in attempts if a.cell.own_length})
    counts = [(a.findings.native_parameter_count, a.cell.parameter_count) for a in attempts]
    if any(native not in (None, canonical) for native, canonical in counts):
        notes.append("params: trained numbers of the canonical model (as the framework counts them)")
    notes += _meaning(attempts)
    notes += _measured(attempts)
    return Summary(tuple(sections), tuple(notes))


def _told_apart(attempt: Attempt) -> str:
    """The cell's name, and in which round it was."""
    rounds = attempt.cell.effort.rounds
    return attempt.cell.name + (f" round {attempt.round + 1} of {rounds}" if rounds > 1 and attempt.run else "")


def _by_data(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups that learn the same, whatever their models: what the same baselines stand beside."""
    return _together(groups, lambda cell: cell.task_selector)


def _by_model(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups with the same model as well: what a backend can be compared on."""
    return _together(groups, lambda cell: (cell.task_selector, *settings(cell).items()))


def _together(groups: Sequence[Group], alike: Callable[[Cell], Hashable]) -> list[list[Group]]:
    found: dict[Hashable, list[Group]] = {}
    for group in groups:
        found.setdefault(alike(group.first.cell), []).append(group)
    return list(found.values())


def _section(groups: Sequence[Group]) -> Section:
    cells = [group.first.cell for group in groups]
    judgement = next((a.findings.judgement for g in groups for a in g.attempts if a.findings.judgement), None)
    varied = _varied(groups)
    scopes = [scope for scope in SCOPES if any(scope in cell.recipe.scopes for cell in cells)]
    judged = any(cell.epochs for cell in cells)
    told = _Told(groups, varied, scopes, judged=judged)
    columns = told.columns(judgement.metric if judgement else "metric")
    rows = [told.row(group) for group in groups]
    if judgement is not None:
        rows += told.baselines(judgement.metric)
    rows += told.published()
    metric = ""
    if judgement is not None:
        unit = f" in {judgement.unit}" if judgement.unit else ""
        metric = f"{judgement.metric}{unit}, {judgement.better} is better"
    selectors = {cell.task_selector for cell in cells}
    title = selectors.pop() if len(selectors) == 1 else f"{cells[0].task}:{cells[0].recipe.name}"
    constant = {name: value for name, value in cells[0].changes.items() if name.replace("-", " ") not in varied}
    changed = ", ".join(f"{name} {value}" for name, value in constant.items())
    return Section(title, "; ".join(filter(None, (changed, metric))), columns, tuple(rows))


def _varied(groups: Sequence[Group]) -> list[str]:
    """The settings that are not the same in all rows."""
    every = [settings(group.first.cell) for group in groups]
    return [name for name in every[0] if len({one.get(name) for one in every}) > 1]


class _Told:
    """What the columns of a section say.

    Args:
        groups: its rows.
        varied: the settings that have a column.
        scopes: what was timed.
        judged: whether models were trained and judged; if not, times are shown for a batch, not sequences per second.
    """

    def __init__(
        self, groups: Sequence[Group], varied: Sequence[str], scopes: Sequence[Scope], *, judged: bool
    ) -> None:
        self._groups, self._varied, self._scopes, self._judged = groups, varied, scopes, judged
        recipes = [group.first.cell.recipe for group in groups]
        self._several_seeds = any(len(group.trained) > 1 for group in groups)
        self._ends_early = judged and any(r.target is not None or r.patience is not None for r in recipes)
        self._counted = bool(scopes) and any(gigaflops(group, scopes[0]) for group in groups)
        targets = {recipe.target for recipe in recipes}
        self._target = targets.pop() if len(targets) == 1 else None

    def columns(self, metric: str) -> tuple[Column, ...]:
        ends = (f"steps to {self._target:g}" if self._target is not None else "steps", "training")
        per = " seq/s" if self._judged else ""
        return (
            Column("backend"), Column("device"), Column("precision"),
            *(Column(name, numeric=True) for name in self._varied),
            *([Column("seeds", numeric=True)] if self._several_seeds else []),
            Column("params", numeric=True),
            *([Column(metric, numeric=True)] if self._judged else []),
            *(Column(title, numeric=True) for title in ends if self._ends_early),
            *(Column(f"{scope}{per}", numeric=True) for scope in self._scopes),
            *([Column(f"{self._scopes[0]} GFLOP/s", numeric=True)] if self._counted else []),
            Column("first step", numeric=True), Column("memory", numeric=True), Column("status"),
        )  # fmt: skip

    def row(self, group: Group) -> Row:
        first = group.first
        cell, found = first.cell, first.findings
        version = next(iter(found.versions.values()), "")
        native = next(iter(group.numbers(lambda a: a.findings.native_parameter_count)), None)
        parameters = f"{cell.parameter_count:,}"
        if native not in (None, cell.parameter_count):
            parameters += f" ({native:,.0f})"
        texts = (
            f"{cell.backend_selector} {version}".strip(), cell.device, cell.precision,
            *(settings(cell).get(name, "") for name in self._varied),
            *([str(len(group.trained))] if self._several_seeds else []),
            parameters,
            *([self._value(group)] if self._judged else []),
            *(self._end(group) if self._ends_early else ()),
            *(self._speed(group, scope) for scope in self._scopes),
            *([gigaflops(group, self._scopes[0])] if self._counted else []),
            _median(group.numbers(lambda a: a.findings.seconds.get("first step")), seconds),
            _median(group.numbers(_memory), mebibytes),
            _status(group),
        )  # fmt: skip
        return Row(tuple(map(Entry, texts)), group=group)

    def _value(self, group: Group) -> str:
        shortened = "*" if group.first.cell.own_length else ""
        text = _spread(group.numbers(_value))
        return text + shortened if text else ""

    def _end(self, group: Group) -> tuple[str, str]:
        """After how many steps training ended, and how long it took."""
        trainings = [a.findings.training for a in group.attempts if a.findings.training is not None]
        if not trainings:
            return "", ""
        steps = f"{stats.median(training.steps for training in trainings):,.0f}"
        if self._target is not None:
            reached = [training for training in trainings if training.stopped == "target"]
            if len(reached) < len(trainings):
                most = max(training.steps for training in trainings)
                steps = f"not in{NO_BREAK}{most:,}"
                if reached:
                    steps = f"{len(reached)} of {len(trainings)} in{NO_BREAK}{most:,}"
        return steps, seconds(stats.median(training.seconds for training in trainings))

    def _speed(self, group: Group, scope: Scope) -> str:
        found = group.estimate(scope)
        if found is None:
            return ""
        value = found.value
        text = significant(group.first.cell.recipe.train.batch_size / value) if self._judged else seconds(value)
        return text if found.relative is None else f"{text} ±{percent(found.relative)}"

    def _other(self, name: str, cells: Mapping[str, str]) -> Row:
        """A row that is no attempt: blank but for these cells, by column title."""
        titles = [column.title for column in self.columns("metric")]
        return Row.of(name, *(cells.get(title, "") for title in titles[1:]), baseline=True)

    def baselines(self, metric: str) -> list[Row]:
        """What needs no model, once for all rows whose data are alike."""
        values: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
        for group in self._groups:
            options = group.first.cell.task_options
            of_data = tuple((name, options[name]) for name in self._varied if name in options)
            for attempt in group.attempts:
                baselines = attempt.findings.judgement.baselines if attempt.findings.judgement else {}
                for name, metrics in baselines.items():
                    found = values.setdefault((name, of_data), [])
                    if (value := metrics.get(metric)) is not None:
                        found.append(value)
        return [
            self._other(f"baseline: {name}", {**dict(of_data), "metric": _spread(numbers)})
            for (name, of_data), numbers in values.items()
        ]

    def published(self) -> list[Row]:
        """Times that others have published for these recipes."""
        if self._judged:
            return []
        published = dict.fromkeys(p for group in self._groups for a in group.attempts for p in a.findings.published)
        rows: dict[tuple[str, str], dict[str, str]] = {}
        for one in published:
            rows.setdefault((one.name, one.hardware), {"device": one.hardware})[one.scope] = seconds(one.seconds)
        return [self._other(f"published: {name}", cells) for (name, _), cells in rows.items()]


def _value(attempt: Attempt) -> float | None:
    judgement = attempt.findings.judgement
    return None if judgement is None else judgement.metrics.get(judgement.metric)


def _memory(attempt: Attempt) -> float | None:
    memory = attempt.findings.memory
    return None if memory is None or not memory.peak else memory.peak - memory.after_import


def _median(values: Sequence[float], form: Callable[[float], str]) -> str:
    return form(stats.median(values)) if values else ""


def _spread(values: Sequence[float]) -> str:
    """The median, and the range where there is one."""
    found = spread(values)
    if found is None:
        return ""
    text = significant(found.median)
    return text if found.least == found.most else f"{text} ({significant(found.least)} .. {significant(found.most)})"


def _status(group: Group) -> str:
    """What all ended with, or how many ended with what."""
    statuses = Counter(group.statuses)
    if len(statuses) == 1:
        return str(*statuses)
    return ", ".join(f"{count} {status}" for status, count in statuses.most_common())


def _verdict(groups: Sequence[Group]) -> list[str]:
    """Whether the models are any good: how many of them beat the best baseline, each in its median over seeds."""
    judged = [
        Group(ok) for group in groups
        if (ok := tuple(a for a in group.attempts if a.status in SOUND and a.findings.judgement))
    ]  # fmt: skip
    judgement = judged[0].first.findings.judgement if judged else None
    if judgement is None:
        return []
    metric, lower = judgement.metric, judgement.better == "lower"
    unit = f" {judgement.unit}" if judgement.unit else ""
    baselines = {n: v for n, m in judgement.baselines.items() if (v := m.get(metric)) is not None}
    if not baselines:
        return []
    best = (min if lower else max)(baselines, key=lambda name: baselines[name])
    values = [stats.median(numbers) if (numbers := group.numbers(_value)) else None for group in judged]
    beating = sum(v is not None and (v < baselines[best] if lower else v > baselines[best]) for v in values)
    says = "no model beats" if beating == 0 else f"{beating} of {len(values)} models beat"
    return [
        f"{judged[0].first.cell.task_selector}: {says} the best baseline, {best} "
        f"({metric} {significant(baselines[best])}{unit})"
    ]


def _named(cell: Cell) -> str:
    """The task as it was run: ``copy:default[delay=50] (cell gru)``."""
    changes = ", ".join(f"{name} {value}" for name, value in cell.changes.items())
    return cell.task_selector + (f" ({changes})" if changes else "")


def _seeds_explain(groups: Sequence[Group]) -> list[str]:
    """Whether a backend's metric is off the reference's by more than other seeds make it vary."""
    reference = next(
        (g for g in groups if g.first.cell.backend == REFERENCE and len(g.numbers(_value)) >= FEWEST_SEEDS), None
    )
    if reference is None or reference.first.findings.judgement is None:
        return []
    others = [g for g in groups if g is not reference and len(g.numbers(_value)) >= FEWEST_SEEDS]
    theirs = reference.numbers(_value)
    chances = [chance_of_difference(group.numbers(_value), theirs) or 0.0 for group in others]
    if not others:
        return []
    metric = reference.first.findings.judgement.metric
    name = _named(reference.first.cell)
    notes = [
        f"{name}: {metric} of {group.first.cell.backend_selector} is off {REFERENCE}'s by more than seeds explain "
        f"(p = {chance:.2g}, rank-sum test, {len(group.trained)} seeds)"
        for group, chance, differs in zip(others, chances, surprising(chances), strict=True)
        if differs
    ]
    return notes or [
        f"{name}: {metric} of no backend is off {REFERENCE}'s by more than seeds explain "
        f"(p = {min(chances):.2g} or more, rank-sum test, {len(theirs)} seeds)"
    ]


def _own_length(cell: Cell) -> str:
    """What ``*`` means for this cell."""
    limits = [f"{cell.epochs} of the recipe's {cell.recipe.epochs} epochs"] if cell.epochs != cell.recipe.epochs else []
    limits += [f"at most {cell.steps:,} steps"] if cell.steps is not None else []
    return f"* trained for {' and '.join(limits)}"


def _meaning(attempts: Sequence[Attempt]) -> list[str]:
    """What the columns say."""
    trained = [attempt for attempt in attempts if attempt.cell.epochs]
    memory = "memory: peak above the level after import"
    several = any(a.cell.effort.rounds > 1 for a in attempts)
    interval = "median over blocks of steps" + (
        ", geometric mean over rounds ± half its 95% interval" if several else ", one round"
    )
    notes = []
    if trained:
        notes.append(f"seq/s: sequences per second; {interval}; {memory}")
    if len(trained) < len(attempts):
        notes.append(f"times: for one batch; {interval}; {memory}")
    if any(len(t.block_ns) < a.cell.effort.blocks for a in attempts for t in a.findings.timings.values()):
        notes.append("steps that last seconds are timed in fewer blocks than the effort has")
    if any(a.findings.ceiling is not None for a in attempts):
        notes.append(
            "GFLOP/s: billions of operations of the products in a second (share of the ceiling: the fastest product of "
            "two square matrices in the same process); floor: share of a step that one of the smallest model takes"
        )
    scopes = {scope for attempt in attempts for scope in attempt.cell.recipe.scopes}
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
        f"effort {a.cell.effort.name}, {a.cell.threads} thread{'s' if a.cell.threads > 1 else ''}, "
        + (f"{m.processor}, {m.system}, Python {m.python}" if (m := a.findings.machine) else "machine unknown")
        + (f", {a.findings.device_name}" if a.findings.device_name else "")
        for a in attempts
    )
    return [f"measured with {line}" for line in lines]


def significant(value: float) -> str:
    """Four significant digits without an exponent where people can read it: ``2,150``, ``50.71``, ``0.9312``."""
    return f"{value:,.0f}" if abs(float(f"{value:.4g}")) >= 1000 else f"{value:#.4g}"


def seconds(value: float) -> str:
    """Seconds in the unit that suits them."""
    rounded = float(f"{value:.3g}")
    if rounded >= 1000:
        return f"{value:,.0f}{NO_BREAK}s"
    unit, scale = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)) if rounded >= s), ("ns", 1e-9))
    return f"{value / scale:.3g}{NO_BREAK}{unit}"


def mebibytes(value: float) -> str:
    """Bytes as MiB."""
    return f"{value / 2**20:.0f}{NO_BREAK}MiB"
