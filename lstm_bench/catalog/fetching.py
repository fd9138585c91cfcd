"""Fetch the files that tasks need into the cache, and check them before they get their names."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from lstm_bench.catalog.content import Damaged, check, is_gzip, refusal, set_aside, size_of
from lstm_bench.catalog.data import cache_folder, find, look, where_to_put
from lstm_bench.catalog.download import Dropped, Refused, cannot_write, transfer
from lstm_bench.errors import DataError
from lstm_bench.plugin.task import DataFile, TaskInfo

TRIES = 10
"""Requests to one address until the file is complete."""

FRUITLESS_TRIES = 2
"""After this many requests in a row that brought nothing, the next address is asked."""


class Watcher(Protocol):
    """Is told how the fetching of files goes."""

    def begin(self, file: DataFile, url: str) -> None:
        """The file is about to be fetched from this address."""

    def progress(self, done: int, total: int | None) -> None:
        """``done`` bytes have come, as they are sent, of ``total`` if the server told the length."""

    def end(self, file: DataFile, path: Path) -> None:
        """The file is there and checked."""

    def say(self, line: str) -> None:
        """Something unexpected happened, such as a broken connection."""


class Unavailable(DataError):
    """A file that no address gives."""


def require_files(infos: Iterable[TaskInfo], data_dir: Path | None, watcher: Watcher) -> None:
    """Make sure that tasks find their files: fetch each missing file into the cache.

    Args:
        infos: the tasks.
        data_dir: the user's folder, if there is one.
        watcher: is told how the fetching goes.

    Raises:
        DataError: if a file is damaged (it is then renamed), or is missing and cannot be fetched. The message names all
            missing files and where to put them.
    """
    files = dict.fromkeys(file for info in infos for file in info.files)
    if files and data_dir is not None and not data_dir.is_dir():
        raise DataError(f"there is no folder {data_dir}: let LSTM_BENCH_DATA name the folder of your data, or unset it")
    missing = []
    for file in files:
        found = look(file, data_dir)
        if found.path is None:
            missing.append(file)
        elif found.state == "damaged":
            raise refusal(found.path, found.problem)
    for number, file in enumerate(missing):
        try:
            fetch(file, watcher)
        except Unavailable as error:
            raise DataError(f"{error}. {where_to_put(missing[number:], data_dir)}") from error


def bring(file: DataFile, data_dir: Path | None, watcher: Watcher) -> Path:
    """Return the path of a verified file. A file that is missing, or damaged in the cache, is fetched first.

    Raises:
        Unavailable: if no address gives the file.
        DataError: if the file in the user's folder is damaged (it is then renamed), or the cache cannot be written.
    """
    found = look(file, data_dir)
    if found.path is None or (found.state == "damaged" and found.path.is_relative_to(cache_folder())):
        return fetch(file, watcher)
    if found.state == "damaged":
        raise refusal(found.path, found.problem)
    return found.path


def fetch(file: DataFile, watcher: Watcher) -> Path:
    """Bring a file into the cache. It gets its name only after it was checked.

    A file that is there already is only checked; if it is damaged, it is renamed and fetched again. If another process
    is fetching into the same folder, this call waits for it.

    Args:
        file: the file to fetch.
        watcher: is told how the fetching goes.

    Returns:
        Where the file lies.

    Raises:
        Unavailable: if no address gives the file.
        DataError: if the cache cannot be written. The bytes that have come stay there, and the next call goes on with
            them.
    """
    folder = cache_folder() / file.folder
    try:
        with _locked(folder, watcher):
            if (path := find(file, [cache_folder()])) is not None:
                try:
                    check(path, file)
                    return path
                except Damaged as damage:
                    watcher.say(f"{path} {damage}; {set_aside(path, path)}")
            return _fetch(file, folder, watcher)
    except OSError as error:
        raise cannot_write(folder, error) from error


def _fetch(file: DataFile, folder: Path, watcher: Watcher) -> Path:
    """Ask one address after the other until one gives the file."""
    refusals = []
    for url in file.urls:
        watcher.begin(file, url)
        try:
            path = _fetch_from(url, file, folder, watcher)
        except Refused as refused:
            watcher.say(f"{url} {refused}")
            refusals.append(f"{urlsplit(url).netloc} {refused}")
            continue
        for other in file.urls:
            part_of(folder, file, other).unlink(missing_ok=True)
        watcher.end(file, path)
        return path
    raise Unavailable(f"{file.name} cannot be fetched: {'; '.join(refusals) or 'no address is known for it'}")


def _fetch_from(url: str, file: DataFile, folder: Path, watcher: Watcher) -> Path:
    """Fetch from one address, in as many pieces as the connection breaks into.

    Raises:
        Refused: if the address does not give the file.
        DataError: if the cache cannot be written.
    """
    part = part_of(folder, file, url)
    # Gzip makes incompressible data longer, but by less than a thousandth and a header.
    most = file.size + file.size // 1000 + 2**16
    pieces = 2 if size_of(part) else 0  # an earlier call may have put the part together from several
    fruitless = 0
    for _ in range(TRIES):
        there = size_of(part)
        try:
            transfer(url, part, most=most, on_bytes=watcher.progress)
            check(part, file)
            return _place(part, folder / (file.name + ".gz" * is_gzip(part, file)))
        except Dropped as dropped:
            problem, damaged, wrong = str(dropped), False, False
        except Damaged as damage:
            problem, damaged, wrong = str(damage), True, not damage.truncated
        grown = size_of(part) > there
        pieces += grown
        fruitless = 0 if grown else fruitless + 1
        hopeless = wrong or fruitless == FRUITLESS_TRIES
        if hopeless and damaged and pieces > 1:
            part.unlink()  # the pieces may come from different versions of the file
            pieces = fruitless = 0
        elif hopeless:
            break
        watcher.say(f"{url} {problem}: trying again")
    if damaged:
        raise Refused(f"gave what {problem}; {set_aside(part, folder / file.name)}")
    raise Refused(problem)


def part_of(folder: Path, file: DataFile, url: str) -> Path:
    """The path of an incomplete file. Each address has its own, since addresses may compress the file differently."""
    suffix = ".gz" if url.endswith(".gz") else ""
    return folder / f"{file.name}{suffix}.{zlib.crc32(url.encode()):08x}.part"


def _place(part: Path, path: Path) -> Path:
    """Give a file its name, after all of it is on the disk."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    return path


@contextmanager
def _locked(folder: Path, watcher: Watcher) -> Iterator[None]:
    """Make the folder if there is none, and let only one process at a time fetch into it."""
    import filelock

    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        watcher.say(f"waiting for another process, which is fetching into {folder}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
