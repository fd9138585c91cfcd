"""``lstm-bench compare``, on folders that are written here, so that it is known what has to come out."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from builders import ROUNDS, a_configuration, a_failure, a_recipe, some_run, times
from lstm_bench.cli import main
from lstm_bench.record.store import write_attempt

LIMIT = ("--fail-if", "train slower than 5%")


@pytest.fixture
def folder(tmp_path):
    """Something that writes attempts, and returns their folder."""

    def write(name, *attempts):
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        for attempt in attempts:
            write_attempt(attempt, path)
        return str(path)

    return write


def compare(*arguments):
    done = CliRunner().invoke(main, ["compare", *map(str, arguments)], env={"COLUMNS": "200"})
    return done.exit_code, done.output


def test_two_folders_are_a_table_of_ratios_with_verdicts(folder):
    old, new = folder("old", *some_run(*ROUNDS)), folder("new", *some_run(*times(1.5), run="new"))
    code, out = compare(old, new, "--format", "md")
    assert code == 0
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("| torch")]
    assert [(row[1], row[4], row[6]) for row in rows] == [
        ("train", "1.500", "slower"),
        ("first step", "1.500", "slower"),
    ]
    low, high = map(float, rows[0][5].split(" to "))
    assert 1.3 < low < 1.5 < high < 1.7


def test_one_file_is_a_side_too(folder):
    old, new = folder("old", *some_run(1.0)), folder("new", *some_run(2.0, run="new"))
    files = [next(Path(side).glob("*.json")) for side in (old, new)]
    code, out = compare(*files)
    assert code == 0
    assert "not judged" in out


def test_two_selections_of_one_folder_are_the_sides(folder):
    both = folder("both", *some_run(*ROUNDS), *some_run(*times(2), backend="jax"))
    code, out = compare(both, "--where", "backend=torch", "--where", "backend=jax")
    assert (code, "slower" in out, "2.000" in out) == (0, True, True)
    assert "(backend=torch) -> " in out


@pytest.mark.parametrize(
    ("factor", "limits", "code"),
    [
        (1.5, LIMIT, 1),
        (1.5, ("--fail-if", "infer slower than 5%"), 0),
        (1.001, LIMIT, 0),
        (0.5, LIMIT, 0),
        (1.5, (), 0),
    ],
)
def test_what_is_slower_by_more_than_the_limit_fails(factor, limits, code, folder):
    old, new = folder("old", *some_run(*ROUNDS)), folder("new", *some_run(*times(factor), run="new"))
    found, out = compare(old, new, *limits)
    assert found == code
    assert ("by more than 5%" in out) == (code == 1)


def test_a_cell_that_fails_now_fails_the_limit(folder):
    configuration = a_configuration(recipe=a_recipe(scopes=("train",)))
    both = [some_run(*ROUNDS, backend="numpy", run=run) for run in ("old", "new")]
    old = folder("old", *some_run(*ROUNDS), *both[0])
    now = some_run(1.0)[0].findings
    new = folder("new", *both[1], a_failure(900, configuration=configuration, run="new", findings=now))
    code, out = compare(old, new, *LIMIT)
    assert code == 1
    assert "not compared" in out
    assert compare(old, new)[0] == 0


def test_a_limit_cannot_be_held_against_one_round(folder):
    old, new = folder("old", *some_run(1.0)), folder("new", *some_run(9.0, run="new"))
    code, out = compare(old, new, *LIMIT)
    assert code == 2
    assert "--fail-if needs two rounds on each side" in out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "name a second folder, or two selections of"),
        (("--where", "backend=torch"), "name a second folder, or two selections of"),
        (("--where", "a=b", "--where", "a=c", "--where", "a=d"), "there are two sides"),
        (("--where", "backend=torch", "--where", "backend=jaks"), "no attempt has backend=jaks"),
        (("nowhere",), "there is no folder nowhere"),
    ],
)
def test_a_wrong_command_is_one_line(arguments, complaint, folder):
    code, out = compare(folder("one", *some_run(1.0)), *arguments)
    assert code == 2
    (line,) = [line for line in out.splitlines() if line.startswith("lstm-bench: error: ")]
    assert complaint in line


def test_a_damaged_file_is_named_and_left_out(folder, tmp_path):
    old, new = folder("old", *some_run(*ROUNDS)), folder("new", *some_run(*ROUNDS, run="new"))
    (tmp_path / "new" / "broken.json").write_text("{")
    code, out = compare(old, new)
    assert code == 0
    assert "warning: left out: " in out


def test_an_empty_folder_is_named(folder):
    code, out = compare(folder("old", *some_run(1.0)), folder("new"))
    assert (code, "there are no results in" in out) == (2, True)
