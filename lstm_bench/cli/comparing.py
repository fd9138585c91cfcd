"""``lstm-bench compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lstm_bench.analysis.comparison import ALTHOUGH
from lstm_bench.cli.options import read_results
from lstm_bench.errors import LSTMBenchError
from lstm_bench.library import compare_attempts

if TYPE_CHECKING:
    from lstm_bench.record.attempt import Attempt


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path), required=False)
@click.option(
    "--where",
    "wheres",
    multiple=True,
    metavar="KEY=VALUE[,...]",
    help="Compare only these. Given twice, the first is the old side and the second the new one.",
)
@click.option(
    "--although", multiple=True, type=click.Choice(ALTHOUGH), help="Compare even though this differs; repeatable."
)
@click.option(
    "--fail-if",
    "limits",
    multiple=True,
    metavar='"train slower than 5%"',
    help="Exit with 1 if a row is shown to be slower than this, or failed and did not before; repeatable.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "md", "json", "junit", "github"]),
    default="table",
    show_default=True,
    help="junit is for CI systems; github is what github-action-benchmark reads.",
)
def compare(
    old: Path, new: Path | None, wheres: tuple[str, ...], although: tuple[str, ...], limits: tuple[str, ...], form: str
) -> int:
    """Compare the times in two folders or files, or in two selections of one.

    A ratio above 1 means that the new side is slower. It is called slower or faster only if its whole 95% interval
    lies outside 0.99 to 1.01, which takes two rounds or more.

    Exit code 0 if nothing that --fail-if names was found, 1 if something was, 2 if the command was wrong.
    """
    from lstm_bench.analysis import comparison
    from lstm_bench.reports import comparison as shown
    from lstm_bench.reports import gate, markdown, terminal

    parsed = [comparison.parse_limit(text) for text in limits]
    sides = [comparison.parse_where(text) for text in wheres]
    if len(sides) > 2:
        raise LSTMBenchError("--where is given more than twice: there are two sides")
    if new is None and len(sides) < 2:
        raise LSTMBenchError(
            f"name a second folder, or two selections of {old}: --where backend=torch --where backend=jax"
        )
    of_old = read_results(old)[0]
    of_new = of_old if new is None else read_results(new)[0]
    found = compare_attempts(of_old, of_new, sides, although).found
    before, after = (sides * 2)[:2] if sides else ({}, {})
    title = f"{_side(old, before)} -> {_side(new or old, after)}"
    for_people = {"table": terminal, "md": markdown}
    for_programs = {"json": gate.render_json, "junit": gate.render_junit, "github": gate.render_github}
    if form in for_people:
        click.echo(for_people[form].show(shown.summarise(found, title, parsed)), nl=False)
    else:
        click.echo(for_programs[form](found, title, parsed), nl=False)
    if parsed and found.times and all(time.ratio.low is None for time in found.times):
        raise LSTMBenchError("--fail-if needs two rounds on each side, and there is one: run without --quick")
    exceeded = [time for time in found.times if gate.exceeds(time, parsed)]
    broken = [pair for pair in found.failed if not _failed(pair.old.first) and _failed(pair.new.first)]
    return 1 if parsed and (exceeded or broken) else 0


def _failed(attempt: Attempt) -> bool:
    return attempt.status not in ("ok", "disturbed", "unsupported")


def _side(folder: Path, where: dict[str, str]) -> str:
    return f"{folder}" + (f" ({', '.join(f'{key}={value}' for key, value in where.items())})" if where else "")
