from __future__ import annotations

import pandas as pd
import pytest

from builders import a_configuration, a_failure, a_judgement, a_model, an_attempt, some_findings
from lstm_bench.model.flops import operations
from lstm_bench.record.attempt import Agreement, Ceiling, Findings, Memory
from lstm_bench.record.frame import to_frame

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
