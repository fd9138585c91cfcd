from __future__ import annotations

import msgspec
import pytest

import lstm_bench
from builders import a_configuration, a_machine, an_attempt, some_findings
from lstm_bench.execute.resume import Resumption, installed_version, reusable
from lstm_bench.record.configuration import EFFORTS

HERE = a_machine()
INSTALLED = {"torch": "2.9.1", "numpy": "2.4.6"}.get
CONFIGURATION = a_configuration(effort=msgspec.structs.replace(EFFORTS["default"], rounds=3))
NOTHING = Resumption("", {})


def done(number=1, run="a", round=0, **changes):  # noqa: A002
    """An attempt of a run by this lstm-bench; greater numbers began later."""
    given = {"configuration": CONFIGURATION, "lstm_bench": lstm_bench.__version__, "times_only": round > 0}
    return an_attempt(number, run=run, round=round, **given | changes)


def resumed(*attempts, configurations=(CONFIGURATION,)):
    return reusable(configurations, attempts, HERE, INSTALLED)


def test_the_rounds_that_are_done_need_not_be_run_again():
    attempts = [done(1), done(2, round=1)]
    assert resumed(*attempts) == Resumption(
        "a", {(CONFIGURATION.fingerprint, 0): attempts[0], (CONFIGURATION.fingerprint, 1): attempts[1]}
    )


def test_without_earlier_attempts_there_is_no_run_to_go_on_with():
    assert resumed() == NOTHING


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"status": "disturbed"}, id="disturbed"),
        pytest.param({"status": "crashed"}, id="failed"),
        pytest.param({"run": ""}, id="of no run, as before schema version 3"),
        pytest.param({"lstm_bench": "0.0.1"}, id="of another lstm-bench"),
        pytest.param({"configuration": a_configuration(seed=1)}, id="of a configuration that is not planned"),
        pytest.param({"configuration": a_configuration(effort=EFFORTS["quick"])}, id="of another effort"),
        pytest.param({"round": 3}, id="of a round that is not planned"),
        pytest.param({"times_only": True}, id="of the first round, and neither checked nor trained"),
        pytest.param({"findings": some_findings(machine=a_machine(cores=64))}, id="of another machine"),
        pytest.param({"findings": some_findings(machine=a_machine(python="3.12.1"))}, id="of another Python"),
        pytest.param({"findings": some_findings(machine=None)}, id="of a machine that nobody knows"),
        pytest.param({"findings": some_findings(versions={"torch": "2.8.0"})}, id="of another version"),
        pytest.param({"findings": some_findings(versions={"torch": "2.9.1", "numpy": "1.26"})}, id="of a library's"),
    ],
)
def test_an_attempt_that_would_come_out_otherwise_today_is_made_again(changes):
    assert resumed(done(**changes)) == NOTHING


@pytest.mark.parametrize(
    "versions", [{"torch": "2.9.1", "oneDNN": "3.7", "": "?", "../../etc": "1"}, {"oneDNN": "3.7"}, {}]
)
def test_versions_that_only_a_worker_can_tell_are_taken_to_be_what_they_were(versions):
    assert resumed(done(findings=some_findings(versions=versions))).run == "a"


@pytest.mark.parametrize(
    ("found", "installed", "same"),
    [
        ("2.9.1+cu128", "2.9.1", True),
        ("2.9.1", "2.9.1+cpu", True),
        ("2.9.1+cpu", "2.9.1+cpu", True),
        ("2.9.1+cu128", "2.9.1+cpu", False),
        ("2.9.1+cpu", "2.9.10+cpu", False),
        ("2.9.1", "2.9", False),
    ],
)
def test_a_local_version_counts_where_both_have_one(found, installed, same):
    attempt = done(findings=some_findings(versions={"torch": found}))
    assert bool(reusable([CONFIGURATION], [attempt], HERE, {"torch": installed}.get).done) is same


def test_attempts_of_two_runs_are_not_pooled_and_the_latest_run_is_gone_on_with():
    old, new = [done(1, "a"), done(2, "a", round=1), done(3, "a", round=2)], done(4, "b")
    assert resumed(new, *old) == Resumption("b", {(CONFIGURATION.fingerprint, 0): new})


def test_the_run_to_go_on_with_is_the_latest_that_has_anything_to_offer():
    offered = done(1, "a")
    assert resumed(offered, done(2, "b", status="crashed")) == Resumption(
        "a", {(CONFIGURATION.fingerprint, 0): offered}
    )


def test_of_a_round_that_was_made_twice_the_later_attempt_counts():
    first, second = done(1), done(2)
    assert resumed(second, first).done == {(CONFIGURATION.fingerprint, 0): second}


def test_each_cell_has_as_many_rounds_as_its_effort():
    brief = a_configuration(seed=1, effort=msgspec.structs.replace(EFFORTS["default"], rounds=1))
    attempts = [done(1), done(2, configuration=brief), done(3, round=1), done(4, round=1, configuration=brief)]
    assert set(resumed(*attempts, configurations=[CONFIGURATION, brief]).done) == {
        (CONFIGURATION.fingerprint, 0),
        (brief.fingerprint, 0),
        (CONFIGURATION.fingerprint, 1),
    }


def test_each_distribution_is_looked_up_once():
    asked = []

    def installed(name):
        asked.append(name)

    reusable([CONFIGURATION], [done(number, round=number % 3) for number in range(9)], HERE, installed)
    assert sorted(asked) == sorted(set(asked))


@pytest.mark.parametrize("name", ["no-such-distribution", "", "../../etc", "a\nb"])
def test_what_is_no_distribution_has_no_version(name):
    assert installed_version(name) is None


def test_the_installed_version_of_numpy_is_what_numpy_says():
    import numpy

    assert installed_version("numpy") == numpy.__version__
