from __future__ import annotations

import pytest

from commands import FAULTS, RESULT, lstm_bench
from lstm_bench.cli import listing, main

pytestmark = pytest.mark.usefixtures("surroundings")


# --- what is wrong with a command


@pytest.fixture
def clutter(tmp_path):
    """Things that do not work as folders or plugins."""
    (tmp_path / "empty").mkdir()
    for name, text in {
        "file": "",
        "plugin.txt": "",
        "raises.py": "1 / 0",
        "garbled.py": "def",
        "leaves.py": "raise SystemExit(0)",
        "idle.py": "",
        "gives_nonsense.py": "import lstm_bench\n@lstm_bench.hookimpl\ndef lstm_bench_backends(): return [7]",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("run -b nunpy", "unknown backend 'nunpy'. Did you mean 'numpy'? There is: "),
        ("run -b numpy -t flihgts", "unknown task 'flihgts'. Did you mean 'flights'? There is: "),
        ("run -b numpy -t flights:tutorail", "unknown recipe 'tutorail' of task 'flights'. Did you mean 'tutorial'?"),
        ("run -b numpy -t flights[mnoths=9]", "unknown option 'mnoths' of task 'flights'."),
        ("run -b numpy[speed=9]", "unknown option 'speed' of backend 'numpy'."),
        (f"run -b hang[momnet=load] --plugin {FAULTS}", "option 'momnet' of backend 'hang'. Did you mean 'moment'?"),
        (f"run -b hang[moment=biuld] --plugin {FAULTS}", "unknown value 'biuld' of option 'moment' of backend 'hang'."),
        ("run -b numpy[", "cannot read 'numpy['"),
        ("run -b numpy[fast]", "cannot read 'fast' in 'numpy[fast]': write option=value"),
        ("run -b numpy:tutorial", "a backend has no recipes"),
        ("run -b numpy -t flights[a=1,a=2]", "option 'a' is given twice"),
        ("run -b numpy --device cdua", "unknown device 'cdua'. Did you mean 'cuda'? There is: "),
        ("run -b numpy --threads 4096", "--threads 4096 is more than the "),
        ("run -b numpy --require-kernel onednn|", "--require-kernel 'onednn|' has an empty name beside a |"),
        ("run -b numpy --results file", "cannot write results to file: "),
        ("run -b numpy --results file/below", "cannot write results to file/below: "),
        (
            "report empty --format cvs",
            "unknown format 'cvs'. Did you mean 'csv'? There is: attempts-csv, attempts-json, ",
        ),
        ("report empty -o x.pdf", "unknown suffix '.pdf' of --output x.pdf, where no --format is given. "),
        ("report empty -o x", "unknown suffix '' of --output x, where no --format is given. There is: .csv, "),
        (f"report {RESULT} -o no/x.md", "cannot write no/x.md: there is no folder no"),
        (f"report {RESULT} -o empty --format md", "cannot write empty: it is no regular file"),
        (f"report {RESULT} -o . --format md", "cannot write .: it is no regular file"),
        (f"report {RESULT} -o /dev/null --format md", "cannot write /dev/null: it is no regular file"),
        ("report empty", "there are no results in empty: "),
        ("report missing", "there is no folder missing: "),
        ("report file", "file is not a result file: "),
        ("data fetch flihgts", "unknown task 'flihgts'. Did you mean 'flights'? There is: "),
        ("data path flihgts", "unknown task 'flihgts'. Did you mean 'flights'? There is: "),
        ("list --plugin missing.py", "plugin missing.py: there is no such file"),
        ("list --plugin plugin.txt", "plugin plugin.txt: it is not a Python file"),
        ("list --plugin raises.py", "plugin raises.py: ZeroDivisionError: division by zero"),
        ("list --plugin garbled.py", "plugin garbled.py: SyntaxError: "),
        ("list --plugin idle.py", "plugin idle.py: it has no function marked with lstm_bench.hookimpl"),
        ("env --plugin gives_nonsense.py", "plugin gives_nonsense.py: gave int where BackendInfo belongs"),
        ("list --plugin leaves.py", "plugin leaves.py: SystemExit"),
    ],
)
def test_a_wrong_command_is_one_line_that_says_what_and_leaves_no_trace(command, complaint, clutter):
    before = sorted(clutter.rglob("*"))
    ran = lstm_bench(*command.split())
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("lstm-bench: error: ")
    assert complaint in line
    assert sorted(clutter.rglob("*")) == before


GIVE_ONE = "contradict each other: give one of them"


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("run -b numpy -t speed[hidden=320] --hidden 64", f"speed[hidden=320] and --hidden 64 {GIVE_ONE}"),
        ("run -b numpy -t speed[batch=64] --batch 32 --batch 128", f"speed[batch=64] and --batch 32 {GIVE_ONE}"),
        ("run -b numpy -t speed[cell=gru] --cell rnn", f"speed[cell=gru] and --cell rnn {GIVE_ONE}"),
        ("run -b numpy -t speed[time=64] --length 128", f"speed[time=64] and --length 128 {GIVE_ONE}"),
        ("run -b numpy --quick --rigorous", f"--quick and --rigorous {GIVE_ONE}"),
        ("run -b numpy --momentum 0.9", "--momentum has no effect: it needs --optimizer sgd; leave --momentum out"),
        ("run -b numpy -t speed --epochs 3", "--epochs has no effect: task 'speed:any' does not train; leave"),
        ("run -b numpy -t speed --steps 3", "--steps has no effect: task 'speed:any' does not train; leave"),
        (
            "report empty -o report.md --format csv",
            "--output report.md and --format csv contradict each other: .md is a file of format md",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused_by_name(command, complaint, clutter):
    ran = lstm_bench(*command.split())
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("lstm-bench: error: ")
    assert complaint in line


@pytest.mark.parametrize(
    "command",
    [
        "run -b numpy -t speed[hidden=64] --hidden 64",
        "run -b numpy -t speed[time=64] --length 64",
        "run -b numpy --optimizer adam --optimizer sgd --momentum 0.9",
        "run -b numpy -t speed -t flights --epochs 3",
        "run -b numpy --rigorous --rigorous",
    ],
)
def test_options_that_agree_or_have_an_effect_somewhere_are_taken(command):
    ran = lstm_bench(*command.split(), "--dry-run")
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("runn", "No such command 'runn'"),
        ("run --bakend numpy", "No such option"),
        ("run --precision float23", "'float23' is not one of"),
        ("run --epochs 0", "0 is not in the range"),
        ("run --threads 0", "0 is not in the range"),
        ("run --seed -1", "-1 is not in the range"),
        ("run --timeout 0", "0.0 is not in the range"),
        ("run --timeout nan", "nan is no number of seconds"),
        ("list bakends", "'bakends' is not one of"),
        ("report one two", "unexpected extra argument"),
        ("data fech", "No such command 'fech'"),
        ("data path one two", "unexpected extra argument"),
    ],
)
def test_what_click_refuses_is_shown_with_the_usage(command, complaint, tmp_path):
    ran = lstm_bench(*command.split())
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("Usage: lstm-bench ")
    assert complaint in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_where_it_went_wrong():
    ran = lstm_bench("--debug", "run", "-b", "nunpy")
    assert ran.returncode == 1
    assert "Traceback (most recent call last)" in ran.stderr
    assert "unknown backend 'nunpy'" in ran.stderr.splitlines()[-1]


def test_an_end_of_file_in_our_own_work_is_not_taken_for_an_interrupt(monkeypatch):
    def cut_off(plugins):
        raise EOFError("marshal data too short")

    monkeypatch.setitem(listing.SECTIONS, "formats", cut_off)
    with pytest.raises(EOFError, match="marshal"):
        main(["list", "formats"])
