"""Find and read the files that tasks need.

A file lies at ``FOLDER/<its folder>/<its name>``. It may be compressed with gzip, with ``.gz`` behind its name.
``FOLDER`` is the user's folder, if there is one, then the cache. Fetched files go to the cache.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lstm_bench.catalog.content import Damaged, check, content_of, reading, refusal
from lstm_bench.errors import DataError
from lstm_bench.plugin.task import DataFile
from lstm_bench.text import is_unicode


@dataclass(frozen=True)
class FileStatus:
    """Whether a file is there and right.

    Attributes:
        state: ``"verified"`` if the content is right.
        path: where the file lies; ``None`` if it is missing.
        problem: what is wrong with a damaged file, continuing a sentence that begins with its name.
    """

    state: Literal["verified", "missing", "damaged"]
    path: Path | None = None
    problem: str = ""


def user_folder() -> Path | None:
    """The folder that ``LSTM_BENCH_DATA`` names; ``None`` if the variable is not set.

    Raises:
        DataError: if its path is not in UTF-8, because it could not be sent to workers.
    """
    named = os.environ.get("LSTM_BENCH_DATA")
    if named and not is_unicode(named):
        raise DataError("LSTM_BENCH_DATA names a folder whose path is not in UTF-8: rename it, or name another")
    return Path(named) if named else None


def cache_folder() -> Path:
    """The folder of fetched files: ``LSTM_BENCH_CACHE``, or else the system's place for caches."""
    if named := os.environ.get("LSTM_BENCH_CACHE"):
        return Path(named)
    import platformdirs

    return platformdirs.user_cache_path("lstm-bench", appauthor=False)


def folders(data_dir: Path | None) -> list[Path]:
    """List the folders that are searched for files: the user's if the user named one, then the cache."""
    return [*([] if data_dir is None else [data_dir]), cache_folder()]


def find(file: DataFile, places: Sequence[Path]) -> Path | None:
    """The first path of a file in these folders, as it is or compressed; ``None`` if it is in none of them.

    Raises:
        DataError: if a folder cannot be read.
    """
    for place in places:
        for name in (file.name, f"{file.name}.gz"):
            path = place / file.folder / name
            with reading(path):
                if path.is_file():
                    return path
    return None


def look(file: DataFile, data_dir: Path | None) -> FileStatus:
    """Check whether a file is there and right. Changes nothing, and fetches nothing.

    Raises:
        DataError: if the file is there and cannot be read.
    """
    path = find(file, folders(data_dir))
    if path is None:
        return FileStatus("missing")
    try:
        check(path, file)
    except Damaged as damage:
        return FileStatus("damaged", path, str(damage))
    return FileStatus("verified", path)


def read_file(file: DataFile, data_dir: Path | None) -> bytes:
    """Return the checked, decompressed content of a file. Never fetches. A task calls this in its ``load``.

    Args:
        file: one of the ``files`` of the task's info.
        data_dir: the argument that ``load`` got.

    Raises:
        DataError: if the file is missing, cannot be read, or is damaged. A damaged file is renamed.
    """
    path = find(file, folders(data_dir))
    if path is None:
        raise DataError(
            f"{file.name} is missing. {where_to_put([file], data_dir)}, or fetch it with `lstm-bench data fetch`"
        )
    try:
        return b"".join(content_of(path, file))
    except Damaged as damage:
        raise refusal(path, str(damage)) from damage


def where_to_put(files: Sequence[DataFile], data_dir: Path | None) -> str:
    """Tell users where to put files that are missing and cannot be fetched."""
    folder = folders(data_dir)[0]
    places = [
        f"{', '.join(file.name for file in files if file.folder == name)} into {folder / name}"
        for name in dict.fromkeys(file.folder for file in files)
    ]
    return f"Put {'; '.join(places)} (with .gz behind a name if it is compressed)"
