import sys

import pytest

from formats import Stdout


@pytest.fixture(autouse=True)
def _piped(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Stdout(on_terminal=False))
