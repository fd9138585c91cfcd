"""Publish a folder: fill the tables of its README.md with the attempts beside it, and make a page of them.

Text that people wrote in README.md stays. Text between two marks is made from attempts, each time anew::

    <!-- report copy -->
    <!-- end -->

gets the tables of the attempts in the subfolder ``copy``, and::

    <!-- plot recall copy -->
    <!-- end -->

gets the picture ``recall`` of these attempts, in the file ``copy/recall.svg``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lstm_bench.catalog.loading import Plugins
from lstm_bench.errors import LSTMBenchError, NoResults
from lstm_bench.record import store
from lstm_bench.record.attempt import Attempt

TEXT, PAGE = "README.md", "index.html"

_MARK = re.compile(r"<!-- (report|plot|end)\b(.*?)-->\s*")


def publish(folder: Path, plugins: Plugins) -> tuple[dict[Path, str], list[str]]:
    """Make the texts of the published files of a folder, without writing them.

    The page shows the attempts that README.md has a mark for. Other attempts in the folder, such as trials in
    ``local``, are not published.

    Args:
        folder: has attempts, in it or in subfolders.
        plugins: have the formats.

    Returns:
        The text of each file, and one line for each result file that could not be read.

    Raises:
        LSTMBenchError: if there are no attempts, or if a mark in README.md cannot be filled.
    """
    text, made = folder / TEXT, _Made(folder, plugins)
    written = _fill(text, _read(text) if text.exists() else _beginning(folder), made.make)
    page = plugins.reporter("html").render(store.latest(made.attempts.values()))
    return {**made.pictures, text: written, folder / PAGE: page}, sorted(made.problems)


def stale(files: dict[Path, str]) -> Iterator[Path]:
    """The files that are missing or do not have this text."""
    for path, text in files.items():
        if not path.exists() or _read(path) != text:
            yield path


def _fill(path: Path, written: str, make: Callable[[Sequence[str]], str]) -> str:
    """The text with everything between two marks made anew from the words of the first mark."""
    lines, opened, places = [], 0, 0
    for number, line in enumerate(written.splitlines(keepends=True), 1):
        mark = _MARK.fullmatch(line)
        if mark is None:
            lines += [] if opened else [line]
            continue
        kind, rest = mark.groups()
        if (kind == "end") != bool(opened):
            raise LSTMBenchError(f"{path}, line {opened or number}: this mark has no other half")
        if kind == "end":
            opened = 0
            lines.append(line)
            continue
        opened, places = number, places + 1
        try:
            lines += [line, make([kind, *shlex.split(rest)])]
        except (LSTMBenchError, ValueError) as error:  # ValueError: a quotation mark without its other half
            raise LSTMBenchError(f"{path}, line {number}: {error}") from error
    if opened:
        raise LSTMBenchError(f"{path}, line {opened}: this mark has no other half")
    if not places:
        raise LSTMBenchError(
            f"{path} has no place for tables: write <!-- report . --> where they are to stand, and <!-- end --> beneath"
        )
    return "".join(lines)


class _Made:
    """Makes the text for each mark, and collects attempts and pictures on the way.

    Args:
        folder: has the folders that marks name.
        plugins: have the formats.

    Attributes:
        attempts: of all folders that marks named, by id.
        pictures: the text of each file.
        problems: one line for each result file that could not be read.
    """

    def __init__(self, folder: Path, plugins: Plugins) -> None:
        self._folder, self._plugins = folder, plugins
        self.attempts: dict[str, Attempt] = {}
        self.pictures: dict[Path, str] = {}
        self.problems: set[str] = set()

    def make(self, words: Sequence[str]) -> str:
        """The text for the words of a mark."""
        match words:
            case ["report", name]:
                return self._plugins.reporter("md").render(self._read(name))
            case ["plot", kind, name]:
                return self._draw(kind, name)
            case _:
                raise LSTMBenchError("write <!-- report FOLDER --> or <!-- plot KIND FOLDER -->")

    def _draw(self, kind: str, name: str) -> str:
        from lstm_bench import charts
        from lstm_bench.charts import rendering
        from lstm_bench.reports.markdown import escape

        figure = charts.draw(charts.find_kind(kind), self._read(name))
        path = self._folder / name / f"{kind}.svg"
        self.pictures[path] = rendering.svg(figure)
        return f"![{escape(figure.title)}]({path.relative_to(self._folder).as_posix()})\n"

    def _read(self, name: str) -> list[Attempt]:
        """The latest attempts of each configuration in a subfolder."""
        below = self._folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts or not below.is_dir():
            raise LSTMBenchError(f"there is no folder {name!r} in {self._folder}")
        attempts, problems = store.read_folder(below)
        if not attempts:
            raise NoResults(below)
        self.attempts |= {attempt.id: attempt for attempt in attempts}
        self.problems |= set(problems)
        return store.latest(attempts)


def _beginning(folder: Path) -> str:
    """A first README.md, with a place for the tables of each subfolder that has attempts.

    Raises:
        NoResults: if there are no attempts.
    """
    count = len(store.read_folder(folder)[0])
    if not count:
        raise NoResults(folder)
    below = {path.name: len(store.read_folder(path)[0]) for path in sorted(folder.iterdir()) if path.is_dir()}
    if sum(below.values()) < count:  # the folder itself has some, and its tables include those of subfolders
        return "# Results\n\n<!-- report . -->\n<!-- end -->\n"
    places = [f"## {name}\n\n<!-- report {shlex.quote(name)} -->\n<!-- end -->\n" for name, of in below.items() if of]
    return "# Results\n\n" + "\n".join(places)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LSTMBenchError(f"cannot read {path}: {error}") from error
