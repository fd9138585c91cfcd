from __future__ import annotations

import pytest

from commands import GLANCE, lstm_bench


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """A folder of its own to stand in, and no terminal."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LSTM_BENCH_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # a plugin's bytecode beside it is Python's doing


@pytest.fixture(scope="session")
def glance(tmp_path_factory):
    """A real run of numpy, and the folder with its results."""
    folder = tmp_path_factory.mktemp("glance") / "new" / "results"
    return lstm_bench("run", "-b", "numpy", *GLANCE, "--results", folder), folder
