"""From an address to a file, going on where an earlier try broke off; whether it is the right file, others judge."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lstm_bench.errors import DataError
from lstm_bench.text import describe, one_line

if TYPE_CHECKING:
    from http.client import HTTPResponse

TIMEOUT = 20.0
"""Seconds that a server may take to answer, and between two pieces of its answer."""

CHUNK = 2**17
"""Bytes that are read and written at once, and after which progress is told."""


class Refused(Exception):
    """This address does not give the file. The message says why, as if the address stood before it."""


class Dropped(Exception):
    """The connection ended before the answer did. What came is kept, and another try goes on from there."""


def transfer(url: str, part: Path, *, most: int, on_bytes: Callable[[int, int | None], None]) -> None:
    """Ask once for what is not there yet, and append it as it comes.

    Args:
        url: ``http`` or ``https``; redirects are followed, and proxies are those of the environment.
        part: file that holds the beginning, if there is one. It is begun anew where the server does not go on in the
            middle, and left as it is where the server knows of nothing more.
        most: bytes that the whole may have.
        on_bytes: told how many bytes are there, and how many it will be if the server says so.

    Raises:
        Refused: if the server has no such file, or a longer one.
        Dropped: if the connection broke off.
        DataError: if the file cannot be written, such as on a full disk.
    """
    there = part.stat().st_size if part.exists() else 0
    response = _ask(url, there)
    if response is None:
        return
    with response:
        if response.status != 206:
            if there and response.headers.get_content_type() == "text/html":
                # Some networks answer so until one has logged in; the beginning that is there may be a good one.
                raise Refused("answers with an HTML page")
            there = 0
        total = None if response.length is None else there + response.length
        if total is not None and total > most:
            raise Refused(f"has {total:,} bytes, more than the {most:,} that the file may have")
        done = _receive(response, part, there, most, lambda done: on_bytes(done, total))
    if done > most:
        part.unlink()
        raise Refused(f"sent more than the {most:,} bytes that the file may have")
    if total is not None and done < total:
        raise Dropped(f"broke off after {done:,} of {total:,} bytes")


def cannot_write(path: Path, error: OSError) -> DataError:
    """One line for a file of the cache that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        mend = "make room and try again, which goes on with what is there, or set"
    else:
        mend = "set"
    return DataError(f"cannot write {path}: {error.strerror}; {mend} LSTM_BENCH_CACHE to another folder")


def _ask(url: str, there: int) -> HTTPResponse | None:
    """The server's answer with what comes after the first ``there`` bytes, or with all; ``None`` for nothing more."""
    import http.client
    import urllib.error
    import urllib.request

    headers = {"User-Agent": "lstm-bench"}
    if there:
        headers["Range"] = f"bytes={there}-"
    try:
        response: HTTPResponse = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and there:
                return None
            raise Refused(one_line(f"answers {error.code} {error.reason}")) from error
    except urllib.error.URLError as error:
        raise Refused(f"cannot be reached ({_why(error.reason)})") from error
    except (http.client.HTTPException, OSError) as error:
        raise Dropped(f"did not answer ({_why(error)})") from error
    where = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if response.status == 200 or (response.status == 206 and where is not None and int(where[1]) == there):
        return response
    with response:
        raise Refused(one_line(f"answers {response.status} {response.reason} where it was asked for a file"))


def _why(error: BaseException | str) -> str:
    """What the system calls it, if it has a name for it."""
    if isinstance(error, OSError) and error.strerror:
        return one_line(error.strerror)
    return one_line(error) if isinstance(error, str) else describe(error)


def _receive(response: HTTPResponse, part: Path, there: int, most: int, on_bytes: Callable[[int], None]) -> int:
    """Keep the first bytes that are there, append what comes until it ends or is too much, and say how many it is."""
    import http.client

    try:
        # Unbuffered, so that an interrupt leaves nothing unwritten and a full disk is noticed at once.
        file = part.open("ab" if there else "wb", buffering=0)
    except OSError as error:
        raise cannot_write(part, error) from error
    with file:
        done = there
        while done <= most:
            on_bytes(done)
            try:
                chunk = response.read1(CHUNK)
            except (http.client.HTTPException, OSError) as error:
                raise Dropped(f"broke off after {done:,} bytes ({_why(error)})") from error
            if not chunk:
                break
            _write(file, chunk, part)
            done += len(chunk)
    return done


def _write(file: BinaryIO, chunk: bytes, part: Path) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise cannot_write(part, error) from error
