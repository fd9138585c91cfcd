from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from lstm_bench.host.machine import PeakMemory, cgroup_of, oom_kills_in, text_of


@pytest.mark.parametrize(
    ("membership", "path"),
    [
        ("0::/user.slice/user-1000.slice/session-2.scope\n", "user.slice/user-1000.slice/session-2.scope"),
        ("9:name=systemd:/\n4:memory:/docker/ab12\n0::/\n", ""),
        ("4:memory:/docker/ab12\n", ""),
        ("0::/../../outside.slice\n", ""),
        ("", ""),
    ],
)
def test_the_cgroup_is_that_of_version_2_as_far_as_it_can_be_seen(membership, path):
    assert cgroup_of(membership) == PurePosixPath(path)


MEMORY_EVENTS = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"
VMSTAT = "nr_free_pages 5461234\noom_kill 7\nnuma_hit 1\n"


@pytest.mark.parametrize(
    ("counters", "kills"),
    [(MEMORY_EVENTS, 2), (VMSTAT, 7), ("oom 3\noom_group_kill 1\n", None), ("oom_kill many\n", None), ("", None)],
)
def test_processes_that_were_ended_for_want_of_memory_are_counted_where_the_system_tells(counters, kills):
    assert oom_kills_in(counters) == kills


def test_what_the_system_does_not_have_is_no_text():
    assert text_of(Path("/no/such/file")) == text_of(Path("/")) == ""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not set its peak back")
def test_only_memory_of_the_parts_that_count_is_counted():
    peak = PeakMemory(lambda: None)
    with peak.counted():
        pass
    least = peak.resident
    bytearray(b"." * 2**26)
    with peak.counted():
        pass
    assert peak.resident < least + 2**25
    with peak.counted():
        bytearray(b"." * 2**26)
    assert peak.resident > least + 2**25
    assert peak.device is None


@pytest.mark.parametrize(
    ("counter", "most"),
    [
        ([5, 8, 8, 8], 8),  # the first period includes everything before it
        ([5, 8, 20, 20], 8),  # it rose between the periods, so the second period's own peak is unknown
        ([5, 8, 20, 30], 30),
        ([None] * 4, None),
    ],
)
def test_of_a_device_what_rises_in_a_part_counts(counter, most):
    told = iter(counter)
    peak = PeakMemory(lambda: next(told))
    for _ in range(2):
        with peak.counted():
            pass
    assert peak.device == most
