from __future__ import annotations

from lstm_bench.conformance.cases import draw_case
from lstm_bench.conformance.shrinking import smallest


def cases_with(holds):
    return [case for case in (draw_case(0, number) for number in range(200)) if holds(case)]


def test_the_smallest_failing_case_keeps_only_what_it_fails_for():
    def fails(case):
        return case.model.bidirectional and len(case.model.hidden_sizes) >= 2

    for case in cases_with(fails)[:5]:
        found = smallest(case, fails, seconds=30)
        assert found.model.bidirectional
        assert found.model.hidden_sizes == (1, 1)
        assert (found.model.input_size, found.model.output_size, found.time) == (1, 1, 1)
        assert (found.model.bias, found.model.batch_norm, found.model.readout) == (False, False, "last")
        assert (found.train.optimizer, found.train.clip_norm, found.weights) == ("sgd", None, "uniform")
        assert found.train.batch_size == 1


def test_with_batch_norm_nothing_gets_smaller_than_what_is_drawn():
    case = cases_with(lambda case: case.model.batch_norm and len(case.model.hidden_sizes) == 2)[0]
    found = smallest(case, lambda other: other.model.batch_norm, seconds=30)
    assert (found.model.input_size, found.model.hidden_sizes, found.train.batch_size) == (3, (3,), 6)
    assert (found.model.output_size, found.time) == (1, 1)


def test_where_nothing_smaller_fails_it_is_the_case_itself():
    case = draw_case(0, 7)
    assert smallest(case, lambda other: other == case, seconds=30) == case


def test_it_ends_in_time():
    asked = []

    def fails(case):
        asked.append(case)
        return True

    case = draw_case(0, 7)
    assert smallest(case, fails, seconds=0) == case
    assert asked == []


def test_cross_entropy_keeps_two_classes_and_without_it_one_output_is_enough():
    (case, *_) = cases_with(lambda case: case.train.loss == "cross_entropy" and case.model.output_size > 2)
    assert smallest(case, lambda other: other.train.loss == "cross_entropy", seconds=30).model.output_size == 2
    found = smallest(case, lambda other: True, seconds=30)
    assert (found.train.loss, found.model.output_size) == ("mse", 1)
