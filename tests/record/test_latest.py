from __future__ import annotations

from builders import a_configuration, a_machine, an_attempt, some_findings
from lstm_bench.record.store import latest


def id_of(attempt):
    return attempt.id


def test_of_each_configuration_and_machine_the_latest_attempt_counts():
    here, there = some_findings(machine=a_machine()), some_findings(machine=a_machine(processor="Another"))
    numpy = a_configuration(backend="numpy")
    attempts = [
        an_attempt(2, findings=here),
        an_attempt(3, findings=here, status="diverged", reason="nan"),
        an_attempt(1, findings=here),
        an_attempt(4, findings=there),
        an_attempt(5, configuration=numpy),
    ]
    assert latest(attempts) == [attempts[4], attempts[1], attempts[3]]


def test_the_seeds_of_a_run_stay_together_until_all_of_them_were_run_again():
    def run(name, *seeds, begin):
        return [an_attempt(begin + seed, configuration=a_configuration(seed=seed), run=name) for seed in seeds]

    three, one_more = run("a", 0, 1, 2, begin=10), run("b", 0, begin=20)
    assert set(map(id_of, latest([*three, *one_more]))) == set(map(id_of, [*three, *one_more]))
    again = run("c", 0, 1, 2, begin=30)
    assert set(map(id_of, latest([*three, *one_more, *again]))) == set(map(id_of, again))
    other = [an_attempt(40, configuration=a_configuration(seed=0, backend="numpy"), run="a")]
    assert id_of(three[0]) not in map(id_of, latest([three[0], *one_more, *other]))


def test_the_latest_come_in_order_of_task_backend_device_and_precision():
    configurations = [
        a_configuration(task="copy", backend="numpy", device="cpu", precision="float32"),
        a_configuration(task="copy", backend="numpy", device="cpu", precision="float64"),
        a_configuration(task="copy", backend="numpy", device="cuda:0", precision="float32"),
        a_configuration(task="copy", backend="torch", device="cpu", precision="float32"),
        a_configuration(task="flights", backend="numpy", device="cpu", precision="float32"),
        a_configuration(task="flights", backend="numpy", device="cpu", precision="float32", seed=1),
    ]
    attempts = [an_attempt(number, configuration=configuration) for number, configuration in enumerate(configurations)]
    assert latest(reversed(attempts)) == attempts
    assert latest([]) == []


def test_numbers_among_what_varies_come_in_their_order():
    configurations = [
        a_configuration(task="copy", task_options={"delay": delay}, changes=changes)
        for delay in ("9", "10", "100")
        for changes in ({}, {"hidden": "8"}, {"hidden": "16"})
    ]
    attempts = [an_attempt(number, configuration=configuration) for number, configuration in enumerate(configurations)]
    assert latest(reversed(attempts)) == attempts
    older = an_attempt(99, configuration=a_configuration(task="copy"))  # from a time when the task had no options
    assert latest([*attempts, older]) == [older, *attempts]
