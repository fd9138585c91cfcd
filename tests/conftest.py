from __future__ import annotations

import os

import pytest
from hypothesis import settings

from lstm_bench.host import disturbance

# A run that decides whether a change lands must not depend on luck; everybody else's may find something new.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True, scope="session")
def no_cache(tmp_path_factory):
    """Nothing is read from the cache of whoever runs the tests, and nothing put there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSTM_BENCH_CACHE", str(tmp_path_factory.mktemp("none") / "cache"))
        yield


@pytest.fixture(autouse=True, scope="session")
def busy_is_no_matter():
    """What else the machine does is recorded and not judged: it may run other things beside the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(disturbance.VARIABLE, "ignore")
        yield
