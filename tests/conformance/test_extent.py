from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_model, models
from lstm_bench.conformance.agreement import STEPS
from lstm_bench.conformance.extent import BUDGET, LEAST_SEQUENCES, LEAST_STEPS, LEAST_TIME, agreement_extent
from lstm_bench.model.flops import operations
from lstm_bench.record.attempt import Extent

ORDER = ("steps", "time", "sequences")
"""The order in which an extent leaves things out."""


def cost(spec, extent):
    shape = {"batch": extent.sequences, "time": extent.time}
    return 2 * operations(spec, "infer", **shape) + (1 + extent.steps) * operations(spec, "gradient", **shape)


@pytest.mark.parametrize(
    ("changes", "batch", "time"),
    [
        pytest.param({}, 1, 12, id="flights"),
        pytest.param({"input_size": 28, "hidden_sizes": (75,), "output_size": 10}, 50, 28, id="rows of digits"),
        pytest.param(
            {"input_size": 28, "hidden_sizes": (128, 64, 32), "output_size": 10}, 256, 28, id="rows of digits, stacked"
        ),
        pytest.param(
            {"input_size": 123, "hidden_sizes": (320,), "output_size": 10}, 64, 100, id="64 x 100 x 123 -> 320"
        ),
    ],
)
def test_small_recipes_are_compared_whole(changes, batch, time):
    extent = agreement_extent(a_model(**changes), batch=batch, time=time, steps=STEPS)
    assert extent == Extent(steps=STEPS, sequences=batch, time=time)


@pytest.mark.parametrize(
    ("budget", "extent"),
    [
        (1_300_000_000, Extent(steps=10, sequences=32, time=100)),
        (500_000_000, Extent(steps=3, sequences=32, time=100)),
        (100_000_000, Extent(steps=2, sequences=32, time=25)),
        (20_000_000, Extent(steps=2, sequences=10, time=16)),
        (1, Extent(steps=2, sequences=4, time=16)),
    ],
)
def test_first_steps_are_left_out_then_the_ends_of_sequences_then_sequences(budget, extent):
    # 39.3 million operations forward, 104.9 million with the backward pass: 1,232 million for the whole comparison.
    spec = a_model(input_size=16, hidden_sizes=(32,))
    assert agreement_extent(spec, batch=32, time=100, steps=10, budget=budget) == extent


@pytest.mark.parametrize(("batch", "time", "steps"), [(1, 1, 1), (3, 9, 1), (1, 100, 10)])
def test_what_is_not_there_is_not_compared(batch, time, steps):
    extent = agreement_extent(a_model(), batch=batch, time=time, steps=steps, budget=0)
    assert extent == Extent(steps=min(steps, 2), sequences=batch, time=min(time, 16))


@given(models, st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**7))
def test_it_is_as_much_as_the_budget_allows_and_no_more(spec, batch, time, budget):
    whole = Extent(steps=10, sequences=batch, time=time)
    extent = agreement_extent(spec, batch=batch, time=time, steps=10, budget=budget)
    least = Extent(steps=LEAST_STEPS, sequences=min(batch, LEAST_SEQUENCES), time=min(time, LEAST_TIME))
    assert cost(spec, extent) <= budget or extent == least
    changed = [name for name in ORDER if getattr(extent, name) < getattr(whole, name)]
    if changed:  # everything before the last change is at its least, and one more of the last would exceed the budget
        last = changed[-1]
        assert all(getattr(extent, name) == getattr(least, name) for name in ORDER[: ORDER.index(last)])
        assert cost(spec, msgspec.structs.replace(extent, **{last: getattr(extent, last) + 1})) > budget


def test_a_published_shape_of_hours_takes_seconds():
    spec = a_model(input_size=123, hidden_sizes=(320,) * 4, output_size=10, bidirectional=True)
    extent = agreement_extent(spec, batch=32, time=1000, steps=STEPS)
    assert extent == Extent(steps=2, sequences=32, time=42)
    assert cost(spec, extent) <= BUDGET < cost(spec, Extent(steps=STEPS, sequences=32, time=1000)) / 70
