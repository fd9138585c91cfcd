"""The command that measures a row again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from lstm_bench.result import Cell


def reproduce(cell: Cell, seeds: Sequence[int] = ()) -> str:
    """A line for a shell, with every option that is not what ``lstm-bench run`` takes by itself.

    Args:
        cell: what was measured.
        seeds: of all attempts, from the least on and one after the other; none for the cell's own alone.
    """
    words = ["lstm-bench", "run", "-b", cell.backend_selector, "-t", cell.task_selector]
    if cell.device != "cpu":
        words += ["--device", cell.device]
    if cell.precision != "float32":
        words += ["--precision", cell.precision]
    for name, value in cell.changes.items():
        words += [f"--{name}", value]
    if cell.effort.name != "default":
        words.append(f"--{cell.effort.name}")
    if cell.recipe.epochs and cell.epochs != max(1, round(cell.recipe.epochs * cell.effort.epoch_fraction)):
        words += ["--epochs", str(cell.epochs)]
    if cell.steps is not None:
        words += ["--steps", str(cell.steps)]
    words += ["--threads", str(cell.threads)]
    first = min(seeds, default=cell.seed)
    if first:
        words += ["--seed", str(first)]
    if len(seeds) > 1:
        words += ["--seeds", str(len(seeds))]
    if cell.require_kernel:
        words += ["--require-kernel", cell.require_kernel]
    return shlex.join(words)
