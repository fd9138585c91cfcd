from __future__ import annotations

import msgspec
import numpy as np
import pytest

from lstm_bench import Setting
from lstm_bench.conformance.cases import draw_case, problem_of
from lstm_bench.conformance.confusions import CONFUSIONS
from lstm_bench.conformance.differential import Comparison, Reference
from lstm_bench.conformance.known_layers import known_in_layers
from lstm_bench.conformance.relevance import relevant
from lstm_bench.conformance.slips import Slip, as_it_is, both
from lstm_bench.conformance.wrong_model import wrong_model
from lstm_bench_numpy._model import NumpyBackend

REFERENCE = Reference(NumpyBackend())
F64 = Setting("float64")
CASES = [draw_case(0, number) for number in range(18)]
LAYERS = [slip for _, *slips in known_in_layers() for slip in slips]


def constant(slip):
    """Whether a part of the model counts as constant for the gradient, as roundings and statistics may."""
    return slip.norm_detached or slip.product is not as_it_is or slip.state is not as_it_is


def in_both_directions(case):
    return msgspec.structs.replace(case, model=msgspec.structs.replace(case.model, bidirectional=True))


@pytest.mark.parametrize("number", range(len(CASES)))
def test_the_model_without_a_slip_is_the_canonical_one(number):
    def build(case, problem):
        return wrong_model(case, Slip(), problem.parameters, {})

    comparison = Comparison(CASES[number], build, REFERENCE, F64)
    assert (comparison.stage, comparison.faults) == (None, [])


# Short, because a wrong cell may multiply its state in every step: then the slope is no small difference.
@pytest.mark.parametrize("case", [*(CASES[number] for number in (10, 11, 12)), in_both_directions(CASES[15])])
def test_the_gradients_of_every_wrong_forward_pass_are_its_slopes(case):
    problem, batch = problem_of(case), case.train.batch_size
    x, y = problem.x[:batch], problem.y[:batch]
    generator = np.random.default_rng(0)
    way = {name: generator.standard_normal(p.shape) for name, p in problem.parameters.items()}
    way |= {name: 0.0 for name in way if name.startswith(("batch_norm.mean", "batch_norm.variance"))}
    checked = 0
    for slip in {relevant(slip, case, problem.parameters) for slip in LAYERS if not constant(slip)}:
        if slip.load:
            continue  # a model with other weights, and nothing else

        def loss(step, slip=slip):
            moved = {name: p + step * way[name] for name, p in problem.parameters.items()}
            return wrong_model(case, slip, moved, {}).gradients(x, y)[0]

        _, gradients = wrong_model(case, slip, problem.parameters, {}).gradients(x, y)
        slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
        assert slope == pytest.approx(sum(np.sum(g * way[name]) for name, g in gradients.items()), rel=1e-6), slip
        checked += 1
    assert checked > 10


def test_a_slip_of_another_cell_or_optimizer_changes_nothing():
    gru = CASES[1]
    parameters = problem_of(gru).parameters
    assert relevant(Slip(gates=(("i", "o", "f", "g"),), forget_plus=1.0), gru, parameters) == Slip()
    assert relevant(Slip(nesterov=True, rmsprop_decay=0.99), gru, parameters) == Slip()
    assert relevant(Slip(reset_before=True), gru, parameters) == Slip(reset_before=True)


@pytest.mark.parametrize("number", [0, 2, 16, 17])
def test_what_is_left_out_of_a_slip_changes_nothing(number):
    case = CASES[number]
    problem = problem_of(case)
    without = Comparison(case, lambda case, problem: wrong_model(case, Slip(), problem.parameters, {}), REFERENCE, F64)
    memory = {}
    for slip in dict.fromkeys(confusion.slip for confusion in CONFUSIONS):
        if relevant(slip, case, problem.parameters) == Slip():
            model = wrong_model(case, slip, problem.parameters, memory)
            x, y = model.put(problem.x), model.put(problem.y)
            losses = [model.train(x, y, problem.order[:1]), model.train(x, y, problem.order[1:])]
            expected = next(array for (kind, _), array in without.theirs.items() if kind.name == "training losses")
            np.testing.assert_allclose(np.concatenate(losses), expected, rtol=1e-9, err_msg=str(slip.changes()))


def test_two_slips_are_one_unless_they_turn_the_same_switch():
    lstm, gru = Slip(gates=(("i", "o", "f", "g"),)), Slip(gates=(("z", "r", "n"),))
    assert both(lstm, gru) == Slip(gates=(("i", "o", "f", "g"), ("z", "r", "n")))
    assert both(lstm, Slip(gates=(("f", "i", "g", "o"),))) is None
    assert both(Slip(rate=10.0), Slip(epsilon=1e-3)) == Slip(rate=10.0, epsilon=1e-3)
    assert both(Slip(rate=10.0), Slip(rate=0.1)) is None


def test_confusions_have_slips_of_their_own():
    assert len({confusion.slip for confusion in CONFUSIONS}) == len(CONFUSIONS)
