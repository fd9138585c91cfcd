"""Verify in every round that the timed calls did the specified work: all of it, in time, and right."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.agreement import error_in_any_layout, expect, logits_shape, relative_error
from lstm_bench.model.flops import operations
from lstm_bench.record.attempt import Agreement, Findings, Timing
from lstm_bench.worker import looks, replay
from lstm_bench.worker.ending import Mismatch
from lstm_bench.worker.selftest import require_intact

if TYPE_CHECKING:
    from lstm_bench.model.parameters import Parameters
    from lstm_bench.model.spec import Scope
    from lstm_bench.plugin.backend import Model
    from lstm_bench.worker.blocks import Segment
    from lstm_bench.worker.prepare import Prepared
    from lstm_bench.worker.session import Session
    from lstm_bench.worker.timed import TimedPasses, TimedScopes

REFERENCE_SECONDS, FIRST_REFERENCE_SECONDS = 0.1, 0.3
"""Seconds for which the reference follows timed training, in later rounds and in the first one."""

REPLAY_SECONDS = 0.4
"""Seconds for which another model of the backend follows timed training."""

GRADIENT_SECONDS = 0.1
"""Seconds for which the reference computes gradients of timed batches."""

LOGITS_BUDGET = 5 * 10**9
"""Floating point operations that the reference may take for logits: about a tenth of a second."""

SHORT = "short calls"

OFF: dict[str, str] = {
    "timed losses": "the losses of timed training",
    "timed losses of short calls": "the losses of timed training",
    "timed parameters of short calls": "the parameters after timed training",
    "timed logits": "the logits of timed inference",
    "logits of new inputs": "the logits of new inputs",
    "timed loss": "the loss of timed gradients",
    "timed gradients": "the timed gradients",
}
"""Every compared quantity, and its name in a sentence."""


@dataclass
class _Errors:
    """The largest error of each quantity so far, and its tolerance."""

    errors: dict[str, float] = field(default_factory=dict)
    tolerances: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, error: float, tolerance: float) -> None:
        former = self.errors.get(name, 0.0)
        self.errors[name] = former if former >= error else error  # NaN is kept
        self.tolerances[name] = tolerance

    def agreement(self) -> Agreement:
        finite = {name: error if math.isfinite(error) else None for name, error in self.errors.items()}
        return Agreement(errors=finite, tolerances=dict(self.tolerances), worst={})


def require_finished(timed: TimedScopes) -> None:
    """Require that the timed calls did their work while the clock ran.

    Raises:
        Mismatch: saying what was found.
    """
    if (training := timed.training) is not None:
        seconds = _fastest_block(timed.timings["train"])
        segments = training.segments
        if looks.late_results([reading for segment in segments for reading in segment.readings[1:]], seconds):
            raise Mismatch(_unfinished("train", "its losses are read"))
        if looks.late_parameters(segments, seconds):
            raise Mismatch(_unfinished("train", "the parameters are read"))
        if looks.orders_worked_ahead(segments, seconds):
            raise Mismatch("train works before the clock starts: putting an order of batches takes as long as training")
    for scope, passes in timed.passes.items():
        step = _fastest_block(timed.timings[scope]) / timed.timings[scope].steps_per_block
        if looks.late_results(passes.work.readings, step):
            raise Mismatch(_unfinished(scope, "its results are read"))
        if passes.new_inputs.put_ahead:
            raise Mismatch(f"{scope} works before the clock starts: putting sequences takes as long as computing them")
        if (slower := passes.new_inputs.slower) is not None:
            raise Mismatch(
                f"{scope} leaves out work when it is timed: on new sequences, whose results are all held, it takes "
                f"{slower:.1f} times as long"
            )


def _fastest_block(timing: Timing) -> float:
    """Return the seconds of the fastest block, which other load delays least."""
    return min(timing.block_ns) / 1e9


def _unfinished(scope: Scope, when: str) -> str:
    return f"results are computed late: {scope} is not finished when the clock stops, and goes on when {when}"


def verify_timed(
    prepared: Prepared, timed: TimedScopes, native: tuple[Any, Any], session: Session, *, first_round: bool
) -> None:
    """Compare results of timed calls with the reference, and with another model of the backend.

    Args:
        prepared: the backend and the data.
        timed: the timed scopes, after ``release``.
        native: native sequences and targets of the first epoch.
        session: told of the errors.
        first_round: whether to spend the first round's time.

    Raises:
        Mismatch: naming the first result that disagrees.
        InvalidOutput: if a result cannot be compared.
    """
    require_intact(prepared)
    found = _Errors()
    if timed.training is not None:
        seconds = FIRST_REFERENCE_SECONDS if first_round else REFERENCE_SECONDS
        if prepared.recipe.model.dropout == 0:
            _verify_training(prepared, native, timed.training.segments, seconds, found)
        else:
            _verify_training_with_dropout(prepared, timed.training.segments[-1], seconds)
    if (inference := timed.passes.get("infer")) is not None:
        _verify_logits(prepared, inference, timed.rows, found)
    if (gradient := timed.passes.get("gradient")) is not None and prepared.recipe.model.dropout == 0:
        _verify_gradients(prepared, gradient, timed.rows, found)
    agreement = found.agreement()
    session.found(Findings(timed_agreement=agreement))
    if agreement.disagreements:
        name = agreement.disagreements[0]
        other = "those of another model in short calls" if name.endswith(SHORT) else "the float64 reference"
        verb = "is" if name == "timed loss" else "are"
        raise Mismatch(
            f"{OFF[name]} {verb} off {other} by {agreement.shown_error(name)}, "
            f"more than {agreement.tolerances[name]:.0e}"
        )


def _verify_training(
    prepared: Prepared, native: tuple[Any, Any], segments: list[Segment], seconds: float, found: _Errors
) -> None:
    precision, spec = prepared.setting.precision, prepared.recipe.model
    # the last one, since a backend may change after some calls, and one that it cannot foresee
    chosen = [segment for segment in segments if segment.parameters is not None]
    for segment in chosen:
        again = replay.by_reference(
            prepared.build_reference(), spec, (prepared.x, prepared.y), segment, precision, seconds / len(chosen)
        )
        if again is not None:
            found.add("timed losses", again.losses, replay.losses_tolerance(prepared, segment, again))
        portion = prepared.configuration.effort.block_steps
        if len(segment.orders[-1]) <= portion:
            portion = 1
        same = replay.by_another_model(
            prepared.build, spec, native, segment, prepared.parameters, portion, REPLAY_SECONDS / len(chosen)
        )
        found.add(f"timed losses of {SHORT}", same.losses, replay.SAME[precision])
        if same.parameters is not None:
            found.add(f"timed parameters of {SHORT}", same.parameters, replay.SAME[precision])


def _verify_training_with_dropout(prepared: Prepared, segment: Segment, seconds: float) -> None:
    """Look for what shows without the same masks: each framework draws its own.

    Raises:
        Mismatch: if dropout is left out, or a parameter is not trained.
    """
    dropless = msgspec.structs.replace(prepared.recipe.model, dropout=0.0)
    reference = prepared.build_reference(spec=dropless)
    data = prepared.x, prepared.y
    again = replay.by_reference(reference, dropless, data, segment, prepared.setting.precision, seconds)
    if again is not None and again.losses <= prepared.bands["update"]:
        raise Mismatch("timed training leaves out dropout: its losses are those of the model without dropout")
    assert segment.parameters is not None
    initial = {name: array.astype(np.float32) for name, array in prepared.parameters.items()}
    still = [
        name for name, array in segment.parameters.items() if np.array_equal(array.astype(np.float32), initial[name])
    ]
    if 0 < len(still) < len(initial):
        raise Mismatch(f"timed training leaves {', '.join(still)} as it was")


def _verify_logits(prepared: Prepared, timed: TimedPasses, rows: NDArray[np.intp], found: _Errors) -> None:
    """Compare some sequences of each kept batch, as many as the reference can compute in its time."""
    if not all(np.all(np.isfinite(array)) for array in timed.parameters.values()):
        return  # the training diverged, which the recipe's training reports
    spec, bands = prepared.recipe.model, prepared.bands
    tolerance = bands["forward"]
    reference = prepared.build_reference(timed.parameters)
    draw = np.random.default_rng()
    compared = [("timed logits", prepared.x[rows[kept.batch]], kept.arrays) for kept in timed.work.kept]
    compared += [("logits of new inputs", x, arrays) for x, _, arrays in timed.new_inputs.kept]
    each = operations(spec, "infer", batch=1, time=prepared.x.shape[1])
    allowed = max(1, LOGITS_BUDGET // each)
    for number in draw.permutation(len(compared)):
        name, x, arrays = compared[number]
        if allowed <= 0:
            break
        logits = expect(OFF[name], arrays[0], logits_shape(spec, x))
        some = np.sort(draw.permutation(len(x))[: max(1, min(len(x), allowed // 2))])
        allowed -= len(some)
        found.add(name, relative_error(logits[some], _logits(reference, x[some])), tolerance)


def _logits(reference: Model[Any], x: NDArray[Any]) -> NDArray[Any]:
    return reference.get(reference.infer(reference.put(x)))


def _verify_gradients(prepared: Prepared, timed: TimedPasses, rows: NDArray[np.intp], found: _Errors) -> None:
    """Compare the kept gradients, the last first, until the time is over."""
    bands = prepared.bands
    reference = _gradients_of(prepared, timed.parameters)
    compared = [(prepared.x[rows[kept.batch]], prepared.y[rows[kept.batch]], kept.arrays) for kept in timed.work.kept]
    compared += timed.new_inputs.kept
    until = perf_counter() + GRADIENT_SECONDS
    for number, (x, y, arrays) in enumerate(reversed(compared)):
        if number and perf_counter() > until:
            break
        loss, *gradients = arrays
        true_loss, true_gradients = reference.gradients(reference.put(x), reference.put(y))
        expect(OFF["timed loss"], loss, ())
        found.add("timed loss", relative_error(loss, np.asarray(true_loss)), bands["forward"])
        for gradient in gradients:
            expect(OFF["timed gradients"], gradient, np.shape(gradient))
        error = error_in_any_layout(gradients, true_gradients.values()) if gradients else math.inf
        found.add("timed gradients", error, bands["backward"])


def _gradients_of(prepared: Prepared, parameters: Parameters) -> Model[Any]:
    """Build the model to compare gradients with: the reference, or where that takes too long, the backend's own."""
    batch, time = prepared.order.shape[1], prepared.x.shape[1]
    if operations(prepared.recipe.model, "gradient", batch=batch, time=time) > replay.SLOWEST_STEP:
        return prepared.build(parameters)
    return prepared.build_reference(parameters)
