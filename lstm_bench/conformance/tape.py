"""Derivatives of NumPy programs by reverse accumulation, for the wrong models that explain a disagreement.

A confusion is written as a forward pass alone. Its gradients follow from it, as they do in a framework.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Variable:
    """An array, and how the gradient of what was computed from it comes back to it.

    Attributes:
        value: the array.
        grad: the gradient after ``backpropagate``; ``None`` if nothing depends on this variable.
        tape: all variables of one program, in the order of computing.
    """

    __slots__ = ("_owned", "back", "grad", "tape", "value")
    __array_ufunc__ = None  # array + variable is a variable, not an array of objects

    def __init__(self, value: Array, tape: list[Variable], back: Callable[[Array], None] | None = None) -> None:
        self.value, self.tape, self.back = value, tape, back
        self.grad: Array | None = None
        self._owned = False  # whether no other variable holds the array of the gradient
        tape.append(self)

    def receive(self, gradient: Array) -> None:
        """Add a gradient, summed over the axes that broadcasting has added."""
        shape = self.value.shape
        if gradient.shape != shape:
            gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
            stretched = tuple(axis for axis, size in enumerate(shape) if size == 1 and gradient.shape[axis] != 1)
            gradient = gradient.sum(axis=stretched, keepdims=True)
        self.grad, self._owned = gradient if self.grad is None else self.grad + gradient, self.grad is not None

    def __add__(self, other: Variable | Array | float) -> Variable:
        value = self.value + _value(other)

        def back(d: Array) -> None:
            self.receive(d)
            if isinstance(other, Variable):
                other.receive(d)

        return Variable(value, self.tape, back)

    def __mul__(self, other: Variable | Array | float) -> Variable:
        factor = _value(other)

        def back(d: Array) -> None:
            self.receive(d * factor)
            if isinstance(other, Variable):
                other.receive(d * self.value)

        return Variable(self.value * factor, self.tape, back)

    __radd__, __rmul__ = __add__, __mul__

    def __sub__(self, other: Variable | Array | float) -> Variable:
        return self + -1.0 * other

    def __rsub__(self, other: Array | float) -> Variable:
        return -1.0 * self + other

    def __getitem__(self, at: Any) -> Variable:
        def back(d: Array) -> None:
            if self.grad is None or not self._owned:
                self.grad, self._owned = np.zeros_like(self.value) if self.grad is None else self.grad.copy(), True
            self.grad[at] += d

        return Variable(self.value[at], self.tape, back)

    def detached(self) -> Variable:
        """A variable of the same value, through which no gradient passes."""
        return Variable(self.value, self.tape)


def _value(operand: Variable | Array | float) -> Any:
    return operand.value if isinstance(operand, Variable) else operand


def apply(function: Callable[[Array], Array], slope: Callable[[Array], Array], v: Variable) -> Variable:
    """Apply a function to each element. ``slope`` is its derivative."""
    return Variable(function(v.value), v.tape, lambda d: v.receive(d * slope(v.value)))


def linear(x: Variable, weight: Variable, rounded: Callable[[Array], Array]) -> Variable:
    """Return ``x @ weight.T`` for `(..., I)` and `(O, I)`; ``rounded`` is applied to the operands of every product."""
    a, w = rounded(x.value), rounded(weight.value)

    def back(d: Array) -> None:
        d = rounded(d)
        x.receive(d @ w)
        weight.receive(d.reshape(-1, len(w)).T @ a.reshape(-1, w.shape[1]))

    return Variable(a @ w.T, x.tape, back)


def rearranged(v: Variable, how: Callable[[Array], Array]) -> Variable:
    """Rearrange the elements. ``how`` returns the elements of its argument in other places, and may repeat them."""
    places = how(np.arange(v.value.size).reshape(v.value.shape))

    def back(d: Array) -> None:
        whole = np.zeros(v.value.size)
        np.add.at(whole, places, d)
        v.receive(whole.reshape(v.value.shape))

    return Variable(v.value.ravel()[places], v.tape, back)


def joined(variables: Sequence[Variable], axis: int, *, new_axis: bool = False) -> Variable:
    """Concatenate variables along an axis, or stack them along a new one."""
    values = [variable.value for variable in variables]
    value = np.stack(values, axis) if new_axis else np.concatenate(values, axis)
    ends = np.cumsum([1 if new_axis else array.shape[axis] for array in values])[:-1]

    def back(d: Array) -> None:
        for variable, part in zip(variables, np.split(d, ends, axis), strict=True):
            variable.receive(part.squeeze(axis) if new_axis else part)

    return Variable(value, variables[0].tape, back)


def mean(v: Variable, axes: tuple[int, ...]) -> Variable:
    """Return the mean over axes, which stay with length 1."""
    value = v.value.mean(axis=axes, keepdims=True)
    count = v.value.size // max(value.size, 1)
    return Variable(value, v.tape, lambda d: v.receive(np.broadcast_to(d / count, v.value.shape)))


def backpropagate(end: Variable, gradient: Array) -> None:
    """Leave in every variable of the tape the gradient that follows from the gradient of ``end``."""
    end.receive(gradient)
    for variable in reversed(end.tape):
        if variable.grad is not None and variable.back is not None:
            variable.back(variable.grad)
