from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from lstm_bench.errors import StoreError
from lstm_bench.record.attempt import SCHEMA_VERSION
from lstm_bench.record.migration import upgrade
from lstm_bench.record.store import read_attempt

FIXTURES = Path(__file__).parents[1] / "fixtures"
WITH_CELLS = range(1, 4)
"""Schema versions that call a configuration a cell."""


def as_written(read, written):
    """Assert that a record has the values of its JSON, and the defaults of fields that the JSON lacks."""
    match read:
        case msgspec.Struct():
            assert set(written) <= set(read.__struct_fields__)
            for field in msgspec.structs.fields(read):
                value = getattr(read, field.name)
                if field.name in written:
                    as_written(value, written[field.name])
                else:
                    assert value == ({} if field.default is msgspec.NODEFAULT else field.default)
                    assert not field.required
        case dict():
            assert list(read) == list(written)
            for name in read:
                as_written(read[name], written[name])
        case tuple():
            for one, other in zip(read, written, strict=True):
                as_written(one, other)
        case _:
            assert (type(read), read) == (type(written), written)


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_a_file_of_every_schema_version_is_read_as_it_was_written(version):
    """Each fixture was written by the code of its version."""
    path = FIXTURES / f"attempt-version-{version}.json"
    content = json.loads(path.read_bytes())
    assert content["schema_version"] == version
    as_written(read_attempt(path), upgrade(content["attempt"], version))


def older_attempt(version, **changes):
    """The attempt in the fixture of an older version, with fields of its configuration and findings changed."""
    attempt = json.loads((FIXTURES / f"attempt-version-{version}.json").read_bytes())["attempt"]
    attempt["cell"] |= changes.pop("cell", {})
    attempt["findings"] |= changes.pop("findings", {})
    assert not changes
    return attempt


def file_with(attempt, version, folder):
    """A file of that version whose checksum fits the attempt."""
    body = json.dumps(attempt, separators=(",", ":"), ensure_ascii=False)
    path = folder / "attempt.json"
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    path.write_text(f'{{"schema_version":{version},"sha256":"{sha256}","attempt":{body}}}')
    return path


@pytest.mark.parametrize("version", WITH_CELLS)
def test_cell_becomes_configuration(version):
    cell = older_attempt(version)["cell"]
    upgraded = upgrade(older_attempt(version), version)
    assert "cell" not in upgraded
    assert upgraded["configuration"] == cell


@pytest.mark.parametrize(("old", "new"), [("on", "true"), ("off", "false")])
@pytest.mark.parametrize("version", WITH_CELLS)
def test_batch_norm_on_or_off_becomes_true_or_false(version, old, new, tmp_path):
    attempt = older_attempt(version, cell={"changes": {"hidden": "16", "batch-norm": old}})
    changes = read_attempt(file_with(attempt, version, tmp_path)).configuration.changes
    assert changes == {"hidden": "16", "batch-norm": new}


SERIES = {"forecast": "forecast", "title": "passengers", "begins": "1959-11", "values": [1.0, 2.0, 3.0, 4.0]}


@pytest.mark.parametrize("version", WITH_CELLS)
def test_the_first_month_of_an_observed_series_becomes_one_date_for_each_value(version, tmp_path):
    attempt = older_attempt(version, findings={"observed": SERIES | {"baselines": {"last value": [3.0]}}})
    observed = read_attempt(file_with(attempt, version, tmp_path)).findings.observed
    assert observed.times == ("1959-11", "1959-12", "1960-01", "1960-02")
    assert observed.values == (1.0, 2.0, 3.0, 4.0)
    assert observed.baselines == {"last value": (3.0,)}


@pytest.mark.parametrize("version", WITH_CELLS)
def test_an_attempt_in_which_nothing_was_observed_has_no_dates(version, tmp_path):
    attempt = older_attempt(version, findings={"observed": None})
    assert read_attempt(file_with(attempt, version, tmp_path)).findings.observed is None


def test_the_present_version_is_left_alone():
    attempt = json.loads((FIXTURES / f"attempt-version-{SCHEMA_VERSION}.json").read_bytes())["attempt"]
    before = json.dumps(attempt)
    assert json.dumps(upgrade(attempt, SCHEMA_VERSION)) == before


def without(name):
    return {key: value for key, value in SERIES.items() if key != name}


def without_cell(version):
    attempt = older_attempt(version)
    del attempt["cell"]
    return attempt


NONSENSE = {
    "a list": (lambda version: [1, 2], "TypeError"),
    "a list of lists": (lambda version: [[]], "TypeError"),
    "a number": (lambda version: 3, "AttributeError"),
    "null": (lambda version: None, "AttributeError"),
    "an empty object": (lambda version: {}, "KeyError: 'cell'"),
    "no cell": (without_cell, "KeyError: 'cell'"),
    "a cell that is a text": (lambda version: older_attempt(version) | {"cell": "lstm"}, "AttributeError"),
    "findings that are null": (lambda version: older_attempt(version) | {"findings": None}, "AttributeError"),
    "changes that are a number": (lambda version: older_attempt(version, cell={"changes": 1}), "TypeError"),
    "batch-norm maybe": (
        lambda version: older_attempt(version, cell={"changes": {"batch-norm": "maybe"}}),
        "KeyError: 'maybe'",
    ),
    "batch-norm that is a list": (
        lambda version: older_attempt(version, cell={"changes": {"batch-norm": []}}),
        "TypeError",
    ),
    "observed that is a text": (lambda version: older_attempt(version, findings={"observed": "x"}), "AttributeError"),
    "observed without begins": (
        lambda version: older_attempt(version, findings={"observed": without("begins")}),
        "KeyError: 'begins'",
    ),
    "observed without values": (
        lambda version: older_attempt(version, findings={"observed": without("values")}),
        "KeyError: 'values'",
    ),
    "begins that is a number": (
        lambda version: older_attempt(version, findings={"observed": SERIES | {"begins": 1959}}),
        "AttributeError",
    ),
    "begins without a month": (
        lambda version: older_attempt(version, findings={"observed": SERIES | {"begins": "1959"}}),
        "ValueError",
    ),
    "begins that is no date": (
        lambda version: older_attempt(version, findings={"observed": SERIES | {"begins": "one\n-two"}}),
        "ValueError",
    ),
}


@pytest.mark.parametrize("version", WITH_CELLS)
@pytest.mark.parametrize(("attempt", "error"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_under_a_right_checksum_is_one_line_that_names_the_file(attempt, error, version, tmp_path):
    path = file_with(attempt(version), version, tmp_path)
    with pytest.raises(StoreError) as caught:
        read_attempt(path)
    message = str(caught.value)
    assert message.startswith(
        f"{path} is not a result file: its content is not that of schema version {version} ({error}"
    )
    assert "\n" not in message


@pytest.mark.parametrize("version", WITH_CELLS)
@pytest.mark.parametrize(
    ("findings", "what"),
    [
        ({"observed": SERIES | {"begins": "0000-00"}}, "dates"),
        ({"observed": SERIES | {"values": [1.0, "two"]}}, "float"),
        ({"colour": "red"}, "colour"),
        ({"versions": []}, "versions"),
    ],
    ids=["a year before 0", "a value that is a text", "a field too many", "versions that are a list"],
)
def test_content_that_can_be_upgraded_and_makes_no_sense_is_one_line_that_names_the_file(
    findings, what, version, tmp_path
):
    path = file_with(older_attempt(version, findings=findings), version, tmp_path)
    with pytest.raises(StoreError) as caught:
        read_attempt(path)
    assert str(caught.value).startswith(f"{path} is not a result file: ")
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", WITH_CELLS)
def test_a_long_value_that_makes_no_sense_is_told_in_brief(version, tmp_path):
    path = file_with(older_attempt(version, cell={"changes": {"batch-norm": "x" * 200_000}}), version, tmp_path)
    with pytest.raises(StoreError, match="KeyError: 'xxx") as caught:
        read_attempt(path)
    assert len(str(caught.value)) < 5_000
