"""Fixtures of the conformance kit."""

from __future__ import annotations

import pytest

from lstm_bench.conformance.differential import Reference
from lstm_bench.conformance.kit import ADAM, PLAIN, Candidate
from lstm_bench.conformance.plugin import CHOSEN, Chosen
from lstm_bench.errors import LSTMBenchError
from lstm_bench.plugin.backend import Backend, load_backend, require_device


@pytest.fixture(scope="session")
def backend(chosen: Chosen) -> Backend:
    """The backend under test, loaded."""
    try:
        loaded = load_backend(chosen.backend.info)
        require_device(loaded, chosen.backend.info.name, chosen.device)
    except LSTMBenchError as error:
        pytest.fail(str(error), pytrace=False)
    return loaded


@pytest.fixture(scope="session")
def reference(chosen: Chosen) -> Reference:
    """The float64 reference."""
    return Reference.of(chosen.plugins)


@pytest.fixture(scope="session")
def candidate(backend: Backend, chosen: Chosen) -> Candidate:
    """The backend in the finest of the requested precisions that it supports."""
    found = [Candidate(backend, chosen, precision) for precision in chosen.precisions]
    found.sort(key=lambda one: one.bands["forward"])
    for one in found:
        if one.refusal(PLAIN, ADAM) is None:
            return one
    pytest.skip(f"it has none of {', '.join(chosen.precisions)}: {found[-1].refusal(PLAIN, ADAM)}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize tests that take a case ``number``: every precision, and every case in it."""
    if "number" in metafunc.fixturenames:
        chosen = metafunc.config.stash[CHOSEN]
        metafunc.parametrize("precision", chosen.precisions)
        metafunc.parametrize("number", range(chosen.cases))
