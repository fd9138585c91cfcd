from __future__ import annotations

import pytest


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """Where faulty backends leave a process's id."""
    path = tmp_path / "notes"
    monkeypatch.setenv("ZOO_NOTES", str(path))
    return path
