"""Every command on a page can be typed, and every link leads to a file."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from builders import a_configuration, a_timing, an_attempt, some_findings
from lstm_bench.record.store import write_attempt
from pages import PAGES, ROOT, blocks, commands, name_of

LINES = [(name_of(page), line) for page in PAGES for line in commands(page) if line.startswith("lstm-bench ")]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}: {line}" for page, line in LINES])
def test_every_command_is_one_that_the_program_takes(page, line):
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


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_page_links_to_is_there(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_program_that_reads_results_finds_what_they_say(tmp_path, monkeypatch, capsys):
    (program,) = [text for language, text in blocks(ROOT / "docs/reference/library.md") if language == "python"]
    folder = tmp_path / "results" / "local"
    folder.mkdir(parents=True)
    # a step of 1 ms and one of 2 ms, in blocks of as long
    steps = {"torch": a_timing(block_ns=(20_000_000,), steps_per_block=20), "numpy": a_timing(block_ns=(20_000_000,))}
    for number, (backend, timing) in enumerate([*steps.items()] * 3):
        findings = some_findings(timings={"train": timing})
        configuration = a_configuration(backend=backend)
        write_attempt(
            an_attempt(number, configuration=configuration, findings=findings, run="one", round=number // 2), folder
        )
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    printed = capsys.readouterr().out
    assert len(re.findall(r"\btorch\b.*\bok\b", printed)) == 3
    assert float(re.search(r"value=([\d.]+)", printed)[1]) == pytest.approx(0.5)
    assert printed.endswith("faster\n")


def test_the_workflow_on_the_page_is_the_one_that_is_checked():
    """Its own file is held against GitHub's schema."""
    page = ROOT / "docs" / "tutorial" / "compare.md"
    (shown,) = [text for language, text in blocks(page) if language == "yaml"]
    assert shown == (ROOT / "docs" / "examples" / "gate.yml").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell):
    assert (
        f"_LSTM_BENCH_COMPLETE={shell}_source lstm-bench"
        in (ROOT / "docs" / "reference" / "command-line.md").read_text()
    )
    command = Path(sys.executable).with_name("lstm-bench")
    done = subprocess.run(
        [command], env=os.environ | {"_LSTM_BENCH_COMPLETE": f"{shell}_source"}, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "_LSTM_BENCH_COMPLETE" in done.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if "<!-- code " in page.read_text()], ids=name_of)
def test_the_code_on_a_page_is_that_of_its_file(page):
    assert runpy.run_path(str(ROOT / "docs" / "code.py"))["filled"](page) == page.read_text(), (
        "run: python docs/code.py"
    )
    assert page.read_text().count("```python") >= page.read_text().count("<!-- code ") > 0
