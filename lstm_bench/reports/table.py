"""The records of a report: tables with their columns, rows and entries, and the notes beneath them."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_bench.analysis.groups import Group

RELATIVE = "vs fastest"
"""The title of the column that compares each row with the fastest row."""

DETAIL = 9
"""The rank of columns that are shown only with all details."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: above the column.
        numeric: whether the column holds numbers, which are aligned at their right.
        name: the column's name for ``--columns``; the title if empty.
        rank: 0 for a column that every table shows. On a narrow terminal, columns of the highest rank are left out
            first. Columns of rank ``DETAIL`` are shown only with all details.
        unit: of the entries' values, which may differ from the units in their texts; empty for texts and pure numbers.
    """

    title: str
    numeric: bool = False
    name: str = ""
    rank: int = 0
    unit: str = ""

    @property
    def chosen_by(self) -> str:
        """The column's name for ``--columns``."""
        return self.name or self.title


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
    """One table, with what it shows in words.

    Attributes:
        title: a task's selector.
        subtitle: the metric by which models are judged, such as ``rmse in passengers, lower is better``.
        columns: in order; the metric's column has the metric's name.
        rows: attempts, the fastest first, then baselines.
        shape: what is computed, in one line; empty for tables that show no attempts.
        answers: who is fastest, by how much, and whether the rows can be trusted. At most three lines.
        notes: everything else about these rows.
    """

    title: str
    subtitle: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    shape: str = ""
    answers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """All tables of a report, and its notes.

    Attributes:
        sections: one for each task.
        notes: what the columns mean, and where everything was measured.
    """

    sections: tuple[Section, ...]
    notes: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """Every line beneath the tables: answers and notes of each section, then the notes of all."""
        return [line for each in self.sections for line in (*each.answers, *each.notes)] + list(self.notes)
