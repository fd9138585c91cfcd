"""MNIST row by row: each image is a sequence of its 28 rows, from the top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench import DataFile, Dataset, Evaluation, Options, Predict, Recipe, Split, Task, mean_loss, read_file
from lstm_bench_mnist_rows._files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from lstm_bench_mnist_rows._idx import read_idx

CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Digits(Dataset):
    """Images and the digits that they show.

    Attributes:
        test: the 10,000 images that are never trained on.
    """

    test: Split


class MnistRows(Task[Digits]):
    """Handwritten digits, 60,000 for training and 10,000 for the test, in the files' order.

    Source: Y. LeCun, L. Bottou, Y. Bengio & P. Haffner, Gradient-based learning applied to document recognition (1998).
    """

    def load(self, recipe: Recipe, options: Options, *, data_dir: Path | None, seed: int) -> Digits:
        """Images `(N, 28, 28)`, rows from the top, and digits `(N,)` from 0 to 9.

        Pixels are float32 from 0 to 1, each the float32 next to k / 255. The float64 reference reads the same numbers.
        In float64 they would take 376 MB and add nothing.
        """
        return Digits(
            train=_split(TRAIN_IMAGES, TRAIN_LABELS, data_dir, options.train),
            test=_split(TEST_IMAGES, TEST_LABELS, data_dir, None),
        )

    def evaluate(self, predict: Predict, dataset: Digits) -> Evaluation:
        """Metrics: ``accuracy``, the part of the test images named right, and ``loss``, their mean cross entropy."""
        return Evaluation(_judge(predict(dataset.test.x), dataset.test.y))

    def baselines(self, dataset: Digits) -> Mapping[str, Mapping[str, float]]:
        """The metrics without a look at any image, from how often each digit occurs in training."""
        counts = np.bincount(dataset.train.y, minlength=CLASSES)
        with np.errstate(divide="ignore"):  # few training images may lack a digit
            logits = np.broadcast_to(np.log(counts / counts.sum()), (len(dataset.test.y), CLASSES))
        return {"most frequent digit": _judge(logits, dataset.test.y)}


def _split(images: DataFile, labels: DataFile, data_dir: Path | None, count: int | None) -> Split:
    pixels = read_idx(read_file(images, data_dir), images.name, 3)[:count]
    digits = read_idx(read_file(labels, data_dir), labels.name, 1)[:count]
    return Split(x=np.divide(pixels, 255, dtype=np.float32), y=digits.astype(np.int64))


def _judge(logits: NDArray[Any], digits: NDArray[np.int64]) -> dict[str, float]:
    accuracy = float(np.mean(logits.argmax(axis=1) == digits))
    return {"accuracy": accuracy, "loss": mean_loss("cross_entropy", logits, digits)}
