"""The tutorials' plugins get their rows, by file and by entry point, and their commands print what the pages show."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lstm_bench.record.store import read_folder
from pages import EXAMPLES, ROOT, blocks, examples

COMMAND = Path(sys.executable).with_name("lstm-bench")
BACKEND, TASK = (ROOT / "docs" / "tutorial" / name for name in ("backend.md", "task.md"))
TYPED = [(page, *example) for page in (BACKEND, TASK) for example in examples(page)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A reader's folder: both examples, and the copy with the mistake that the page makes."""
    folder = tmp_path_factory.mktemp("tutorial")
    for file in EXAMPLES.glob("*.py"):
        shutil.copy(file, folder)
    (line,) = [text for language, text in blocks(BACKEND) if language == "python" and text.startswith("ORDER = ")]
    source, changed = re.subn(r"^ORDER = .*\n", line, (EXAMPLES / "pergate.py").read_text(), flags=re.MULTILINE)
    assert changed == 1
    (folder / "swapped.py").write_text(source)
    return folder


def run(words, cwd, **environment):
    """Run a command line with the programs beside this Python; both streams in one."""
    program = {"lstm-bench": [COMMAND], "pytest": [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]}[words[0]]
    return subprocess.run(
        [*program, *words[1:]],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "130"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def row_of(folder):
    (attempt,), problems = read_folder(folder)
    assert problems == []
    return attempt


def but_for_numbers(text):
    """The lines of a text, with every number, unit of time and stretch of space replaced by the same one."""
    for pattern, same in (
        (r"\d[\d,.]*(e[-+]?\d+)?", "0"),
        (r"0\s(ns|µs|ms|s|min)\b", "0 s"),
        (r"[ ─━-]{2,}", " "),
        (r"<0", "0"),
    ):
        text = re.sub(pattern, same, text)
    return [bare for line in text.splitlines() if (bare := line.strip(" ="))]


def parts(shown):
    """What must have been printed: each line of a table, and each paragraph, however its lines are broken."""
    for paragraph in re.split(r"\n\n|^\.\.\.\n", shown, flags=re.MULTILINE):
        lines = but_for_numbers(paragraph)
        yield from lines if "─" in paragraph else [" ".join(lines)]


def test_there_are_commands_on_both_pages_and_output_beneath_most():
    assert {page for page, _, _ in TYPED} == {BACKEND, TASK}
    assert len([shown for _, _, shown in TYPED if shown]) >= 8


@pytest.mark.parametrize(("command", "shown"), [example[1:] for example in TYPED], ids=[case[1] for case in TYPED])
def test_a_command_prints_every_line_that_the_page_shows_beneath_it(folder, command, shown):
    done = run(shlex.split(command), folder)
    assert done.returncode == (1 if "swapped.py" in command else 0), done.stdout
    printed, at = " ".join(but_for_numbers(done.stdout)), 0
    for part in parts(shown.replace("/path/to", str(folder))):
        found = printed.find(part, at)
        assert found >= 0, f"not printed, or not in this order: {part}\n{done.stdout}"
        at = found + len(part)


def test_the_backend_is_timed_and_its_numbers_are_kept(tmp_path):
    words = ["lstm-bench", "run", "--backend", "pergate", "--plugin", str(EXAMPLES / "pergate.py"), "--quick"]
    done = run([*words, "--epochs", "2"], tmp_path)
    assert done.returncode == 0, done.stdout
    attempt = row_of(tmp_path / "results" / "local")
    assert (attempt.status, attempt.configuration.backend) == ("ok", "pergate")
    assert set(attempt.findings.timings) == {"train", "infer"}


def test_the_backend_gets_its_row_through_an_entry_point(tmp_path):
    site, work = tmp_path / "site", tmp_path / "work"
    metadata = site / "pergate-1.0.dist-info"
    metadata.mkdir(parents=True)
    work.mkdir()
    shutil.copy(EXAMPLES / "pergate.py", site)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pergate\nVersion: 1.0\n")
    (entry_point,) = [text for language, text in blocks(BACKEND) if language == "toml"]
    assert entry_point.startswith("[project.entry-points.lstm_bench]\n")
    (metadata / "entry_points.txt").write_text(entry_point.replace("project.entry-points.", "").replace('"', ""))
    listed = run(["lstm-bench", "list", "backends"], work, PYTHONPATH=str(site))
    assert re.search(r"pergate +installed +one LSTM layer, gate by gate", listed.stdout), listed.stdout
    done = run(["lstm-bench", "run", "--backend", "pergate", "--quick", "--epochs", "2"], work, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stdout
    assert row_of(work / "results" / "local").status == "ok"


def test_the_kit_skips_what_the_backend_refuses_with_its_reason(folder):
    (line,) = [command for _, command, _ in TYPED if command.startswith("pytest ")]
    done = run([*line.split(), "-rs"], folder)
    assert done.returncode == 0, done.stdout
    assert "pergate has one LSTM layer, in one direction" in done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 8


def test_the_kit_explains_the_mistake_that_the_page_makes(folder):
    (line,) = [command for _, command, _ in TYPED if command.startswith("pytest ")]
    done = run(line.replace("pergate.py", "swapped.py").split(), folder)
    assert done.returncode == 1
    assert "it matches if its gates are i, o, f, g, where they should be i, f, g, o" in done.stdout


def test_the_tasks_model_learns(tmp_path):
    words = ["lstm-bench", "run", "-b", "numpy", "--task", "adding[time=5]", "--plugin", str(EXAMPLES / "adding.py")]
    done = run([*words, "--quick"], tmp_path)
    assert done.returncode == 0, done.stdout
    attempt = row_of(tmp_path / "results" / "local")
    assert attempt.status == "ok"
    assert [point.step for point in attempt.findings.training.curve] == [0, 100]
    before, after = (point.metrics["rmse"] for point in attempt.findings.training.curve)
    assert after < before
    assert "baseline: always 1" in done.stdout
