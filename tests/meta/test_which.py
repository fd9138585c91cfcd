"""docs/which.md says what the published results say."""

from __future__ import annotations

import pytest

from lstm_bench.analysis.groups import by_speed, group_attempts
from lstm_bench.record.store import latest, read_folder
from lstm_bench.reports.models import by_model
from lstm_bench.reports.verdict import RIVALS, verdict
from pages import ROOT

PAGE = (ROOT / "docs" / "which.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")][1:]
CASES = {
    "One short sequence per step": ("every-task", "flights:tutorial"),
    "Small batches": ("mnist", "mnist-rows:default"),
    "Medium model": ("every-task", "copy:default"),
    "Larger model": ("speed", "speed:braun2018-short"),
    "The same on an H200": ("gpu", "speed:braun2018-short"),
}


@pytest.mark.parametrize(("case", "told"), ROWS, ids=[case for case, _ in ROWS])
def test_each_answer_is_the_verdict_on_published_attempts(case, told):
    folder, task = CASES[case.split(":")[0]]
    attempts = [
        attempt
        for attempt in latest(read_folder(ROOT / "results" / folder)[0])
        if attempt.configuration.task_selector == task
    ]
    (model,) = by_model(group_attempts(attempts))
    assert told == verdict(by_speed(model.groups, "train"), "train", RIVALS)
    shape = next(attempt.findings.batch_shape for attempt in attempts if attempt.findings.batch_shape)
    if " x " in case:
        units = attempts[0].configuration.recipe.model.hidden_sizes[0]
        assert case.endswith(f": {shape[0]} x {shape[1]} x {shape[2]}, {units} units")


def test_every_case_is_there():
    assert {case.split(":")[0] for case, _ in ROWS} == set(CASES)
