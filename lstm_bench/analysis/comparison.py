"""Compare two sets of attempts: pair those that belong together, compare their times, name what else differs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lstm_bench.analysis import statistics
from lstm_bench.analysis.groups import Group, group_attempts, of_one_run, settings
from lstm_bench.errors import LSTMBenchError, UnknownName
from lstm_bench.model.spec import SCOPES
from lstm_bench.record.attempt import SOUND, Attempt

Where = Mapping[str, str]
"""Values that attempts must have, by key: a key of ``_READERS`` or a setting."""

FIRST_STEP = "first step"

MEASURES = (*SCOPES, FIRST_STEP)
"""The times that can be compared, in seconds."""

ALTHOUGH = ("machine", "threads", "scopes")
"""What must be the same on both sides, unless the caller allows a difference."""

_READERS: dict[str, Callable[[Attempt], str]] = {
    "task": lambda attempt: attempt.configuration.task_selector,
    "backend": lambda attempt: attempt.configuration.backend_selector,
    "device": lambda attempt: attempt.configuration.device,
    "precision": lambda attempt: attempt.configuration.precision,
    "version": lambda attempt: next(iter(attempt.findings.versions.values()), ""),
    "lstm-bench": lambda attempt: attempt.lstm_bench,
    "run": lambda attempt: attempt.run,
    "seed": lambda attempt: str(attempt.configuration.seed),
}

NOT_PAIRED_BY = ("version", "lstm-bench", "run", "seed", "threads", "effort")
"""Keys whose values may differ between the two sides of a pair."""


@dataclass(frozen=True)
class Pair:
    """One configuration on both sides.

    Attributes:
        name: the values that both sides have in common.
        old: its attempts on the old side.
        new: its attempts on the new side.
    """

    name: tuple[str, ...]
    old: Group
    new: Group


@dataclass(frozen=True)
class ComparedTime:
    """A time of one pair, on both sides.

    Attributes:
        pair: that was timed.
        measure: one of ``MEASURES``.
        old: seconds on the old side.
        new: seconds on the new side.
        ratio: of new to old; above 1 the new side is slower.
    """

    pair: Pair
    measure: str
    old: statistics.IntervalEstimate
    new: statistics.IntervalEstimate
    ratio: statistics.IntervalEstimate

    @property
    def verdict(self) -> statistics.Verdict:
        """Whether the new side is shown to be faster or slower."""
        return statistics.verdict(self.ratio)


@dataclass(frozen=True)
class RunComparison:
    """The comparison of two sets of attempts.

    Attributes:
        times: pair by pair, and of each pair measure by measure.
        failed: pairs that are not compared, since one side has no sound attempt.
        unmatched: configurations that only one side has, in words.
        differences: what else differs between the sides, in words.
    """

    times: tuple[ComparedTime, ...]
    failed: tuple[Pair, ...]
    unmatched: tuple[str, ...]
    differences: tuple[str, ...]


@dataclass(frozen=True)
class Limit:
    """How much slower the new side may be, such as ``train slower than 5%``.

    Attributes:
        measure: one of ``MEASURES``, or ``any``.
        share: 0.05 for 5 %.
    """

    measure: str
    share: float

    def exceeded(self, time: ComparedTime) -> bool:
        """Whether the new side is shown to be slower by more than this: the whole interval lies beyond the limit."""
        applies = self.measure in (time.measure, "any")
        return applies and time.ratio.low is not None and time.ratio.low > 1 + self.share


def parse_limit(text: str) -> Limit:
    """Read ``MEASURE slower than N%``.

    Raises:
        LSTMBenchError: if the text has another form.
        UnknownName: if there is no such measure.
    """
    match = re.fullmatch(r"\s*(.+?)\s+slower\s+than\s+([0-9]+(?:\.[0-9]+)?)\s*%\s*", text)
    if match is None:
        raise LSTMBenchError(f'cannot read {text!r}: write "train slower than 5%"')
    measure = " ".join(match[1].split())
    if measure not in (*MEASURES, "any"):
        raise UnknownName("measure", measure, (*MEASURES, "any"), f"--fail-if {text!r}")
    return Limit(measure, float(match[2]) / 100)


def parse_where(text: str) -> dict[str, str]:
    """Read ``KEY=VALUE,KEY=VALUE``. Commas within brackets belong to a value.

    Raises:
        LSTMBenchError: if the text has another form.
    """
    found: dict[str, str] = {}
    for item in re.split(r",(?![^\[]*\])", text):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (key and equals and value):
            raise LSTMBenchError(f"cannot read {item!r} in --where {text!r}: write KEY=VALUE, as in backend=torch")
        if key in found:
            raise LSTMBenchError(f"{key!r} is given twice in --where {text!r}")
        found[key] = value
    return found


def select(attempts: Iterable[Attempt], where: Where) -> list[Attempt]:
    """Select the attempts that have all these values.

    Raises:
        UnknownName: for a key that no attempt has.
        LSTMBenchError: if no attempt has one of the values; the error lists the values that there are.
    """
    attempts = list(attempts)
    facts = [_facts(attempt) for attempt in attempts]
    known = dict.fromkeys(key for fact in facts for key in fact)
    for key, value in where.items():
        if key not in known:
            raise UnknownName("key", key, known, "--where")
        there_are = sorted({fact[key] for fact in facts if key in fact})
        if value not in there_are:
            raise LSTMBenchError(f"no attempt has {key}={value}; there is: {', '.join(there_are)}")
    return [a for a, fact in zip(attempts, facts, strict=True) if where.items() <= fact.items()]


def compare(
    old: Sequence[Attempt], new: Sequence[Attempt], *, apart: Iterable[str] = (), although: Iterable[str] = ()
) -> RunComparison:
    """Compare the times of the configurations that both sides have.

    Args:
        old: attempts, for each configuration those of one run.
        new: likewise.
        apart: keys that differ between the sides on purpose. Pairing ignores them.
        although: names in ``ALTHOUGH`` that may differ.

    Raises:
        LSTMBenchError: if no configuration is on both sides, if a configuration has several partners, or if
            something differs that must not.
    """
    apart, although = tuple(apart), tuple(although)
    ours, theirs = _by_name(new, apart, "new"), _by_name(old, apart, "old")
    pairs = [Pair(name, theirs[name], ours[name]) for name in theirs if name in ours]
    unmatched = [
        f"only the old side has {g.first.configuration.name}" for name, g in theirs.items() if name not in ours
    ]
    unmatched += [
        f"only the new side has {g.first.configuration.name}" for name, g in ours.items() if name not in theirs
    ]
    if not pairs:
        raise LSTMBenchError(
            f"nothing to compare: no configuration is on both sides. {'; '.join(unmatched[:4])}; "
            "--where says what is compared with what"
        )
    for pair in pairs:
        _require_alike(pair, although)
    times, failed = [], []
    for pair in pairs:
        found = _times(pair)
        times += found
        if not found:
            failed.append(pair)
    differences = dict.fromkeys(text for pair in pairs for text in _differences(pair, apart))
    return RunComparison(tuple(times), tuple(failed), tuple(unmatched), tuple(differences))


def _facts(attempt: Attempt) -> dict[str, str]:
    return {**{key: read(attempt) for key, read in _READERS.items()}, **settings(attempt.configuration)}


def _by_name(attempts: Sequence[Attempt], apart: Sequence[str], side: str) -> dict[tuple[str, ...], Group]:
    """Groups by the values that both sides of a pair share.

    Raises:
        LSTMBenchError: if two groups share them.
    """
    found: dict[tuple[str, ...], Group] = {}
    ignored = {*apart, *NOT_PAIRED_BY}
    for group in group_attempts(attempts):
        facts = _facts(group.first)
        if "task" in apart or group.first.configuration.task_options.keys() & set(apart):
            facts["task"] = group.first.configuration.task + ":" + group.first.configuration.recipe.name
        name = tuple("" if key in ignored else _in_words(key, value) for key, value in facts.items())
        if name in found:
            both = f"{found[name].first.configuration.name} and {group.first.configuration.name}"
            raise LSTMBenchError(
                f"on the {side} side, {both} are both to be compared with the same: narrow it down with --where"
            )
        found[name] = group
    return found


def _in_words(key: str, value: str) -> str:
    return value if key in _READERS else f"{key} {value}"


def _times(pair: Pair) -> list[ComparedTime]:
    times = []
    for measure in MEASURES:
        old, new = _rounds(pair.old, measure), _rounds(pair.new, measure)
        if old and new:
            ratio = statistics.ratio(new, old, paired=of_one_run(pair.old, pair.new))
            times.append(ComparedTime(pair, measure, statistics.estimate(old), statistics.estimate(new), ratio))
    return times


def _rounds(group: Group, measure: str) -> Mapping[tuple[int, int], Sequence[float]]:
    for scope in SCOPES:
        if scope == measure:
            return group.rounds(scope)
    return {
        name: [attempt.findings.seconds[measure]]
        for name, attempt in group.final.items()
        if attempt.status in SOUND and measure in attempt.findings.seconds
    }


def _require_alike(pair: Pair, although: Sequence[str]) -> None:
    old, new = pair.old.first, pair.new.first
    sides = {
        "machine": [_place(attempt) for attempt in (old, new)],
        "threads": [f"{attempt.configuration.threads} threads" for attempt in (old, new)],
        "scopes": [" and ".join(attempt.configuration.recipe.scopes) for attempt in (old, new)],
    }
    if not (old.findings.timings and new.findings.timings):
        del sides["machine"]  # a row that failed before its machine was known has no time to compare
    for what, (before, after) in sides.items():
        if before != after and what not in although:
            raise LSTMBenchError(
                f"{new.configuration.name} differs in {what}: {before} in the old one, {after} in the new one. "
                f"--although {what} compares them all the same"
            )


def _place(attempt: Attempt) -> str:
    machine = attempt.findings.machine
    if machine is None:
        return "a machine that is not known"
    where = f"{machine.processor}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB"
    return f"{where}, {attempt.findings.device_name}" if attempt.findings.device_name else where


def _differences(pair: Pair, apart: Sequence[str]) -> list[str]:
    """Differences that are allowed and worth telling; versions are left out between two backends."""
    old, new = pair.old.first, pair.new.first
    found = []
    libraries = () if "backend" in apart else dict.fromkeys((*old.findings.versions, *new.findings.versions))
    for name in libraries:
        before, after = (attempt.findings.versions.get(name, "none") for attempt in (old, new))
        if before != after:
            found.append(f"{name}: {before} -> {after}")
    before_machine, after_machine = old.findings.machine, new.findings.machine
    if before_machine is not None and after_machine is not None:
        for what in ("system", "python"):
            before, after = (str(getattr(machine, what)) for machine in (before_machine, after_machine))
            if before != after:
                found.append(f"{what}: {before} -> {after}")
    sides = {
        "lstm-bench": (old.lstm_bench, new.lstm_bench),
        "effort": (old.configuration.effort.name, new.configuration.effort.name),
        "kernel of inference": (old.findings.kernel_path, new.findings.kernel_path),
        "kernel of training": (old.findings.training_kernel_path, new.findings.training_kernel_path),
    }
    return found + [f"{what}: {before} -> {after}" for what, (before, after) in sides.items() if before != after]
