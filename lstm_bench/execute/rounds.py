"""The order of a run: round by round, each round in a random order of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstm_bench.model.parameters import named_generator
from lstm_bench.record.configuration import Configuration


@dataclass(frozen=True)
class Turn:
    """One configuration in one round: one worker process.

    Attributes:
        configuration: the configuration to run.
        round: the round, from 0.
    """

    configuration: Configuration
    round: int

    @property
    def times_only(self) -> bool:
        """Whether to time and nothing else. The first round also checks the outputs and trains."""
        return self.round > 0


def schedule(configurations: Sequence[Configuration], seed: int) -> list[Turn]:
    """List every turn of a run, in order.

    Each round has its own random order. So neither the machine's drift nor what one worker leaves behind for the next
    falls on the same configuration each time. If configurations differ only in their seed, the first has all rounds and
    the others have one: weights make no step slower.

    Args:
        configurations: the configurations of the run.
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
