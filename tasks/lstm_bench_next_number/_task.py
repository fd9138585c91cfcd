"""Digits: a window of ten in, the next one out; the sequence goes on by feeding predictions back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstm_bench import Dataset, Evaluation, Predict, Recipe, Split, Task, named_generator

DIGITS = 10

PATTERN = (3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5)
"""After a 1, a 3 or a 5 the next digit depends on those before; three digits tell it everywhere."""

NOISE = 0.1
"""Probability with which a digit is replaced by one of the nine others, in the noisy sequence."""

WINDOW = 10
"""Digits that the model reads before it says the next one."""

TRAINED, TESTED = 100, 400
"""Windows that are learnt from, and the later ones that are held out."""

CONTINUED = 10
"""Digits that the model goes on with by itself."""


@dataclass(frozen=True, kw_only=True)
class Sequence(Dataset):
    """A sequence's windows.

    Attributes:
        test: held out.
        going_on: ten digits that go on from each held-out window, `(400, 10)`, without noise.
        noisy: whether the windows and their next digits have noise.
    """

    test: Split
    going_on: NDArray[np.int64]
    noisy: bool


class NextNumber(Task[Sequence]):
    """Sequences of digits, one-hot.

    ``counting`` is 0 to 9 over and over, ``pattern`` the first eleven digits of pi over and over, and ``noisy`` the
    same, each digit replaced by another with probability 0.1. The first 100 windows are learnt from, and the next 400
    are held out. They come later in the sequence, but without noise each of them is one that was learnt from, and what
    is seen is whether the rule was learnt at all; only with noise are they new.
    """

    def load(self, recipe: Recipe, options: Mapping[str, str], *, data_dir: Path | None, seed: int) -> Sequence:
        """Windows `(100, 10, 10)` as float32, and for each the digit that follows, `(100,)`."""
        sequence = options["sequence"]
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
        """Say the next digit after each held-out window, and go on from there.

        Metrics: ``accuracy``, the part of next digits that are right; ``continuation``, the part of ten digits that
        are, each but the first said after the model's own. With noise the next digit is the noisy one, but a
        continuation is held against the pattern. The first window's continuation is kept as series.
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
        """What saying the most frequent digit and saying the last one again would have given; and what noise allows."""
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
