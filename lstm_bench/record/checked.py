"""The errors of a backend against the reference in the random cases of ``lstm-bench check``."""

from __future__ import annotations

from lstm_bench.record.configuration import Record


class Quantity(Record, frozen=True):
    """The error of one kind of quantity in one case.

    Attributes:
        name: name of the array with the largest error, such as ``gradient of layers.0.forward.weight_hh``.
        error: norm-wise relative error, ``||ours - reference|| / ||reference||``; ``None`` if it is not a number.
        ulps: the largest difference of an element, in units of the precision's spacing at the largest element; ``None``
            if it is not a number.
        tolerance: the largest allowed ``error``.
    """

    name: str
    error: float | None
    ulps: float | None
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.error is not None and self.error <= self.tolerance


class Compared(Record, frozen=True, tag="compared"):
    """The result of one case.

    Attributes:
        number: the number of the case.
        quantities: the array with the largest error, by the kind of quantity.
        faults: everything else that is wrong, one line each.
        skipped: the reason why the backend refuses the case; empty if the case was compared.
    """

    number: int
    quantities: dict[str, Quantity] = {}
    faults: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def agrees(self) -> bool:
        """Whether every error is within its tolerance and nothing else is wrong."""
        return not self.faults and all(quantity.agrees for quantity in self.quantities.values())
