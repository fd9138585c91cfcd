"""Check every byte of a data file, and set a damaged file aside."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lstm_bench.errors import DataError
from lstm_bench.plugin.task import DataFile

CHUNK = 2**20
"""Bytes that are read and checked at once."""


class Damaged(Exception):
    """The content is wrong. The message says how, and continues a sentence that begins with the file's name.

    Args:
        problem: the message.
        truncated: whether the content may be the beginning of the right content.
    """

    def __init__(self, problem: str, *, truncated: bool = False) -> None:
        super().__init__(problem)
        self.truncated = truncated


def check(path: Path, file: DataFile) -> None:
    """Read all of a file.

    Raises:
        DataError: if the file cannot be read.
        Damaged: if its content is wrong.
    """
    for _ in content_of(path, file):
        pass


def content_of(path: Path, file: DataFile) -> Iterator[bytes]:
    """Yield the decompressed content in pieces. The content is right only if the iterator ends without an error.

    Raises:
        DataError: if the file cannot be read.
        Damaged: if its content is wrong.
    """
    digest, size, head = hashlib.sha256(), 0, b""
    with reading(path):
        compressed = is_gzip(path, file)
        with gzip.open(path) if compressed else path.open("rb") as stream:
            try:
                while piece := stream.read(CHUNK):
                    size += len(piece)
                    digest.update(piece)
                    head = head or piece[:1000]
                    if size > file.size:
                        break
                    yield piece
            except EOFError as error:
                raise Damaged("is truncated: its gzip data end too early", truncated=True) from error
            except (gzip.BadGzipFile, zlib.error) as error:
                raise Damaged(f"is damaged: it cannot be decompressed ({error})") from error
    if size == file.size and digest.hexdigest() == file.sha256:
        return
    if size == 0:
        raise Damaged("is empty", truncated=True)
    if re.match(rb"\s*<(!doctype )?html", head, re.IGNORECASE):
        raise Damaged("is an HTML page")
    if path.suffix == ".gz" and not compressed:
        raise Damaged("is not gzip, as its name says it is")
    if size < file.size and not compressed:
        raise Damaged(f"is truncated: it has {size:,} of {file.size:,} bytes", truncated=True)
    if size != file.size:
        amount = f"{size:,}" if size < file.size else f"more than {file.size:,}"
        raise Damaged(f"has the wrong content: {amount} bytes, where it should be {file.size:,}")
    raise Damaged(f"has the wrong content: its SHA-256 is {digest.hexdigest()}, where it should be {file.sha256}")


def is_gzip(path: Path, file: DataFile) -> bool:
    """Whether a file is compressed. Its name does not tell: some browsers silently decompress what they download."""
    with path.open("rb") as stream:
        if stream.read(2) != b"\x1f\x8b":
            return False
    return path.name.startswith(f"{file.name}.gz") or size_of(path) != file.size


def size_of(path: Path) -> int:
    """The size of a file in bytes; 0 if there is no such file."""
    return path.stat().st_size if path.exists() else 0


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` in the block into a ``DataError`` that names the file."""
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def refusal(path: Path, problem: str) -> DataError:
    """Rename a damaged file, so that nobody takes it for the right file again, and return the error to raise.

    Args:
        path: the damaged file.
        problem: the message of ``Damaged``.
    """
    aside = set_aside(path, path)
    mend = (
        "Replace or remove it" if path.exists() else "Put the right one in its place, or try again to have it fetched"
    )
    return DataError(f"{path} {problem}; {aside}. {mend}")


def set_aside(path: Path, named: Path) -> str:
    """Rename a damaged file and say what came of it.

    Args:
        path: the damaged file.
        named: the name that the right file would have. The damaged file gets this name with ``.bad`` behind it.
    """
    bad = named.with_name(f"{named.name}.bad")
    try:
        path.replace(bad)
    except FileNotFoundError:  # another process was faster
        pass
    except OSError as error:
        return f"it keeps its name, since it cannot be renamed ({error.strerror})"
    return f"it is now {bad.name}"
