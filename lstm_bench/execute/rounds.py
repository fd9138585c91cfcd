"""In which order the configurations of a run are timed: round by round, each round anew in an order of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstm_bench.model.parameters import named_generator
from lstm_bench.record.configuration import Configuration


@dataclass(frozen=True)
class Turn:
    """One configuration in one round: one worker process.

    Attributes:
        configuration: what to run.
        round: from 0.
    """

    configuration: Configuration
    round: int

    @property
    def times_only(self) -> bool:
        """Whether to time and nothing else: the first round has told what is computed and how well it learns."""
        return self.round > 0


def schedule(configurations: Sequence[Configuration], seed: int) -> list[Turn]:
    """Every turn of a run, in order.

    Each round has its own random order, so that neither what a machine does over the minutes nor what one worker leaves
    behind for the next falls on the same configuration each time. Of configurations that differ in their seed alone
    only the first has rounds beyond the first: weights make no step slower, and each seed's first round is timed, too.

    Args:
        configurations: of the run.
        seed: decides the orders.
    """
    generator = named_generator(seed, "rounds")
    unseeded = [configuration.seedless for configuration in configurations]
    first = [unseeded.index(fingerprint) == at for at, fingerprint in enumerate(unseeded)]
    turns = []
    for number in range(max((configuration.effort.rounds for configuration in configurations), default=0)):
        due = [
            configuration
            for configuration, repeats in zip(configurations, first, strict=True)
            if number == 0 or (repeats and number < configuration.effort.rounds)
        ]
        turns += [Turn(due[at], number) for at in generator.permutation(len(due))]
    return turns
