"""The site: it builds without a warning, lacks nothing that the program has, and asks for nothing from elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec

import pytest
from click import Group

import lstm_bench
from lstm_bench.cli import main
from pages import ROOT

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("sphinx", "myst_parser", "myst_nb", "furo", "altair", "vl_convert")),
    reason='the site needs: pip install "lstm-bench[docs]"',
)

ELSEWHERE = re.compile(r"(?:[a-z]+:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "--fail-on-warning", "--quiet", ROOT / "docs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


class Requests(HTMLParser):
    """What a browser fetches when it opens a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "link" and attributes.get("rel") not in ("canonical", "next", "prev", "index", "search", "genindex"):
            self.found.append(attributes.get("href"))
        elif tag in ("script", "img", "iframe", "source", "video", "audio", "embed"):
            self.found.append(attributes.get("src"))


def requests_of(page):
    parser = Requests()
    parser.feed(page.read_text())
    return [address for address in parser.found if address]


def test_pages_fetch_something_and_nothing_from_elsewhere(site):
    found = {str(page.relative_to(site)): requests_of(page) for page in site.rglob("*.html")}
    assert len(found["index.html"]) > 2
    assert {name: far for name, of in found.items() if (far := [at for at in of if ELSEWHERE.match(at)])} == {}


def test_styles_fetch_nothing_from_elsewhere(site):
    styles = list(site.rglob("*.css"))
    assert styles
    for style in styles:
        addresses = re.findall(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""", style.read_text())
        assert [address for pair in addresses for address in pair if ELSEWHERE.match(address)] == []


def commands(group, name):
    for command in group.commands.values():
        yield f"{name} {command.name}", command
        if isinstance(command, Group):
            yield from commands(command, f"{name} {command.name}")


COMMANDS = dict(commands(main, "lstm-bench"))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_described_with_every_option(site, name):
    page = (site / "reference" / "command-line.html").read_text()
    (section,) = re.findall(rf'(?s)<section id="{name.replace(" ", "-")}">.*?</section>', page)
    terms = re.sub(r"<[^>]+>", "", " ".join(re.findall(r"(?s)<dt>.*?</dt>", section))).split()
    options = [each.opts[-1] for each in COMMANDS[name].params if each.param_type_name == "option"]
    assert [option for option in options if option not in terms] == []
    assert "--help" in terms


@pytest.mark.parametrize("name", lstm_bench.__all__)
def test_everything_that_a_plugin_may_import_is_described(site, name):
    pages = "".join(page.read_text() for page in (site / "reference").glob("*.html"))
    assert re.search(rf'id="lstm_bench(\.\w+)*\.{name}"', pages)


def test_the_notebook_is_run_by_the_build(site):
    stored = json.loads((ROOT / "docs" / "tutorial" / "notebook.ipynb").read_text())
    assert [cell["outputs"] for cell in stored["cells"] if cell["cell_type"] == "code" and cell["outputs"]] == []
    page = (site / "tutorial" / "notebook.html").read_text()
    for shown in ("NumPy has no tf32", "Did you mean", "baseline: last value", "not judged", ".svg"):
        assert shown in page


def test_the_schema_can_be_had(site):
    (published,) = site.rglob("attempt.schema.json")
    assert published.read_bytes() == (ROOT / "docs" / "attempt.schema.json").read_bytes()
