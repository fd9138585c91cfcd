"""Disturbance, computed from recorded texts of the system, and its limits."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lstm_bench.host import disturbance
from lstm_bench.host.disturbance import (
    Reading,
    Ticks,
    Watch,
    between,
    megahertz_in,
    members_in,
    others_on_gpu_in,
    processors_in,
    sum_of,
    throttled_in,
    verdict,
)
from lstm_bench.record.attempt import Disturbance

pytestmark = pytest.mark.one_interpreter

STAT = """\
cpu  1884140 10750 119066 528206 5351 0 1112 1697 0 0
cpu0 901440 8960 57793 304828 800 0 201 811 0 0
cpu1 982700 1789 61273 223377 4551 0 911 885 77 0
intr 11608604 0 0 0 0 25 1
ctxt 20125910
btime 1795631678
procs_running 2
"""


def test_the_processors_of_a_recorded_stat_are_read():
    busy = (901440 + 8960 + 57793 + 201, 982700 + 1789 + 61273 + 911)
    assert processors_in(STAT) == {
        0: Ticks(busy[0], 811, busy[0] + 811 + 304828 + 800),
        1: Ticks(busy[1], 885, busy[1] + 885 + 223377 + 4551),
    }


@pytest.mark.parametrize("text", ["", "cpu0", "cpu0 1 2 3", "cpu0 1 2 3 4 5 6 seven 8", "cpux 1 2 3 4 5 6 7 8", "\0"])
def test_a_stat_that_is_not_as_it_should_be_tells_of_no_processor(text):
    assert processors_in(text) == {}


WORKER = "811 (python) S 800 811 811 0 -1 4194304 98 7 0 0 400 50 30 2 20 0 5 0 1278390 3133440 381 184467"
CHILD = "817 (tmux: x) R (1) S) S 811 811 811 0 -1 4194304 98 7 0 0 3 1 0 0 20 0 1 0 1278390 3133440 381 184467"
OTHER = "811811 (811) R 800 800 811 0 -1 4194304 98 7 0 0 9000 900 0 0 20 0 1 0 1278390 3133440 381 184467"


def test_the_processes_of_a_group_are_read_whatever_their_names_with_the_children_that_are_gone():
    assert members_in([WORKER, CHILD, OTHER], 811) == {811: 482, 817: 4}


@pytest.mark.parametrize("text", ["", "811", "811 (python) S 800 811", WORKER.replace("400", "many"), ") S 8 811"])
def test_a_process_whose_line_is_not_as_it_should_be_is_left_out(text):
    assert members_in([text, CHILD], 811) == {817: 4}


CPU_STAT = """\
usage_usec 15000000
user_usec 10000000
nr_periods 90
nr_throttled 3
throttled_usec 1250000
"""


@pytest.mark.parametrize(
    ("stats", "seconds"),
    [
        ([CPU_STAT], 1.25),
        ([CPU_STAT, "", CPU_STAT], 2.5),
        (["usage_usec 15000000\n"], None),
        (["throttled_usec much\n"], None),
        ([], None),
    ],
)
def test_quotas_that_were_used_up_are_read_from_all_cgroups_that_tell(stats, seconds):
    assert throttled_in(stats) == seconds


@pytest.mark.parametrize(
    ("counts", "total"), [(["3\n", "4\n"], 7), (["3\n", ""], 3), (["", "many\n"], None), ([], None)]
)
def test_counts_are_added_up_where_there_are_any(counts, total):
    assert sum_of(counts) == total


X86 = """\
processor\t: 0
model name\t: AMD EPYC
cpu MHz\t\t: 2599.998

processor\t: 1
cpu MHz\t\t: 3100

processor\t: 2
cpu MHz\t\t: fast
"""
ARM = "processor\t: 0\nBogoMIPS\t: 243.75\n"


@pytest.mark.parametrize(("text", "clocks"), [(X86, {0: 2599.998, 1: 3100.0}), (ARM, {}), ("", {})])
def test_the_clocks_of_processors_are_read_where_they_are_told(text, clocks):
    assert megahertz_in(text) == clocks


@pytest.mark.parametrize(
    ("listed", "others"),
    [
        ("811, GPU-a\n", 0),
        ("811, GPU-a\n900, GPU-a\n901, GPU-b\n", 1),
        ("811, GPU-a\n817, GPU-b\n900, GPU-a\n901, GPU-b\n900, GPU-b\n", 2),
        ("", None),  # in a container
        ("28290, GPU-a\n", None),  # in a container, too: the list has the host's number of our process
        ("No devices were found\n", None),
        ("[N/A], GPU-a\n811, GPU-a\n", 0),
    ],
)
def test_only_what_is_on_the_same_gpu_and_not_ours_is_another_process_there(listed, others):
    assert others_on_gpu_in(listed, {811, 817}) == others


# --- two readings

BEFORE = Reading(
    seconds=10.0,
    processors={0: Ticks(1000, 10, 5000), 1: Ticks(2000, 20, 6000)},
    own=500,
    throttled=1.0,
    overheated=4,
    megahertz=3000.0,
)
AFTER = Reading(
    seconds=12.0,
    processors={0: Ticks(1190, 14, 5200), 1: Ticks(2030, 20, 6200)},
    own=680,
    throttled=1.5,
    overheated=4,
    megahertz=2900.0,
)


def made(after=AFTER, runs_on=(0,), before=BEFORE):
    return between(before, after, runs_on, load_before=0.5, gpu_processes=None)


def test_shares_are_of_the_machine_and_of_the_workers_own_processors():
    assert made() == Disturbance(
        seconds=2.0,
        used=180 / disturbance.TICKS / 2.0,
        load_before=0.5,
        others=(190 + 30 - 180) / 400,
        crowded=(190 - 180) / 200,
        stolen=4 / 200,
        throttled=0.5,
        overheated=0,
        megahertz=(3000.0, 2900.0),
    )


def test_a_worker_on_all_processors_shares_all_of_them():
    both = made(runs_on=(0, 1))
    assert both.crowded == both.others == 0.1
    assert both.stolen == 0.01


def test_what_the_system_does_not_tell_is_not_known():
    nothing = Reading(seconds=12.0, processors={})
    assert made(nothing, before=replace(nothing, seconds=10.0)) == Disturbance(seconds=2.0, load_before=0.5)


def test_a_processor_that_was_switched_on_meanwhile_does_not_count():
    assert made(replace(AFTER, processors=AFTER.processors | {2: Ticks(100, 0, 100)})) == made()


@pytest.mark.parametrize("own", [400, 1000])
def test_counters_that_do_not_fit_together_make_no_share_below_nothing_or_above_all(own):
    disturbed = made(replace(AFTER, own=own))
    assert 0 <= disturbed.crowded <= 1
    assert 0 <= disturbed.others <= 1


# --- limits


QUIET = Disturbance(
    seconds=2.0,
    load_before=8.0,
    others=0.05,
    crowded=0.05,
    stolen=0.01,
    throttled=0.01,
    overheated=0,
    megahertz=(3500.0, 2600.0),
    gpu_processes=0,
)


def but(**changes):
    fields = {name: getattr(QUIET, name) for name in QUIET.__struct_fields__}
    return Disturbance(**fields | changes)


@pytest.mark.parametrize(
    "quiet",
    [
        pytest.param(QUIET, id="a little of everything"),
        pytest.param(Disturbance(seconds=2.0), id="a system that tells nothing"),
        pytest.param(but(seconds=0.04, crowded=0.5, others=0.5, stolen=0.5, throttled=0.03), id="too short to tell"),
        pytest.param(but(megahertz=(800.0, 3500.0)), id="a clock that rises"),
        pytest.param(but(megahertz=(3500.0, None)), id="half a clock"),
    ],
)
def test_a_quiet_machine_is_no_reason(quiet):
    assert verdict(quiet) == ""


@pytest.mark.parametrize(
    ("loud", "reason"),
    [
        (but(crowded=0.34, others=0.17), "other processes used 34 % of its processors"),
        (but(crowded=0.0, others=0.5), "other processes used 50 % of the machine's processors"),
        (but(stolen=0.05), "the hypervisor withheld 5 % of its processors' time"),
        (but(throttled=0.5), "its quota was used up for 0.5 s of 2 s"),
        (but(overheated=1), "its processors were slowed down by heat"),
        (but(megahertz=(3500.0, 2000.0)), "its processors' clock fell from 3,500 to 2,000 MHz"),
        (but(gpu_processes=1), "another process was on the GPU"),
        (but(gpu_processes=2), "2 others were on the GPU"),
        (
            but(stolen=0.05, gpu_processes=1),
            "the hypervisor withheld 5 % of its processors' time and another process was on the GPU",
        ),
    ],
)
def test_each_disturbance_is_a_reason(loud, reason):
    assert verdict(loud) == f"{reason} while it was timed"


@pytest.mark.parametrize(("value", "judged"), [(None, True), ("", True), ("judge", True), ("ignore", False)])
def test_it_is_judged_unless_it_is_to_be_ignored(value, judged, monkeypatch):
    monkeypatch.delenv(disturbance.VARIABLE)
    if value is not None:
        monkeypatch.setenv(disturbance.VARIABLE, value)
    assert disturbance.is_judged() == judged


# --- this machine


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the system has no /proc/stat")
def test_this_machine_can_be_watched_and_nothing_is_done_meanwhile():
    threads = threading.active_count()
    watch = Watch("cpu")
    assert threading.active_count() == threads
    begun = os.times()
    while os.times().elapsed < begun.elapsed + 0.1:  # so that the counters tick
        pass
    watched = watch.ended()
    assert watched.seconds > 0.05
    assert watched.load_before >= 0
    assert 0 <= watched.others <= 1
    assert 0 <= watched.crowded <= 1
    assert watched.gpu_processes is None


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Puts a program of this name on the path, and nothing else; a missing one if it has no script."""

    def put(script):
        monkeypatch.setenv("PATH", str(tmp_path))
        if script:
            program = tmp_path / "nvidia-smi"
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)

    return put


def test_other_processes_on_the_gpu_are_those_that_nvidia_smi_lists(nvidia_smi):
    nvidia_smi(
        '[ "$*" = "--query-compute-apps=pid,gpu_uuid --format=csv,noheader" ] || exit 2\n'
        'echo "$PPID, GPU-a"; echo "999999999, GPU-a"; echo "999999998, GPU-b"'
    )
    assert Watch("cuda:0").ended().gpu_processes == 1


def test_a_process_that_came_to_the_gpu_meanwhile_counts(nvidia_smi):
    nvidia_smi('echo "$PPID, GPU-a"')
    watch = Watch("cuda")
    nvidia_smi('echo "$PPID, GPU-a"; echo "999999999, GPU-a"')
    assert watch.ended().gpu_processes == 1


@pytest.mark.parametrize(
    "script",
    [None, "exit 9", "echo 'No devices were found'; exit 6", "exec /bin/sleep 1000", "echo '999999999, GPU-a'"],
)
def test_where_nvidia_smi_tells_nothing_of_us_nothing_is_known_of_others(script, nvidia_smi, monkeypatch):
    monkeypatch.setattr(disturbance, "NVIDIA_SMI_SECONDS", 0.5)
    nvidia_smi(script)
    assert Watch("cuda:0").ended().gpu_processes is None


def test_nvidia_smi_is_not_asked_where_nothing_is_timed_on_a_gpu(nvidia_smi, tmp_path):
    nvidia_smi(f": > {tmp_path}/asked")
    Watch("cpu").ended()
    assert not (tmp_path / "asked").exists()
