from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic

import psutil
import pytest

from lstm_bench.host import process
from lstm_bench.host.process import KEPT_OUTPUT, MOST_OUTPUT, Exit, supervise
from processes import gone, soon

BARE = (sys.executable, "-I", "-S", "-c")
SETUP = "import os, signal, sys, time\nanswer = lambda line: os.write(int(sys.argv[1]), line)\n"
SLEEP = "time.sleep(1000)"


def run(code, on_line=lambda line: True, *, first_line=b"", timeout=60.0, longest_line=1000) -> Exit:
    return supervise([*BARE, SETUP + code], os.environ, first_line, on_line, timeout=timeout, longest_line=longest_line)


def lines_of(code, **how):
    """Run a child; return how it ended and the lines that it wrote."""
    lines = []
    return run(code, lambda line: lines.append(line) or True, **how), lines


def test_lines_arrive_whole_and_in_order_however_they_are_written():
    ended, lines = lines_of("answer(b'one\\ntw'); time.sleep(0.05); answer(b'o\\n\\n'); answer(b'three\\n' * 9999)")
    assert ended == Exit("ended", 0, "")
    assert lines == [b"one", b"two", b"", *[b"three"] * 9999]


def test_the_child_reads_the_first_line_and_its_input_stays_open_after_it():
    ended, lines = lines_of(
        "line = sys.stdin.readline(); answer(line.encode()); sys.stdin.read(); answer(b'my parent is gone\\n')",
        first_line=b"what to do",
        timeout=1,
    )
    assert lines == [b"what to do"]
    assert ended.cause == "deadline"


def test_the_child_gets_the_given_environment_and_a_mark():
    lines = []
    supervise(
        [*BARE, SETUP + "answer(' '.join(os.environ).encode() + b'\\n')"],
        {"LC_ALL": "C", "ONLY": "this"},
        b"",
        lambda line: lines.append(line) or True,
        timeout=60,
        longest_line=1000,
    )
    assert lines == [b"LC_ALL ONLY LSTM_BENCH_WORKER"]


@pytest.mark.parametrize(
    ("code", "returncode"), [("", 0), ("sys.exit(7)", 7), ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)]
)
def test_the_return_code_is_the_childs_own(code, returncode):
    assert run(code) == Exit("ended", returncode, "")


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(SLEEP, id="silent"),
        pytest.param(f"os.close(1); os.close(2); os.close(int(sys.argv[1])); {SLEEP}", id="hung up"),
        pytest.param("sys.stdin.close(); os.closerange(0, 3); " + SLEEP, id="deaf and dumb"),
        pytest.param("while True: answer(b'still here\\n'); time.sleep(0.01)", id="chatting"),
    ],
)
def test_a_late_child_is_stopped_at_its_deadline(code):
    assert run(code, timeout=0.5) == Exit("deadline", -signal.SIGTERM, "")


def test_a_child_that_ignores_sigterm_is_killed():
    code = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); answer(b'%d\\n' % os.getpid()); {SLEEP}"
    ended, (pid,) = lines_of(code, timeout=0.5)
    assert ended == Exit("deadline", -signal.SIGKILL, "")
    assert gone(int(pid))


def test_a_child_that_is_stopped_is_killed():
    ended, (pid,) = lines_of("answer(b'%d\\n' % os.getpid()); os.kill(os.getpid(), signal.SIGSTOP)", timeout=0.5)
    assert ended == Exit("deadline", -signal.SIGKILL, "")
    assert gone(int(pid))


@pytest.fixture
def freezer():
    """The folder of a cgroup whose processes can be frozen. Not even SIGKILL ends a frozen process."""
    folder = Path(f"/sys/fs/cgroup/freezer/lstm-bench-{os.getpid()}")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no cgroup (version 1) that freezes can be made here: that takes root")
    yield folder
    (folder / "freezer.state").write_text("THAWED")
    assert soon(lambda: not (folder / "cgroup.procs").read_text())
    folder.rmdir()


def test_a_child_that_even_sigkill_does_not_end_is_left(freezer, monkeypatch):
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(process, "PATIENCE_SECONDS", 0.1)

    def freeze(line):
        (freezer / "cgroup.procs").write_text(line.decode())
        (freezer / "freezer.state").write_text("FROZEN")
        return False

    assert run(f"answer(b'%d\\n' % os.getpid()); {SLEEP}", freeze) == Exit("told", -signal.SIGKILL, "")


def test_a_child_that_never_stops_answering_is_stopped_at_its_deadline():
    give_up = monotonic() + 5

    def busy(line):
        sum(range(1000))  # about as long as the child takes to write the next line
        return monotonic() < give_up

    assert run("while True: answer((b'.' * 99 + b'\\n') * 600)", busy, timeout=0.5).cause == "deadline"


def test_a_child_that_does_not_read_its_input_is_stopped_at_its_deadline(tmp_path):
    mark = tmp_path / "lived on"
    run(f"time.sleep(2); open({str(mark)!r}, 'w')", first_line=b"." * 10**6, timeout=0.5)
    assert not mark.exists()


def test_the_longest_timeout_that_the_command_line_takes_is_no_problem():
    assert run("", timeout=1e7).cause == "ended"


@pytest.mark.parametrize("code", ["answer(b'.' * 2000)", "answer(b'.' * 700); time.sleep(0.05); answer(b'.' * 700)"])
def test_a_line_that_is_too_long_is_not_waited_for(code):
    ended, lines = lines_of(f"{code}; {SLEEP}")
    assert ended.cause == "long line"
    assert lines == []


def test_the_tail_of_stdout_and_stderr_is_kept():
    written = b"".join(b"%d " % n for n in range(KEPT_OUTPUT)) + b"last w\xf6rds"
    ended = run(f"for n in range({KEPT_OUTPUT}): os.write(1 + n % 2, b'%d ' % n)\nos.write(1, b'last w\\xf6rds')")
    assert ended.output_tail == written[-KEPT_OUTPUT:].decode(errors="replace")


def test_too_much_output_is_a_flood():
    written = MOST_OUTPUT // 2**20
    assert run(f"for _ in range({written}): sys.stdout.write('.' * 2**20)").cause == "ended"
    assert run(f"for _ in range({written} + 1): sys.stdout.write('.' * 2**20)").cause == "flood"


def test_on_line_can_end_it_and_what_was_printed_before_is_kept(tmp_path):
    go, printed = tmp_path / "go", tmp_path / "printed"
    os.mkfifo(go)
    os.mkfifo(printed)
    heard = []

    def on_line(line):
        heard.append(line)
        if line == b"print":  # wait until the child has printed; nobody reads its output meanwhile
            go.write_text("")
            printed.read_text()
        return line != b"stop"

    ended = run(
        f"answer(b'print\\nstop\\ngo on\\n'); open({str(go)!r}).read(); print('before', flush=True)\n"
        f"open({str(printed)!r}, 'w').close(); {SLEEP}",
        on_line,
    )
    assert (ended.cause, ended.output_tail, heard) == ("told", "before\n", [b"print", b"stop"])


def test_a_grandchild_that_holds_every_pipe_is_neither_waited_for_nor_left():
    ended, (pid,) = lines_of(f"pid = os.fork()\nanswer(b'%d\\n' % pid) if pid else {SLEEP}")
    assert ended == Exit("ended", 0, "")
    assert soon(lambda: gone(int(pid)))


LEAVE = """
ready, steady = os.pipe()
if not os.fork():
    os.setsid()
    if not os.fork():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        answer(b"%d\\n" % os.getpid())
        os.write(steady, b"!")
        time.sleep(1000)
    os._exit(0)
os.read(ready, 1)
"""


@pytest.mark.parametrize(
    ("then", "ended"),
    [("", Exit("ended", 0, "")), (SLEEP, Exit("deadline", -signal.SIGTERM, ""))],
    ids=["the child ends", "the child is late"],
)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system does not show environments")
def test_a_grandchild_that_has_left_the_group_and_its_parent_is_found_and_killed(then, ended):
    seen, (pid,) = lines_of(LEAVE + then, first_line=b"." * 10**6, timeout=1)  # nobody reads this line
    assert seen == ended
    assert soon(lambda: gone(int(pid)))


def test_only_what_has_the_mark_is_killed():
    code = "import time; print(flush=True); " + SLEEP
    with subprocess.Popen([*BARE, code], env={process.MARK: "mine, too"}, stdout=subprocess.PIPE) as other:
        try:
            other.stdout.readline()  # before it runs, the system may show no environment yet
            process.end_marked("mine")
            assert other.poll() is None
            process.end_marked("mine, too")
            assert other.wait(10) == -signal.SIGKILL
        finally:
            other.kill()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_nothing_is_left_when_listening_is_interrupted(error):
    pids = []

    def interrupted(line):
        pids.extend(map(int, line.split()))
        raise error

    with pytest.raises(error):
        run(f"pid = os.fork()\nif pid: answer(b'%d %d\\n' % (os.getpid(), pid))\n{SLEEP}", interrupted)
    child, grandchild = pids
    assert gone(child)
    assert soon(lambda: gone(grandchild))


def test_nothing_is_left_when_it_is_interrupted_again_while_it_stops_the_child():
    """On SIGTERM the child interrupts its parent and goes on. The parent is a process of its own, not pytest."""
    impatient = f"""
import signal, test_process
signal.signal(signal.SIGINT, signal.default_int_handler)  # which it is not where this runs in the background

def on_line(line):
    print(int(line), flush=True)
    raise KeyboardInterrupt

try:
    test_process.run('''
signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getppid(), signal.SIGINT))
answer(b"%d\\\\n" % os.getpid())
while True: {SLEEP}''', on_line)
except KeyboardInterrupt:
    print("interrupted")
"""
    here = Path(__file__).parent
    path = {"PYTHONPATH": str(here.parent / "support")}
    said = subprocess.run(
        [sys.executable, "-c", impatient], cwd=here, env=os.environ | path, capture_output=True, text=True, check=True
    )
    pid, interrupted = said.stdout.split()
    stopped = gone(int(pid))
    with suppress(ProcessLookupError):
        os.kill(int(pid), signal.SIGKILL)
    assert interrupted == "interrupted"
    assert stopped


def test_a_command_that_cannot_be_started_is_an_error():
    with pytest.raises(FileNotFoundError):
        supervise(["/no/such/command"], {}, b"", lambda line: True, timeout=1, longest_line=1000)


@pytest.mark.parametrize("command", [("/no/such/command",), (*BARE, "")])
def test_no_descriptor_is_left_open(command):
    before = psutil.Process().num_fds()
    with suppress(FileNotFoundError):
        supervise(command, {}, b"", lambda line: True, timeout=60, longest_line=1000)
    assert psutil.Process().num_fds() == before
