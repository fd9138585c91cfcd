"""Result files that cannot be used: each is named with what is wrong, and the others are read."""

from __future__ import annotations

import hashlib
import json

import pytest

from builders import an_attempt
from lstm_bench.errors import StoreError
from lstm_bench.record.attempt import SCHEMA_VERSION
from lstm_bench.record.store import read_attempt, read_folder, write_attempt


def rewrite(path, change):
    """Change a file's decoded JSON."""
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


def flip(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"seed":0', b'"seed":1'))
    assert path.read_bytes() != content


def set_schema(version):
    return lambda path: rewrite(path, lambda content: content.update(schema_version=version))


DAMAGE = {
    "one digit changed": (flip, "is damaged: its content does not match its checksum"),
    "the checksum changed": (
        lambda path: rewrite(path, lambda content: content.update(sha256="0" * 64)),
        "is damaged: its content does not match its checksum",
    ),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "is not a result file"),
    "empty": (lambda path: path.write_bytes(b""), "is not a result file"),
    "not json": (lambda path: path.write_text("status: ok"), "is not a result file"),
    "not text": (lambda path: path.write_bytes(b'{"a": "\xff\xfe"}'), "is not a result file"),
    "half a character": (
        lambda path: path.write_text(path.read_text().replace('"reason":""', '"reason":"\\ud800"')),
        "is not a result file",
    ),
    "zeros": (lambda path: path.write_bytes(bytes(len(path.read_bytes()))), "is not a result file"),
    "another program's": (lambda path: path.write_text('{"name": "x"}'), "is not a result file"),
    "a list": (lambda path: path.write_text("[]"), "is not a result file"),
    "of a newer version": (
        set_schema(SCHEMA_VERSION + 1),
        f"has schema version {SCHEMA_VERSION + 1}, newer than this lstm-bench reads ({SCHEMA_VERSION}): upgrade",
    ),
    "of a version that is no number": (set_schema("1"), "is not a result file"),
}
damaged = pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)


@damaged
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong(tmp_path, damage, message):
    path = write_attempt(an_attempt(), tmp_path)
    damage(path)
    for read in (read_attempt, read_folder):
        with pytest.raises(StoreError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path} {message}")


@damaged
def test_a_file_that_cannot_be_used_is_named_and_the_rest_is_read(tmp_path, damage, message):
    first, second, third = (an_attempt(number) for number in (1, 2, 3))
    paths = [write_attempt(attempt, tmp_path) for attempt in (first, second, third)]
    damage(paths[1])
    attempts, problems = read_folder(tmp_path)
    assert attempts == [first, third]
    (problem,) = problems
    assert problem.startswith(f"{paths[1]} {message}")


def with_checksum(tmp_path, change):
    """A file whose content was changed and whose checksum fits."""
    path = write_attempt(an_attempt(), tmp_path)
    content = json.loads(path.read_bytes())
    change(content["attempt"])
    body = json.dumps(content["attempt"], separators=(",", ":"), ensure_ascii=False)
    content["sha256"] = hashlib.sha256(body.encode()).hexdigest()
    path.write_text(json.dumps(content))
    return path


def test_a_changed_file_with_a_fitting_checksum_is_read(tmp_path):
    path = with_checksum(tmp_path, lambda attempt: attempt.update(reason="changed"))
    assert read_attempt(path) == an_attempt(reason="changed")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda attempt: attempt.pop("status"), "`status`"),
        (lambda attempt: attempt.update(status="fine"), "$.status"),
        (lambda attempt: attempt.update(colour="red"), "`colour`"),
        (lambda attempt: attempt["configuration"].update(threads="2"), "$.configuration.threads"),
        (lambda attempt: attempt["configuration"]["recipe"]["model"].update(hidden_sizes=[]), "ModelSpec.hidden_sizes"),
    ],
    ids=["a field missing", "an unknown status", "a field too many", "a wrong type", "an impossible model"],
)
def test_a_file_with_wrong_fields_is_named_with_the_field(tmp_path, change, what):
    path = with_checksum(tmp_path, change)
    with pytest.raises(StoreError) as caught:
        read_attempt(path)
    assert str(caught.value).startswith(f"{path} is not a result file: ")
    assert what in str(caught.value)


def test_a_file_nested_beyond_reason_is_named_and_the_rest_is_read(tmp_path):
    write_attempt(an_attempt(), tmp_path)
    (tmp_path / "deep.json").write_text('{"schema_version":1,"sha256":"","attempt":' + "[" * 10**5 + "]" * 10**5 + "}")
    attempts, problems = read_folder(tmp_path)
    assert attempts == [an_attempt()]
    assert "deep.json" in problems[0]


def test_a_long_name_in_a_file_is_told_in_brief(tmp_path):
    path = with_checksum(tmp_path, lambda attempt: attempt.update({"x" * 200_000: 1}))
    with pytest.raises(StoreError, match="unknown field `xxx") as caught:
        read_attempt(path)
    assert len(str(caught.value)) < 5_000
