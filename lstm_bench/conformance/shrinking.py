"""Shrink a failing case to the smallest one that still fails, with hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, Any

from lstm_bench.conformance.cases import Case
from lstm_bench.conformance.shapes import FEWEST, NARROWEST
from lstm_bench.model.spec import Loss, ModelSpec, TrainSpec

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

TRIES = 300
"""Largest number of examples that hypothesis draws."""


def smallest(case: Case, fails: Callable[[Case], bool], *, seconds: float) -> Case:
    """Return the simplest case that still fails; the given case if no simpler one is found in time.

    A simpler case has sizes that are no larger and no more layers. Each of its choices is either the given case's or
    the plain one. With batch norm, sizes never go below those of ``draw_case``: on smaller ones correct backends
    disagree, too. Cross entropy keeps two classes, because its gradients are zero over one.

    Args:
        case: a failing case.
        fails: whether a case fails.
        seconds: time limit; no case is tried after it.

    Raises:
        ImportError: if hypothesis is not installed.
    """
    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis.errors import NoSuchExample

    known = {case: True}
    until = monotonic() + seconds

    def still_fails(candidate: Case) -> bool:
        if candidate not in known:
            if monotonic() > until:
                return False
            known[candidate] = fails(candidate)
        return known[candidate]

    quiet = settings(
        max_examples=TRIES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    try:
        return find(_below(case), still_fails, settings=quiet, random=Random(0))
    except NoSuchExample:
        return case


def _below(case: Case) -> SearchStrategy[Case]:
    from hypothesis import strategies as st

    batch_norms = st.sampled_from([False, True][: 1 + case.model.batch_norm])
    losses = st.sampled_from(list(dict.fromkeys(("mse", case.train.loss))))
    return st.tuples(batch_norms, losses).flatmap(lambda chosen: _with(case, *chosen))


def _with(case: Case, batch_norm: bool, loss: Loss) -> SearchStrategy[Case]:
    from hypothesis import strategies as st

    model, train = case.model, case.train
    narrowest, fewest = (NARROWEST, FEWEST) if batch_norm else (1, 1)

    def up_to(given: int, least: int) -> SearchStrategy[int]:
        return st.integers(min(given, least), given)

    def either(plain: Any, given: Any) -> SearchStrategy[Any]:
        return st.sampled_from([plain, given]) if plain != given else st.just(given)

    models = st.builds(
        ModelSpec,
        input_size=up_to(model.input_size, narrowest),
        hidden_sizes=st.lists(
            up_to(max(model.hidden_sizes), narrowest), min_size=1, max_size=len(model.hidden_sizes)
        ).map(tuple),
        output_size=up_to(model.output_size, 2 if loss == "cross_entropy" else 1),
        cell=st.just(model.cell),
        bidirectional=either(False, model.bidirectional),
        bias=either(False, model.bias),
        batch_norm=st.just(batch_norm),
        readout=either("last", model.readout),
    )
    trains = st.builds(
        TrainSpec,
        loss=st.just(loss),
        optimizer=st.just(train.optimizer) if train.momentum else either("sgd", train.optimizer),
        learning_rate=st.just(train.learning_rate),
        batch_size=up_to(train.batch_size, fewest),
        momentum=st.just(train.momentum),
        clip_norm=either(None, train.clip_norm),
    )
    return st.builds(
        Case,
        model=models,
        train=trains,
        time=up_to(case.time, 1),
        weights=either("uniform", case.weights),
        inputs=either("normal", case.inputs),
        seed=either(0, case.seed),
    )
