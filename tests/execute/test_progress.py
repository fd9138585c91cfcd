from builders import a_configuration, a_failure, an_attempt, some_findings
from lstm_bench.execute.progress import Relay, RunProgress
from lstm_bench.worker.protocol import Ended, Entered, Found, Progress

CONFIGURATION = a_configuration()
NAME = "[1/2] torch on flights:tutorial (cpu, float32) round 1 of 3"


def told(*messages, attempt=None):
    heard = []
    relay = Relay(RunProgress(1, 2, CONFIGURATION), heard.append)
    for message in messages:
        relay.hear(message)
    if attempt is not None:
        relay.end(attempt)
    return heard


def test_a_turn_is_told_from_the_start_of_its_worker_to_its_attempt():
    attempt = an_attempt(configuration=CONFIGURATION)
    heard = told(Entered("train"), Progress(5, 9, "loss 1.5"), Entered("evaluate"), attempt=attempt)
    assert [(each.phase, each.done, each.of, each.attempt) for each in heard] == [
        ("start", 0, None, None),
        ("train", 0, None, None),
        ("train", 5, 9, None),
        ("evaluate", 0, None, None),
        ("evaluate", 0, None, attempt),
    ]
    assert [str(each) for each in heard] == [
        NAME,
        f"{NAME}: train",
        f"{NAME}: 5/9  loss 1.5",
        f"{NAME}: evaluate",
        f"{NAME}: ok in 1.8 s",
    ]


def test_messages_that_are_no_progress_are_not_told():
    assert len(told(Found(some_findings()), Ended("ok", ""))) == 1


def test_a_failure_is_told_with_its_reason_on_one_line():
    last = told(attempt=a_failure(configuration=CONFIGURATION, reason="left\nin phase 'start'"))[-1]
    assert str(last).startswith(f"{NAME}: crashed: left")
    assert "\n" not in str(last)
