"""The records of a report: tables with their columns, rows and entries, and the notes beneath them."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_bench.analysis.groups import Group


@dataclass(frozen=True)
class Column:
    """A column's title, and whether the column holds numbers, which are aligned at their right."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Entry:
    """What a row has under one column.

    Attributes:
        text: for people, rounded.
        value: the number behind the text, by which rows are sorted: seconds, bytes, sequences per second, GFLOP/s, or
            the median of a metric; ``None`` where there is no number.
        interval: the 95% interval around the value; ``None`` where it is not known.
        best: whether the entry is shown to be the best of its column among the rows that compute the same.
    """

    text: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    best: bool = False


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        entries: in order of the columns.
        baseline: whether the row is a baseline or a published time, not an attempt.
        group: the attempts that the row shows; ``None`` if it shows none.
    """

    entries: tuple[Entry, ...]
    baseline: bool = False
    group: Group | None = None

    @classmethod
    def of(cls, *texts: str, baseline: bool = False) -> Row:
        """A row whose entries are texts only."""
        return cls(tuple(map(Entry, texts)), baseline)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of all entries."""
        return tuple(entry.text for entry in self.entries)


@dataclass(frozen=True)
class Section:
    """One table.

    Attributes:
        title: a task's selector.
        subtitle: the metric by which models are judged, such as ``rmse in passengers, lower is better``.
        columns: in order; the metric's column has the metric's name.
        rows: attempts, then baselines.
    """

    title: str
    subtitle: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Summary:
    """All tables of a report, and its notes.

    Attributes:
        sections: one for each task.
        notes: what failed and why, what the columns mean, and where it was measured.
    """

    sections: tuple[Section, ...]
    notes: tuple[str, ...]
