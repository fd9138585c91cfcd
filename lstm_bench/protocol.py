"""What the parent and a worker say to each other: one job down, then one JSON line up for each thing worth knowing."""

from __future__ import annotations

import msgspec

from lstm_bench.result import Cell, Findings, Phase, Status

LONGEST_LINE = 16 * 2**20
"""Bytes. A worker that says more in one line is not answering, it is flooding."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a worker needs to know.

    Attributes:
        cell: what to compute and how to measure it.
        plugin_files: Python files that are plugins, beside the installed ones.
        data_dir: folder of the user's data files, if any was named.
    """

    cell: Cell
    plugin_files: tuple[str, ...] = ()
    data_dir: str | None = None


class Entered(msgspec.Struct, frozen=True, tag="entered"):
    """The worker has begun a phase."""

    phase: Phase


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How far the present phase is. Sent only while nothing is being timed."""

    done: int
    total: int


class Found(msgspec.Struct, frozen=True, tag="found"):
    """All that is known by now; replaces what was said before."""

    findings: Findings


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The last line."""

    status: Status
    reason: str


Message = Entered | Progress | Found | Ended

encode = msgspec.json.Encoder().encode
decode_job = msgspec.json.Decoder(Job).decode
decode_message = msgspec.json.Decoder(Message).decode
