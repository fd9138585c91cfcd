from __future__ import annotations

import pytest
from click.testing import CliRunner

from lstm_bench import LSTMBenchError
from lstm_bench.cli import main
from lstm_bench.cli.config import read_config, written
from lstm_bench.errors import UnknownName


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def plan(tmp_path):
    """The lines of the plan that a file and options make."""

    def of(toml, *options):
        file = tmp_path / "sweep.toml"
        file.write_text(toml)
        ran = CliRunner().invoke(main, ["run", "--config", str(file), "--dry-run", *options])
        assert ran.exit_code == 0, ran.output
        return ran.stdout.splitlines()

    return of


SWEEP = """
backend = "numpy"
hidden = [16, 32]
cell = ["lstm", "gru"]
batch-norm = true
effort = "quick"
seeds = 2
"""


def test_a_file_makes_the_grid_that_options_would(plan):
    shape, *configurations, total = plan(SWEEP)
    assert shape == "flights:tutorial: 1 x 12 x 1 -> LSTM/GRU 1 x 16/32 -> 1, 929 to 4,449 parameters"
    assert len(configurations) == 8
    assert configurations[0].startswith("numpy on flights:tutorial (hidden 16, batch-norm true, cpu, float32)")
    assert configurations[-1].startswith(
        "numpy on flights:tutorial (cell gru, hidden 32, batch-norm true, cpu, float32, seed 1)"
    )
    assert all("30 epochs" in line for line in configurations)  # quick: a tenth of 300
    assert total.startswith("8 to run")


def test_what_is_given_as_an_option_goes_first(plan):
    _, *configurations, _ = plan(SWEEP, "--hidden", "5", "--rigorous", "--seeds", "1")
    assert ["hidden 5" in line and "300 epochs" in line for line in configurations] == [True, True]


def test_a_dry_run_leaves_nothing_behind(plan, tmp_path):
    plan(SWEEP)
    assert [file.name for file in tmp_path.iterdir()] == ["sweep.toml"]


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ("hiden = 3", "unknown key 'hiden' of --config sweep.toml. Did you mean 'hidden'?"),
        ("hidden = ", "--config sweep.toml is no TOML: Invalid value"),
        ("[hidden]\nsize = 3", "--config sweep.toml: hidden must be a value or a list of values"),
        ("hidden = [[3]]", "--config sweep.toml: hidden must be a value or a list of values"),
        ('effort = "rigourous"', "unknown effort 'rigourous' of --config sweep.toml. Did you mean 'rigorous'?"),
        ("config = 'x.toml'", "unknown key 'config' of --config sweep.toml."),
        ("hidden = 0", "--hidden 0 does not suit task 'flights': write a whole number"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_line(toml, complaint, tmp_path):
    (tmp_path / "sweep.toml").write_text(toml)
    ran = CliRunner().invoke(main, ["run", "-b", "numpy", "--config", "sweep.toml", "--dry-run"])
    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"lstm-bench: error: {complaint}"), ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("toml", "complaint"), [("cell = ['gruu']", "'gruu' is not one of"), ("epochs = 'many'", "'many' is not a valid")]
)
def test_what_click_refuses_is_shown_with_the_usage(toml, complaint, tmp_path):
    (tmp_path / "sweep.toml").write_text(toml)
    ran = CliRunner().invoke(main, ["run", "-b", "numpy", "--config", "sweep.toml", "--dry-run"])
    assert ran.exit_code == 2
    assert complaint in ran.stderr


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LSTMBenchError, match=r"cannot read --config nowhere.toml: No such file"):
        read_config(tmp_path.relative_to(tmp_path) / "nowhere.toml", ["hidden"])
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(LSTMBenchError, match="is no TOML"):
        read_config(tmp_path / "binary.toml", ["hidden"])


def test_an_unknown_key_lists_what_there_is(tmp_path):
    (tmp_path / "c.toml").write_text("x = 1")
    with pytest.raises(UnknownName, match="There is: batch, hidden"):
        read_config(tmp_path / "c.toml", ["hidden", "batch"])


def test_values_are_written_as_one_would_type_them():
    assert written([1, True, "x", 0.5], several=True) == ["1", "true", "x", "0.5"]
    assert written(3, several=True) == ["3"]
    assert written(3, several=False) == "3"
