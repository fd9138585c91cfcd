"""Leave out a part of the work of long calls or of later ones."""

from __future__ import annotations

import numpy as np

from cheating.base import Cheat, InfersOtherwise, TrainsOtherwise, animal


@animal("forgetful")
class SkipsEverySecondStep(TrainsOtherwise):
    """calls of more than 10 steps take every second one, and give each loss twice"""

    def train_otherwise(self, x, y, order):
        return np.repeat(self.really_train(x, y, order[::2]), 2)[: len(order)]


@animal("forgetful")
class TakesTheFirstStepsAlone(TrainsOtherwise):
    """calls take 12 steps at most; the other losses are the last one"""

    def train_otherwise(self, x, y, order):
        losses = self.really_train(x, y, order[:12])
        self.pretend("train", len(order) - len(losses))
        return np.pad(losses, (0, len(order) - len(losses)), mode="edge")


@animal("forgetful")
class DropsTheLastStep(TrainsOtherwise):
    """calls of more than 10 steps leave out the last update; every loss is right"""

    def train_otherwise(self, x, y, order):
        losses = self.really_train(x, y, order[:-1])
        return np.append(losses, self.gradients(x[order[-1]], y[order[-1]])[0]).astype(losses.dtype)


@animal("forgetful")
class HoldsRecurrentWeights(TrainsOtherwise):
    """calls of more than 10 steps do not change the recurrent weights"""

    def train_otherwise(self, x, y, order):
        held = [view for name, view in self._named.items() if name.endswith("weight_hh")]
        before, losses = [view.copy() for view in held], []
        for rows in order:
            losses.append(self.really_train(x, y, rows[None])[0])
            for view, kept in zip(held, before, strict=True):
                view[...] = kept
        return np.array(losses)


@animal("forgetful")
class TrainsTheHeadAlone(TrainsOtherwise):
    """calls of more than 10 steps update the head alone"""

    def train_otherwise(self, x, y, order):
        losses = []
        for rows in order:
            before = {name: view.copy() for name, view in self._named.items() if name.startswith("layers")}
            losses.append(self.really_train(x, y, rows[None])[0])
            for name, kept in before.items():
                self._named[name][...] = kept
        return np.array(losses)


@animal("forgetful")
class ReadsTheLastHalfAlone(TrainsOtherwise):
    """calls of more than 10 steps read the second half of each sequence alone"""

    def train_otherwise(self, x, y, order):
        return self.really_train(x[:, x.shape[1] // 2 :], y, order)


@animal("forgetful")
class StopsAfterFourCalls(TrainsOtherwise):
    """a model's fifth call of train and later ones take no steps"""

    def cheats(self, order, call):
        return call > 4


@animal("forgetful")
class WorksInEveryThirdCall(TrainsOtherwise):
    """two of three calls of more than 10 steps take no steps"""

    def cheats(self, order, call):
        return len(order) > 10 and call % 3 != 0


@animal("forgetful")
class BackpropagatesEverySecondStep(TrainsOtherwise):
    """in calls of more than 10 steps, every second step takes the gradient of the step before"""

    def train_otherwise(self, x, y, order):
        losses = []
        for step, rows in enumerate(order):
            if step % 2 == 0:
                losses.append(self._backpropagate(x[rows], y[rows], remember=True))
                kept = self._flat_gradient.copy()
            else:
                losses.append(self._loss(self.really_infer(x[rows]), y[rows])[0])
                self._flat_gradient[...] = kept
            self._optimizer.step(self._flat, self._flat_gradient)
        return np.array(losses, self._dtype)


@animal("forgetful")
class UpdatesOneStepLate(TrainsOtherwise):
    """in calls of more than 10 steps, each step takes the gradient of the step before, as a pipeline might"""

    def train_otherwise(self, x, y, order):
        losses, late = [], None
        for rows in order:
            losses.append(self._backpropagate(x[rows], y[rows], remember=True))
            now = self._flat_gradient.copy()
            self._optimizer.step(self._flat, now.copy() if late is None else late)
            late = now
        return np.array(losses, self._dtype)


@animal("forgetful", recipe="slow")
class TakesNoSteps(Cheat):
    """never changes a weight, which a small learning rate hides: the weights hardly change anyway"""

    def train(self, x, y, order):
        self.pretend("train", len(order) // 3)
        return np.array([self._loss(self.really_infer(x[rows]), y[rows])[0] for rows in order], self._dtype)


@animal("forgetful", recipe="batched")
class HalvesTheBatch(TrainsOtherwise):
    """calls of more than 10 steps read the first half of each batch"""

    def train_otherwise(self, x, y, order):
        return self.really_train(x, y, order[:, : max(1, order.shape[1] // 2)])


@animal("forgetful", recipe="batched")
class LeavesOutTheLastSequence(TrainsOtherwise):
    """calls of more than 10 steps read each batch but its last sequence"""

    def train_otherwise(self, x, y, order):
        return self.really_train(x, y, order[:, : max(1, order.shape[1] - 1)])


@animal("forgetful")
class MergesPairsOfBatches(TrainsOtherwise):
    """calls of more than 10 steps take one step for two batches together"""

    def train_otherwise(self, x, y, order):
        pairs = np.resize(order, (len(order) // 2, 2 * order.shape[1]))
        return np.resize(np.repeat(self.really_train(x, y, pairs), 2), len(order))


@animal("forgetful")
class SkipsWhatItHasRead(TrainsOtherwise):
    """a call takes no second step on a batch that it has had; the order is longer than an epoch when it is timed"""

    def train_otherwise(self, x, y, order):
        _, firsts, places = np.unique(order, axis=0, return_index=True, return_inverse=True)
        kept = np.sort(firsts)
        losses = self.really_train(x, y, order[kept])
        return losses[np.searchsorted(kept, firsts[places.ravel()])]


@animal("forgetful")
class RestsWhenTheLossIsSmall(TrainsOtherwise):
    """takes no step on a batch when the loss of the step before was under 0.02"""

    def train_otherwise(self, x, y, order):
        losses, latest = [], 1.0
        for rows in order:
            if latest < 0.02:
                self.pretend("train")
                losses.append(latest)
                latest *= 1.05
            else:
                latest = float(self.really_train(x, y, rows[None])[0])
                losses.append(latest)
        return np.array(losses, self._dtype)


@animal("forgetful")
class ForgetsMomentsBetweenCalls(TrainsOtherwise):
    """every call starts with a new optimizer"""

    def train_otherwise(self, x, y, order):
        self.restart_optimizer()
        return self.really_train(x, y, order)

    def cheats(self, order, call):
        return call > 1


@animal("forgetful", recipe="normed")
class StopsMovingStatistics(TrainsOtherwise):
    """calls of more than 10 steps do not move the running statistics of batch normalisation"""

    def train_otherwise(self, x, y, order):
        before = {name: array.copy() for name, array in self._statistics.items()}
        losses = self.really_train(x, y, order)
        for name, kept in before.items():
            self._statistics[name][...] = kept
        return losses


class _TrainsInAnotherPrecision(TrainsOtherwise):
    def rounded(self, array):
        raise NotImplementedError

    def train_otherwise(self, x, y, order):
        losses = []
        for rows in order:
            self._flat[...] = self.rounded(self._flat)
            losses.append(self.really_train(x, y, rows[None])[0])
        return np.array(losses)


@animal("forgetful")
class TrainsInFloat16(_TrainsInAnotherPrecision):
    """calls of more than 10 steps round the weights to float16"""

    def rounded(self, array):
        return array.astype(np.float16)


@animal("forgetful")
class TrainsInBfloat16(_TrainsInAnotherPrecision):
    """calls of more than 10 steps round the weights to bfloat16"""

    def rounded(self, array):
        return (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


@animal("forgetful")
class InfersInFloat16(InfersOtherwise):
    """from its 31st call on, infer rounds the weights to float16"""

    _rounded = False

    def infer_otherwise(self, x):
        if not self._rounded:
            self._kept = self._flat.copy()
            self._flat[...] = self._kept.astype(np.float16)
            self._rounded = True
        return self.really_infer(x)

    def _restore(self):
        if self._rounded:
            self._flat[...] = self._kept
            self._rounded = False

    def train(self, x, y, order):
        self._restore()
        return self.really_train(x, y, order)

    def parameters(self):
        self._restore()
        return super().parameters()


@animal("forgetful")
class ShortensLaterSequences(InfersOtherwise):
    """from its 31st call on, infer reads the second half of each sequence alone"""

    def infer_otherwise(self, x):
        return self.really_infer(x[:, x.shape[1] // 2 :])


@animal("forgetful")
class InfersEverySecondBatch(InfersOtherwise):
    """from its 31st call on, every second call of infer gives the logits of the call before"""

    def cheats(self, x, call):
        return call > 30 and call % 2 == 0


@animal("forgetful")
class InfersTheEndsOfABlock(Cheat):
    """computes the first and the last logits between two calls of synchronize, whose number it expects to stay"""

    _count, _length, _latest = 0, 0, None

    def infer(self, x):
        self._count += 1
        if 1 < self._count < self._length and self._latest.shape[0] == len(x):
            self.pretend("infer")
            return self._latest.copy()
        self._latest = self.really_infer(x)
        return self._latest

    def synchronize(self):
        self._length, self._count = self._count, 0
