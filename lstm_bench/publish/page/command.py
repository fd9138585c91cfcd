"""The command that measures a row again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from lstm_bench.record.configuration import Configuration


def reproduce(configuration: Configuration, seeds: Sequence[int] = ()) -> str:
    """Lines for a shell, with every option that is not the default of ``lstm-bench run``.

    Args:
        configuration: that was measured.
        seeds: of all attempts; by default the configuration's own seed. Each range of seeds without a gap gets a line.
    """
    runs: list[list[int]] = []
    for seed in sorted(seeds) or [configuration.seed]:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return "\n".join(shlex.join([*_words(configuration), *_of_seeds(run)]) for run in runs)


def _of_seeds(seeds: Sequence[int]) -> list[str]:
    words = ["--seed", str(seeds[0])] if seeds[0] else []
    return words + (["--seeds", str(len(seeds))] if len(seeds) > 1 else [])


def _words(configuration: Configuration) -> list[str]:
    words = ["lstm-bench", "run", "-b", configuration.backend_selector, "-t", configuration.task_selector]
    if configuration.device != "cpu":
        words += ["--device", configuration.device]
    if configuration.precision != "float32":
        words += ["--precision", configuration.precision]
    for name, value in configuration.changes.items():
        words += [f"--{name}", value]
    if configuration.effort.name != "default":
        words.append(f"--{configuration.effort.name}")
    if configuration.recipe.epochs and configuration.epochs != max(
        1, round(configuration.recipe.epochs * configuration.effort.epoch_fraction)
    ):
        words += ["--epochs", str(configuration.epochs)]
    if configuration.steps is not None:
        words += ["--steps", str(configuration.steps)]
    if configuration.require_kernel:
        words += ["--require-kernel", configuration.require_kernel]
    return [*words, "--threads", str(configuration.threads)]
