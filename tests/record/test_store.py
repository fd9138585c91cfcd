from __future__ import annotations

import hashlib
import json
import math
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_configuration, a_failure, a_judgement, a_recipe, a_training, an_attempt, recipes, some_findings
from lstm_bench.errors import StoreError
from lstm_bench.record.attempt import SCHEMA_VERSION, Agreement, Training
from lstm_bench.record.store import prepare_folder, read_attempt, read_folder, write_attempt, write_text


@pytest.mark.parametrize("attempt", [an_attempt(), a_failure()], ids=["ok", "failed"])
def test_an_attempt_is_read_as_it_was_written(tmp_path, attempt):
    path = write_attempt(attempt, tmp_path)
    assert read_attempt(path) == attempt
    assert read_folder(tmp_path) == ([attempt], [])
    assert read_folder(path) == ([attempt], [])


@given(recipe=recipes, text=st.text(), number=st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_an_attempt_holds_is_read_as_it_was_written(tmp_path_factory, recipe, text, number):
    findings = some_findings(judgement=a_judgement(number), seconds={text: number}, kernel_path=text)
    attempt = an_attempt(configuration=a_configuration(recipe=recipe), reason=text, output_tail=text, findings=findings)
    assert read_attempt(write_attempt(attempt, tmp_path_factory.mktemp("results"))) == attempt


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_read_as_unknown(tmp_path, value):
    agreement = Agreement(errors={"logits": value}, tolerances={"logits": 1.0}, worst={})
    training = Training(steps=1, seconds=1.0, first_losses=(value,), epoch_losses=(value,))
    findings = some_findings(judgement=a_judgement(value), agreement=agreement, training=training)
    read = read_attempt(write_attempt(an_attempt(findings=findings), tmp_path)).findings
    assert read.judgement == a_judgement(None)
    assert read.agreement.errors == {"logits": None}
    assert read.agreement.disagreements == ("logits",)
    assert read.training.first_losses == read.training.epoch_losses == (None,)


def test_a_file_is_named_by_the_configuration_and_the_attempt(tmp_path):
    attempt = an_attempt(7)
    path = write_attempt(attempt, tmp_path)
    assert path == tmp_path / f"{attempt.configuration.fingerprint[:12]}-20260102T030405-000007-0123abcd.json"


def test_a_file_is_one_json_object_that_tells_its_schema_version(tmp_path):
    content = json.loads(write_attempt(an_attempt(), tmp_path).read_text(encoding="utf-8"))
    assert set(content) == {"schema_version", "sha256", "attempt"}
    assert content["schema_version"] == SCHEMA_VERSION
    assert content["attempt"]["configuration"]["backend"] == "torch"


def test_a_checksum_is_of_the_very_bytes_that_are_written(tmp_path):
    """Then reading the file needs no second decoding."""
    content = write_attempt(an_attempt(), tmp_path).read_bytes()
    body = content.partition(b'"attempt":')[2].removesuffix(b"}\n")
    assert json.loads(content)["sha256"] == hashlib.sha256(body).hexdigest()


def test_writing_leaves_no_other_file(tmp_path):
    path = write_attempt(an_attempt(), tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_an_attempt_is_never_overwritten(tmp_path):
    path = write_attempt(an_attempt(), tmp_path)
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        write_attempt(an_attempt(reason="another story"), tmp_path)
    assert str(caught.value).startswith(f"cannot write {path}: ")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_while_writing_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        write_attempt(an_attempt(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_attempts_of_one_configuration_are_stored_side_by_side(tmp_path):
    written = [an_attempt(number) for number in (3, 1, 2)]
    assert len({write_attempt(attempt, tmp_path) for attempt in written}) == 3
    assert read_folder(tmp_path) == (sorted(written, key=lambda attempt: attempt.id), [])


REFORMAT = {
    "indented": lambda content: json.dumps(content, indent=2),
    "compact": lambda content: json.dumps(content, separators=(",", ":")),
    "with tabs": lambda content: json.dumps(content, indent="\t") + "\n\n",
}


@pytest.mark.parametrize("reformat", REFORMAT.values(), ids=REFORMAT)
def test_reformatting_does_no_harm(tmp_path, reformat):
    path = write_attempt(an_attempt(), tmp_path)
    path.write_text(reformat(json.loads(path.read_bytes())))
    assert read_attempt(path) == an_attempt()


def test_the_order_of_what_has_names_is_kept_since_the_frameworks_version_comes_first(tmp_path):
    path = write_attempt(an_attempt(), tmp_path)
    assert list(read_attempt(path).findings.versions) == ["torch", "oneDNN"]
    path.write_text(json.dumps(json.loads(path.read_bytes()), sort_keys=True))
    with pytest.raises(StoreError, match="is damaged"):
        read_attempt(path)


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(
            an_attempt(configuration=a_configuration(recipe=a_recipe(train=a_training(learning_rate=1e-5)))),
            id="1e-5 as 1e-05",
        ),
        pytest.param(an_attempt(reason="café"), id="é as \\u00e9"),
    ],
)
def test_reformatting_does_no_harm_where_json_has_two_ways_to_write_a_value(tmp_path, attempt):
    path = write_attempt(attempt, tmp_path)
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=2))
    assert read_attempt(path) == attempt


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"cannot read .*gone\.json: No such file"):
        read_attempt(tmp_path / "gone.json")


def test_folders_below_are_read_too_and_other_files_are_not(tmp_path):
    below = tmp_path / "2026" / "january"
    below.mkdir(parents=True)
    write_attempt(an_attempt(2), below)
    write_attempt(an_attempt(1), tmp_path)
    (tmp_path / "README.md").write_text("results")
    (tmp_path / ".x.json.1.tmp").write_text("half a fi")
    assert read_folder(tmp_path) == ([an_attempt(1), an_attempt(2)], [])


def test_an_empty_folder_holds_nothing(tmp_path):
    assert read_folder(tmp_path) == ([], [])


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(
        StoreError, match=r"there is no folder .*elsewhere: name one that `lstm-bench run` has written to"
    ):
        read_folder(tmp_path / "elsewhere")


def test_a_folder_is_made_ready_and_stays_empty(tmp_path):
    folder = tmp_path / "a" / "b"
    prepare_folder(folder)
    prepare_folder(folder)
    assert list(folder.iterdir()) == []
    write_attempt(an_attempt(), folder)


@pytest.fixture
def below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "results"


@pytest.fixture
def read_only(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("the superuser may write anywhere")
    tmp_path.chmod(0o500)
    yield tmp_path
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("folder", ["below_a_file", "read_only"])
def test_a_folder_that_cannot_be_written_is_named_beforehand_and_when_writing(request, folder):
    folder = request.getfixturevalue(folder)
    with pytest.raises(StoreError) as caught:
        prepare_folder(folder)
    assert str(caught.value).startswith(f"cannot write results to {folder}: ")
    assert str(caught.value).endswith("Choose another with --results")
    with pytest.raises(StoreError, match=re.escape(f"cannot write {folder}/")):
        write_attempt(an_attempt(), folder)


def test_a_text_replaces_what_its_file_held_and_a_link_stays_one(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("a long text that was there before")
    link.symlink_to(file)
    write_text("µ ±", link)
    assert link.is_symlink()
    assert file.read_bytes() == "µ ±".encode()
    assert len(list(tmp_path.iterdir())) == 2
