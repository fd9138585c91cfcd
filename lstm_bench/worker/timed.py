"""Time all scopes of a recipe, and keep what is needed to verify the timed calls."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.record.attempt import Findings
from lstm_bench.worker.blocks import GradientWork, InferenceWork, Passes, TrainingWork
from lstm_bench.worker.looks import NewInputs, try_new_inputs
from lstm_bench.worker.timing import time_work

if TYPE_CHECKING:
    from lstm_bench.model.parameters import Parameters
    from lstm_bench.model.spec import Scope
    from lstm_bench.plugin.backend import Model
    from lstm_bench.record.attempt import Timing
    from lstm_bench.worker.prepare import Prepared
    from lstm_bench.worker.session import Session

TIMED_BATCHES = 8
"""Number of different batches to cycle through in scopes that change no parameters."""

ORDER: tuple[Scope, ...] = ("train", "infer", "gradient")
"""Order of timing. Inference is timed with trained weights. Gradients are timed with the initial weights: of trained
weights they may be so small that nothing of them is exact."""

PERTURBATION = 0.3
"""Standard deviation of the noise that makes a batch new, relative to the batch's."""


@dataclass
class TimedPasses:
    """The timed passes of one scope.

    Attributes:
        work: the passes, with the results of timed calls.
        parameters: the parameters of their model.
        new_inputs: what calls on new inputs have shown.
    """

    work: Passes
    parameters: Parameters
    new_inputs: NewInputs


@dataclass
class TimedScopes:
    """The timed scopes of a process.

    Attributes:
        model: the model that was timed last.
        parameters: its parameters.
        rows: the batches that scopes without an update cycle through, as indices, `(batches, B)`.
        training: the timed training; ``None`` if it was not timed.
        passes: the other timed scopes.
        timings: the measured times.
    """

    model: Model[Any] | None
    parameters: Parameters
    rows: NDArray[np.intp]
    training: TrainingWork | None = None
    passes: dict[Scope, TimedPasses] = field(default_factory=dict)
    timings: dict[Scope, Timing] = field(default_factory=dict)

    def release(self) -> None:
        """Drop all models. A backend may reuse for the next one what it has compiled for this one."""
        self.model = None
        if self.training is not None:
            self.training.model = None
        for passes in self.passes.values():
            passes.work.model = None
        gc.collect()


def time_scopes(prepared: Prepared, native: tuple[Any, Any], session: Session) -> TimedScopes:
    """Time the blocks of every scope, in phase "time", and look at calls on new inputs, in phase "verify".

    Args:
        prepared: the backend and the data.
        native: native sequences and targets of the first epoch.
        session: told of the times.

    Raises:
        Implausible: if steps take no time.
        InvalidOutput: if a call returns something that cannot be compared.
    """
    rows = prepared.order[:TIMED_BATCHES]
    with session.phase("time"), prepared.peak.counted():
        timed = TimedScopes(prepared.build(), prepared.parameters, rows)
        assert timed.model is not None
        batches = [(timed.model.put(prepared.x[some]), timed.model.put(prepared.y[some])) for some in rows]
    session.found(Findings(batch_shape=(rows.shape[1], *prepared.x.shape[1:])))
    for scope in sorted(prepared.scopes, key=ORDER.index):
        if scope == "train":
            with session.phase("time"):
                _time_training(prepared, native, timed)
        else:
            _time_passes(prepared, scope, batches, timed, session)
        session.found(Findings(timings=dict(timed.timings)))
    return timed


def _time_passes(
    prepared: Prepared, scope: Scope, batches: list[tuple[Any, Any]], timed: TimedScopes, session: Session
) -> None:
    with session.phase("time"):
        if scope == "gradient" and timed.training is not None:
            timed.release()
            timed.model, timed.parameters = prepared.build(), prepared.parameters
        kind = InferenceWork if scope == "infer" else GradientWork
        work = kind(timed.model, batches, timed.rows.shape[1])
        timing = time_work(work, prepared.configuration.effort, prepared.peak.counted)
    with session.phase("verify"):
        new_inputs = try_new_inputs(work, _newly_drawn(prepared, timed.rows), timing.seconds_per_step)
    timed.passes[scope] = TimedPasses(work, timed.parameters, new_inputs)
    timed.timings[scope] = timing


def _time_training(prepared: Prepared, native: tuple[Any, Any], timed: TimedScopes) -> None:
    model, timed.model = timed.model, None
    timed.training = TrainingWork(model, prepared.build, native, prepared.order)
    del model  # the work replaces its model, and the former one has to go
    timed.timings["train"] = time_work(timed.training, prepared.configuration.effort, prepared.peak.counted)
    timed.training.end_segment()
    timed.model = timed.training.model
    trained = timed.training.segments[-1].parameters
    assert trained is not None
    timed.parameters = trained


def _newly_drawn(prepared: Prepared, rows: NDArray[np.intp]) -> Callable[[], tuple[NDArray[Any], NDArray[Any]]]:
    """Return a function that makes a batch which nobody has seen: one of the data's with a little noise."""
    generator = np.random.default_rng()
    scale = PERTURBATION * float(np.std(prepared.x[rows[0]])) or PERTURBATION

    def draw() -> tuple[NDArray[Any], NDArray[Any]]:
        some = rows[generator.integers(len(rows))]
        x = prepared.x[some]
        return x + scale * generator.standard_normal(x.shape, dtype=np.float32), prepared.y[some]

    return draw
