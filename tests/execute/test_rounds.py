from collections import Counter

from builders import a_configuration
from lstm_bench.execute.rounds import schedule
from lstm_bench.record.configuration import EFFORTS

CONFIGURATIONS = [a_configuration(backend=name) for name in "abcdef"]


def test_each_round_has_every_cell_once_and_comes_after_the_one_before():
    turns = schedule(CONFIGURATIONS, 0)
    assert [turn.round for turn in turns] == [0] * 6 + [1] * 6 + [2] * 6
    for number in range(3):
        assert Counter(turn.configuration.backend for turn in turns if turn.round == number) == Counter("abcdef")


def test_only_the_first_round_does_more_than_time():
    assert [turn.times_only for turn in schedule(CONFIGURATIONS[:1], 0)] == [False, True, True]


def test_each_round_has_an_order_of_its_own_that_the_seed_decides():
    def orders(seed):
        turns = schedule(CONFIGURATIONS, seed)
        return ["".join(turn.configuration.backend for turn in turns if turn.round == number) for number in range(3)]

    assert len(set(orders(0))) == 3
    assert orders(0) == orders(0)
    assert orders(0) != orders(1)


def test_further_seeds_of_a_cell_are_run_once():
    turns = schedule([a_configuration(seed=seed) for seed in (5, 6, 7)], 0)
    assert Counter(turn.configuration.seed for turn in turns) == {5: 3, 6: 1, 7: 1}


def test_each_cell_has_the_rounds_of_its_effort():
    turns = schedule([a_configuration(effort=EFFORTS["quick"]), a_configuration(effort=EFFORTS["rigorous"])], 0)
    assert Counter(turn.configuration.effort.name for turn in turns) == {"quick": 1, "rigorous": 10}


def test_no_cells_have_no_rounds():
    assert schedule([], 0) == []
