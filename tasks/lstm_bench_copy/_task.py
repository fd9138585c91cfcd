"""Symbols in, a delay, the same symbols out: every batch is drawn anew, so that nothing but copying helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np

from lstm_bench import Dataset, Evaluation, Predict, Recipe, Split, Task, mean_loss, named_generator
from lstm_bench_copy import BATCHES

ALPHABET = 8
"""Symbols that there are, labelled from 0."""

BLANK = ALPHABET
"""In both the inputs and the targets."""

GO = ALPHABET + 1
"""In the inputs alone."""

TESTED = 1000
"""Sequences that are held out."""


@dataclass(frozen=True, kw_only=True)
class Sequences(Dataset):
    """The first epoch's sequences, those that are held out, and how more are drawn.

    Attributes:
        test: held out; drawn by a generator of its own.
        symbols: to be remembered in each sequence.
        delay: steps between the last of them and the first that is to be said, of which the go signal is the last.
        seed: of the run.
    """

    test: Split
    symbols: int
    delay: int
    seed: int

    @property
    def baseline(self) -> float:
        """Cross entropy of knowing when to say something but not what: ``symbols * ln 8 / steps``."""
        return self.symbols * log(ALPHABET) / (self.delay + 2 * self.symbols)


class Copy(Task[Sequences]):
    """The copying memory problem.

    Source: S. Hochreiter & J. Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997); as it is posed by
    M. Arjovsky, A. Shah & Y. Bengio, Unitary Evolution Recurrent Neural Networks, ICML (2016): K symbols out
    of eight, T - 1 blanks, a go signal and K blanks go in; T + K blanks and the K symbols are to come out. Ten inputs,
    one-hot, and nine classes, since the go signal is never said. Theirs has K = 10.
    """

    def load(self, recipe: Recipe, options: Mapping[str, str], *, data_dir: Path | None, seed: int) -> Sequences:
        """One-hot sequences `(100 * batch, T + 2 K, 10)` as float32, and labels `(100 * batch, T + 2 K)`."""
        symbols, delay = int(options["symbols"]), int(options["delay"])
        return Sequences(
            train=_epoch(0, BATCHES * recipe.train.batch_size, symbols, delay, seed),
            test=_draw(named_generator(seed, "copy", "test"), TESTED, symbols, delay),
            symbols=symbols,
            delay=delay,
            seed=seed,
        )

    def epoch(self, dataset: Sequences, number: int) -> Split:
        """As many sequences as in the first epoch, all of them new."""
        return _epoch(number, len(dataset.train.x), dataset.symbols, dataset.delay, dataset.seed)

    def evaluate(self, predict: Predict, dataset: Sequences) -> Evaluation:
        """Judge what is said by 1,000 sequences that are never trained on.

        Metrics: ``recall``, the part of the symbols that are said rightly when they are due; ``loss``, the mean cross
        entropy over all steps; ``loss_over_baseline``, as a part of that without memory. ``recall_by_position`` is kept
        as series, the symbol seen first coming first.
        """
        logits = predict(dataset.test.x)
        right = logits[:, -dataset.symbols :].argmax(axis=-1) == dataset.test.y[:, -dataset.symbols :]
        loss = mean_loss("cross_entropy", logits, dataset.test.y)
        return Evaluation(
            metrics={"recall": float(right.mean()), "loss": loss, "loss_over_baseline": loss / dataset.baseline},
            series={"recall_by_position": tuple(right.mean(axis=0).tolist())},
        )

    def baselines(self, dataset: Sequences) -> Mapping[str, Mapping[str, float]]:
        """What is reached without memory: blanks while they are due, and then each symbol as likely as the others."""
        return {"memoryless": {"recall": 1 / ALPHABET, "loss": dataset.baseline, "loss_over_baseline": 1.0}}


def _epoch(number: int, count: int, symbols: int, delay: int, seed: int) -> Split:
    return _draw(named_generator(seed, "copy", "epoch", str(number)), count, symbols, delay)


def _draw(generator: np.random.Generator, count: int, symbols: int, delay: int) -> Split:
    drawn = generator.integers(ALPHABET, size=(count, symbols))
    seen, said = np.full((2, count, delay + 2 * symbols), BLANK)
    seen[:, :symbols] = said[:, -symbols:] = drawn
    seen[:, symbols + delay - 1] = GO
    return Split(x=np.eye(GO + 1, dtype=np.float32)[seen], y=said)
