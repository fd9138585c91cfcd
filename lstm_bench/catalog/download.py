"""Download an address to a file, and resume where an earlier try broke off. The content is not checked here."""

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
"""Seconds that a server may take to answer, and to send the next piece of its answer."""

CHUNK = 2**17
"""Bytes that are read and written at once. Progress is reported after each chunk."""


class Refused(Exception):
    """The address does not give the file. The message continues a sentence that begins with the address."""


class Dropped(Exception):
    """The connection broke off. The bytes that came are kept, and another try resumes there."""


def transfer(url: str, part: Path, *, most: int, on_bytes: Callable[[int, int | None], None]) -> None:
    """Send one request for the missing bytes, and append them to the file as they come.

    Args:
        url: ``http`` or ``https``. Redirects are followed; proxies are taken from the environment.
        part: the file, which may already hold the beginning. It is started again if the server cannot resume, and left
            as it is if the server has no further bytes.
        most: largest size of the whole file in bytes.
        on_bytes: called with the number of bytes that have come, and the total number or ``None`` if the server does
            not tell it.

    Raises:
        Refused: if the server has no such file, or a file larger than ``most``.
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
                # Networks with a login page answer like this. The bytes that have come may still be right.
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
    """The error for a file of the cache that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        mend = "make room and try again, which goes on with what is there, or set"
    else:
        mend = "set"
    return DataError(f"cannot write {path}: {error.strerror}; {mend} LSTM_BENCH_CACHE to another folder")


def _ask(url: str, there: int) -> HTTPResponse | None:
    """Request the bytes after the first ``there``.

    Returns:
        The answer with these bytes, or with the whole file; ``None`` if the server has no further bytes.

    Raises:
        Refused: if the server does not give the file.
        Dropped: if the connection broke off.
    """
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
    """The reason in one line: the system's own words for an ``OSError``."""
    if isinstance(error, OSError) and error.strerror:
        return one_line(error.strerror)
    return one_line(error) if isinstance(error, str) else describe(error)


def _receive(response: HTTPResponse, part: Path, there: int, most: int, on_bytes: Callable[[int], None]) -> int:
    """Append the answer to the first ``there`` bytes until it ends or exceeds ``most``; return the total in bytes."""
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
