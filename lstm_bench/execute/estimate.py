"""Estimate how long a plan takes, from earlier attempts on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lstm_bench.execute.rounds import schedule
from lstm_bench.record.attempt import Attempt, Machine
from lstm_bench.record.configuration import Configuration


@dataclass(frozen=True)
class Estimate:
    """The expected durations of configurations.

    Attributes:
        seconds: for each configuration, in order; ``None`` where no earlier attempt is like it.
    """

    seconds: tuple[float | None, ...]

    @property
    def known(self) -> float:
        """Seconds of all configurations that have an estimate."""
        return sum(second for second in self.seconds if second is not None)

    @property
    def unknown(self) -> int:
        """The number of configurations without an estimate."""
        return sum(second is None for second in self.seconds)


def estimate(configurations: Sequence[Configuration], attempts: Iterable[Attempt], machine: Machine) -> Estimate:
    """Estimate each configuration by the earlier attempt that is most like it, the latest if several are.

    The attempt must have the same task, recipe, backend, device and precision. A training step is expected to last as
    long as it did there, and so is every other phase; later rounds repeat only some phases. The earlier model may have
    another size, so this is an estimate only.

    Args:
        configurations: the planned configurations.
        attempts: earlier attempts, of any machine.
        machine: this machine.
    """
    here = [a for a in attempts if a.status == "ok" and a.findings.machine == machine and not a.times_only]
    rounds = Counter(turn.configuration.fingerprint for turn in schedule(configurations, seed=0))
    return Estimate(
        tuple(_seconds(configuration, rounds[configuration.fingerprint], here) for configuration in configurations)
    )


REPEATED = ("import", "data", "build", "put", "first step", "time", "inspect", "verify")
"""The phases that later rounds repeat."""


def _seconds(configuration: Configuration, rounds: int, attempts: Sequence[Attempt]) -> float | None:
    alike = [attempt for attempt in attempts if _key(attempt.configuration) == _key(configuration)]
    if not alike:
        return None

    def likeness(attempt: Attempt) -> tuple[bool, bool, bool, str]:
        other = attempt.configuration
        return (
            (other.recipe, other.task_options) == (configuration.recipe, configuration.task_options),
            other.effort == configuration.effort,
            other.threads == configuration.threads,
            attempt.id,
        )

    found = max(alike, key=likeness)
    phases = found.findings.seconds
    training, epochs = phases.get("train", 0.0), found.configuration.epochs
    others = sum(phases.values()) - training + (rounds - 1) * sum(phases.get(phase, 0.0) for phase in REPEATED)
    done = found.findings.training
    if done is None or not epochs:
        return others + training
    per_step = training / done.steps
    steps_per_epoch = max(1, len(done.epoch_losses) and round(done.steps / len(done.epoch_losses)))
    steps = configuration.epochs * steps_per_epoch
    if done.stopped and configuration.steps is None and configuration.epochs >= epochs:
        steps = done.steps  # it would end early again
    steps = min(steps, configuration.steps or steps)
    return others + per_step * steps


def _key(configuration: Configuration) -> tuple[object, ...]:
    return (
        configuration.task,
        configuration.recipe.name,
        configuration.backend,
        configuration.backend_options,
        configuration.device,
        configuration.precision,
    )


def in_words(seconds: float) -> str:
    """Write a duration as people say it: ``40 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
