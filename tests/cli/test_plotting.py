"""``lstm-bench plot``, as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from builders import ROUNDS, a_failure, some_run, times
from lstm_bench.cli import main
from lstm_bench.record.store import write_attempt
from lstm_bench.version import pip_line

pytestmark = pytest.mark.one_interpreter


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "results"
    path.mkdir()
    for attempt in (*some_run(*ROUNDS), *some_run(*times(2), run="newer", backend="jax")):
        write_attempt(attempt, path)
    return path


def plot(*arguments):
    done = CliRunner().invoke(main, ["plot", *map(str, arguments)])
    return done.exit_code, done.output


@pytest.mark.parametrize(("name", "begins"), [("a.svg", b"<svg"), ("a.PNG", b"\x89PNG"), ("a.json", b"{")])
def test_the_suffix_says_what_is_written(name, begins, folder, tmp_path):
    file = tmp_path / name
    assert plot("throughput", folder, "-o", file) == (0, f"lstm-bench: the chart is in {file}\n")
    assert file.read_bytes().startswith(begins)
    assert sorted(found.name for found in tmp_path.iterdir()) == sorted([name, "results"])


def test_dark_is_another_theme(folder, tmp_path):
    for options in ((), ("--dark",)):
        assert plot("throughput", folder, "-o", tmp_path / f"a{len(options)}.json", *options)[0] == 0
    light, dark = (json.loads((tmp_path / f"a{at}.json").read_text()) for at in range(2))
    assert light["config"]["background"] != dark["config"]["background"]
    assert light["vconcat"] == dark["vconcat"]


@pytest.mark.parametrize(
    ("wheres", "names"),
    [
        ((), ["torch", "jax"]),
        (("--where", "backend=jax"), ["jax"]),
        (("--where", "backend=jax", "--where", "backend=torch"), ["torch", "jax"]),
    ],
)
def test_where_chooses_what_is_drawn(wheres, names, folder, tmp_path):
    file = tmp_path / "a.json"
    assert plot("throughput", folder, "-o", file, *wheres)[0] == 0
    assert [name for name in ("torch", "jax") if f'"{name}"' in file.read_text()] == names


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("troughput", "{folder}", "-o", "a.svg"), "unknown chart 'troughput'. Did you mean 'throughput'?"),
        (("throughput", "{folder}", "-o", "a.pgn"), "unknown suffix '.pgn' of --output a.pgn. Did you mean '.png'?"),
        (("throughput", "{folder}", "-o", "nowhere/a.svg"), "cannot write nowhere/a.svg: there is no folder nowhere"),
        (("throughput", "{folder}/nowhere", "-o", "a.svg"), "there is no folder "),
        (("throughput", "{folder}", "-o", "a.svg", "--where", "backend=nobody"), "no attempt has backend=nobody"),
        (("ceiling", "{folder}", "-o", "a.svg"), "nothing to draw for ceiling: it needs one attempt of a backend"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, complaint, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out = plot(*(argument.format(folder=folder) for argument in arguments))
    assert code == 2
    assert out.startswith(f"lstm-bench: error: {complaint}")
    assert len(out.splitlines()) == 1
    assert [found.name for found in tmp_path.iterdir()] == ["results"]


def test_a_chart_that_cannot_be_written_leaves_what_was_there(folder, tmp_path):
    (tmp_path / "a.svg").mkdir()
    code, out = plot("throughput", folder, "-o", tmp_path / "a.svg")
    assert (code, out) == (2, f"lstm-bench: error: cannot write {tmp_path / 'a.svg'}: it is no regular file\n")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.svg", "results"]


def test_an_empty_folder_says_how_to_fill_it(tmp_path):
    code, out = plot("throughput", tmp_path, "-o", tmp_path / "a.svg")
    assert (code, "there are no results in" in out) == (2, True)


def test_a_file_that_cannot_be_read_is_told_and_the_rest_is_drawn(folder, tmp_path):
    (folder / "bad.json").write_text("{")
    code, out = plot("throughput", folder, "-o", tmp_path / "a.svg")
    assert code == 1
    assert "warning: left out" in out
    assert (tmp_path / "a.svg").exists()


def test_failures_alone_have_nothing_to_draw(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    write_attempt(a_failure(), folder)
    code, out = plot("throughput", folder, "-o", tmp_path / "a.svg")
    assert (code, "these attempts do for no other chart" in out) == (2, True)


def test_without_the_extra_it_says_how_to_get_it(folder, tmp_path):
    code = f"""
import sys
sys.modules["altair"] = None
sys.argv = ["lstm-bench", "plot", "throughput", {str(folder)!r}, "-o", {str(tmp_path / "a.svg")!r}]
from lstm_bench.cli import main
main()
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr == (f"lstm-bench: error: charts need altair, which is not installed: {pip_line('report')}\n")


def test_list_names_every_kind():
    listed = CliRunner().invoke(main, ["list", "charts"]).output.splitlines()
    from lstm_bench.charts import KINDS

    assert listed[0] == "charts"
    assert [line.split()[0] for line in listed[1:]] == list(KINDS)


def test_the_readme_can_show_what_is_published(tmp_path):
    results = Path(__file__).parents[2] / "results" / "flights-robust"
    assert plot("close-up", results, "-o", tmp_path / "a.svg")[0] == 0
