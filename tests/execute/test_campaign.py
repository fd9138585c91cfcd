from collections import Counter

from builders import a_configuration, an_attempt
from lstm_bench.execute.campaign import carry_out

CONFIGURATIONS = [a_configuration(backend=name) for name in ("sound", "broken", "shaken")]


def course(statuses, done=()):
    """What is run when attempts end so, by backend, one after the other, and what is kept."""
    ran, kept = [], []
    left = {name: list(given) for name, given in statuses.items()}

    def run(number, total, turn, *, times_only):
        name = turn.configuration.backend
        status = left[name].pop(0) if left.get(name) else "ok"
        ran.append((name, turn.round, times_only))
        return an_attempt(
            len(ran), configuration=turn.configuration, status=status, round=turn.round, times_only=times_only
        )

    carry_out(CONFIGURATIONS, 0, run, dict(done), kept.append)
    return ran, kept


def test_every_cell_is_run_in_every_round_and_every_attempt_is_kept():
    ran, kept = course({})
    assert Counter(name for name, _, _ in ran) == {"sound": 3, "broken": 3, "shaken": 3}
    assert [(a.configuration.backend, a.round, a.times_only) for a in kept] == ran
    assert all(times_only == (number > 0) for _, number, times_only in ran)


def test_a_cell_that_fails_has_no_more_rounds():
    ran, kept = course({"broken": ["ok", "crashed"]})
    assert [number for name, number, _ in ran if name == "broken"] == [0, 1]
    assert [a.status for a in kept if a.configuration.backend == "broken"] == ["ok", "crashed"]
    assert Counter(name for name, _, _ in ran)["sound"] == 3


def test_what_was_disturbed_is_timed_once_more_in_the_same_round_and_both_are_kept():
    ran, kept = course({"shaken": ["disturbed", "ok", "disturbed", "disturbed"]})
    of_it = [(number, times_only) for name, number, times_only in ran if name == "shaken"]
    assert of_it == [(0, False), (0, True), (1, True), (1, True), (2, True)]
    assert [a.status for a in kept if a.configuration.backend == "shaken"] == [
        "disturbed",
        "ok",
        "disturbed",
        "disturbed",
        "ok",
    ]


def test_what_is_done_already_is_kept_and_not_run():
    configuration = CONFIGURATIONS[0]
    earlier = {
        (configuration.fingerprint, number): an_attempt(90 + number, configuration=configuration, round=number)
        for number in (0, 2)
    }
    ran, kept = course({}, earlier)
    assert [number for name, number, _ in ran if name == "sound"] == [1]
    assert [a for a in kept if a.configuration == configuration and a.round != 1] == list(earlier.values())
