"""What the README says is so."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMAND = Path(sys.executable).with_name("lstm-bench")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_its_two_commands_are_those_that_ci_runs():
    ci = (ROOT / ".ci" / "run").read_text()
    set_up = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("pip install")]
    assert len(set_up) == 2
    for line in set_up:
        assert f"'{line}'" in ci, f"CI does not run: {line}"


def test_the_help_that_it_shows_is_the_help_that_there_is():
    shown = next(block for block in blocks("text") if block.startswith("Usage: lstm-bench run"))
    done = subprocess.run(
        [COMMAND, "run", "--help"], capture_output=True, text=True, check=True, env={"COLUMNS": "100"}
    )
    assert shown.split() == done.stdout.split(), (
        "paste the output of `COLUMNS=100 lstm-bench run --help` into README.md"
    )


@pytest.mark.parametrize(
    "line", [line for block in blocks("sh") for line in block.splitlines() if line.startswith("lstm-bench")]
)
def test_every_command_that_it_shows_is_one_that_the_program_takes(line):
    from click import Group
    from click.testing import CliRunner

    from lstm_bench.cli import main

    words = shlex.split(line, comments=True)[1:]
    command, names = main, []
    while isinstance(command, Group):
        names.append(words.pop(0))
        command = command.commands[names[-1]]
    context = command.make_context(names[-1], words, resilient_parsing=False)
    assert context.params is not None
    assert CliRunner().invoke(main, [*names, "--help"]).exit_code == 0
