"""The README is short, CI types its commands, and the published results say what it claims."""

from __future__ import annotations

import re

import pytest

from lstm_bench.analysis import statistics
from lstm_bench.analysis.groups import group_attempts, ratio
from lstm_bench.record.store import latest, read_folder
from lstm_bench.reports.summary import summarise
from pages import ROOT, blocks

README = ROOT / "README.md"
MOST_WORDS = 900


def test_it_is_short():
    assert len(README.read_text().split()) <= MOST_WORDS


def test_ci_types_what_a_newcomer_does():
    ci = (ROOT / ".ci" / "run").read_text()
    set_up = [text.strip() for language, text in blocks(README) if language == "sh" and text.startswith("pip install")]
    assert len(set_up) == 3
    for text in set_up:
        assert f"'{text}'" in ci, f"CI does not run: {text}"


def published(folder, task=None):
    attempts = latest(read_folder(ROOT / "results" / folder)[0])
    return [attempt for attempt in attempts if task in (None, attempt.configuration.task_selector)]


def times_as_fast(attempts, ours, theirs):
    """How many times as fast one backend trains as another: the value, and the ends of its interval."""
    by_name = {group.first.configuration.backend_selector: group for group in group_attempts(attempts)}
    found = ratio(by_name[theirs], by_name[ours], "train")
    return statistics.verdict(found), found.low, found.high


def claim(pattern):
    found = re.search(pattern, " ".join(README.read_text().split()))
    assert found, f"the README no longer says {pattern}"
    return found


def test_how_much_faster_jax_trains_on_the_tutorial():
    low, high = map(float, claim(r"JAX trains ([\d.]+) to ([\d.]+) times as fast as PyTorch").groups())
    shown, least, most = times_as_fast(published("every-task", "flights:tutorial"), "jax", "torch")
    assert shown == "slower"  # PyTorch is
    assert (round(least, 1), round(most, 1)) == (low, high)


def test_pytorch_and_jax_tie_on_mnist():
    claim("On MNIST, PyTorch and JAX tie")
    assert times_as_fast(published("mnist"), "jax", "torch")[0] == "no difference shown"


def test_last_years_month_beats_every_model():
    claim("Repeating last year's month beats every trained model")
    lines = summarise(published("every-task", "flights:tutorial")).lines
    assert any("no model beats the best baseline, same month last year" in line for line in lines)


def test_all_engines_learn_the_same():
    claim("all six engines have equal test accuracy in all four digits")
    curves = {}
    for attempt in published("mnist"):
        if not attempt.times_only:
            curve = {point.step: point.metrics["accuracy"] for point in attempt.findings.training.curve}
            curves[attempt.configuration.backend_selector] = curve
    assert len(curves) == 6
    steps = [step for step in curves["numpy"] if 0 < step <= 900]
    assert len(steps) >= 9
    for step in steps:
        assert len({f"{curve[step]:.4f}" for curve in curves.values()}) == 1, step


@pytest.mark.parametrize("picture", ["terminal.svg", "page.png"])
def test_its_pictures_are_there(picture):
    assert f"docs/pictures/{picture}" in README.read_text()
    assert (ROOT / "docs" / "pictures" / picture).stat().st_size > 1000


def test_the_terminal_in_the_picture_prints_what_the_report_prints():
    drawn = (ROOT / "docs" / "pictures" / "terminal.svg").read_text()
    shown = re.sub(r"<[^>]+>|&#160;|\s", "", drawn)
    for line in summarise(published("mnist")).sections[0].answers:
        assert re.sub(r"\s", "", line) in shown
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
