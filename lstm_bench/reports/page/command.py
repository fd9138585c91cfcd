"""The command that measures a row again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from lstm_bench.result import Cell


def reproduce(cell: Cell, seeds: Sequence[int] = ()) -> str:
    """Lines for a shell, with every option that is not what ``lstm-bench run`` takes by itself.

    Args:
        cell: what was measured.
        seeds: of all attempts; none for the cell's own alone. There is a line for each run of seeds without a gap.
    """
    runs: list[list[int]] = []
    for seed in sorted(seeds) or [cell.seed]:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return "\n".join(shlex.join([*_words(cell), *_of_seeds(run)]) for run in runs)


def _of_seeds(seeds: Sequence[int]) -> list[str]:
    words = ["--seed", str(seeds[0])] if seeds[0] else []
    return words + (["--seeds", str(len(seeds))] if len(seeds) > 1 else [])


def _words(cell: Cell) -> list[str]:
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
    if cell.require_kernel:
        words += ["--require-kernel", cell.require_kernel]
    return [*words, "--threads", str(cell.threads)]
