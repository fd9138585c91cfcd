"""How far a backend is off the reference in the cases that ``lstm-bench check`` draws."""

from __future__ import annotations

from lstm_bench.record.configuration import Record


class Quantity(Record, frozen=True):
    """How far one kind of quantity is off in one case.

    Attributes:
        name: of the worst array, such as ``gradient of layers.0.forward.weight_hh``.
        error: norm-wise relative error, ``||ours - reference|| / ||reference||``; ``None`` if it is not a number.
        ulps: the largest difference of an element, in units of the precision's spacing at the largest element.
        tolerance: for ``error``.
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
    """What became of one case.

    Attributes:
        number: of the case.
        quantities: by kind, the worst of each.
        faults: whatever else is wrong, one line each.
        skipped: why it was not compared, if the backend refuses it.
    """

    number: int
    quantities: dict[str, Quantity] = {}
    faults: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def agrees(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults and all(quantity.agrees for quantity in self.quantities.values())
