"""How well models learned: the metric of an attempt, the typical seed of a group, and the best baseline."""

from __future__ import annotations

from lstm_bench.analysis.groups import Group
from lstm_bench.record.attempt import SOUND, Attempt, Judgement


def metric_of(attempt: Attempt) -> float | None:
    """Return the value of the task's metric; ``None`` if the model was not judged or the value is not finite."""
    judgement = attempt.findings.judgement
    return None if judgement is None else judgement.metrics.get(judgement.metric)


def learners(group: Group) -> list[Attempt]:
    """The attempts that were trained and ended well, one for each seed."""
    return list({a.configuration.seed: a for a in group.trained if a.status in SOUND and a.findings.training}.values())


def typical(group: Group) -> Attempt | None:
    """The attempt of the seed with the median metric, the lower of two; ``None`` if no model was trained."""
    found = learners(group)
    known = sorted((value, a.configuration.seed) for a in found if (value := metric_of(a)) is not None)
    seed = known[(len(known) - 1) // 2][1] if known else None
    return next((a for a in found if a.configuration.seed == seed), found[0] if found else None)


def best_baseline(judgement: Judgement) -> tuple[str, float] | None:
    """Name and metric of the best baseline; ``None`` if no baseline has the metric."""
    known = {
        name: value
        for name, metrics in judgement.baselines.items()
        if (value := metrics.get(judgement.metric)) is not None
    }
    best = min if judgement.better == "lower" else max
    return best(known.items(), key=lambda pair: pair[1]) if known else None
