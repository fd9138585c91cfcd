"""Which rows are marked as the best of a column. A row is marked only if it is shown to be best, so most are not."""

from __future__ import annotations

import statistics as stats
from collections.abc import Collection, Mapping, Sequence

from lstm_bench.analysis.groups import Group, fastest
from lstm_bench.analysis.learning import metric_of
from lstm_bench.analysis.statistics import MARGIN, SURPRISING, chance_of_difference, surprising
from lstm_bench.model.spec import SCOPES
from lstm_bench.record.attempt import SOUND

METRIC = "metric"
"""The key of the metric's column in ``Best``, whose other keys are scopes."""

Best = Mapping[str, Collection[Group]]
"""The marked groups, by scope or ``METRIC``."""


def find_best(models: Sequence[Sequence[Group]]) -> Best:
    """Find the best group of each column among the groups of each model.

    Args:
        models: for each model the groups that compute it.
    """
    found: dict[str, set[Group]] = {}
    for groups in models:
        for scope in SCOPES:
            if (best := fastest(groups, scope)) is not None:
                found.setdefault(scope, set()).add(best)
        if (best := most_able(groups)) is not None:
            found.setdefault(METRIC, set()).add(best)
    return found


def most_able(groups: Sequence[Group]) -> Group | None:
    """The best group by its metric, if its lead over each other group is larger than the spread between seeds.

    The p-values are corrected for their number, as in the notes beneath the table. With few seeds no p-value is
    surprising. A group with a failed seed is not the best, however good its other seeds are.
    """
    values = {
        group: found
        for group in groups
        if (found := [v for a in group.attempts if a.status in SOUND and (v := metric_of(a)) is not None])
    }
    judgement = next((a.findings.judgement for g in values for a in g.attempts if a.findings.judgement), None)
    if judgement is None or len(values) < 2:
        return None
    choose = min if judgement.better == "lower" else max
    best = choose(values, key=lambda group: stats.median(values[group]))
    if len(values[best]) < len(best.trained):
        return None
    chances = []
    for other, theirs in values.items():
        if other is not best:
            chance = chance_of_difference(values[best], theirs)
            if chance is None or chance > SURPRISING:  # one rival is as good, so nobody is best
                return None
            chances.append(chance)
    return best if all(surprising(chances)) else None


def explain_marks(best: Best) -> list[str]:
    """The note that explains the marks, if there are any."""
    reasons = []
    if any(best.get(scope) for scope in SCOPES):
        reasons.append(
            f"its time is certainly below each other row's with the same work (every 95% interval of the ratio ends "
            f"below {1 - MARGIN:g})"
        )
    if best.get(METRIC):
        reasons.append("its metric leads by more than the spread between seeds (rank-sum test)")
    return [f"bold: the best of its column, since {', or '.join(reasons)}"] if reasons else []
