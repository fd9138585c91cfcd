"""docs/attempt.schema.json describes result files, and docs/config.schema.json the files for ``run --config``."""

from __future__ import annotations

import json
import runpy
import tomllib
from pathlib import Path

import jsonschema
import pytest

from builders import a_failure, an_attempt
from lstm_bench.record.attempt import SCHEMA_VERSION
from lstm_bench.record.migration import upgrade
from lstm_bench.record.store import write_attempt

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "attempt.schema.json").read_text())
FILES = sorted([*(ROOT / "results").rglob("*.json"), *(ROOT / "tests" / "fixtures").glob("attempt-*.json")])
WHOLE = ROOT / "tests" / "fixtures" / f"attempt-version-{SCHEMA_VERSION}.json"


def complaints(content):
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(content)]


def upgraded(file):
    """The content of a file as the present version writes it."""
    content = json.loads(file.read_bytes())
    return content | {
        "schema_version": SCHEMA_VERSION,
        "attempt": upgrade(content["attempt"], content["schema_version"]),
    }


CONFIG = json.loads((ROOT / "docs" / "config.schema.json").read_text())


def test_both_are_schemas():
    for schema in (SCHEMA, CONFIG):
        jsonschema.Draft202012Validator.check_schema(schema)


def complaints_of_config(text):
    return [e.message for e in jsonschema.Draft202012Validator(CONFIG).iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize("file", sorted((ROOT / "results").glob("*.toml")), ids=lambda file: file.stem)
def test_the_files_of_published_runs_are_valid(file):
    assert complaints_of_config(file.read_text()) == []


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ('backend = ["torch", "jax"]\nhidden = [64, 128]\nseeds = 5\neffort = "rigorous"', True),
        ("batch-norm = [true, false]\ntimeout = 30.5\nquiet = true", True),
        ("hiden = [64]", False),
        ("seeds = 0", False),
        ('effort = "thorough"', False),
        ('precision = "float8"', False),
        ("quick = true", False),
    ],
)
def test_an_editor_sees_what_the_command_would_refuse(text, valid):
    assert (complaints_of_config(text) == []) == valid


def test_it_is_made_from_the_types_as_they_are_now():
    made = runpy.run_path(str(ROOT / "docs" / "schema.py"))["written"]()
    assert len(made) == 2
    for path, text in made.items():
        assert path.read_text() == text, "run: python docs/schema.py"


def test_every_field_is_described():
    for name, definition in SCHEMA["$defs"].items():
        missing = [field for field, of in definition["properties"].items() if not of.get("description")]
        assert (name, missing) == (name, [])


def test_published_results_and_those_of_every_schema_version_are_valid():
    assert len(FILES) > SCHEMA_VERSION
    assert {file.name: found for file in FILES if (found := complaints(upgraded(file)))} == {}


@pytest.mark.parametrize("attempt", [an_attempt(), a_failure()], ids=["ok", "failed"])
def test_what_is_written_today_is_valid(tmp_path, attempt):
    assert complaints(json.loads(write_attempt(attempt, tmp_path).read_bytes())) == []


def test_fields_that_had_not_been_thought_of_yet_may_be_missing():
    content = json.loads(WHOLE.read_bytes())
    del content["attempt"]["round"]
    assert complaints(content) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(schema_version=SCHEMA_VERSION + 1),
        lambda content: content.update(sha256="0"),
        lambda content: content["attempt"].update(status="fine"),
        lambda content: content["attempt"].update(colour="red"),
        lambda content: content["attempt"].pop("configuration"),
        lambda content: content["attempt"]["configuration"].update(threads="2"),
        lambda content: content["attempt"]["findings"]["timings"]["train"].update(block_ns=[]),
    ],
    ids=[
        "a newer version",
        "no checksum",
        "an unknown status",
        "a field too many",
        "a field missing",
        "a wrong type",
        "no blocks",
    ],
)
def test_what_cannot_be_read_is_not_valid(change):
    content = json.loads(WHOLE.read_bytes())
    change(content)
    assert complaints(content)
