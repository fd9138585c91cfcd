"""Each format of reports: the content, failures alone, and a report of nothing."""

import html
import json
import re

import pytest

from builders import a_failure, an_attempt
from formats import FORMATS, for_people, numpy_configuration

every_format = pytest.mark.parametrize("render", FORMATS.values(), ids=FORMATS)


@for_people
def test_tables_hold_status_metric_both_parameter_counts_and_baselines(render):
    text = render([an_attempt(), a_failure(2, configuration=numpy_configuration())])
    for part in ("flights:tutorial", "torch 2.9.1", "50.25", "40,901 (41,301)", "160,000", "ok", "crashed"):
        assert part in text
    lines = text.splitlines()
    for name, value in {"last value": "102.5", "same month": "60.75"}.items():
        (row,) = (line for line in lines if f"baseline: {name}" in line)
        assert value in row


@every_format
def test_failures_alone_can_be_reported(render):
    text = render([a_failure(1), a_failure(2, configuration=numpy_configuration())])
    assert "crashed" in text
    assert "left in phase 'start'" in html.unescape(text) or render is FORMATS["csv"]  # which has the tables alone
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


@every_format
@pytest.mark.parametrize("attempts", [[], [an_attempt()], [a_failure()]], ids=["none", "one", "one failure"])
def test_a_report_ends_in_one_line_break(render, attempts):
    text = render(attempts)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_a_report_of_nothing_says_so():
    assert FORMATS["table"]([]) == "no attempts\n"
    assert FORMATS["md"]([]) == "- no attempts\n"
    assert json.loads(FORMATS["attempts-json"]([])) == []
    assert FORMATS["attempts-csv"]([]).strip() == ""
    assert json.loads(FORMATS["json"]([])) == {"sections": [], "notes": ["no attempts"]}
    assert FORMATS["csv"]([]) == "task,shape\n"
    assert r"\item no attempts" in FORMATS["latex"]([])
