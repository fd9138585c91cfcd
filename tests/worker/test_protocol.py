from __future__ import annotations

import pytest

from builders import a_configuration, some_findings
from lstm_bench.worker.protocol import Ended, Entered, Found, MeasureJob, Progress, decode_job, decode_message, encode


@pytest.mark.parametrize(
    "message",
    [Entered("first step"), Progress(1, 2), Found(some_findings()), Ended("mismatch", "two\nlines, and \N{SNOWMAN}")],
    ids=lambda message: type(message).__name__,
)
def test_messages_are_one_line_and_come_out_as_they_went_in(message):
    line = encode(message)
    assert b"\n" not in line
    assert decode_message(line) == message


def test_jobs_are_one_line_and_come_out_as_they_went_in():
    job = MeasureJob(
        configuration=a_configuration(backend_options={"a": "b\nc"}), plugin_files=("/x y.py",), data_dir="/d"
    )
    assert b"\n" not in encode(job)
    assert decode_job(encode(job)) == job
