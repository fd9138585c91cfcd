"""The results folder: one immutable JSON file for each attempt."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from lstm_bench.errors import StoreError
from lstm_bench.record.attempt import SCHEMA_VERSION, Attempt
from lstm_bench.record.migration import upgrade
from lstm_bench.text import brief


class _File(msgspec.Struct, frozen=True):
    """The content of a result file."""

    schema_version: int
    sha256: str
    attempt: msgspec.Raw


_decode_file = msgspec.json.Decoder(_File).decode
_decode_attempt = msgspec.json.Decoder(Attempt).decode


def prepare_folder(folder: Path) -> None:
    """Make the folder if there is none, and make sure that results can be written to it.

    Raises:
        StoreError: if they cannot. The message names the folder and the obstacle.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StoreError(
            f"cannot write results to {folder}: {error.strerror}. Choose another with --results"
        ) from error


def write_attempt(attempt: Attempt, folder: Path) -> Path:
    """Write an attempt to a new file, whole or not at all.

    Returns:
        The path of the file. Its name consists of the configuration's fingerprint and the attempt's id.

    Raises:
        StoreError: if the file cannot be written, or exists already.
    """
    body = msgspec.json.encode(attempt)
    content = msgspec.json.encode(_File(schema_version=SCHEMA_VERSION, sha256=_sha256(body), attempt=msgspec.Raw(body)))
    path = folder / f"{attempt.configuration.fingerprint[:12]}-{attempt.id}.json"
    try:
        with _temporary(path, content + b"\n") as temporary:
            os.link(temporary, path)  # unlike a rename, fails if the name is taken
            _sync(folder)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
    return path


def write_text(text: str, path: Path) -> None:
    """Write a text in UTF-8 as ``write_bytes`` does."""
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file whole or not at all. A file of that name is replaced.

    Raises:
        StoreError: if the file cannot be written.
    """
    if not path.parent.is_dir():
        raise StoreError(f"cannot write {path}: there is no folder {path.parent}")
    if path.exists() and not path.is_file():  # such as a device, which must not be replaced
        raise StoreError(f"cannot write {path}: it is no regular file")
    target = path.resolve()  # a link must stay a link
    try:
        with _temporary(target, content) as temporary:
            temporary.replace(target)
            _sync(target.parent)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def read_attempt(path: Path) -> Attempt:
    """Read one result file.

    Raises:
        StoreError: if the file cannot be used. The message names the file and says what is wrong with it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    try:
        file = _decode_file(content)
        if file.schema_version > SCHEMA_VERSION:
            raise StoreError(
                f"{path} has schema version {file.schema_version}, newer than this lstm-bench reads "
                f"({SCHEMA_VERSION}): upgrade lstm-bench"
            )
        if not _is_intact(file):
            raise StoreError(f"{path} is damaged: its content does not match its checksum")
        return _decode(file)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(f"{path} is not a result file: {brief(str(error))}") from error


def _decode(file: _File) -> Attempt:
    if file.schema_version == SCHEMA_VERSION:
        return _decode_attempt(file.attempt)
    return msgspec.convert(upgrade(msgspec.json.decode(file.attempt), file.schema_version), Attempt)


def read_folder(folder: Path) -> tuple[list[Attempt], list[str]]:
    """Read every attempt in a folder and below it.

    Args:
        folder: a folder, or a single file.

    Returns:
        The attempts, oldest first, and one line for each file or folder that could not be read.

    Raises:
        StoreError: if there is no such folder, or a single file cannot be used.
    """
    if folder.is_file():
        return [read_attempt(folder)], []
    if not folder.is_dir():
        raise StoreError(f"there is no folder {folder}: name one that `lstm-bench run` has written to")
    attempts, problems = [], []

    def unreadable(error: OSError) -> None:
        problems.append(f"cannot read {error.filename}: {error.strerror}")

    for parent, _, names in os.walk(folder, onerror=unreadable):
        for name in names:
            if name.endswith(".json"):
                try:
                    attempts.append(read_attempt(Path(parent, name)))
                except StoreError as error:
                    problems.append(str(error))
    return sorted(attempts, key=lambda attempt: attempt.id), sorted(problems)


def _as_typed(attempt: Attempt) -> tuple[object, ...]:
    """What a user types for the configuration of an attempt, without its seed, and the machine."""
    configuration = attempt.configuration
    return (
        attempt.findings.machine,
        configuration.task_selector,
        tuple(sorted(configuration.changes.items())),
        configuration.backend_selector,
        configuration.device,
        configuration.precision,
        configuration.threads,
        configuration.effort.name,
        configuration.epochs,
        configuration.steps,
        configuration.require_kernel,
    )


def latest(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Keep the attempts of the latest run of each configuration and machine.

    Configurations are the same if users type the same, whatever options and rounds lstm-bench has added since. The
    seeds of a run stay together: if one of them is the latest, all of them are kept.

    Returns:
        The attempts, sorted by task, backend, device and precision.
    """
    rows = [(attempt, _as_typed(attempt)) for attempt in sorted(attempts, key=lambda attempt: attempt.id)]
    newest = {(row, attempt.configuration.seed): attempt for attempt, row in rows}
    shown = {(attempt.run, row) for (row, _), attempt in newest.items() if attempt.run}
    kept = [
        attempt
        for attempt, row in rows
        if attempt is newest[row, attempt.configuration.seed] or (attempt.run, row) in shown
    ]

    def place(attempt: Attempt) -> tuple[object, ...]:
        configuration = attempt.configuration
        return (
            configuration.task,
            configuration.recipe.name,
            tuple(_natural(value) for value in configuration.task_options.values()),
            _natural(" ".join(configuration.changes.values())),
            configuration.backend_selector,
            configuration.device,
            configuration.precision,
            attempt.id,
        )

    return sorted(kept, key=place)


def _natural(text: str) -> tuple[str | int, ...]:
    """A key that sorts 10 after 9: text and numbers alternate."""
    return tuple(int(part) if at % 2 else part for at, part in enumerate(re.split(r"([0-9]+)", text)))


def _is_intact(file: _File) -> bool:
    """Whether an attempt still matches its checksum. White space may differ, the order of fields may not."""
    if _sha256(file.attempt) == file.sha256:  # the usual case; it saves decoding the attempt twice
        return True
    content = msgspec.json.decode(file.attempt)
    in_order, by_name = msgspec.json.encode(content), msgspec.json.encode(content, order="sorted")
    return file.sha256 in (_sha256(in_order), _sha256(by_name))  # fields were sorted by name before schema version 3


def _sha256(content: bytes | msgspec.Raw) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _temporary(target: Path, content: bytes) -> Iterator[Path]:
    """Yield a file beside ``target`` with the content, all of it on the disk; remove the file afterwards."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink()


def _sync(folder: Path) -> None:
    """Wait until the folder's own entries are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
