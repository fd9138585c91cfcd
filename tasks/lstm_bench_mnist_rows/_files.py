"""The four files of MNIST, and the mirrors that serve them.

MNIST: Y. LeCun, C. Cortes & C. J. C. Burges, CC BY-SA 3.0. TensorFlow and PyTorch use the same mirrors.
"""

from __future__ import annotations

from lstm_bench import DataFile

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist")


def _file(name: str, size: int, sha256: str) -> DataFile:
    urls = tuple(f"{mirror}/{name}.gz" for mirror in MIRRORS)
    return DataFile(folder="mnist", name=name, size=size, sha256=sha256, urls=urls)


TRAIN_IMAGES = _file(
    "train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
)
TRAIN_LABELS = _file(
    "train-labels-idx1-ubyte", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
)
TEST_IMAGES = _file(
    "t10k-images-idx3-ubyte", 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
)
TEST_LABELS = _file(
    "t10k-labels-idx1-ubyte", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
)
