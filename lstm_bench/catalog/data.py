"""The files that tasks read: finding them, checking every byte before it is used, fetching what is not there.

A file lies at ``FOLDER/<its folder>/<its name>``, as it is or compressed with gzip and ``.gz`` behind its name. The
first ``FOLDER`` is the user's, if there is one; the other is the cache, which fetched files go to.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import urlsplit

from lstm_bench.catalog.download import Dropped, Refused, cannot_write, transfer
from lstm_bench.errors import DataError
from lstm_bench.plugin.task import DataFile, TaskInfo
from lstm_bench.text import is_unicode

TRIES = 10
"""Times that an address is asked for what is still missing."""

FRUITLESS_TRIES = 2
"""After so many in a row that brought nothing, the next address is asked."""

CHUNK = 2**20
"""Bytes that are read and checked at once."""


class Watcher(Protocol):
    """What is told to whoever watches files being fetched."""

    def begin(self, file: DataFile, url: str) -> None:
        """The file is about to be fetched from this address."""

    def progress(self, done: int, total: int | None) -> None:
        """So many bytes of it are there, as they are sent, of so many if that is known."""

    def end(self, file: DataFile, path: Path) -> None:
        """It is there, and checked."""

    def say(self, line: str) -> None:
        """Something goes another way than one would think."""


@dataclass(frozen=True)
class Found:
    """What there is of a file.

    Attributes:
        state: ``"verified"`` if its content is the right one.
        path: where it lies; ``None`` if it is missing.
        problem: what is wrong with a damaged one, as if its name stood before it.
    """

    state: Literal["verified", "missing", "damaged"]
    path: Path | None = None
    problem: str = ""


class Unavailable(DataError):
    """A file that no address gives."""


class _Damaged(Exception):
    """The content is not what it should be; ``truncated`` if it may be the beginning of that."""

    def __init__(self, problem: str, *, truncated: bool = False) -> None:
        super().__init__(problem)
        self.truncated = truncated


def user_folder() -> Path | None:
    """The folder that ``LSTM_BENCH_DATA`` names, if it names one.

    Raises:
        DataError: if its path is not in UTF-8, so that workers cannot be told of it.
    """
    named = os.environ.get("LSTM_BENCH_DATA")
    if named and not is_unicode(named):
        raise DataError("LSTM_BENCH_DATA names a folder whose path is not in UTF-8: rename it, or name another")
    return Path(named) if named else None


def cache_folder() -> Path:
    """Where fetched files go: ``LSTM_BENCH_CACHE``, or else the system's place for what can be had again."""
    if named := os.environ.get("LSTM_BENCH_CACHE"):
        return Path(named)
    import platformdirs

    return platformdirs.user_cache_path("lstm-bench", appauthor=False)


def folders(data_dir: Path | None) -> list[Path]:
    """Where files are looked for, the user's folder first if there is one."""
    return [*([] if data_dir is None else [data_dir]), cache_folder()]


def look(file: DataFile, data_dir: Path | None) -> Found:
    """What there is of a file. Changes nothing, and fetches nothing.

    Raises:
        DataError: if it is there and cannot be read.
    """
    path = _find(file, folders(data_dir))
    if path is None:
        return Found("missing")
    try:
        _check(path, file)
    except _Damaged as damage:
        return Found("damaged", path, str(damage))
    return Found("verified", path)


def read_file(file: DataFile, data_dir: Path | None) -> bytes:
    """The checked content of a file, decompressed; for a task to call in its ``load``. Never fetches.

    Args:
        file: one of the ``files`` of the task's info.
        data_dir: as ``load`` got it.

    Raises:
        DataError: if it is missing, cannot be read, or is damaged and therefore renamed.
    """
    path = _find(file, folders(data_dir))
    if path is None:
        raise DataError(
            f"{file.name} is missing. {where_to_put([file], data_dir)}, or fetch it with `lstm-bench data fetch`"
        )
    try:
        return b"".join(_content(path, file))
    except _Damaged as damage:
        raise _refusal(path, str(damage)) from damage


def require_files(infos: Iterable[TaskInfo], data_dir: Path | None, watcher: Watcher) -> None:
    """Make sure that tasks find their files: whatever is in no folder is fetched into the cache.

    Args:
        infos: the tasks.
        data_dir: the user's folder, if there is one.
        watcher: told of what is fetched.

    Raises:
        DataError: if a file is damaged, and therefore renamed; or if one is neither there nor to be had, naming all
            that are missing and where to put them.
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
            raise _refusal(found.path, found.problem)
    for number, file in enumerate(missing):
        try:
            fetch(file, watcher)
        except Unavailable as error:
            raise DataError(f"{error}. {where_to_put(missing[number:], data_dir)}") from error


def bring(file: DataFile, data_dir: Path | None, watcher: Watcher) -> Path:
    """A file that is right: the user's, or the cache's, which is fetched if it is missing or damaged.

    Raises:
        Unavailable: if no address gives it.
        DataError: if the user's is damaged, and therefore renamed; or if the cache cannot be written.
    """
    found = look(file, data_dir)
    if found.path is None or (found.state == "damaged" and found.path.is_relative_to(cache_folder())):
        return fetch(file, watcher)
    if found.state == "damaged":
        raise _refusal(found.path, found.problem)
    return found.path


def fetch(file: DataFile, watcher: Watcher) -> Path:
    """Bring a file into the cache, checked before it gets its name.

    If it is there already, it is only checked, and if it is damaged, renamed and fetched anew. A process that is
    fetching into the same folder is waited for.

    Args:
        file: what to fetch.
        watcher: told how far it is.

    Returns:
        Where it lies.

    Raises:
        Unavailable: if no address gives it.
        DataError: if the cache cannot be written; what has come stays there for the next time.
    """
    folder = cache_folder() / file.folder
    try:
        with _locked(folder, watcher):
            if (path := _find(file, [cache_folder()])) is not None:
                try:
                    _check(path, file)
                    return path
                except _Damaged as damage:
                    watcher.say(f"{path} {damage}; {_set_aside(path, path)}")
            return _fetch(file, folder, watcher)
    except OSError as error:
        raise cannot_write(folder, error) from error


def where_to_put(files: Sequence[DataFile], data_dir: Path | None) -> str:
    """What to do about files that are missing and cannot be fetched."""
    folder = folders(data_dir)[0]
    places = [
        f"{', '.join(file.name for file in files if file.folder == name)} into {folder / name}"
        for name in dict.fromkeys(file.folder for file in files)
    ]
    return f"Put {'; '.join(places)} (with .gz behind a name if it is compressed)"


def _fetch(file: DataFile, folder: Path, watcher: Watcher) -> Path:
    refusals = []
    for url in file.urls:
        watcher.begin(file, url)
        try:
            path = _fetch_from(url, file, folder, watcher)
        except Refused as refusal:
            watcher.say(f"{url} {refusal}")
            refusals.append(f"{urlsplit(url).netloc} {refusal}")
            continue
        for other in file.urls:
            _part(folder, file, other).unlink(missing_ok=True)
        watcher.end(file, path)
        return path
    raise Unavailable(f"{file.name} cannot be fetched: {'; '.join(refusals) or 'no address is known for it'}")


def _fetch_from(url: str, file: DataFile, folder: Path, watcher: Watcher) -> Path:
    """Fetch from one address, in as many pieces as the connection breaks into.

    Raises:
        Refused: if it does not give the file.
        DataError: if the cache cannot be written.
    """
    part = _part(folder, file, url)
    # What cannot be compressed grows under gzip by less than a thousandth, and a header.
    most = file.size + file.size // 1000 + 2**16
    pieces = 2 if _size(part) else 0  # of which the part was put together, as far as is known
    fruitless = 0
    for _ in range(TRIES):
        there = _size(part)
        try:
            transfer(url, part, most=most, on_bytes=watcher.progress)
            _check(part, file)
            return _place(part, folder / (file.name + ".gz" * _is_gzip(part, file)))
        except Dropped as dropped:
            problem, damaged, wrong = str(dropped), False, False
        except _Damaged as damage:
            problem, damaged, wrong = str(damage), True, not damage.truncated
        grown = _size(part) > there
        pieces += grown
        fruitless = 0 if grown else fruitless + 1
        hopeless = wrong or fruitless == FRUITLESS_TRIES
        if hopeless and damaged and pieces > 1:
            part.unlink()  # its pieces may have been of different files
            pieces = fruitless = 0
        elif hopeless:
            break
        watcher.say(f"{url} {problem}: trying again")
    if damaged:
        raise Refused(f"gave what {problem}; {_set_aside(part, folder / file.name)}")
    raise Refused(problem)


def _part(folder: Path, file: DataFile, url: str) -> Path:
    """Where a file grows: one for each address, since they serve it compressed in different ways."""
    suffix = ".gz" if url.endswith(".gz") else ""
    return folder / f"{file.name}{suffix}.{zlib.crc32(url.encode()):08x}.part"


def _place(part: Path, path: Path) -> Path:
    """Give a file its name, once all of it is on the disk."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    return path


@contextmanager
def _locked(folder: Path, watcher: Watcher) -> Iterator[None]:
    """Make the folder if need be, and be the only process that fetches into it."""
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


def _find(file: DataFile, places: Sequence[Path]) -> Path | None:
    for place in places:
        for name in (file.name, f"{file.name}.gz"):
            path = place / file.folder / name
            with _reading(path):
                if path.is_file():
                    return path
    return None


def _check(path: Path, file: DataFile) -> None:
    """Raises ``_Damaged`` if the content is not what it should be."""
    for _ in _content(path, file):
        pass


def _content(path: Path, file: DataFile) -> Iterator[bytes]:
    """The content in pieces, decompressed. It is the right one if the end is reached, and not before.

    Raises:
        DataError: if the file cannot be read.
        _Damaged: saying what is wrong.
    """
    digest, size, head = hashlib.sha256(), 0, b""
    with _reading(path):
        compressed = _is_gzip(path, file)
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
                raise _Damaged("is truncated: its gzip data end too early", truncated=True) from error
            except (gzip.BadGzipFile, zlib.error) as error:
                raise _Damaged(f"is damaged: it cannot be decompressed ({error})") from error
    if size == file.size and digest.hexdigest() == file.sha256:
        return
    if size == 0:
        raise _Damaged("is empty", truncated=True)
    if re.match(rb"\s*<(!doctype )?html", head, re.IGNORECASE):
        raise _Damaged("is an HTML page")
    if path.suffix == ".gz" and not compressed:
        raise _Damaged("is not gzip, as its name says it is")
    if size < file.size and not compressed:
        raise _Damaged(f"is truncated: it has {size:,} of {file.size:,} bytes", truncated=True)
    if size != file.size:
        amount = f"{size:,}" if size < file.size else f"more than {file.size:,}"
        raise _Damaged(f"has the wrong content: {amount} bytes, where it should be {file.size:,}")
    raise _Damaged(f"has the wrong content: its SHA-256 is {digest.hexdigest()}, where it should be {file.sha256}")


def _is_gzip(path: Path, file: DataFile) -> bool:
    """Whether it is compressed, whatever it is called: some browsers decompress what they download, without a word."""
    with path.open("rb") as stream:
        if stream.read(2) != b"\x1f\x8b":
            return False
    return path.name.startswith(f"{file.name}.gz") or _size(path) != file.size


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _refusal(path: Path, problem: str) -> DataError:
    """What is said of a damaged file, which is renamed so that nobody takes it for the right one again."""
    aside = _set_aside(path, path)
    mend = (
        "Replace or remove it" if path.exists() else "Put the right one in its place, or try again to have it fetched"
    )
    return DataError(f"{path} {problem}; {aside}. {mend}")


def _set_aside(path: Path, named: Path) -> str:
    """Rename a damaged file to what it should have been with ``.bad`` behind it, and say what came of that."""
    bad = named.with_name(f"{named.name}.bad")
    try:
        path.replace(bad)
    except FileNotFoundError:  # another process was faster
        pass
    except OSError as error:
        return f"it keeps its name, since it cannot be renamed ({error.strerror})"
    return f"it is now {bad.name}"
