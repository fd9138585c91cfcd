"""The gradient scope, whose results nobody compares: gradients() is right, differentiate() is not."""

from __future__ import annotations

import numpy as np

from cheating.base import Cheat, animal


class _DifferentiatesApart(Cheat):
    def gradients(self, x, y):
        loss, gradients = self.really_differentiate(x, y)
        return loss.item(), {name: view.copy() for name, view in gradients.items()}

    def forward_loss(self, x, y):
        return np.array(self._loss(self.really_infer(x), y)[0], self._dtype)


@animal("scopes", recipe="gradient")
class DifferentiatesForwardAlone(_DifferentiatesApart):
    """differentiate computes the loss, and gives zeros"""

    def differentiate(self, x, y):
        self._flat_gradient[...] = 0
        return self.forward_loss(x, y), self._gradient


@animal("scopes", recipe="gradient")
class DifferentiatesToNothing(_DifferentiatesApart):
    """differentiate computes the loss, and gives no gradient"""

    def differentiate(self, x, y):
        return self.forward_loss(x, y), {}


@animal("scopes", recipe="gradient")
class DifferentiatesWithoutALoss(_DifferentiatesApart):
    """differentiate gives a loss of zero"""

    def differentiate(self, x, y):
        return np.zeros((), self._dtype), self.really_differentiate(x, y)[1]


@animal("scopes", recipe="gradient")
class DifferentiatesTheHead(_DifferentiatesApart):
    """differentiate gives the gradient of the head alone"""

    def differentiate(self, x, y):
        loss, gradients = self.really_differentiate(x, y)
        return loss, {name: array for name, array in gradients.items() if name.startswith("head")}


@animal("scopes", recipe="gradient")
class DifferentiatesFourSteps(_DifferentiatesApart):
    """differentiate reads the last four steps of each sequence"""

    def differentiate(self, x, y):
        return self.really_differentiate(x[:, -4:], y)


@animal("scopes", recipe="gradient-batched")
class DifferentiatesHalfOfTheBatch(_DifferentiatesApart):
    """differentiate reads the first half of the batch"""

    def differentiate(self, x, y):
        return self.really_differentiate(x[: (len(x) + 1) // 2], y[: (len(y) + 1) // 2])


@animal("scopes", recipe="gradient")
class DifferentiatesInFloat16(_DifferentiatesApart):
    """differentiate rounds the weights to float16"""

    def differentiate(self, x, y):
        kept = self._flat.copy()
        self._flat[...] = kept.astype(np.float16)
        result = self.really_differentiate(x, y)
        self._flat[...] = kept
        return result


@animal("scopes", recipe="gradient")
class DifferentiatesWithoutRecurrence(_DifferentiatesApart):
    """differentiate gives zeros for the recurrent weights"""

    def differentiate(self, x, y):
        loss, gradients = self.really_differentiate(x, y)
        return loss, {name: 0 * g if name.endswith("weight_hh") else g for name, g in gradients.items()}


@animal("scopes", recipe="gradient")
class TakesAStepWhileItDifferentiates(_DifferentiatesApart):
    """differentiate also takes an optimizer step"""

    def differentiate(self, x, y):
        loss, gradients = self.really_differentiate(x, y)
        self._optimizer.step(self._flat, self._flat_gradient.copy())
        return loss, gradients
