"""``lstm-bench publish``: a text that people wrote, with the tables of the attempts beside it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from builders import ROUNDS, some_run, times
from lstm_bench.cli import main
from lstm_bench.record.store import write_attempt

pytestmark = pytest.mark.one_interpreter

pytest.importorskip("altair", reason="the page has charts")


@pytest.fixture
def folder(tmp_path):
    """Two folders of attempts."""
    for name, attempts in (("old", some_run(*ROUNDS)), ("new", some_run(*times(2), backend="jax", run="newer"))):
        (tmp_path / name).mkdir()
        for attempt in attempts:
            write_attempt(attempt, tmp_path / name)
    return tmp_path


def publish(folder, *arguments):
    done = CliRunner().invoke(main, ["publish", str(folder), *arguments])
    return done.exit_code, done.output


def texts(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_stands_between_marks_becomes_tables_and_the_rest_stays(folder):
    text = folder / "README.md"
    text.write_text(
        "# Mine\n\n<!-- report new -->\n<!-- end -->\n\nWords.\n\n<!-- report old -->\nstale\n<!-- end -->\nEnd."
    )
    assert publish(folder)[0] == 0
    parts = text.read_text().split("\n<!-- end -->\n")
    assert parts[0].startswith("# Mine\n\n<!-- report new -->\n### ")
    assert [("jax" in part, "torch" in part) for part in parts] == [(True, False), (False, True), (False, False)]
    assert parts[1].startswith("\nWords.\n\n<!-- report old -->\n### ")
    assert "stale" not in parts[1]
    assert parts[2] == "End."


def test_a_table_is_the_one_that_report_writes(folder):
    (folder / "README.md").write_text("<!-- report old -->\n<!-- end -->\n")
    publish(folder)
    reported = CliRunner().invoke(main, ["report", str(folder / "old"), "--format", "md"]).stdout
    assert (folder / "README.md").read_text() == f"<!-- report old -->\n{reported}<!-- end -->\n"


def test_without_a_text_one_is_begun_with_a_place_for_each_folder(folder):
    code, out = publish(folder)
    assert code == 0
    assert [line.split()[-1].rsplit("/", 1)[-1] for line in out.splitlines()] == ["README.md", "index.html"]
    text = (folder / "README.md").read_text()
    assert text.index("## new\n\n<!-- report new -->\n### ") < text.index("## old\n\n<!-- report old -->\n### ")


def test_a_folder_with_a_space_in_its_name_has_its_place_too(folder):
    (folder / "old").rename(folder / "old one")
    assert publish(folder)[0] == 0
    assert "<!-- report 'old one' -->\n### " in (folder / "README.md").read_text()


def test_what_lies_in_the_folder_itself_and_below_is_shown_once(folder):
    for attempt in some_run(*ROUNDS, backend="numpy", run="itself"):
        write_attempt(attempt, folder)
    assert publish(folder)[0] == 0
    assert (folder / "README.md").read_text().count("<!-- report") == 1


def test_the_page_holds_all_folders(folder):
    publish(folder)
    page = (folder / "index.html").read_text()
    assert "torch" in page
    assert "jax" in page


def test_the_page_holds_no_folder_that_the_text_does_not_name(folder):
    (folder / "README.md").write_text("<!-- report old -->\n<!-- end -->\n")
    publish(folder)
    page = (folder / "index.html").read_text()
    assert "torch" in page
    assert "jax" not in page


def test_a_picture_is_a_file_beside_the_attempts_that_the_text_shows(folder):
    (folder / "README.md").write_text("<!-- plot throughput old -->\n<!-- end -->\n")
    assert publish(folder)[0] == 0
    text = (folder / "README.md").read_text()
    assert text.splitlines()[1].endswith("(old/throughput.svg)")
    assert "torch" in (folder / "old" / "throughput.svg").read_text()


def test_done_again_it_changes_nothing(folder):
    publish(folder)
    before = texts(folder)
    assert publish(folder) == (0, "")
    assert texts(folder) == before


def test_check_says_what_is_stale_and_writes_nothing(folder):
    publish(folder)
    assert publish(folder, "--check") == (0, "")
    text = folder / "README.md"
    text.write_text(text.read_text().replace("| ok |", "| best |"))
    before = texts(folder)
    code, out = publish(folder, "--check")
    assert code == 1
    assert out == f"lstm-bench: {text} is not what its attempts give: run lstm-bench publish {folder}\n"
    assert texts(folder) == before


def test_a_new_attempt_makes_it_stale(folder):
    publish(folder)
    for attempt in some_run(*ROUNDS, backend="numpy", run="later"):
        write_attempt(attempt, folder / "old")
    code, out = publish(folder, "--check")
    assert (code, len(out.splitlines())) == (1, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# No marks\n", "has no place for tables: write <!-- report . --> where they are to stand"),
        ("\n<!-- report old -->\n", "line 2: this mark has no other half"),
        ("\n<!-- report old -->\n<!-- report new -->\n<!-- end -->\n", "line 2: this mark has no other half"),
        ("<!-- end -->\n", "line 1: this mark has no other half"),
        ("<!-- report gone -->\n<!-- end -->\n", "line 1: there is no folder 'gone'"),
        ("<!-- report ../old -->\n<!-- end -->\n", "line 1: there is no folder '../old'"),
        ("<!-- report /tmp -->\n<!-- end -->\n", "line 1: there is no folder '/tmp'"),
        ("<!-- report 'old -->\n<!-- end -->\n", "line 1: No closing quotation"),
        ("<!-- report empty -->\n<!-- end -->\n", "line 1: there are no results in"),
        ("<!-- report -->\n<!-- end -->\n", "line 1: write <!-- report FOLDER -->"),
        ("<!-- plot trend old -->\n<!-- end -->\n", "line 1: "),
    ],
)
def test_a_text_that_cannot_be_filled_is_left_as_it_is(folder, text, says):
    (folder / "empty").mkdir()
    (folder / "README.md").write_text(text)
    code, out = publish(folder)
    assert code == 2
    assert says in out
    assert len(out.splitlines()) == 1
    assert texts(folder) == {"README.md": text.encode()}


def test_a_folder_without_attempts_says_how_to_get_some(tmp_path):
    code, out = publish(tmp_path)
    assert code == 2
    assert "there are no results in" in out
    assert texts(tmp_path) == {}


def test_what_cannot_be_read_is_told_and_the_rest_is_published(folder):
    (folder / "old" / "broken.json").write_text("{")
    code, out = publish(folder)
    assert code == 1
    assert "warning: left out: " in out.splitlines()[0]
    assert (folder / "index.html").exists()
