import pytest

from builders import ROUNDS, a_configuration, a_failure, a_machine, a_recipe, some_findings, some_run, times
from lstm_bench.analysis.comparison import Limit, compare, parse_limit, parse_where, select
from lstm_bench.errors import LSTMBenchError, UnknownName


@pytest.mark.parametrize(("factor", "says"), [(1.5, "slower"), (0.5, "faster"), (1.001, "no difference shown")])
def test_what_is_on_both_sides_is_compared_measure_by_measure(factor, says):
    found = compare(some_run(*ROUNDS), some_run(*times(factor), run="new"))
    assert [(time.measure, time.verdict) for time in found.times] == [("train", says), ("first step", says)]
    assert found.times[0].old.value == pytest.approx(0.001, rel=1e-3)
    assert found.times[0].ratio.value == pytest.approx(factor)
    assert (found.failed, found.unmatched, found.differences) == ((), (), ())


def test_one_round_is_not_judged():
    found = compare(some_run(1.0), some_run(9.0, run="new"))
    assert {time.verdict for time in found.times} == {"not judged"}


def test_what_one_side_lacks_is_told():
    old = some_run(*ROUNDS) + some_run(*ROUNDS, backend="numpy")
    found = compare(old, some_run(*ROUNDS, run="new") + some_run(*ROUNDS, run="new", backend="jax"))
    assert found.unmatched == (
        "only the old side has numpy on flights:tutorial (cpu, float32)",
        "only the new side has jax on flights:tutorial (cpu, float32)",
    )


def test_sides_with_nothing_in_common_are_an_error():
    with pytest.raises(LSTMBenchError, match=r"nothing to compare.*only the old side has torch on"):
        compare(some_run(1.0), some_run(1.0, backend="jax"))


def test_two_backends_can_be_the_sides():
    found = compare(some_run(*ROUNDS), some_run(*times(2), backend="jax"), apart=["backend"])
    assert found.times[0].verdict == "slower"


def test_rows_that_belong_to_the_same_are_an_error():
    both = some_run(1.0) + some_run(1.0, backend="jax")
    with pytest.raises(LSTMBenchError, match=r"on the old side, .* are both to be compared with the same"):
        compare(both, some_run(1.0), apart=["backend"])


@pytest.mark.parametrize(
    ("what", "new", "complaint"),
    [
        ("machine", {"findings": {"machine": a_machine(processor="Abacus 10")}}, "Abacus 9, .* Abacus 10, "),
        ("machine", {"findings": {"device_name": "Astrolabe"}}, "Slide rule.*Astrolabe"),
        ("threads", {"threads": 1}, "2 threads in the old one, 1 threads in the new one"),
        ("scopes", {"scopes": ("train", "infer")}, "train in the old one, train and infer in the new one"),
    ],
)
def test_what_may_not_differ_is_named_unless_one_is_told(what, new, complaint):
    old, new = some_run(*ROUNDS), some_run(*ROUNDS, run="new", **new)
    with pytest.raises(LSTMBenchError, match=rf"differs in {what}: .*{complaint}.*--although {what}"):
        compare(old, new)
    assert "train" in [time.measure for time in compare(old, new, although=[what]).times]


def test_what_may_differ_is_told():
    new = some_run(*ROUNDS, run="new", versions={"torch": "2.13.0"}, findings={"machine": a_machine(python="3.12.1")})
    assert compare(some_run(*ROUNDS), new).differences == ("torch: 2.9.1 -> 2.13.0", "python: 3.11.7 -> 3.12.1")


def test_a_side_that_failed_is_not_compared_and_not_forgotten():
    configuration = a_configuration(recipe=a_recipe(scopes=("train",)))
    new = [a_failure(9, configuration=configuration, run="new", findings=some_findings(timings={}))]
    found = compare(some_run(*ROUNDS), new)
    assert found.times == ()
    assert [pair.new.statuses for pair in found.failed] == [["crashed"]]


# --- what is typed


def test_a_selection_has_all_the_values():
    attempts = some_run(1.0, threads=1) + some_run(1.0, threads=2) + some_run(1.0, backend="jax", threads=2)
    assert select(attempts, {"backend": "torch", "threads": "2"}) == attempts[1:2]
    assert select(attempts, {}) == attempts


def test_a_key_or_a_value_that_nothing_has_is_named_with_what_there_is():
    with pytest.raises(UnknownName, match=r"unknown key 'beckend' of --where. Did you mean 'backend'"):
        select(some_run(1.0), {"beckend": "torch"})
    with pytest.raises(LSTMBenchError, match="no attempt has backend=jax; there is: torch"):
        select(some_run(1.0), {"backend": "jax"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("backend=torch", {"backend": "torch"}),
        ("backend=keras[engine=jax,jit=on], threads = 2", {"backend": "keras[engine=jax,jit=on]", "threads": "2"}),
    ],
)
def test_a_condition_is_read(text, found):
    assert parse_where(text) == found


@pytest.mark.parametrize("text", ["", "backend", "=torch", "backend=", "backend=torch,backend=jax", "a=b,"])
def test_a_malformed_condition_is_quoted(text):
    with pytest.raises(LSTMBenchError, match="--where"):
        parse_where(text)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("train slower than 5%", Limit("train", 0.05)),
        (" first  step slower  than 2.5 % ", Limit("first step", 0.025)),
        ("any slower than 0%", Limit("any", 0.0)),
    ],
)
def test_a_limit_is_read(text, limit):
    assert parse_limit(text).measure == limit.measure
    assert parse_limit(text).share == pytest.approx(limit.share)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("train slower", 'write "train slower than 5%"'),
        ("train slower than five%", "cannot read"),
        ("train faster than 5%", "cannot read"),
        ("training slower than 5%", "unknown measure 'training'.*Did you mean 'train'"),
    ],
)
def test_a_malformed_limit_is_quoted(text, complaint):
    with pytest.raises(LSTMBenchError, match=complaint):
        parse_limit(text)


def test_a_limit_is_exceeded_only_by_what_is_shown():
    slower = compare(some_run(*ROUNDS), some_run(*times(1.2), run="new")).times[0]
    assert slower.ratio.low < 1.2
    assert Limit("train", 0.05).exceeded(slower)
    assert Limit("any", 0.05).exceeded(slower)
    assert not Limit("infer", 0.05).exceeded(slower)
    assert not Limit("train", 0.2).exceeded(slower)
    alone = compare(some_run(1.0), some_run(9.0, run="new")).times[0]
    assert not Limit("train", 0.05).exceeded(alone)
