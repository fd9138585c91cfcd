"""The page in a real browser: Chromium without a screen, driven by Playwright."""

from __future__ import annotations

import os
import shutil

import pytest

from browsing import HOSTILE, RESULTS
from builders import a_configuration, a_failure, a_machine, an_attempt, some_findings
from lstm_bench.publish.page import render
from lstm_bench.record.store import latest, read_folder

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to have Chromium: apt-get install chromium")
        pytest.skip("there is no Chromium here")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The page of everything that is published here."""
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(render(latest(read_folder(RESULTS)[0])))
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The page of attempts with names that would like to be more than names."""
    configuration = a_configuration(backend=HOSTILE, task=HOSTILE, device=HOSTILE)
    findings = some_findings(kernel_path=HOSTILE, versions={HOSTILE: HOSTILE}, machine=a_machine(processor=HOSTILE))
    attempts = [
        an_attempt(configuration=configuration, findings=findings),
        a_failure(2, configuration=configuration, reason=HOSTILE, output_tail=HOSTILE),
    ]
    path = tmp_path_factory.mktemp("hostile") / "index.html"
    path.write_text(render(attempts))
    return path


@pytest.fixture
def visit(browser):
    """Opens a page; in the end nothing must have been logged, raised or asked for."""
    contexts, complaints, requests = [], [], []

    def go(path, address="", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri() + address)
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
