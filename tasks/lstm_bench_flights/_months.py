"""Lengths of time, in months, and how many years are held out."""

from __future__ import annotations

from collections.abc import Mapping

MONTHS = 144
"""In the whole series."""

YEAR = 12
"""From a month to the same month of the next year; each forecast has as many months."""

WINDOW = 12
"""Months that the model reads before it says the next one."""

MOST_ORIGINS = 6
"""With more there would be less to learn from than there is to forecast."""


def origins(options: Mapping[str, str]) -> int:
    """How many years are forecast; one if it is not said."""
    return int(options.get("origins", "1"))
