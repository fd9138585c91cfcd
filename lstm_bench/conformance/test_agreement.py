"""Conformance kit: the backend computes what the reference computes.

Run the kit with ``pytest --pyargs lstm_bench.conformance --backend NAME``. Models that the backend refuses are skipped
with the backend's reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lstm_bench.conformance.agreement import relative_error
from lstm_bench.conformance.cases import Case, Problem, draw_case
from lstm_bench.conformance.confusions import explain
from lstm_bench.conformance.differential import Comparison, Reference
from lstm_bench.conformance.kit import ADAM, PLAIN, Candidate, data, infer, train
from lstm_bench.conformance.plugin import Chosen
from lstm_bench.model.spec import Precision
from lstm_bench.plugin.backend import Backend, Model


def test_it_agrees_with_the_reference(
    backend: Backend, reference: Reference, chosen: Chosen, precision: Precision, number: int
) -> None:
    """Outputs, states, loss, every gradient and twenty training steps agree. No call keeps state or changes inputs."""
    case, candidate = draw_case(chosen.seed, number), Candidate(backend, chosen, precision)

    def build(case: Case, problem: Problem) -> Model[Any]:
        return candidate.build(case.model, case.train, problem.parameters, case.seed)

    comparison = Comparison(case, build, reference, candidate.setting, chosen.backend.info.abilities)
    found = comparison.compared(number)
    lines = list(found.faults)
    for kind, quantity in found.quantities.items():
        if not quantity.agrees:
            error = "not a number" if quantity.error is None else f"off by {quantity.error:.1e}"
            lines.append(f"{kind}: {quantity.name} is {error}; {quantity.tolerance:.1e} is allowed")
    if lines:
        lines += explain([comparison])
        pytest.fail("\n".join((*lines, f"the case: {case}")), pytrace=False)


@pytest.mark.parametrize(("count", "time"), [(1, 1), (3, 9), (12, 5)])
def test_batches_of_any_shape_can_follow_each_other(
    candidate: Candidate, reference: Reference, count: int, time: int
) -> None:
    """A model accepts batches of more or fewer, longer or shorter sequences than before."""
    model = candidate.build(PLAIN, ADAM)
    infer(model, data(PLAIN)[0])
    if candidate.has("train"):
        train(model, PLAIN)
    x, _, _ = data(PLAIN, count, time)
    expected = reference.build(Case(model=PLAIN, train=ADAM, time=time), model.parameters())
    assert relative_error(infer(model, x), infer(expected, np.asarray(x))) < 10 * candidate.bands["forward"]
