"""Numbers for people: only digits that are certain, with thousands separators, in fitting units."""

from __future__ import annotations

import math

NO_BREAK = "\u00a0"
"""Between a number and its unit."""

FEWEST_DIGITS, MOST_DIGITS, DIGITS_OF_ONE_ROUND = 2, 4, 3
"""Significant digits of a time: the limits where there is an interval, and the number for one round, without one."""


def digits(value: float, relative: float | None) -> int:
    """The number of significant digits to show: down to the first digit of half the interval.

    Args:
        value: above 0.
        relative: half the interval as a share of the value, as in ``IntervalEstimate``; ``None`` for one round.
    """
    if relative is None:
        return DIGITS_OF_ONE_ROUND
    if relative == 0:
        return MOST_DIGITS
    places = math.floor(math.log10(value)) - math.floor(math.log10(value * relative)) + 1
    return min(max(places, FEWEST_DIGITS), MOST_DIGITS)


def significant(value: float, count: int = 4) -> str:
    """This many significant digits, without an exponent if that is readable: ``2,150``, ``50.71``, ``0.9312``."""
    rounded = float(f"{value:.{count}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10 ** (count - 1) else f"{value:#.{count}g}"


def compact(value: float) -> str:
    """At most three significant digits and no zeros at the end: ``2``, ``2.5``, ``1,230``."""
    text = significant(value, 3)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def seconds(value: float, count: int | None = None) -> str:
    """Seconds in the largest unit in which the number is at least 1.

    Args:
        value: seconds.
        count: of significant digits; ``None`` for the format of ``compact``, if it is not known how many are certain.
    """
    rounded = float(f"{value:.{count or 3}g}")
    unit, scale = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)) if rounded >= s), ("ns", 1e-9))
    number = compact(value / scale) if count is None else significant(value / scale, count)
    return f"{number}{NO_BREAK}{unit}"


def mebibytes(value: float) -> str:
    """Bytes as MiB."""
    return f"{value / 2**20:.0f}{NO_BREAK}MiB"


def with_interval(text: str, relative: float | None) -> str:
    """``8,060 ±1.2%``: a number with half its interval as a share, if there is an interval."""
    return text if relative is None else f"{text} ±{significant(100 * relative, 2)}%"


def rounded_steps(steps: float) -> str:
    """Training steps with two significant digits: ``6,200``."""
    return f"{float(f'{steps:.2g}'):,.0f}"


def percent(share: float) -> str:
    """A share as a percentage with at most two significant digits: ``1.2%``, ``5%``."""
    return f"{float(f'{100 * share:.2g}'):g}%"
