from __future__ import annotations

import gc
import math
import statistics

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_configuration, a_failure, a_machine, a_timing, an_attempt, some_findings
from lstm_bench.record.attempt import Agreement, Attempt, Machine


@pytest.mark.parametrize(
    "record", [an_attempt(), a_configuration(), some_findings(), a_timing()], ids=lambda r: type(r).__name__
)
def test_the_garbage_collector_does_not_look_at_records(record):
    assert not gc.is_tracked(record)


@pytest.mark.parametrize(
    ("block_ns", "seconds"),
    [
        pytest.param((3_000_000,), 3e-4, id="one block"),
        pytest.param((1_000_000, 9_000_000, 2_000_000), 2e-4, id="odd, unordered"),
        pytest.param((1_000_000, 2_000_000, 4_000_000, 9_000_000), 3e-4, id="even"),
        pytest.param((1_000_000, 1_000_000, 10**15), 1e-4, id="one outlier changes nothing"),
    ],
)
def test_a_step_takes_the_median_block_divided_by_its_steps(block_ns, seconds):
    timing = a_timing(steps_per_block=10, batch_size=6, block_ns=block_ns, warmup_ns=(10**15,))
    assert timing.seconds_per_step == pytest.approx(seconds, rel=1e-12)
    assert timing.sequences_per_second == pytest.approx(6 / seconds, rel=1e-12)


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=9), st.integers(1, 999), st.integers(1, 999))
def test_throughput_times_time_is_the_batch(block_ns, steps, batch):
    timing = a_timing(steps_per_block=steps, batch_size=batch, block_ns=tuple(block_ns))
    assert timing.sequences_per_second * timing.seconds_per_step == pytest.approx(batch)
    assert timing.seconds_per_step == pytest.approx(statistics.median(block_ns) / steps / 1e9)


@pytest.mark.parametrize(
    ("error", "passes"),
    [(0.0, True), (1e-6, True), (1e-5, True)]
    + [(error, False) for error in (1.0001e-5, 1.0, None, math.nan, math.inf)],
)
def test_an_error_passes_up_to_its_tolerance_and_one_that_is_not_finite_never(error, passes):
    agreement = Agreement(errors={"logits": 0.0, "loss": error}, tolerances={"logits": 1e-5, "loss": 1e-5}, worst={})
    assert agreement.disagreements == (() if passes else ("loss",))


def test_all_disagreements_are_named_in_order():
    errors = {"a": 2.0, "b": 0.0, "c": None}
    assert Agreement(errors=errors, tolerances=dict.fromkeys("abc", 1.0), worst={}).disagreements == ("a", "c")


@pytest.mark.parametrize("attempt", [an_attempt(), a_failure()], ids=["ok", "failed"])
def test_an_attempt_comes_back_from_json_as_it_was(attempt):
    assert msgspec.json.decode(msgspec.json.encode(attempt), type=Attempt) == attempt


def test_numbers_that_json_does_not_have_come_back_as_none():
    errors = {"logits": math.nan, "loss": math.inf}
    agreement = Agreement(errors=errors, tolerances={"logits": 1.0, "loss": 1.0}, worst={})
    again = msgspec.json.decode(msgspec.json.encode(agreement), type=Agreement)
    assert again.errors == {"logits": None, "loss": None}
    assert again.disagreements == agreement.disagreements == ("logits", "loss")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"cores": "2"}, r"\$\.cores"), ({"cores": None}, r"\$\.cores"), ({"owner": "me"}, "owner")],
)
def test_a_record_is_checked_when_it_is_read(changes, message):
    text = msgspec.json.encode(msgspec.to_builtins(a_machine()) | changes)
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.json.decode(text, type=Machine)


def test_an_attempt_cannot_be_changed():
    with pytest.raises(AttributeError):
        an_attempt().status = "crashed"
    with pytest.raises(AttributeError):
        a_configuration().seed = 1
