"""Bring the content of an older result file to the present schema, one version at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

JSON = dict[str, Any]


def upgrade(attempt: JSON, version: int) -> JSON:
    """The attempt of a file as the present version writes it.

    Args:
        attempt: the decoded JSON of the attempt; changed in place.
        version: the file's schema version.

    Raises:
        TypeError, KeyError, ValueError: if it is not what that version wrote.
    """
    for older, step in STEPS.items():
        if version <= older:
            step(attempt)
    return attempt


def _from_3(attempt: JSON) -> None:
    """``cell`` became ``configuration``, ``on|off`` became ``true|false``, and observed months became dates."""
    attempt["configuration"] = configuration = attempt.pop("cell")
    changes = configuration.get("changes", {})
    if "batch-norm" in changes:
        changes["batch-norm"] = {"on": "true", "off": "false"}[changes["batch-norm"]]
    observed = attempt.get("findings", {}).get("observed")
    if observed is not None:
        year, month = map(int, observed.pop("begins").split("-"))
        months = range(12 * year + month - 1, 12 * year + month - 1 + len(observed["values"]))
        observed["times"] = [f"{at // 12:04}-{at % 12 + 1:02}" for at in months]


STEPS: Mapping[int, Callable[[JSON], None]] = {3: _from_3}
"""By schema version: what turns an attempt of that version into one of the next. Versions 1 and 2 only lack fields."""
