"""Lengths of time, in months, and how many windows a recipe learns from."""

from __future__ import annotations

MONTHS = 144
"""In the whole series."""

YEAR = 12
"""From a month to the same month of the next year; each forecast has as many months."""

WINDOW = 12
"""Months that the model reads before it forecasts the next one."""

MOST_ORIGINS = 6
"""With more origins there would be less to learn from than there is to forecast."""

LOST = {"tutorial": 0, "robust": YEAR}
"""Months at the beginning of the series that a recipe cannot learn: growth over last year has no first year."""


def windows(recipe: str, origins: int) -> int:
    """How many windows a recipe learns from, those that validate included.

    Args:
        recipe: its name.
        origins: years that are held out.
    """
    return MONTHS - YEAR * origins - LOST[recipe] - WINDOW
