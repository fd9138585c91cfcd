"""Conformance kit: a backend has the abilities that it declares, and no others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from lstm_bench.conformance.kit import ADAM, PLAIN, Candidate, data
from lstm_bench.plugin.backend import ABILITIES, Ability, Backend, Model, Unsupported, if_supported


def implements(thing: Any, method: str) -> bool:
    """Whether a backend or a model overrides an optional method of the contract."""
    owner, _, name = method.partition(".")
    base = Backend if owner == "Backend" else Model
    return getattr(type(thing), name) is not getattr(base, name)


def answers(call: Callable[[], Any]) -> bool:
    """Whether a call returns. If it raises ``Unsupported`` instead, it must give a reason."""
    try:
        call()
    except Unsupported as error:
        if not str(error):
            pytest.fail(f"{call} raises Unsupported without a reason", pytrace=False)
        return False
    return True


@pytest.mark.parametrize("ability", ABILITIES)
def test_it_has_the_abilities_that_it_declares_and_no_others(candidate: Candidate, ability: Ability) -> None:
    """The methods of a declared ability are overridden; those of any other ability raise ``Unsupported``."""
    model = candidate.build(PLAIN, ADAM)
    calls = _calls(candidate, model)
    for method in ABILITIES[ability]:
        thing = candidate.backend if method.startswith("Backend") else model
        if candidate.has(ability):
            assert implements(thing, method), f"BackendInfo.abilities names {ability!r}, but there is no {method}"
        else:
            assert not answers(calls[method]), f"{method} answers, but BackendInfo.abilities does not name {ability!r}"


@pytest.mark.parametrize("ability", ABILITIES)
def test_none_is_never_the_answer_where_there_is_none(candidate: Candidate, ability: Ability) -> None:
    """A method without an answer raises ``Unsupported`` with a reason. It never returns ``None`` or an empty text."""
    candidate.require(ability)
    calls = _calls(candidate, candidate.build(PLAIN, ADAM))
    for method in ABILITIES[ability]:
        if answers(calls[method]):
            found = calls[method]()
            assert found is not None, f"{method} returns None: raise Unsupported with the reason"
            assert not isinstance(found, str) or found, f"{method} returns an empty text: raise Unsupported"


def test_the_training_kernel_is_told_where_both_abilities_are_declared(candidate: Candidate) -> None:
    """``train`` and ``kernel_path`` together require ``Model.training_kernel_path``."""
    candidate.require("train", "kernel_path")
    model, (x, y, order) = candidate.build(PLAIN, ADAM), data(PLAIN)
    assert implements(model, "Model.training_kernel_path"), "there is no Model.training_kernel_path"
    assert if_supported(partial(model.training_kernel_path, model.put(x), model.put(y), model.put(order))) != ""


def _calls(candidate: Candidate, model: Model[Any]) -> dict[str, Callable[[], Any]]:
    """Return a call of each optional method, by the method's name."""
    x, y, order = data(PLAIN)
    native = model.put(x), model.put(y)
    return {
        "Model.train": partial(model.train, *native, model.put(order)),
        "Model.gradients": partial(model.gradients, *native),
        "Model.differentiate": partial(model.differentiate, *native),
        "Model.states": partial(model.states, native[0]),
        "Model.input_gradient": partial(model.input_gradient, *native),
        "Model.kernel_path": partial(model.kernel_path, model.put(np.ones((1, 3, PLAIN.input_size)))),
        "Model.native_parameter_count": model.native_parameter_count,
        "Backend.product": partial(candidate.backend.product, 8, candidate.setting),
        "Backend.compile_seconds": candidate.backend.compile_seconds,
        "Backend.peak_device_memory": partial(candidate.backend.peak_device_memory, candidate.setting.device),
    }
