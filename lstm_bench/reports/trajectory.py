"""The output of ``lstm-bench check --trajectory``: the step at which each backend's loss curve departs from others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from lstm_bench.conformance.agreement import REFERENCE, STEPS
from lstm_bench.execute.trajectory import RECENT, THRESHOLDS, Curve, Loss, Trajectory, curves_of, parting
from lstm_bench.reports.numbers import NO_BREAK
from lstm_bench.reports.table import Column, Row, Section, Summary

REFUSED = "refused"
"""In place of a step, where the framework has no float64."""

NOT_KNOWN = "-"
"""In place of a step, where a curve is missing or ended too early."""


def summarise(trajectories: Sequence[Trajectory], *, seed: int) -> Summary:
    """A table for each task, with notes on failures and on the columns."""
    by_task: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        by_task.setdefault(trajectory.task.selector, []).append(trajectory)
    sections = tuple(_section(of_task, seed) for of_task in by_task.values())
    notes = [note for of_task in by_task.values() for note in _notes(of_task)]
    return Summary(sections, (*notes, *_meaning(trajectories)))


def _section(trajectories: Sequence[Trajectory], seed: int) -> Section:
    first = trajectories[0]
    columns = (
        Column("backend"),
        Column("steps", numeric=True),
        Column("final loss", numeric=True),
        *_step_columns("off reference"),
        *_step_columns("off own float64"),
        Column("verdict"),
    )
    reference = first.reference
    name = f"reference: {reference.subject.selector} in float64"
    blank = [""] * (2 * len(THRESHOLDS) + 1)
    rows = [Row.of(name, *_extent(reference), *blank, baseline=True), *map(_row, trajectories)]
    low = first.low.subject
    subtitle = f"{low.precision} on {low.device}, {first.steps} steps, seed {seed}"
    return Section(first.task.selector, subtitle, columns, tuple(rows))


def _step_columns(off: str) -> list[Column]:
    """A column for each threshold; the title of the first also names the curve that is compared with."""
    above = [f">{NO_BREAK}{_power(threshold)}" for threshold in THRESHOLDS]
    return [Column(title, numeric=True) for title in (f"{off} {above[0]}", *above[1:])]


def _row(trajectory: Trajectory) -> Row:
    low, double = trajectory.low, trajectory.double
    off_reference = [_step(trajectory, trajectory.reference, threshold) for threshold in THRESHOLDS]
    off_float64 = [REFUSED] * len(THRESHOLDS)
    if double.status != "unsupported":
        off_float64 = [_step(trajectory, double, threshold) for threshold in THRESHOLDS]
    return Row.of(low.subject.selector, *_extent(low), *off_reference, *off_float64, trajectory.verdict)


def _extent(curve: Curve) -> tuple[str, str]:
    """The number of steps, and the loss of the last step."""
    return str(len(curve.losses)), _write(curve.losses[-1]) if curve.losses else NOT_KNOWN


def _write(loss: Loss) -> str:
    return "not a number" if loss is None else f"{loss:.6g}"


def _step(trajectory: Trajectory, other: Curve, threshold: float) -> str:
    step = parting(trajectory.low.losses, other.losses, threshold)
    if step is not None:
        return f"step{NO_BREAK}{step}"
    compared = min(len(trajectory.low.losses), len(other.losses))
    return "never" if compared == trajectory.steps else NOT_KNOWN


def _power(threshold: float) -> str:
    """``1e-6``, where Python would write ``1e-06``."""
    return f"{threshold:.0e}".replace("e-0", "e-")


def _notes(trajectories: Sequence[Trajectory]) -> list[str]:
    """Failures and departures from the reference on one task."""
    task = trajectories[0].task
    notes = []
    for curve in curves_of(trajectories):
        if curve.status != "ok":
            notes.append(f"{curve.subject.name} on {task.selector}: {curve.status}: {curve.reason}")
    for trajectory in trajectories:
        for departure in trajectory.departures:
            ours = departure.curve.losses[departure.step - 1]
            theirs = trajectory.reference.losses[departure.step - 1]
            notes.append(
                f"{departure.curve.subject.name} on {task.selector}: at step {departure.step} the loss is "
                f"{_write(ours)}, the reference's {_write(theirs)}: more than {_power(departure.tolerance)} apart"
            )
    if task.recipe.model.dropout:
        notes.append(f"{task.selector}: trained without dropout, since each framework draws its own masks")
    return list(dict.fromkeys(notes))


def _meaning(trajectories: Sequence[Trajectory]) -> tuple[str, ...]:
    if not trajectories:
        return ()
    low = trajectories[0].low.subject.precision
    return (
        "all curves begin with the same weights and see the same batches; final loss: of the last step's batch",
        f"off reference: the first step at which the {low} loss is off that of {REFERENCE} in float64 by more than "
        f"this part of the mean loss of {RECENT} steps until then; off own float64: likewise off the backend's own",
        f"where it parts from both alike, it is {low} that rounds; where from the reference alone, the backend "
        "computes something else",
        f"disagrees: parted within the first {STEPS} steps by more than rounding does",
    )


def render_json(trajectories: Sequence[Trajectory], *, seed: int) -> str:
    """Every loss of every curve, ``null`` where it is not finite, and the steps at which curves part."""
    by_task: dict[str, dict[str, Any]] = {}
    for one in trajectories:
        record = by_task.setdefault(
            one.task.selector,
            {
                "task": one.task.selector,
                "seed": seed,
                "steps": one.steps,
                "reference": _curve_record(one.reference),
                "backends": [],
            },
        )
        record["backends"].append(_record(one))
    return msgspec.json.format(msgspec.json.encode(list(by_task.values())), indent=2).decode() + "\n"


def _record(trajectory: Trajectory) -> dict[str, Any]:
    low, double = trajectory.low, trajectory.double
    return {
        "backend": low.subject.selector,
        "device": low.subject.device,
        "verdict": trajectory.verdict,
        "parts_from_reference": _partings(low, trajectory.reference),
        "parts_from_own_float64": _partings(low, double),
        "curves": [_curve_record(low), _curve_record(double)],
    }


def _partings(ours: Curve, theirs: Curve) -> dict[str, int | None]:
    return {_power(threshold): parting(ours.losses, theirs.losses, threshold) for threshold in THRESHOLDS}


def _curve_record(curve: Curve) -> dict[str, Any]:
    return {
        "backend": curve.subject.selector,
        "precision": curve.subject.precision,
        "status": curve.status,
        "reason": curve.reason,
        "losses": curve.losses,
    }
