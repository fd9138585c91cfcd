"""Symbols in, a delay, the same symbols out. No batch is seen twice, so that only copying helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np

from lstm_bench import Dataset, Evaluation, Options, Predict, Recipe, Split, Task, mean_loss, named_generator
from lstm_bench_copy import BATCHES

ALPHABET = 8
"""Number of symbols; their labels begin at 0."""

BLANK = ALPHABET
"""The label of a blank, in inputs and targets."""

GO = ALPHABET + 1
"""The label of the go signal, in inputs alone."""

TESTED = 1000
"""Held-out sequences."""


@dataclass(frozen=True, kw_only=True)
class Sequences(Dataset):
    """The first epoch's sequences, the held-out sequences, and the values that draw more.

    Attributes:
        test: held-out sequences, from a random generator of their own.
        symbols: how many symbols each sequence holds.
        delay: steps from the last symbol seen to the first symbol said; the last of these steps is the go signal.
        seed: the run's seed.
    """

    test: Split
    symbols: int
    delay: int
    seed: int

    @property
    def baseline(self) -> float:
        """Cross entropy of a model that knows when to say a symbol, but not which: ``symbols * ln 8 / steps``."""
        return self.symbols * log(ALPHABET) / (self.delay + 2 * self.symbols)


class Copy(Task[Sequences]):
    """The copying memory problem.

    Source: S. Hochreiter & J. Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997), in the form of
    M. Arjovsky, A. Shah & Y. Bengio, Unitary Evolution Recurrent Neural Networks, ICML (2016). The inputs are K symbols
    out of eight, T - 1 blanks, a go signal and K blanks; the targets are T + K blanks and the K symbols. There are ten
    one-hot inputs and nine classes, since no target is the go signal. Arjovsky et al. have K = 10.
    """

    def load(self, recipe: Recipe, options: Options, *, data_dir: Path | None, seed: int) -> Sequences:
        """One-hot sequences `(100 * batch, T + 2 K, 10)` as float32, and labels `(100 * batch, T + 2 K)`."""
        symbols, delay = options.symbols, options.delay
        return Sequences(
            train=_epoch(0, BATCHES * recipe.train.batch_size, symbols, delay, seed),
            test=_draw(named_generator(seed, "copy", "test"), TESTED, symbols, delay),
            symbols=symbols,
            delay=delay,
            seed=seed,
        )

    def epoch(self, dataset: Sequences, number: int) -> Split:
        """New sequences, as many as in the first epoch."""
        return _epoch(number, len(dataset.train.x), dataset.symbols, dataset.delay, dataset.seed)

    def evaluate(self, predict: Predict, dataset: Sequences) -> Evaluation:
        """Judge the predictions for 1,000 sequences that are never trained on.

        Metrics: ``recall``, the part of the symbols that are right where they are due; ``loss``, the mean cross entropy
        over all steps; ``loss_over_baseline``, that loss over the loss without memory. The series
        ``recall_by_position`` begins with the symbol seen first.
        """
        logits = predict(dataset.test.x)
        right = logits[:, -dataset.symbols :].argmax(axis=-1) == dataset.test.y[:, -dataset.symbols :]
        loss = mean_loss("cross_entropy", logits, dataset.test.y)
        return Evaluation(
            metrics={"recall": float(right.mean()), "loss": loss, "loss_over_baseline": loss / dataset.baseline},
            series={"recall_by_position": tuple(right.mean(axis=0).tolist())},
        )

    def baselines(self, dataset: Sequences) -> Mapping[str, Mapping[str, float]]:
        """The metrics without memory: blanks where they are due, then every symbol with equal probability."""
        return {"memoryless": {"recall": 1 / ALPHABET, "loss": dataset.baseline, "loss_over_baseline": 1.0}}


def _epoch(number: int, count: int, symbols: int, delay: int, seed: int) -> Split:
    return _draw(named_generator(seed, "copy", "epoch", str(number)), count, symbols, delay)


def _draw(generator: np.random.Generator, count: int, symbols: int, delay: int) -> Split:
    drawn = generator.integers(ALPHABET, size=(count, symbols))
    seen, said = np.full((2, count, delay + 2 * symbols), BLANK)
    seen[:, :symbols] = said[:, -symbols:] = drawn
    seen[:, symbols + delay - 1] = GO
    return Split(x=np.eye(GO + 1, dtype=np.float32)[seen], y=said)
