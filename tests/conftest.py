from __future__ import annotations

import os

import pytest
from hypothesis import settings

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
