from __future__ import annotations

import pytest

from data_files import Recorder
from sites import serving


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    for name in ("LSTM_BENCH_DATA", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LSTM_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def site():
    with serving() as site:
        yield site


@pytest.fixture
def watcher():
    return Recorder()
