import msgspec
import pytest

from builders import a_configuration, a_failure, a_machine, a_recipe, an_attempt, some_findings
from lstm_bench.execute.estimate import estimate, in_words
from lstm_bench.record.attempt import Training
from lstm_bench.record.configuration import EFFORTS


def one_round(**configuration):
    return a_configuration(**{"effort": msgspec.structs.replace(EFFORTS["default"], rounds=1)} | configuration)


def trained(number=1, *, epochs=10, steps=1000, stopped="", machine=None, **configuration):
    """An attempt of which training took 50 s, and everything else 3 s."""
    findings = some_findings(
        machine=machine or a_machine(),
        seconds={"import": 1.0, "train": 50.0, "time": 2.0},
        training=Training(
            steps=steps, seconds=50.0, first_losses=(), epoch_losses=(1.0,) * max(1, steps // 100), stopped=stopped
        ),
    )
    return an_attempt(number, configuration=one_round(epochs=epochs, **configuration), findings=findings)


@pytest.mark.parametrize(
    ("configuration", "seconds"),
    [
        ({}, 53.0),
        ({"epochs": 20}, 103.0),
        ({"epochs": 1}, 8.0),
        ({"steps": 10}, 3.5),
        ({"seed": 9}, 53.0),
        ({"backend": "numpy"}, None),
        ({"precision": "float64"}, None),
        ({"recipe": a_recipe("other")}, None),
    ],
)
def test_training_lasts_as_long_for_a_step_and_the_rest_as_long_as_it_did(configuration, seconds):
    found = estimate([one_round(**{"epochs": 10} | configuration)], [trained()], a_machine())
    assert found.seconds == (pytest.approx(seconds) if seconds else None,)
    assert (found.known, found.unknown) == (pytest.approx(seconds) if seconds else 0, int(seconds is None))


def test_what_ended_early_is_expected_to_do_so_again():
    attempts = [trained(epochs=100, steps=1000, stopped="patience")]
    assert estimate([one_round(epochs=100)], attempts, a_machine()).seconds == (pytest.approx(53.0),)
    assert estimate([one_round(epochs=5)], attempts, a_machine()).seconds == (pytest.approx(28.0),)


def test_other_machines_and_failures_say_nothing():
    attempts = [trained(machine=a_machine(processor="Abacus 10")), a_failure(2)]
    assert estimate([a_configuration(epochs=10)], attempts, a_machine()).seconds == (None,)


def test_the_attempt_that_is_most_like_the_cell_counts():
    quick = trained(2, effort=EFFORTS["quick"], steps=100, epochs=1)
    assert estimate([one_round(epochs=10)], [trained(1), quick], a_machine()).seconds == (pytest.approx(53.0),)


def test_further_rounds_take_what_they_repeat_and_further_seeds_have_none():
    configurations = [a_configuration(epochs=10), a_configuration(epochs=10, seed=1)]
    assert estimate(configurations, [trained()], a_machine()).seconds == (
        pytest.approx(53.0 + 2 * 3.0),
        pytest.approx(53.0),
    )


def test_an_attempt_that_was_only_timed_says_nothing_of_a_whole_one():
    timed = msgspec.structs.replace(trained(), times_only=True)
    assert estimate([a_configuration(epochs=10)], [timed], a_machine()).seconds == (None,)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (99, "99 s"), (119, "2 min"), (3570, "1 h 0 min"), (7800, "2 h 10 min")]
)
def test_durations_are_said_as_people_do(seconds, words):
    assert in_words(seconds) == words
