"""Bring the content of an older result file to the present schema, one version at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lstm_bench.text import describe

JSON = dict[str, Any]


def upgrade(attempt: JSON, version: int) -> JSON:
    """Return the attempt of a file as the present version writes it.

    Args:
        attempt: the decoded JSON of the attempt; changed in place.
        version: the file's schema version.

    Raises:
        msgspec.ValidationError: if the attempt is not what that version wrote.
    """
    try:
        for older, step in STEPS.items():
            if version <= older:
                step(attempt)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise msgspec.ValidationError(
            f"its content is not that of schema version {version} ({describe(error)})"
        ) from error
    return attempt


def _from_3(attempt: JSON) -> None:
    """Rename ``cell`` to ``configuration``, write ``on|off`` as ``true|false``, and give each observed value a date."""
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
"""By schema version: the step that turns an attempt of that version into an attempt of the next version.

Versions 1 and 2 have no step: they only lack fields, and missing fields get their defaults."""
