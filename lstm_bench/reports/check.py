"""The output of ``lstm-bench check``: how far each backend is off the reference."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from lstm_bench.conformance.agreement import REFERENCE
from lstm_bench.conformance.cases import draw_case
from lstm_bench.conformance.quantities import KINDS
from lstm_bench.execute.check import Outcome
from lstm_bench.reports.table import Column, Row, Section, Summary
from lstm_bench.version import pip_line

COLUMNS = (
    Column("quantity"),
    Column("worst error", numeric=True),
    Column("tolerance", numeric=True),
    Column("ulps", numeric=True),
    Column("in case", numeric=True),
    Column("verdict"),
)

MEANING = (
    "worst error: ||ours - reference|| / ||reference||, of the array and the case that are worst by their tolerance",
    "ulps: the largest difference of an element there, in spacings of the precision at the array's largest element",
)


SHOWN = (
    "||ours - reference|| / ||reference|| of the worst array of all cases; in brackets the largest share of its "
    "tolerance that any of them took"
)


def summarise(outcomes: Sequence[Outcome], *, seed: int, case: str | None) -> Summary:
    """A table for each backend and precision, and for each failure the command that reproduces it."""
    notes = []
    for outcome in outcomes:
        name = outcome.subject.name
        if outcome.reason:
            notes.append(f"{name}: {outcome.status}: {outcome.reason}")
        skipped = Counter(case.skipped for case in outcome.cases if case.skipped)
        notes += [f"{name}: left out in {_cases(count)}: {reason}" for reason, count in skipped.most_common()]
        if outcome.failing:
            notes += _failure(outcome, seed, case)
        if outcome.diagnosis is not None:
            notes += [f"{name}: {sentence}" for sentence in outcome.diagnosis or ["no known confusion explains it"]]
    sections = tuple(_section(outcome) for outcome in outcomes if outcome.compared)
    if any(outcome.subject.backend.info.name == REFERENCE for outcome in outcomes):
        notes.append(f"{REFERENCE} in float64 is the reference itself")
    return Summary(sections, (*notes, *MEANING) if sections else tuple(notes))


def publish(outcomes: Sequence[Outcome], *, seed: int, case: str | None) -> Summary:
    """A table for each precision with the backends side by side, and a full table for each that does not agree."""
    in_full = tuple(_section(outcome) for outcome in outcomes if outcome.compared and outcome.verdict != "agrees")
    shown = [outcome for outcome in outcomes if outcome.compared]
    sections = []
    for precision in dict.fromkeys(outcome.subject.precision for outcome in shown):
        together = [outcome for outcome in shown if outcome.subject.precision == precision]
        columns = (Column("quantity"), *(Column(outcome.subject.selector, numeric=True) for outcome in together))
        rows = [Row.of(kind.name, *(_at_worst(outcome, kind.name) for outcome in together)) for kind in KINDS]
        rows = [row for row in rows if any(row.texts[1:])]
        rows.append(Row.of("cases", *(str(outcome.compared) for outcome in together)))
        sections.append(Section(precision, "", columns, tuple(rows)))
    notes = [note for note in summarise(outcomes, seed=seed, case=case).notes if note not in MEANING]
    notes += [SHOWN] if sections else []
    notes += MEANING if in_full else []
    return Summary((*sections, *in_full), tuple(notes))


def _at_worst(outcome: Outcome, kind: str) -> str:
    found = [case.quantities[kind] for case in outcome.cases if kind in case.quantities]
    if not found:
        return ""
    if any(quantity.error is None for quantity in found):
        return "not a number"
    errors = [quantity.error or 0.0 for quantity in found]
    share = max(error / quantity.tolerance for error, quantity in zip(errors, found, strict=True))
    return f"{max(errors):.1e} ({share:.0%})" if share >= 0.005 else f"{max(errors):.1e} (<1%)" if share else "0"


def _section(outcome: Outcome) -> Section:
    rows = []
    worst = outcome.worst()
    for kind in (kind.name for kind in KINDS if kind.name in worst):
        case, quantity = worst[kind]
        error = "not a number" if quantity.error is None else f"{quantity.error:.1e}"
        ulps = "" if quantity.ulps is None else f"{quantity.ulps:.3g}"
        verdict = "agrees" if quantity.agrees else f"disagrees: {quantity.name}"
        rows.append(Row.of(kind, error, f"{quantity.tolerance:.1e}", ulps, str(case.number), verdict))
    faults = {fault: case for case in reversed(outcome.cases) for fault in case.faults}
    rows += [Row.of("fault", "", "", "", str(case.number), fault) for fault, case in faults.items()]
    failing = f", wrong in {len(outcome.failing)}" if outcome.failing else ""
    return Section(
        outcome.subject.name, f"{outcome.verdict}: {_cases(outcome.compared)}{failing}", COLUMNS, tuple(rows)
    )


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"


def _failure(outcome: Outcome, seed: int, given: str | None) -> list[str]:
    subject = outcome.subject
    failing = next((case for case in outcome.failing if case.number == outcome.shrunk), outcome.failing[0])
    case = outcome.smallest or given or str(draw_case(seed, failing.number))
    plugins = [word for file in subject.plugin_files for word in ("--plugin", file)]
    chosen = ["-b", subject.selector, "--precision", subject.precision, "--device", subject.device]
    again = shlex.join(["lstm-bench", "check", *plugins, *chosen, "--case", case])
    wrong = [quantity.name for quantity in failing.quantities.values() if not quantity.agrees]
    what = "; ".join((*failing.faults, *([f"off in {', '.join(wrong)}"] if wrong else [])))
    notes = [f"{subject.name}: case {failing.number}: {what}"]
    if outcome.smallest is None and outcome.shrunk is not None:
        notes.append(f"no smaller case was looked for: {pip_line('check')}")
    return [*notes, f"again: {again}"]


def render_json(outcomes: Sequence[Outcome]) -> str:
    """Every case of every backend."""
    records: list[dict[str, Any]] = [
        {
            "backend": outcome.subject.selector,
            "precision": outcome.subject.precision,
            "device": outcome.subject.device,
            "verdict": outcome.verdict,
            "status": outcome.status,
            "reason": outcome.reason,
            "diagnosis": outcome.diagnosis,
            "smallest": outcome.smallest,
            "cases": outcome.cases,
        }
        for outcome in outcomes
    ]
    return msgspec.json.format(msgspec.json.encode(records), indent=2).decode() + "\n"
