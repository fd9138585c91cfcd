"""MNIST row by row: each image is a sequence of its 28 rows, from the top."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench import DataFile, Dataset, Evaluation, Predict, Recipe, Split, Task, mean_loss, read_file
from lstm_bench_mnist_rows._files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from lstm_bench_mnist_rows._idx import read_idx

CLASSES = 10


class MnistRows(Task[Dataset]):
    """Handwritten digits, 60,000 to learn from and 10,000 to be judged on, in the files' order.

    Source: Y. LeCun, L. Bottou, Y. Bengio & P. Haffner, Gradient-based learning applied to document recognition (1998).
    """

    def load(self, recipe: Recipe, options: Mapping[str, str], *, data_dir: Path | None, seed: int) -> Dataset:
        """Images `(N, 28, 28)`, rows from the top, and digits `(N,)` from 0 to 9.

        Pixels are float32 from 0 to 1: the float32 next to k / 255 is the data, for the float64 reference as well, so
        that no backend has other numbers than another. In float64 they would take 376 MB, and say nothing more.
        """
        return Dataset(
            train=_split(TRAIN_IMAGES, TRAIN_LABELS, data_dir, int(options["train"])),
            test=_split(TEST_IMAGES, TEST_LABELS, data_dir, None),
        )

    def evaluate(self, predict: Predict, dataset: Dataset) -> Evaluation:
        """``accuracy``, the part of the test images that are told right, and ``loss``, their mean cross entropy."""
        assert dataset.test is not None
        logits, digits = predict(dataset.test.x), dataset.test.y
        return Evaluation({"accuracy": _accuracy(logits, digits), "loss": mean_loss("cross_entropy", logits, digits)})

    def baselines(self, dataset: Dataset) -> Mapping[str, Mapping[str, float]]:
        """What is reached without looking, knowing only how often each digit was seen in training."""
        assert dataset.test is not None
        counts = np.bincount(dataset.train.y, minlength=CLASSES)
        with np.errstate(divide="ignore"):  # a digit that was never seen, if there was little to learn from
            logits = np.broadcast_to(np.log(counts / counts.sum()), (len(dataset.test.y), CLASSES))
        digits = dataset.test.y
        return {
            "most frequent digit": {
                "accuracy": _accuracy(logits, digits),
                "loss": mean_loss("cross_entropy", logits, digits),
            }
        }


def _split(images: DataFile, labels: DataFile, data_dir: Path | None, count: int | None) -> Split:
    pixels = read_idx(read_file(images, data_dir), images.name, 3)[:count]
    digits = read_idx(read_file(labels, data_dir), labels.name, 1)[:count]
    return Split(x=np.divide(pixels, 255, dtype=np.float32), y=digits.astype(np.int64))


def _accuracy(logits: NDArray[Any], digits: NDArray[np.int64]) -> float:
    return float(np.mean(logits.argmax(axis=1) == digits))
