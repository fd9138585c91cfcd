"""Every attempt in full, as CSV and JSON for programs."""

import json

import pytest

from builders import a_failure, an_attempt, some_findings
from formats import FORMATS, an_attempt_of, read_csv
from lstm_bench.record.attempt import Agreement
from lstm_bench.record.frame import to_frame


def test_json_holds_the_values_of_the_frame():
    attempts = [an_attempt_of(50.123456789012345, 1), a_failure(2)]
    records = json.loads(FORMATS["attempts-json"](attempts))
    expected = to_frame(attempts).astype(object).where(lambda frame: frame.notna(), None).to_dict("records")
    assert len(records) == 2
    for record, row in zip(records, expected, strict=True):
        assert record == {
            name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value for name, value in row.items()
        }


@pytest.mark.parametrize("value", [1.2345678901234567e-05, 1.2345678901234567e-10, 1.2345678901234567e-14])
def test_json_holds_small_numbers_as_exactly_as_large_ones(value):
    agreement = Agreement(errors={"logits": value}, tolerances={"logits": 1.0}, worst={})
    (record,) = json.loads(FORMATS["attempts-json"]([an_attempt(findings=some_findings(agreement=agreement))]))
    assert record["error_logits"] == pytest.approx(value, rel=1e-12, abs=0)


def test_csv_holds_every_column_and_the_exact_values():
    attempts = [an_attempt_of(1.2345678901234567e-10, 1), a_failure(2)]
    frame = to_frame(attempts)
    first, second = read_csv(FORMATS["attempts-csv"](attempts))
    assert list(first) == list(frame.columns)
    assert float(first["value"]) == 1.2345678901234567e-10
    assert float(first["train_step_s"]) == frame["train_step_s"][0]
    assert first["parameters"] == second["parameters"] == "40901"
    assert first["metric"] == "rmse"
    assert second["value"] == second["metric"] == second["version"] == ""
    assert second["reason"] == "left in phase 'start'"


def test_csv_leaves_negative_numbers_alone():
    (record,) = read_csv(FORMATS["attempts-csv"]([an_attempt_of(-1.5)]))
    assert record["value"] == "-1.5"


def test_a_carriage_return_begins_no_new_row_in_csv():
    (record,) = read_csv(FORMATS["attempts-csv"]([a_failure(reason="50%\r=cmd()")]))
    assert record["reason"] == "50%\n=cmd()"
