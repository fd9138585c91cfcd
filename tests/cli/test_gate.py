"""The formats of ``compare`` for programs, and the steps of the GitHub Action, as the shell script that it runs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from builders import ROUNDS, a_failure, some_run, times
from lstm_bench.cli import main
from lstm_bench.record.store import write_attempt
from processes import COMMAND

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "action" / "gate.sh"

pytestmark = pytest.mark.one_interpreter


@pytest.fixture
def folders(tmp_path):
    """The results of a base branch, of an equal pull request, of a slower one, and of one that fails."""
    sides = {
        "old": some_run(*ROUNDS),
        "same": some_run(*times(1.001), run="new"),
        "slower": some_run(*times(1.5), run="new"),
        "failing": [a_failure(7, configuration=some_run(1.0)[0].configuration, reason="no\x1b[2J kernel & <more>")],
    }
    for name, attempts in sides.items():
        (tmp_path / name).mkdir()
        for attempt in attempts:
            write_attempt(attempt, tmp_path / name)
    return tmp_path


def compare(folders, new, form, *more):
    done = CliRunner().invoke(main, ["compare", str(folders / "old"), str(folders / new), "--format", form, *more])
    return done.exit_code, done.stdout


LIMIT = ("--fail-if", "train slower than 5%")


@pytest.mark.parametrize(("new", "exceeds"), [("same", False), ("slower", True)])
def test_json_has_every_ratio_with_its_interval(folders, new, exceeds):
    code, out = compare(folders, new, "json", *LIMIT)
    found = json.loads(out)
    assert code == int(exceeds)
    train = next(time for time in found["times"] if time["measure"] == "train")
    assert train["row"] == "torch on flights:tutorial (cpu, float32)"
    assert train["exceeds"] == exceeds
    assert train["ratio"]["low"] <= train["ratio"]["value"] <= train["ratio"]["high"]
    assert train["old"]["value"] == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize(("new", "failures"), [("same", 0), ("slower", 1)])
def test_junit_has_a_test_case_for_each_time(folders, new, failures):
    _, out = compare(folders, new, "junit", *LIMIT)
    suite = ElementTree.fromstring(out)
    assert (suite.tag, suite.get("failures"), suite.get("errors")) == ("testsuite", str(failures), "0")
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["train", "first step"]
    assert len(cases) == int(suite.get("tests"))
    told = [failure.get("message") for failure in suite.iter("failure")]
    assert len(told) == failures
    assert all("1.500 times the old time" in text and text.endswith("allowed: 5% slower") for text in told)


def test_junit_tells_of_a_row_that_fails_now(folders):
    code, out = compare(folders, "failing", "junit", *LIMIT)
    assert code == 1
    (error,) = ElementTree.fromstring(out).iter("error")
    assert error.get("message") == "ok before, crashed now: no kernel & <more>"


def test_github_action_benchmark_gets_what_it_reads(folders):
    """Its ``customSmallerIsBetter``: a list of objects with name, unit and value, and maybe range and extra."""
    _, out = compare(folders, "slower", "github")
    found = json.loads(out)
    assert [entry["name"].split(": ")[-1] for entry in found] == ["train", "first step"]
    for entry in found:
        assert set(entry) == {"name", "unit", "value", "range", "extra"}
        assert isinstance(entry["value"], float)
        assert all(isinstance(entry[key], str) for key in ("name", "unit", "range", "extra"))
    assert found[0]["value"] == pytest.approx(1.5, rel=1e-3)
    assert found[0]["unit"] == "ms"


def gate(folders, new, limits="train slower than 5%"):
    """Run the Action's script as a runner does."""
    environment = os.environ | {
        "PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}",
        "OLD": str(folders / "old"),
        "NEW": str(folders / new),
        "FAIL_IF": limits,
        "RUNNER_TEMP": str(folders / "temp"),
        "GITHUB_OUTPUT": str(folders / "output"),
        "GITHUB_STEP_SUMMARY": str(folders / "summary"),
    }
    return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(("new", "code"), [("same", 0), ("slower", 1), ("failing", 1)])
def test_the_action_fails_a_pull_request_that_is_slower_or_broken_and_no_other(folders, new, code):
    done = gate(folders, new)
    assert done.returncode == code, done.stderr
    outputs = dict(line.split("=", 1) for line in (folders / "output").read_text().splitlines())
    assert ElementTree.parse(outputs["junit"]).getroot().tag == "testsuite"
    assert isinstance(json.loads(Path(outputs["benchmark"]).read_text()), list)
    assert (folders / "summary").read_text().startswith("### ")


def test_every_line_of_the_action_is_a_limit(folders):
    assert gate(folders, "slower", "infer slower than 5%\n\ntrain slower than 90%\n").returncode == 0
    assert gate(folders, "slower", "infer slower than 5%\ntrain slower than 10%\n").returncode == 1


def test_a_limit_that_cannot_be_read_fails_the_action_with_one_line(folders):
    done = gate(folders, "same", "train slow")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("lstm-bench: error: cannot read 'train slow'")
