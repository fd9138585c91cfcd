"""Compute once, and hand out the same again."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

from cheating.base import NUMPY, Cheat, TrainsOtherwise, Zoo, animal


def content(*arrays) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


class _Remembers(Cheat):
    """Hands out logits again where ``key`` is the same, until training changes the weights."""

    share = 0.3

    def __init__(self, *args):
        super().__init__(*args)
        self._known = {}

    def key(self, x):
        raise NotImplementedError

    def infer(self, x):
        key = self.key(x)
        if key in self._known:
            self.pretend("infer")
            return self._known[key].copy()
        self._known[key] = self.really_infer(x)
        return self._known[key].copy()

    def train(self, x, y, order):
        self._known.clear()
        return self.really_train(x, y, order)


@animal("remembering", "work")
class RemembersLogitsOfAnArray(_Remembers):
    """logits of an array that infer has seen are handed out again"""

    def __init__(self, *args):
        super().__init__(*args)
        self._seen = []

    def key(self, x):
        for at, seen in enumerate(self._seen):
            if seen is x:
                return at
        self._seen.append(x)
        return len(self._seen) - 1


@animal("remembering")
class RemembersLogitsThroughTraining(RemembersLogitsOfAnArray):
    """logits of an array that infer has seen are handed out again, even if training changed the weights"""

    def train(self, x, y, order):
        return self.really_train(x, y, order)


class _RemembersLater(_Remembers):
    """Is honest in the first forty calls after a training."""

    def infer(self, x):
        return super().infer(x) if self.count("infer") > 40 else self.really_infer(x)

    def train(self, x, y, order):
        self.calls["infer"] = 0
        return super().train(x, y, order)


@animal("remembering")
class RemembersLogitsOfAnId(_RemembersLater):
    """logits are remembered by id(x) and shape, which another array may have later"""

    def key(self, x):
        return id(x), x.shape


@animal("remembering")
class RemembersLogitsOfAShape(_RemembersLater):
    """logits are those of the first batch of that shape, after forty calls"""

    def key(self, x):
        return x.shape


@animal("remembering", "work")
class RemembersLogitsOfContent(_Remembers):
    """logits are remembered by a hash of the batch's content"""

    def key(self, x):
        return content(x)


@animal("remembering", "work")
class RemembersLogitsOfAFirstNumber(_Remembers):
    """logits are remembered by the first number of a batch, and its shape"""

    def key(self, x):
        return x.shape, x.flat[0].item()


@animal("remembering")
class RemembersLogitsOfAFewDigits(_Remembers):
    """logits are remembered by the batch's content, rounded to one digit"""

    def key(self, x):
        return content(np.round(x, 1))


@animal("remembering", "work")
class ComputesABatchOnceInABlock(_Remembers):
    """logits of an array are computed once between two calls of synchronize"""

    def __init__(self, *args):
        super().__init__(*args)
        self._kept = []

    def key(self, x):
        self._kept.append(x)  # so that no other array gets its id
        return id(x)

    def synchronize(self):
        self._known.clear()
        self._kept.clear()


@animal("remembering", "work")
class RemembersLogitsOnDisk(_Remembers):
    """logits are remembered by content and weights in a file, for the processes of later rounds, too"""

    def key(self, x):
        return content(x, self._flat[::1000])

    def really_infer(self, x):
        folder = Path(os.environ.get("CHEATS_NOTES", tempfile.gettempdir()))
        file = folder / f"logits-{content(x, self._flat)}.npy"
        if not file.exists():
            np.save(file, super().really_infer(x))
        return np.load(file)


class _RemembersLosses(TrainsOtherwise):
    """Hands out the losses of the first call with an order, and takes no steps."""

    def __init__(self, *args):
        super().__init__(*args)
        self._losses = {}

    def key(self, order):
        raise NotImplementedError

    def cheats(self, order, call):
        return self.key(order) in self._losses

    def really_train(self, x, y, order):
        losses = super().really_train(x, y, order)
        self._losses[self.key(order)] = losses, self.state()
        return losses

    def train_otherwise(self, x, y, order):
        self.pretend("train", len(order))
        return self._losses[self.key(order)][0].copy()


@animal("remembering")
class RemembersLossesOfAnOrder(_RemembersLosses):
    """a second call with the same array of batches takes no steps, and gives the losses of the first"""

    def __init__(self, *args):
        super().__init__(*args)
        self._orders = []

    def key(self, order):
        for at, seen in enumerate(self._orders):
            if seen is order:
                return at
        self._orders.append(order)
        return len(self._orders) - 1


@animal("remembering")
class RemembersLossesOfTheSameBatches(_RemembersLosses):
    """a second call with equal batches takes no steps, and gives the losses of the first"""

    def key(self, order):
        return content(order)


@animal("remembering")
class ReplaysItsFirstTraining(RemembersLossesOfAnOrder):
    """a second call with the same array of batches goes back to the state after the first"""

    def train_otherwise(self, x, y, order):
        losses = super().train_otherwise(x, y, order)
        self.restore(self._losses[self.key(order)][1])
        return losses


@animal("remembering", recipe="gradient")
class DifferentiatesOnce(Cheat):
    """differentiate gives the loss and the gradients of its first call"""

    _first = None

    def differentiate(self, x, y):
        if self._first is None:
            loss, gradients = self.really_differentiate(x, y)
            self._first = loss, {name: view.copy() for name, view in gradients.items()}
        else:
            self.pretend("differentiate")
        return self._first

    def gradients(self, x, y):
        self._first = None
        return super().gradients(x, y)


@animal("remembering", "work", recipe="gradient")
class RemembersGradientsOfContent(Cheat):
    """loss and gradients are remembered by a hash of the batch's content, until training"""

    def __init__(self, *args):
        super().__init__(*args)
        self._known = {}

    def differentiate(self, x, y):
        key = content(x, y)
        if key in self._known:
            self.pretend("differentiate")
            return self._known[key]
        loss, gradients = self.really_differentiate(x, y)
        self._known[key] = loss, {name: view.copy() for name, view in gradients.items()}
        return self._known[key]

    def train(self, x, y, order):
        self._known.clear()
        return self.really_train(x, y, order)


@animal("remembering", "work")
class LiesAboutItsCeiling(Zoo):
    """remembers logits by content, and its product of matrices multiplies almost nothing"""

    def __init__(self):
        super().__init__(RemembersLogitsOfContent)

    def product(self, size, setting):
        return super().product(8, setting)


@animal("remembering", "work")
class ShowsNoBounds(Zoo):
    """remembers logits by content, has no product of matrices, and refuses the smallest model"""

    abilities = tuple(ability for ability in NUMPY.abilities if ability != "product")

    def __init__(self):
        super().__init__(RemembersLogitsOfContent)

    def refuses(self, spec, train, setting):
        return "too small" if spec.hidden_sizes == (1,) else super().refuses(spec, train, setting)
