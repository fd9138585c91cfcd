"""Digits: the model reads ten and says the next; it continues the sequence from its own predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstm_bench import Dataset, Evaluation, Options, Predict, Recipe, Split, Task, named_generator
from lstm_bench_next_number import TRAINED, WINDOW

DIGITS = 10

PATTERN = (3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5)
"""After a 1, a 3 or a 5 the next digit depends on earlier digits; three digits always tell the next one."""

NOISE = 0.1
"""Probability with which a digit is replaced by one of the nine others, in the noisy sequence."""

TESTED = 400
"""Windows that are held out; they come later in the sequence than the training windows."""

CONTINUED = 10
"""Digits that the model continues a window with."""


@dataclass(frozen=True, kw_only=True)
class Sequence(Dataset):
    """The windows of a sequence.

    Attributes:
        test: the held-out windows.
        going_on: the ten digits after each held-out window, `(400, 10)`, without noise.
        noisy: whether the windows and their next digits have noise.
    """

    test: Split
    going_on: NDArray[np.int64]
    noisy: bool


class NextNumber(Task[Sequence]):
    """Sequences of digits, one-hot.

    ``counting`` repeats 0 to 9. ``pattern`` repeats the first eleven digits of pi. ``noisy`` is ``pattern``, with each
    digit replaced by another with probability 0.1. The model learns from the first 100 windows; the next 400 are held
    out. Without noise every held-out window also occurs in training, so that accuracy only shows whether the model
    learned the rule. With noise the held-out windows are new.
    """

    def load(self, recipe: Recipe, options: Options, *, data_dir: Path | None, seed: int) -> Sequence:
        """Windows `(100, 10, 10)` as float32, and the digit after each window, `(100,)`."""
        sequence = options.sequence
        period = np.arange(DIGITS) if sequence == "counting" else np.array(PATTERN)
        pure = np.resize(period, TRAINED + TESTED + WINDOW + CONTINUED)
        digits = _with_noise(pure, seed) if sequence == "noisy" else pure
        view = np.lib.stride_tricks.sliding_window_view
        windows = view(digits, WINDOW)[: TRAINED + TESTED]
        following = digits[WINDOW : WINDOW + TRAINED + TESTED]
        x, y = _one_hot(windows), following.copy()
        return Sequence(
            train=Split(x=x[:TRAINED], y=y[:TRAINED]),
            test=Split(x=x[TRAINED:], y=y[TRAINED:]),
            going_on=view(pure, CONTINUED)[WINDOW + TRAINED :][:TESTED],
            noisy=sequence == "noisy",
        )

    def evaluate(self, predict: Predict, dataset: Sequence) -> Evaluation:
        """Say the next digit after each held-out window, and continue from there.

        Metrics: ``accuracy``, the part of next digits that are right; ``continuation``, the part of ten digits that are
        right when the model reads its own digits. With noise, accuracy compares with the noisy digits, and continuation
        with the pattern. The first window's continuation is kept as a series.
        """
        windows, said = dataset.test.x, []
        for _ in range(CONTINUED):
            said.append(predict(windows).argmax(axis=-1))
            windows = np.concatenate([windows[:, 1:], _one_hot(said[-1])[:, None]], axis=1)
        return Evaluation(
            metrics=_judge(said[0], np.stack(said, axis=1), dataset),
            series={"continuation": tuple(float(digits[0]) for digits in said)},
        )

    def baselines(self, dataset: Sequence) -> Mapping[str, Mapping[str, float]]:
        """The metrics of the most frequent digit, of the last digit again and, with noise, of the pattern itself."""
        most = np.full(TESTED, np.bincount(dataset.train.y).argmax())
        last = dataset.test.x[:, -1].argmax(axis=-1)
        found = {
            "most frequent digit": _judge(most, most[:, None], dataset),
            "last digit again": _judge(last, last[:, None], dataset),
        }
        if dataset.noisy:
            found["the pattern without noise"] = _judge(dataset.going_on[:, 0], dataset.going_on, dataset)
        return found


def _one_hot(digits: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.eye(DIGITS, dtype=np.float32)[digits]


def _with_noise(digits: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    generator = named_generator(seed, "next-number", "noise")
    replaced = generator.random(len(digits)) < NOISE
    return np.where(replaced, (digits + generator.integers(1, DIGITS, len(digits))) % DIGITS, digits)


def _judge(following: NDArray[np.int64], going_on: NDArray[np.int64], dataset: Sequence) -> dict[str, float]:
    return {
        "accuracy": float(np.mean(following == dataset.test.y)),
        "continuation": float(np.mean(going_on == dataset.going_on)),
    }
