from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from builders import a_configuration, a_failure, an_attempt, some_findings
from lstm_bench.cli import progress
from lstm_bench.execute.progress import Relay, RunProgress
from lstm_bench.record.configuration import EFFORTS
from lstm_bench.worker.protocol import Ended, Entered, Found, Progress
from sites import a_data_file

CONFIGURATION = a_configuration(backend="keras", backend_options={"engine": "jax", "bold": "red"})
BEGUN = RunProgress(1, 2, CONFIGURATION, 1)
NAME = "[1/2] keras[engine=jax,bold=red] on flights:tutorial (cpu, float32) round 2 of 3"
REASON = "ValueError: [bold]no[/bold] value for [red] in {0} \\"
BAR = "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * 24


class Screen(Console):
    """A terminal whose display can be read."""

    def __init__(self, *, stderr, **how):
        super().__init__(file=io.StringIO(), force_terminal=True, width=200, color_system=None, **how)

    def news(self):
        """The lines written since it was last asked, without control sequences."""
        text = self.file.getvalue()
        self.file.seek(0)
        self.file.truncate()
        return re.split(r"\s*[\r\n]+", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text).strip())


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def live(monkeypatch):
    monkeypatch.setattr(progress, "Console", Screen)
    with progress.display() as show:
        yield Relay(BEGUN, show)


@pytest.fixture
def screen(live):
    return live._on_progress._console


def test_off_a_terminal_there_are_plain_lines_on_stderr(capsys):
    with progress.display() as show:
        watching = Relay(BEGUN, show)
        for message in (Entered("import"), Entered("check"), Found(some_findings()), Entered("train"), Progress(1, 9)):
            watching.hear(message)
        watching.hear(Entered("time"))
        watching.hear(Ended("ok", ""))
        watching.end(an_attempt(configuration=CONFIGURATION))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [NAME, *(f"{NAME}: {what}" for what in ("check", "train", "time", "ok in 1.8 s"))]


def test_no_text_drives_a_terminal_or_floods_it(capsys):
    text = "\x1b[2J\x9b2J\n" * 50_000
    configuration = a_configuration(backend=text, backend_options={text: text}, changes={text: text})
    with progress.display() as show:
        watching = Relay(RunProgress(1, 1, configuration), show)
        watching.hear(Entered("train"))
        watching.hear(Progress(1, 9, text))
        watching.end(a_failure(configuration=configuration, reason=text))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) < 5_000
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", "".join(lines))


def test_off_a_terminal_a_long_reason_stays_on_one_line_and_is_taken_for_no_markup(capsys):
    reason = f"{REASON} {'x' * 500}"
    with progress.display() as show:
        watching = Relay(BEGUN, show)
        watching.end(a_failure(configuration=CONFIGURATION, reason=reason))
    assert capsys.readouterr().err.splitlines()[-1] == f"{NAME}: crashed: {reason}"


def test_one_round_is_not_counted():
    once = RunProgress(1, 2, a_configuration(effort=EFFORTS["quick"]))
    assert once.name == "[1/2] torch on flights:tutorial (cpu, float32)"


def test_a_reason_is_not_searched_for_emoji(capsys):
    with progress.display() as show:
        Relay(BEGUN, show).end(a_failure(reason="KeyError: in scope:key:value"))
    assert capsys.readouterr().err.endswith("in scope:key:value\n")


def test_a_terminal_shows_the_configuration_and_its_phase_whatever_brackets_are_in_its_name(live, screen):
    assert screen.news()[-1].rstrip() == f"{NAME} {BAR} starting 0 s"
    live.hear(Entered("first step"))
    assert screen.news()[-1].rstrip() == f"{NAME} {BAR} first step 0 s"


def test_a_terminal_shows_how_far_a_phase_is(live, screen):
    bars = []
    for message in (Entered("train"), Progress(6, 12), Progress(12, 12)):
        live.hear(message)
        bars.append(screen.news()[-1].removeprefix(NAME).split(" train")[0].rstrip())
    assert [bar.strip() for bar in bars] == [BAR, BAR[:12], BAR]  # a bar without an end, a half and a whole


def test_a_terminal_forgets_how_far_the_last_phase_was(live, screen):
    live.hear(Progress(6, 12))
    live.hear(Entered("evaluate"))
    assert screen.news()[-1].rstrip() == f"{NAME} {BAR} evaluate 0 s"


def test_a_terminal_is_not_drawn_on_while_nothing_new_is_said(live, screen):
    screen.news()
    live.hear(Found(some_findings()))
    live.hear(Ended("ok", ""))
    assert screen.news() == [""]


def test_a_terminal_keeps_the_outcome_as_it_was_said(live, screen):
    live.end(a_failure(configuration=CONFIGURATION, reason=REASON))
    assert f"{NAME}: crashed: {REASON}" in screen.news()


# --- files being fetched

FILE = a_data_file(b"0123456789", name="numbers")
PATH = Path("/cache/some/numbers")


def test_off_a_terminal_fetching_is_plain_lines_on_stderr(capsys):
    with progress.fetching() as watching:
        watching.begin(FILE, "http://mirror/numbers")
        watching.progress(0, 10)
        watching.progress(10, 10)
        watching.say("http://mirror/[bold]x answers 404")
        watching.end(FILE, PATH)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "fetching some/numbers from http://mirror/numbers",
        "http://mirror/[bold]x answers 404",
        f"fetched {PATH}",
    ]


def test_a_terminal_shows_how_much_of_a_file_has_come(monkeypatch):
    monkeypatch.setattr(progress, "Console", Screen)
    with progress.fetching() as watching:
        screen = watching._console
        watching.begin(FILE, "http://mirror/numbers")
        watching.progress(5_000_000, 10_000_000)
        watching._progress.refresh()
        assert screen.news()[-1].startswith(f"some/numbers {BAR[:12]}")
        watching.say("[bold] mirror")
        watching.progress(10_000_000, 10_000_000)
        watching._progress.refresh()
        news = screen.news()
        assert "[bold] mirror" in [line.rstrip() for line in news]
        assert "10.0/10.0 MB" in news[-1]
        watching.end(FILE, PATH)
        assert f"fetched {PATH}" in [line.rstrip() for line in screen.news()]


def test_a_terminal_is_left_alone_when_nothing_is_fetched(monkeypatch):
    monkeypatch.setattr(progress, "Console", Screen)
    with progress.fetching() as watching:
        pass
    assert watching._console.news() == [""]


def test_a_terminal_shows_how_long_it_has_taken_and_about_how_long_it_will(monkeypatch, screen):
    now = [1000.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    with progress.display() as show:
        Relay(RunProgress(1, 4, CONFIGURATION), show).hear(Entered("import"))
        now[0] += 60
        Relay(RunProgress(2, 4, CONFIGURATION), show).hear(Entered("train"))
        console = show._console
    assert "train 60 s, about 3 min left" in console.news()[-2] + console.news()[-1]


def test_quiet_shows_nothing_and_verbose_every_phase(capsys):
    messages = (Entered("import"), Entered("data"), Entered("check"), Entered("train"), Entered("time"))
    for how, phases in (({"quiet": True}, []), ({"verbose": True}, ["import", "data", "check", "train", "time"])):
        with progress.display(**how) as show:
            watching = Relay(BEGUN, show)
            for message in messages:
                watching.hear(message)
        told = [line.removeprefix(f"{NAME}: ") for line in capsys.readouterr().err.splitlines() if line != NAME]
        assert told == phases
