"""What else the machine did while blocks were timed, by the system's counters before and after, and what is too much.

Nothing is watched in between: a thread that looks would be a disturbance, too.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from lstm_bench.host.machine import cgroups, text_of
from lstm_bench.record.attempt import Disturbance

Number = TypeVar("Number", int, float)

VARIABLE = "LSTM_BENCH_DISTURBANCE"
"""The environment variable that, if it is ``ignore``, has disturbance recorded and not judged."""

SHORTEST = 0.5
"""Seconds. The counters tick every 10 ms: over less than this, their grain alone could pass for a disturbance."""

MOST_BY_OTHERS = 0.1
"""Share of processors. A quiet system takes one or two hundredths, and a burst of 50 ms is a few more; a process that
works beside a worker on two processors takes half of them."""

MOST_WITHHELD = 0.02
"""Share of the time, withheld by a hypervisor or by the worker's own quota. A guest that is alone on its host loses a
few thousandths."""

LEAST_CLOCK = 0.7
"""Of the clock before. That processors slow down by a tenth or two as they get warm is how they are made."""

NVIDIA_SMI_SECONDS = 10.0
"""Which it may take: where the driver is not kept loaded, it loads it."""


@dataclass(frozen=True)
class Ticks:
    """What one processor did since the machine was started, in clock ticks.

    Attributes:
        busy: spent on whatever this system runs.
        stolen: spent by the hypervisor on somebody else.
        total: all there were.
    """

    busy: int
    stolen: int
    total: int


@dataclass(frozen=True)
class Reading:
    """The counters at one moment; ``None`` for those that the system does not have.

    Attributes:
        seconds: of a clock that never goes back.
        processors: by number.
        own: clock ticks that the worker has used, with all that it has started and not sent away.
        throttled: seconds for which the worker's cgroups had used up their quotas.
        overheated: times that the worker's processors were slowed down since they were too hot.
        megahertz: of the fastest of the worker's processors.
    """

    seconds: float
    processors: dict[int, Ticks]
    own: int | None = None
    throttled: float | None = None
    overheated: int | None = None
    megahertz: float | None = None


class Watch:
    """From its beginning until it has ``ended``, what else the machine does. Costs nothing in between.

    Args:
        device: on which is timed.
    """

    def __init__(self, device: str) -> None:
        self._on_gpu = device.startswith("cuda")
        self._runs_on = _affinity()
        self._gpu = _others_on_gpu() if self._on_gpu else None
        self._load = _load()
        self._before = _read(self._runs_on)

    def ended(self) -> Disturbance:
        """What it was."""
        after = _read(self._runs_on)
        on_gpu = (self._gpu, _others_on_gpu() if self._on_gpu else None)
        most_on_gpu = max((count for count in on_gpu if count is not None), default=None)
        return between(self._before, after, self._runs_on, load_before=self._load, gpu_processes=most_on_gpu)


def is_judged() -> bool:
    """Whether a disturbance is to count, which is so unless ``LSTM_BENCH_DISTURBANCE=ignore`` is set."""
    return os.environ.get(VARIABLE) != "ignore"


def between(
    before: Reading, after: Reading, runs_on: Collection[int], *, load_before: float | None, gpu_processes: int | None
) -> Disturbance:
    """What two readings make.

    Args:
        before: the first.
        after: the second.
        runs_on: the numbers of the worker's processors.
        load_before: of the minute before.
        gpu_processes: other processes on the GPU, in either reading.
    """
    both = {
        number: (before.processors[number], ticks)
        for number, ticks in after.processors.items()
        if number in before.processors  # one may have been switched on or off meanwhile
    }
    mine = {number: both[number] for number in runs_on if number in both}
    own = None if after.own is None or before.own is None else max(after.own - before.own, 0)
    return Disturbance(
        seconds=after.seconds - before.seconds,
        load_before=load_before,
        others=_by_others(both, own),
        crowded=_by_others(mine, own),
        stolen=_share(sum(b.stolen - a.stolen for a, b in mine.values()), mine),
        throttled=_rise(before.throttled, after.throttled),
        overheated=_rise(before.overheated, after.overheated),
        megahertz=(before.megahertz, after.megahertz),
        gpu_processes=gpu_processes,
    )


def verdict(disturbance: Disturbance) -> str:
    """Why what was timed meanwhile is not to be trusted, in one line; ``""`` if nothing speaks against it."""
    found = []
    if disturbance.seconds >= SHORTEST:
        crowded, others, stolen = disturbance.crowded or 0.0, disturbance.others or 0.0, disturbance.stolen or 0.0
        if crowded > MOST_BY_OTHERS:
            found.append(f"other processes used {100 * crowded:.0f} % of its processors")
        elif others > MOST_BY_OTHERS:  # with which it shares caches, memory and the clock
            found.append(f"other processes used {100 * others:.0f} % of the machine's processors")
        if stolen > MOST_WITHHELD:
            found.append(f"the hypervisor withheld {100 * stolen:.0f} % of its processors' time")
        throttled = disturbance.throttled or 0.0
        if throttled > MOST_WITHHELD * disturbance.seconds:
            found.append(f"its quota was used up for {throttled:.2g} s of {disturbance.seconds:.2g} s")
    if disturbance.overheated:
        found.append("its processors were slowed down by heat")
    before, after = disturbance.megahertz
    if before and after and after < LEAST_CLOCK * before:
        found.append(f"its processors' clock fell from {before:,.0f} to {after:,.0f} MHz")
    if others_on_gpu := disturbance.gpu_processes:
        found.append(
            "another process was on the GPU" if others_on_gpu == 1 else f"{others_on_gpu} others were on the GPU"
        )
    return f"{' and '.join(found)} while it was timed" if found else ""


# --- what the system writes


def processors_in(stat: str) -> dict[int, Ticks]:
    """Every processor by number, of ``/proc/stat``. Lines that are not as they should be are left out."""
    found = {}
    for number, fields in re.findall(r"^cpu(\d+)((?: \d+){8,}) *$", stat, re.MULTILINE):
        user, nice, system, idle, waiting, interrupts, soft_interrupts, stolen, *_ = map(int, fields.split())
        busy = user + nice + system + interrupts + soft_interrupts  # guests' time is in that of the user already
        found[int(number)] = Ticks(busy, stolen, busy + stolen + idle + waiting)
    return found


def members_in(stats: Iterable[str], group: int) -> dict[int, int]:
    """The processes of a group by number: clock ticks that each has used, with the children that it has waited for.

    Args:
        stats: ``/proc/PID/stat`` of every process. Those that are not as they should be are left out.
        group: its number.
    """
    found = {}
    for stat in stats:
        start, _, rest = stat.rpartition(")")  # the name may have anything in it
        with suppress(ValueError, IndexError):
            fields = rest.split()
            if int(fields[2]) == group:
                found[int(start.split()[0])] = sum(int(fields[index]) for index in range(11, 15))
    return found


def throttled_in(stats: Iterable[str]) -> float | None:
    """Seconds for which quotas were used up, by ``cpu.stat`` of cgroups; ``None`` if none tells."""
    told = [int(us) for stat in stats for us in re.findall(r"^throttled_usec (\d+)$", stat, re.MULTILINE)]
    return sum(told) / 1e6 if told else None


def sum_of(counts: Iterable[str]) -> int | None:
    """Of files that hold one number each; ``None`` if none does."""
    told = [int(count) for count in counts if re.fullmatch(r"\s*\d+\s*", count)]
    return sum(told) if told else None


def megahertz_in(cpuinfo: str) -> dict[int, float]:
    """The clock of every processor by number, of ``/proc/cpuinfo``, which tells it on some architectures."""
    found = {}
    for processor in cpuinfo.split("\n\n"):
        number = re.search(r"^processor\s*:\s*(\d+)$", processor, re.MULTILINE)
        clock = re.search(r"^cpu MHz\s*:\s*(\d+\.?\d*)$", processor, re.MULTILINE)
        if number and clock:
            found[int(number[1])] = float(clock[1])
    return found


def others_on_gpu_in(listed: str, group: Collection[int]) -> int | None:
    """How many other processes are on the GPUs that a group of processes is on.

    Args:
        listed: what ``nvidia-smi`` writes for ``pid,gpu_uuid``.
        group: the processes' numbers.

    Returns:
        ``None`` if none of the group is listed: in a container the driver gives the host's numbers, or none.
    """
    rows = [
        (int(row[0]), row[1].strip()) for row in csv.reader(listed.splitlines()) if len(row) == 2 and row[0].isdecimal()
    ]
    used = {gpu for pid, gpu in rows if pid in group}
    return len({pid for pid, gpu in rows if gpu in used and pid not in group}) if used else None


def _by_others(processors: Mapping[int, tuple[Ticks, Ticks]], own: int | None) -> float | None:
    return None if own is None else _share(sum(b.busy - a.busy for a, b in processors.values()) - own, processors)


def _share(ticks: int, processors: Mapping[int, tuple[Ticks, Ticks]]) -> float | None:
    """Of all the ticks that there were between two readings."""
    total = sum(b.total - a.total for a, b in processors.values())
    return min(max(ticks / total, 0.0), 1.0) if total > 0 else None


def _rise(before: Number | None, after: Number | None) -> Number | None:
    return None if before is None or after is None else after - before


# --- where it writes it


def _affinity() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


def _load() -> float | None:
    with suppress(OSError):
        return os.getloadavg()[0]
    return None


def _read(runs_on: Collection[int]) -> Reading:
    processors = [Path(f"/sys/devices/system/cpu/cpu{number}") for number in runs_on]
    throttles = (file for folder in processors for file in folder.glob("thermal_throttle/*_throttle_count"))
    return Reading(
        seconds=perf_counter(),
        processors=processors_in(text_of(Path("/proc/stat"))),
        own=sum(_members().values()) or None,
        throttled=throttled_in(text_of(folder / "cpu.stat") for folder in cgroups()),
        overheated=sum_of(map(text_of, throttles)),
        megahertz=_megahertz(runs_on),
    )


def _members() -> dict[int, int]:
    return members_in(map(text_of, Path("/proc").glob("[0-9]*/stat")), os.getpgrp())


def _megahertz(runs_on: Collection[int]) -> float | None:
    """Of the fastest processor, since one that has nothing to do may sleep."""
    kilohertz = (sum_of([text_of(Path(f"/sys/devices/system/cpu/cpu{n}/cpufreq/scaling_cur_freq"))]) for n in runs_on)
    told = [khz / 1e3 for khz in kilohertz if khz is not None]
    if not told:
        clocks = megahertz_in(text_of(Path("/proc/cpuinfo")))
        told = [clocks[number] for number in runs_on if number in clocks]
    return max(told, default=None)


def _others_on_gpu() -> int | None:
    """How many other processes ``nvidia-smi`` sees on our GPUs; ``None`` where it is not there or does not answer."""
    command = ["nvidia-smi", "--query-compute-apps=pid,gpu_uuid", "--format=csv,noheader"]
    try:
        listed = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=NVIDIA_SMI_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return others_on_gpu_in(listed, _members())
