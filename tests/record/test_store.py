import hashlib
import json
import math
import os
import re
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    a_configuration,
    a_failure,
    a_judgement,
    a_machine,
    a_model,
    a_recipe,
    a_training,
    an_attempt,
    recipes,
    some_findings,
)
from lstm_bench.errors import StoreError
from lstm_bench.model.flops import operations
from lstm_bench.record.attempt import SCHEMA_VERSION, Agreement, Ceiling, Findings, Memory, Training
from lstm_bench.record.migration import upgrade
from lstm_bench.record.store import (
    latest,
    prepare_folder,
    read_attempt,
    read_folder,
    to_frame,
    write_attempt,
    write_text,
)


def rewrite(path, change):
    """Change a file's decoded JSON."""
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


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


def test_a_file_is_named_by_the_cell_and_the_attempt(tmp_path):
    attempt = an_attempt(7)
    path = write_attempt(attempt, tmp_path)
    assert path == tmp_path / f"{attempt.configuration.fingerprint[:12]}-20260102T030405-000007-0123abcd.json"


def test_a_file_is_one_json_object_that_tells_its_schema_version(tmp_path):
    content = json.loads(write_attempt(an_attempt(), tmp_path).read_text(encoding="utf-8"))
    assert set(content) == {"schema_version", "sha256", "attempt"}
    assert content["schema_version"] == SCHEMA_VERSION
    assert content["attempt"]["configuration"]["backend"] == "torch"


def test_a_checksum_is_of_the_very_bytes_that_are_written(tmp_path):
    """So that reading them needs no second decoding."""
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


def test_attempts_of_one_cell_stand_beside_each_other(tmp_path):
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


def id_of(attempt):
    return attempt.id


def test_of_each_cell_and_machine_the_latest_attempt_counts():
    here, there = some_findings(machine=a_machine()), some_findings(machine=a_machine(processor="Another"))
    numpy = a_configuration(backend="numpy")
    attempts = [
        an_attempt(2, findings=here),
        an_attempt(3, findings=here, status="diverged", reason="nan"),
        an_attempt(1, findings=here),
        an_attempt(4, findings=there),
        an_attempt(5, configuration=numpy),
    ]
    assert latest(attempts) == [attempts[4], attempts[1], attempts[3]]


def test_the_seeds_of_a_run_stay_together_until_all_of_them_were_run_again():
    def run(name, *seeds, begin):
        return [an_attempt(begin + seed, configuration=a_configuration(seed=seed), run=name) for seed in seeds]

    three, one_more = run("a", 0, 1, 2, begin=10), run("b", 0, begin=20)
    assert set(map(id_of, latest([*three, *one_more]))) == set(map(id_of, [*three, *one_more]))
    again = run("c", 0, 1, 2, begin=30)
    assert set(map(id_of, latest([*three, *one_more, *again]))) == set(map(id_of, again))
    other = [an_attempt(40, configuration=a_configuration(seed=0, backend="numpy"), run="a")]
    assert id_of(three[0]) not in map(id_of, latest([three[0], *one_more, *other]))


def test_the_latest_come_in_order_of_task_backend_device_and_precision():
    configurations = [
        a_configuration(task="copy", backend="numpy", device="cpu", precision="float32"),
        a_configuration(task="copy", backend="numpy", device="cpu", precision="float64"),
        a_configuration(task="copy", backend="numpy", device="cuda:0", precision="float32"),
        a_configuration(task="copy", backend="torch", device="cpu", precision="float32"),
        a_configuration(task="flights", backend="numpy", device="cpu", precision="float32"),
        a_configuration(task="flights", backend="numpy", device="cpu", precision="float32", seed=1),
    ]
    attempts = [an_attempt(number, configuration=configuration) for number, configuration in enumerate(configurations)]
    assert latest(reversed(attempts)) == attempts
    assert latest([]) == []


def as_written(read, written):
    """Make sure that a record says what its JSON says, and has the defaults of what that does not say."""
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
    """Each was written by the code of its time."""
    path = Path(__file__).parents[1] / "fixtures" / f"attempt-version-{version}.json"
    content = json.loads(path.read_bytes())
    assert content["schema_version"] == version
    as_written(read_attempt(path), upgrade(content["attempt"], version))


def test_numbers_among_what_varies_come_in_their_order():
    configurations = [
        a_configuration(task="copy", task_options={"delay": delay}, changes=changes)
        for delay in ("9", "10", "100")
        for changes in ({}, {"hidden": "8"}, {"hidden": "16"})
    ]
    attempts = [an_attempt(number, configuration=configuration) for number, configuration in enumerate(configurations)]
    assert latest(reversed(attempts)) == attempts
    older = an_attempt(99, configuration=a_configuration(task="copy"))  # when the task had no options yet
    assert latest([*attempts, older]) == [older, *attempts]


ROW = {
    "task": "flights:tutorial[a=1]",
    "backend": "torch[mode=fast]",
    "version": "2.9.1",
    "device": "cpu",
    "device_name": "Slide rule",
    "precision": "float32",
    "observed_precision": "float32",
    "observed_denormals": "flushed",
    "threads": 2,
    "seed": 0,
    "effort": "default",
    "cell": "lstm",
    "hidden_sizes": "100",
    "batch_norm": False,
    "batch_size": 4,
    "optimizer": "sgd",
    "learning_rate": 0.5,
    "epochs": 30,
    "recipe_epochs": 300,
    "parameters": 40_901,
    "native_parameters": 41_301,
    "metric": "rmse",
    "unit": "passengers",
    "value": 50.25,
    "train_sequences_per_s": pytest.approx(4 / 1.5e-4),
    "gradient_sequences_per_s": None,
    "infer_sequences_per_s": pytest.approx(4 / 2.5e-5),
    "train_step_s": pytest.approx(1.5e-4),
    "gradient_step_s": None,
    "infer_step_s": pytest.approx(2.5e-5),
    "train_flops_per_s": pytest.approx(operations(a_model(), "train", batch=4, time=12) / 1.5e-4),
    "gradient_flops_per_s": None,
    "infer_flops_per_s": pytest.approx(operations(a_model(), "infer", batch=4, time=12) / 2.5e-5),
    "ceiling_flops_per_s": 2e9,
    "train_floor_s": 1e-6,
    "gradient_floor_s": None,
    "infer_floor_s": None,
    "import_s": 1.5,
    "first_step_s": 0.25,
    "training_s": 2.5,
    "training_steps": 3,
    "stopped": "",
    "best_step": None,
    "peak_memory_bytes": 3 * 2**20,
    "device_peak_memory_bytes": 12_345,
    "kernel_path": "oneDNN lstm",
    "training_kernel_path": "",
    "run": "",
    "round": 0,
    "times_only": False,
    "status": "ok",
    "reason": "",
    "created": "2026-01-02T03:04:05+00:00",
    "id": "20260102T030405-000001-0123abcd",
    "processor": "Abacus 9",
    "error_logits": 0.125,
    "error_logits_after_training": 0.25,
    "metric_rmse": 50.25,
    "metric_mae": 40.125,
    "baseline_last_value_rmse": 102.5,
    "baseline_same_month_rmse": 60.75,
}
WHAT_A_FAILURE_HAS = [
    "task",
    "backend",
    "device",
    "device_name",
    "precision",
    "threads",
    "seed",
    "effort",
    "cell",
    "hidden_sizes",
    "batch_norm",
    "batch_size",
    "optimizer",
    "learning_rate",
    "epochs",
    "recipe_epochs",
    "parameters",
    "kernel_path",
    "training_kernel_path",
    "run",
    "round",
    "times_only",
    "status",
    "reason",
    "created",
    "id",
]


def a_full_attempt(number=1):
    errors = {"logits": 0.125, "logits after training": 0.25}
    findings = some_findings(
        agreement=Agreement(errors=errors, tolerances=dict.fromkeys(errors, 1.0), worst={}),
        memory=Memory(after_import=2**28, peak=2**28 + 3 * 2**20, device_peak=12_345),
        batch_shape=(4, 12, 1),
        ceiling=Ceiling(size=512, flops_per_second=2e9, floor_seconds={"train": 1e-6}),
    )
    configuration = a_configuration(epochs=30, task_options={"a": "1"}, backend_options={"mode": "fast"})
    return an_attempt(number, configuration=configuration, findings=findings)


def test_a_frame_has_a_row_for_each_attempt_with_every_value_in_its_column():
    frame = to_frame([a_full_attempt()])
    assert frame.iloc[0].to_dict() == ROW
    assert list(frame.columns) == list(ROW)


def test_a_frame_holds_missing_values_where_nothing_is_known():
    frame = to_frame([a_full_attempt(1), a_failure(2)])
    assert list(frame["status"]) == ["ok", "crashed"]
    known = frame.columns[frame.iloc[1].notna()]
    assert list(known) == WHAT_A_FAILURE_HAS


def test_a_frame_of_failures_alone_has_the_same_columns_but_for_what_nobody_measured():
    frame = to_frame([a_failure()])
    assert list(frame.columns) == [name for name in ROW if not name.startswith(("error_", "metric_", "baseline_"))]


@pytest.mark.parametrize(
    ("findings", "column"),
    [
        (some_findings(judgement=a_judgement(None)), "value"),
        (some_findings(judgement=a_judgement(metric="not measured")), "value"),
        (some_findings(timings={}), "train_sequences_per_s"),
        (some_findings(memory=Memory(after_import=1, peak=None, device_peak=None)), "peak_memory_bytes"),
        (some_findings(agreement=Agreement(errors={"x": None}, tolerances={"x": 1.0}, worst={})), "error_x"),
        (some_findings(versions={}), "version"),
        (some_findings(native_parameter_count=None), "native_parameters"),
        (Findings(), "processor"),
    ],
)
def test_what_a_worker_did_not_find_out_is_missing(findings, column):
    assert pd.isna(to_frame([an_attempt(findings=findings)])[column].item())


def test_a_frame_of_nothing_has_no_rows():
    assert len(to_frame([])) == 0
