"""How fast a backend was, against what the machine can do."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_bench.model.spec import Scope
from lstm_bench.record.attempt import Attempt


@dataclass(frozen=True)
class Achieved:
    """What a model got done.

    Attributes:
        flops_per_second: floating point operations in a second, those of its products.
        share: of the ceiling, where that is known; above 1 where the model's products are faster than that of two large
            square matrices, as smaller ones that stay in a cache can be.
    """

    flops_per_second: float
    share: float | None


def achieved(attempt: Attempt, scope: Scope, seconds_per_step: float | None = None) -> Achieved | None:
    """The operations that a scope has got done in a second; ``None`` where it was not timed or its shape is not known.

    Args:
        attempt: which tells the model, the batch's shape, and the ceiling.
        scope: what was computed.
        seconds_per_step: of this scope, where more is known than this attempt's own median.
    """
    found = attempt.findings
    if seconds_per_step is None and scope in found.timings:
        seconds_per_step = found.timings[scope].seconds_per_step
    operations = attempt.operations(scope)
    if seconds_per_step is None or operations is None:
        return None
    speed = operations / seconds_per_step
    most = None if found.ceiling is None else found.ceiling.flops_per_second
    return Achieved(speed, None if most is None else speed / most)
