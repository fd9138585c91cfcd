"""The table of one task: a row for each group of attempts, then baselines and published times."""

from __future__ import annotations

import math
import statistics as stats
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from lstm_bench.analysis.best import METRIC, Best
from lstm_bench.analysis.groups import Group, by_speed, ratio, settings, varied
from lstm_bench.analysis.learning import metric_of
from lstm_bench.analysis.speed import achieved_by
from lstm_bench.analysis.statistics import spread
from lstm_bench.model.shape import shape_line
from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.models import SameModel, machine_name, recipe_name, several_machines
from lstm_bench.reports.notes import own_lengths
from lstm_bench.reports.numbers import NO_BREAK, digits, mebibytes, percent, seconds, significant, with_interval
from lstm_bench.reports.table import DETAIL, RELATIVE, Column, Entry, Row, Section
from lstm_bench.reports.verdict import answers, day, place, version


def build_section(groups: Sequence[Group], models: Sequence[SameModel], best: Best) -> Section:
    """The table of these groups, the fastest first, with its answers.

    Args:
        groups: of one recipe, at least one; each becomes a row.
        models: the same groups by what they compute. Rows of one model stand together.
        best: the groups that are marked as the best of a column.
    """
    configurations = [group.first.configuration for group in groups]
    judgement = next((a.findings.judgement for g in groups for a in g.attempts if a.findings.judgement), None)
    names = varied(groups)
    table = _Builder(models, names, best)
    columns = table.columns(*(judgement.metric, judgement.unit) if judgement else ("metric",))
    rows = [table.row(group, model) for model in models for group in table.in_order(model.groups)]
    if judgement is not None:
        rows += table.baselines(judgement.metric)
    rows += table.published()
    metric = ""
    if judgement is not None:
        unit = f" in {judgement.unit}" if judgement.unit else ""
        metric = f"{judgement.metric}{unit}, {judgement.better} is better"
    selectors = {configuration.task_selector for configuration in configurations}
    title = selectors.pop() if len(selectors) == 1 else recipe_name(configurations[0])
    constant = {name: value for name, value in configurations[0].changes.items() if name.replace("-", " ") not in names}
    changed = ", ".join(f"{name} {value}" for name, value in constant.items())
    return Section(
        title,
        "; ".join(filter(None, (changed, metric, *own_lengths([a for group in groups for a in group.attempts])))),
        columns,
        tuple(rows),
        shape=_shape(groups),
        answers=answers(models),
    )


def _shape(groups: Sequence[Group]) -> str:
    recipes = [group.first.configuration.recipe for group in groups]
    shapes = (next((a.findings.batch_shape for a in group.attempts if a.findings.batch_shape), ()) for group in groups)
    times = [shape[1] if shape else None for shape in shapes]
    if any(times):  # rows that failed before their batches were known say nothing about time
        known = next(time for time in times if time)
        times = [time or known for time in times]
    return shape_line([recipe.model for recipe in recipes], [recipe.train.batch_size for recipe in recipes], times)


class _Builder:
    """Builds the columns and rows of a table.

    Args:
        models: each of their groups becomes a row.
        names: the settings that have a column.
        best: the groups that are marked as the best of a column.
    """

    def __init__(self, models: Sequence[SameModel], names: Sequence[str], best: Best) -> None:
        groups = [group for model in models for group in model.groups]
        self._groups, self._varied, self._best = groups, names, best
        configurations = [group.first.configuration for group in groups]
        recipes = [configuration.recipe for configuration in configurations]
        self._scopes = [scope for scope in SCOPES if any(scope in recipe.scopes for recipe in recipes)]
        # Where no model was trained, times are shown for a batch, not sequences per second.
        self._judged = any(configuration.epochs for configuration in configurations)
        self._several_machines = several_machines(groups)
        self._several_devices = len({configuration.device for configuration in configurations}) > 1
        self._published = dict.fromkeys(p for group in groups for a in group.attempts for p in a.findings.published)
        self._several_precisions = len({configuration.precision for configuration in configurations}) > 1
        self._several_runs = any(len(set(map(place, model.groups))) < len(model.groups) for model in models)
        self._several_seeds = any(len(group.trained) > 1 for group in groups)
        self._ends_early = self._judged and any(r.target is not None or r.patience is not None for r in recipes)
        self._compared = any(len(by_speed(model.groups, scope)) > 1 for scope in self._scopes[:1] for model in models)
        self._counted = bool(self._scopes) and any(achieved_by(group, self._scopes[0]) for group in groups)
        targets = {recipe.target for recipe in recipes}
        self._target = targets.pop() if len(targets) == 1 else None

    def columns(self, metric: str, unit: str = "") -> tuple[Column, ...]:
        """All columns, that of the metric under this name."""
        ends = (f"steps to {self._target:g}" if self._target is not None else "steps", "training")
        return (
            Column("backend"),
            *([Column("run")] if self._several_runs else []),
            Column("device", rank=0 if self._several_devices else 1 if self._published else DETAIL),
            Column("precision", rank=0 if self._several_precisions else DETAIL),
            *([Column("machine")] if self._several_machines else []),
            *(Column(name, numeric=True) for name in self._varied),
            *([Column("seeds", numeric=True, rank=4)] if self._several_seeds else []),
            Column("params", numeric=True, rank=DETAIL),
            *([Column(metric, numeric=True, name="metric", rank=3, unit=unit)] if self._judged else []),
            *(
                Column(title, numeric=True, name=title.split()[0], rank=2, unit="s" if title == "training" else "steps")
                for title in ends
                if self._ends_early
            ),
            *self._speed_columns(),
            Column("first step", numeric=True, name="first-step", rank=DETAIL, unit="s"),
            Column("memory", numeric=True, rank=DETAIL, unit="bytes"),
            Column("status"),
        )

    def _speed_columns(self) -> list[Column]:
        per = " seq/s" if self._judged else ""
        unit = "seq/s" if self._judged else "s"
        found = [
            Column(f"{scope}{per}", numeric=True, name=scope, rank=at, unit=unit)
            for at, scope in enumerate(self._scopes)
        ]
        if self._compared:
            found.insert(1, Column(RELATIVE, numeric=True, name="relative"))
        if self._counted:
            found.append(Column(f"{self._scopes[0]} GFLOP/s", numeric=True, name="gflops", rank=DETAIL, unit="GFLOP/s"))
        return found

    def in_order(self, groups: Sequence[Group]) -> list[Group]:
        """Groups of one model: those that can be compared, the fastest first, then the others."""
        timed = by_speed(groups, self._scopes[0]) if self._scopes else []
        return [*timed, *(group for group in groups if group not in timed)]

    def row(self, group: Group, model: SameModel) -> Row:
        """The row of a group.

        Args:
            group: of the model.
            model: with whose fastest group the row is compared.
        """
        configuration = group.first.configuration
        set_to = settings(configuration)
        entries = (
            Entry(f"{configuration.backend_selector} {version(group).partition('+')[0]}".strip()),
            *([Entry(day(group))] if self._several_runs else []),
            Entry(configuration.device),
            Entry(configuration.precision),
            *([Entry(machine_name(group))] if self._several_machines else []),
            *(_setting(set_to.get(name, "")) for name in self._varied),
            *([_count(len(group.trained))] if self._several_seeds else []),
            _parameters(group),
            *([self._metric(group)] if self._judged else []),
            *(self._end(group) if self._ends_early else ()),
            *self._speeds(group, model),
            _median(group.numbers(lambda a: a.findings.seconds.get("first step")), seconds),
            _median(group.numbers(_memory), mebibytes),
            Entry(_status(group)),
        )
        return Row(entries, group=group)

    def _speeds(self, group: Group, model: SameModel) -> list[Entry]:
        entries = [self._speed(group, scope) for scope in self._scopes]
        if self._compared:
            entries.insert(1, _relative(group, by_speed(model.groups, self._scopes[0]), self._scopes[0]))
        if self._counted:
            entries.append(_operations(group, self._scopes[0]))
        return entries

    def _metric(self, group: Group) -> Entry:
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

    def _other(self, name: str, entries: Mapping[str, Entry]) -> Row:
        """A row that is not an attempt: only its name and these entries, by column title, are not blank."""
        titles = [column.title for column in self.columns("metric")]
        return Row((Entry(name), *(entries.get(title, Entry("")) for title in titles[1:])), baseline=True)

    def baselines(self, metric: str) -> list[Row]:
        """The baselines, once for all groups with the same data."""
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
        rows: dict[tuple[str, str], dict[str, Entry]] = {}
        for one in self._published:
            row = rows.setdefault((one.name, one.hardware), {"device": Entry(one.hardware)})
            row[one.scope] = Entry(seconds(one.seconds), one.seconds)
        return [self._other(f"published: {name}", entries) for (name, _), entries in rows.items()]


def _relative(group: Group, timed: Sequence[Group], scope: Scope) -> Entry:
    """How many times as long as the fastest group's step this group's step takes; blank if it cannot be compared."""
    if group not in timed:
        return Entry("")
    found = ratio(group, timed[0], scope)
    value = 1.0 if found is None or group is timed[0] else found.value
    interval = None if found is None or group is timed[0] else found.interval
    return Entry(f"{significant(value, 3)}x", value, interval)


def _parameters(group: Group) -> Entry:
    """The canonical number of parameters, with the framework's in brackets where it differs."""
    canonical = group.first.configuration.parameter_count
    native = next(iter(group.numbers(lambda a: a.findings.native_parameter_count)), None)
    counted = "" if native in (None, canonical) else f" ({native:,.0f})"
    return Entry(f"{canonical:,}{counted}", canonical)


def _operations(group: Group, scope: Scope) -> Entry:
    """GFLOP/s, with the share of the ceiling where that is known."""
    found, done = group.estimate(scope), achieved_by(group, scope)
    if found is None or done is None:
        return Entry("")
    speed = found.rate(done.flops_per_second * found.value / 1e9)
    text = significant(speed.value, digits(speed.value, speed.relative))
    return Entry(text if done.share is None else f"{text} ({percent(done.share)})", speed.value, speed.interval)


def _memory(attempt: Attempt) -> float | None:
    """Bytes at the peak: of the device if it has its own memory, else of the host above the level after import.

    With a GPU, the host's memory holds drivers and compilers, not the model.
    """
    memory = attempt.findings.memory
    if memory is None:
        return None
    if memory.device_peak is not None:
        return memory.device_peak
    return memory.peak - memory.after_import if memory.peak else None


def _setting(text: str) -> Entry:
    """A setting, with its value if the text is a number."""
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
    """The median, and the range if there is more than one value."""
    found = spread(values)
    if found is None:
        return Entry("")
    text = significant(found.median)
    if found.least != found.most:
        text += f" ({significant(found.least)} .. {significant(found.most)})"
    return Entry(text, found.median)


def _status(group: Group) -> str:
    """The status of all rounds, or how many rounds ended with each status."""
    statuses = Counter(group.statuses)
    if len(statuses) == 1:
        return str(*statuses)
    return ", ".join(f"{count} {status}" for status, count in statuses.most_common())
