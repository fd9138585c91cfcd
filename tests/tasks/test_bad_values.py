"""A value that makes no sense is one line, before any worker starts."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from lstm_bench.cli import main
from lstm_bench.host import process

SIZE = "must be a whole number from 1 to 1000000"

BAD = [
    (["-t", "speed[time=abc]"], f"option 'time' of task 'speed' {SIZE}; got 'abc'"),
    (["-t", "speed", "--length", "0"], f"option 'time' of task 'speed' {SIZE}; got '0'"),
    (["-t", "speed[hidden=0]"], f"option 'hidden' of task 'speed' {SIZE}, or several as in 128x64x32; got '0'"),
    (["-t", "speed[bidirectional=on]"], "option 'bidirectional' of task 'speed' must be true or false; got 'on'"),
    (
        ["-t", "speed[hidden=128x64,layers=3]"],
        "option 'layers' of task 'speed' must be 2, as hidden=128x64 says, or left out; got '3'",
    ),
    (
        ["-t", "speed:braun2018-short[outputs=1]"],
        "option 'outputs' of task 'speed' must be a whole number from 2 to 1000000; got '1'",
    ),
    (["-t", "flights[origins=0]"], "option 'origins' of task 'flights' must be a whole number from 1 to 6; got '0'"),
    (["-t", "copy[delay=1.5]"], "option 'delay' of task 'copy' must be a whole number from 1 to 1000; got '1.5'"),
    (
        ["-t", "next-number[sequence=counted]"],
        "unknown value 'counted' of option 'sequence' of task 'next-number'. Did you mean 'counting'? "
        "There is: counting, noisy, pattern.",
    ),
    (
        ["-t", "flights", "--batch", "1000000"],
        "a batch takes 1000000 sequences, but task 'flights:tutorial' has only 120 to learn from: "
        "use --batch 120 or less",
    ),
    (
        ["-t", "flights:robust[origins=3]", "--batch", "100"],
        "a batch takes 100 sequences, but task 'flights:robust[origins=3]' has only 72 to learn from, "
        "beside 12 for validation: use --batch 72 or less",
    ),
    (
        ["-t", "mnist-rows[train=10]"],
        "a batch takes 50 sequences, but task 'mnist-rows:default[train=10]' has only 10 to learn from: "
        "use --batch 10 or less",
    ),
    (
        ["-t", "next-number", "--batch", "101"],
        "a batch takes 101 sequences, but task 'next-number:default' has only 100 to learn from: "
        "use --batch 100 or less",
    ),
]


@pytest.mark.parametrize(("words", "line"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_it_is_named_with_what_it_must_be(words, line, tmp_path, monkeypatch):
    def start(*arguments, **named):
        raise AssertionError("a worker was started")

    monkeypatch.setattr(process.subprocess, "Popen", start)
    done = CliRunner().invoke(main, ["run", "-b", "numpy", *words, "--results", str(tmp_path)])
    assert done.exit_code == 2
    assert done.output == f"lstm-bench: error: {line}\n"
    assert list(tmp_path.iterdir()) == []
