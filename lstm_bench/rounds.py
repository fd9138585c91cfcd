"""In which order the cells of a run are timed: round by round, each round anew in an order of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstm_bench.parameters import named_generator
from lstm_bench.result import Cell


@dataclass(frozen=True)
class Turn:
    """One cell in one round: one worker process.

    Attributes:
        cell: what to run.
        round: from 0.
    """

    cell: Cell
    round: int

    @property
    def times_only(self) -> bool:
        """Whether to time and nothing else: what a cell computes, and how well it learns, its first round has told."""
        return self.round > 0


def schedule(cells: Sequence[Cell], seed: int) -> list[Turn]:
    """Every turn of a run, in order.

    Each round has its own random order, so that neither what a machine does over the minutes nor what one worker leaves
    behind for the next falls on the same cell each time. Of cells that differ in their seed alone only the first has
    rounds beyond the first: weights make no step slower, and each seed's first round is timed, too.

    Args:
        cells: of the run.
        seed: decides the orders.
    """
    generator = named_generator(seed, "rounds")
    unseeded = [cell.seedless for cell in cells]
    first = [unseeded.index(fingerprint) == at for at, fingerprint in enumerate(unseeded)]
    turns = []
    for number in range(max((cell.effort.rounds for cell in cells), default=0)):
        due = [
            cell
            for cell, repeats in zip(cells, first, strict=True)
            if number == 0 or (repeats and number < cell.effort.rounds)
        ]
        turns += [Turn(due[at], number) for at in generator.permutation(len(due))]
    return turns
