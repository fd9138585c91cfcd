"""``lstm-bench plot``."""

from __future__ import annotations

from pathlib import Path

import click

from lstm_bench.cli.options import read_results, say


@click.command()
@click.argument("kind")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("results/local"))
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File to write: .svg, .png or .json (Vega-Lite).",
)
@click.option(
    "--where",
    "wheres",
    multiple=True,
    metavar="KEY=VALUE[,...]",
    help="Draw only these attempts; repeat it to draw more.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Draw every attempt, not just the latest of each configuration."
)
@click.option("--dark", is_flag=True, help="Draw light text on a dark background.")
def plot(kind: str, folder: Path, output: Path, wheres: tuple[str, ...], everything: bool, dark: bool) -> int:
    """Draw a chart of the attempts in FOLDER (default: results/local), or in one file.

    KIND is a name that lstm-bench list charts shows: throughput, scaling, loss, ...
    """
    from lstm_bench import charts
    from lstm_bench.analysis import comparison
    from lstm_bench.charts import rendering
    from lstm_bench.record import store

    chosen = charts.find_kind(kind)
    rendering.require_suffix(output)
    rendering.require()
    sides = [comparison.parse_where(text) for text in wheres]
    attempts, problems = read_results(folder)
    shown = attempts if everything else store.latest(attempts)
    if sides:
        named = {attempt.id for side in sides for attempt in comparison.select(shown, side)}
        shown = [attempt for attempt in shown if attempt.id in named]
    rendering.write(charts.draw(chosen, shown), output, dark=dark)
    say(f"the chart is in {output}")
    return 1 if problems else 0
