"""A comparison for programs: JSON, JUnit's XML for CI systems, and the form that github-action-benchmark reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import msgspec

from lstm_bench.analysis.comparison import ComparedTime, Limit, RunComparison
from lstm_bench.analysis.groups import Group
from lstm_bench.analysis.statistics import IntervalEstimate
from lstm_bench.reports.frame import escape_control, printable
from lstm_bench.reports.numbers import percent
from lstm_bench.text import one_line


def render_json(found: RunComparison, title: str, limits: Sequence[Limit]) -> str:
    """Every time with its ratio and interval in full; times are seconds, and a ratio above 1 means slower."""
    return _pretty(
        {
            "title": title,
            "times": [
                {
                    "row": _row(time.pair.new),
                    "measure": time.measure,
                    "old": _estimate(time.old),
                    "new": _estimate(time.new),
                    "ratio": _estimate(time.ratio),
                    "verdict": time.verdict,
                    "exceeds": exceeds(time, limits),
                }
                for time in found.times
            ],
            "failed": [
                {"row": _row(pair.new), "old": _status(pair.old), "new": _status(pair.new)} for pair in found.failed
            ],
            "only_on_one_side": list(found.unmatched),
            "differences": list(found.differences),
        }
    )


def render_junit(found: RunComparison, title: str, limits: Sequence[Limit]) -> str:
    """A test case for each time, failed if it exceeds a limit, and an error for each row that failed."""
    failures = sum(exceeds(time, limits) for time in found.times)
    suite = ElementTree.Element(
        "testsuite",
        name=_xml(title),
        tests=str(len(found.times) + len(found.failed)),
        failures=str(failures),
        errors=str(len(found.failed)),
    )
    for time in found.times:
        case = ElementTree.SubElement(
            suite, "testcase", classname=_xml(_row(time.pair.new)), name=time.measure, time=f"{time.new.value:.9f}"
        )
        if exceeds(time, limits):
            ElementTree.SubElement(case, "failure", message=f"{_words(time)}; allowed: {_allowed(time, limits)} slower")
    for pair in found.failed:
        case = ElementTree.SubElement(suite, "testcase", classname=_xml(_row(pair.new)), name="status")
        message = f"{_status(pair.old)} before, {_status(pair.new)} now: {pair.new.first.reason}"
        ElementTree.SubElement(case, "error", message=_xml(message))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode") + "\n"


def render_github(found: RunComparison, title: str, limits: Sequence[Limit]) -> str:
    """The new times for github-action-benchmark, as its tool ``customSmallerIsBetter`` reads them: milliseconds."""
    del title, limits
    return _pretty(
        [
            {
                "name": f"{_row(time.pair.new)}: {time.measure}",
                "unit": "ms",
                "value": 1000 * time.new.value,
                **({"range": f"± {percent(time.new.relative)}"} if time.new.relative is not None else {}),
                "extra": _words(time),
            }
            for time in found.times
        ]
    )


def exceeds(time: ComparedTime, limits: Sequence[Limit]) -> bool:
    """Whether a time is shown to exceed one of the limits."""
    return any(limit.exceeded(time) for limit in limits)


def _allowed(time: ComparedTime, limits: Sequence[Limit]) -> str:
    return percent(min(limit.share for limit in limits if limit.exceeded(time)))


def _words(time: ComparedTime) -> str:
    ratio = time.ratio
    ends = "" if ratio.low is None else f" ({ratio.low:.3f} to {ratio.high:.3f})"
    return f"{ratio.value:.3f} times the old time{ends}: {time.verdict}"


def _estimate(found: IntervalEstimate) -> dict[str, Any]:
    return {"value": found.value, "low": found.low, "high": found.high}


def _row(group: Group) -> str:
    return one_line(group.first.configuration.name)


def _status(group: Group) -> str:
    return ", ".join(dict.fromkeys(group.statuses))


def _xml(text: str) -> str:
    """The text without characters that XML cannot hold."""
    return printable(one_line(text))


def _pretty(content: object) -> str:
    return escape_control(msgspec.json.format(msgspec.json.encode(content), indent=2).decode()) + "\n"
