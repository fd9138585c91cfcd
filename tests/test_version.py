"""The command that installs more of lstm-bench."""

import json
from importlib import metadata

import pytest

from lstm_bench.version import pip_line


class Installed:
    """A distribution that was installed from here."""

    def __init__(self, origin):
        self._origin = origin

    def read_text(self, name):
        assert name == "direct_url.json"
        return self._origin


@pytest.fixture
def installed_from(monkeypatch):
    def set_up(origin):
        monkeypatch.setattr(metadata, "distribution", lambda name: Installed(origin))
        pip_line.cache_clear()

    yield set_up
    pip_line.cache_clear()


def test_a_checkout_is_named_by_its_folder(installed_from, tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    installed_from(json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}}))
    assert pip_line("torch") == f'pip install "{folder}[torch]"'


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "{}",
        "not json",
        '{"url": "file:///nowhere/at/all", "dir_info": {}}',
        '{"url": "https://example.org/a.whl", "archive_info": {}}',
    ],
)
def test_otherwise_the_package_has_its_name(installed_from, origin):
    installed_from(origin)
    assert pip_line("torch") == 'pip install "lstm-bench[torch]"'


def test_a_package_that_is_not_installed_has_its_name_too(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    pip_line.cache_clear()
    assert pip_line("torch") == 'pip install "lstm-bench[torch]"'
    pip_line.cache_clear()
