"""Measure what else the machine did while blocks were timed, and judge whether it was too much.

The system's counters are read before and after. Nothing is read in between, because a watching thread would itself
disturb the timing.
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

from lstm_bench.host.machine import cgroups, text_of, usable_processors
from lstm_bench.record.attempt import Disturbance

Number = TypeVar("Number", int, float)

VARIABLE = "LSTM_BENCH_DISTURBANCE"
"""An environment variable. If it is ``ignore``, disturbance is recorded but not judged."""

SHORTEST = 0.5
"""Seconds below which nothing is judged. The counters tick every 10 ms, so over a shorter time their resolution alone
could look like a disturbance."""

MOST_BY_OTHERS = 0.1
"""Largest share of the processors that other processes may use. A quiet system uses 0.01 to 0.02, and a burst of 50 ms
adds a few hundredths. One busy process beside a worker on two processors uses 0.5."""

MOST_WITHHELD = 0.02
"""Largest share of the time that a hypervisor or the worker's own quota may withhold. A guest that is alone on its host
loses a few thousandths."""

LEAST_CLOCK = 0.7
"""Smallest ratio of the clock after to the clock before. Processors slow down by 10 to 20 % as they warm up."""

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
"""Clock ticks in a second."""

NVIDIA_SMI_SECONDS = 10.0
"""Seconds that ``nvidia-smi`` may take. It may have to load the driver first."""


@dataclass(frozen=True)
class Ticks:
    """The clock ticks of one processor since the machine was started.

    Attributes:
        busy: ticks spent on the processes and the kernel of this system.
        stolen: ticks that the hypervisor gave to another guest.
        total: all ticks.
    """

    busy: int
    stolen: int
    total: int


@dataclass(frozen=True)
class Reading:
    """The counters at one moment; ``None`` for each counter that the system does not have.

    Attributes:
        seconds: a clock that never goes back.
        processors: the ticks of each processor, by its number.
        own: clock ticks that the worker's process group has used.
        throttled: seconds for which the worker's cgroups had used up their quotas.
        overheated: number of times that the worker's processors were slowed down because they were too hot.
        megahertz: clock of the fastest of the worker's processors.
    """

    seconds: float
    processors: dict[int, Ticks]
    own: int | None = None
    throttled: float | None = None
    overheated: int | None = None
    megahertz: float | None = None


class Watch:
    """Measures what else the machine does from construction until ``ended`` is called. Costs nothing in between.

    Args:
        device: the device that is timed, such as ``cuda:0``.
    """

    def __init__(self, device: str) -> None:
        self._on_gpu = device.startswith("cuda")
        self._runs_on = usable_processors()
        self._gpu = _others_on_gpu() if self._on_gpu else None
        self._load = _load()
        self._before = _read(self._runs_on)

    def ended(self) -> Disturbance:
        """Read the counters again and return the disturbance since construction."""
        after = _read(self._runs_on)
        on_gpu = (self._gpu, _others_on_gpu() if self._on_gpu else None)
        most_on_gpu = max((count for count in on_gpu if count is not None), default=None)
        return between(self._before, after, self._runs_on, load_before=self._load, gpu_processes=most_on_gpu)


def is_judged() -> bool:
    """Whether a disturbance counts. It does unless ``LSTM_BENCH_DISTURBANCE=ignore`` is set."""
    return os.environ.get(VARIABLE) != "ignore"


def between(
    before: Reading, after: Reading, runs_on: Collection[int], *, load_before: float | None, gpu_processes: int | None
) -> Disturbance:
    """Compute the disturbance between two readings.

    Args:
        before: the first reading.
        after: the second reading.
        runs_on: the numbers of the worker's processors.
        load_before: mean load of the minute before the first reading.
        gpu_processes: the larger number of other processes on the GPU in the two readings.
    """
    both = {
        number: (before.processors[number], ticks)
        for number, ticks in after.processors.items()
        if number in before.processors  # a processor may have been switched on or off meanwhile
    }
    mine = {number: both[number] for number in runs_on if number in both}
    own = None if after.own is None or before.own is None else max(after.own - before.own, 0)
    return Disturbance(
        seconds=after.seconds - before.seconds,
        used=None if own is None else own / TICKS / (after.seconds - before.seconds),
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
    """Say in one line why the timings cannot be trusted; ``""`` if they can."""
    found = []
    if disturbance.seconds >= SHORTEST:
        crowded, others, stolen = disturbance.crowded or 0.0, disturbance.others or 0.0, disturbance.stolen or 0.0
        if crowded > MOST_BY_OTHERS:
            found.append(f"other processes used {100 * crowded:.0f} % of its processors")
        elif others > MOST_BY_OTHERS:  # other processors share caches, memory and the clock with the worker's
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


# --- parse the system's texts


def processors_in(stat: str) -> dict[int, Ticks]:
    """Read the ticks of every processor, by its number, from ``/proc/stat``. Malformed lines are left out."""
    found = {}
    for number, fields in re.findall(r"^cpu(\d+)((?: \d+){8,}) *$", stat, re.MULTILINE):
        user, nice, system, idle, waiting, interrupts, soft_interrupts, stolen, *_ = map(int, fields.split())
        busy = user + nice + system + interrupts + soft_interrupts  # the user's time includes that of guests
        found[int(number)] = Ticks(busy, stolen, busy + stolen + idle + waiting)
    return found


def members_in(stats: Iterable[str], group: int) -> dict[int, int]:
    """Read the clock ticks that each process of a group has used, by process id.

    The ticks of a process include those of children that it has waited for.

    Args:
        stats: the text of ``/proc/PID/stat`` for every process. Malformed texts are left out.
        group: the process group's id.
    """
    found = {}
    for stat in stats:
        start, _, rest = stat.rpartition(")")  # the name may contain any character
        with suppress(ValueError, IndexError):
            fields = rest.split()
            if int(fields[2]) == group:
                found[int(start.split()[0])] = sum(int(fields[index]) for index in range(11, 15))
    return found


def throttled_in(stats: Iterable[str]) -> float | None:
    """Sum the seconds for which quotas were used up, from the ``cpu.stat`` of cgroups; ``None`` if no text has them."""
    told = [int(us) for stat in stats for us in re.findall(r"^throttled_usec (\d+)$", stat, re.MULTILINE)]
    return sum(told) / 1e6 if told else None


def sum_of(counts: Iterable[str]) -> int | None:
    """Sum the texts that hold a number each; ``None`` if no text does."""
    told = [int(count) for count in counts if re.fullmatch(r"\s*\d+\s*", count)]
    return sum(told) if told else None


def megahertz_in(cpuinfo: str) -> dict[int, float]:
    """Read the clock of every processor, by its number, from ``/proc/cpuinfo``. Only some architectures list it."""
    found = {}
    for processor in cpuinfo.split("\n\n"):
        number = re.search(r"^processor\s*:\s*(\d+)$", processor, re.MULTILINE)
        clock = re.search(r"^cpu MHz\s*:\s*(\d+\.?\d*)$", processor, re.MULTILINE)
        if number and clock:
            found[int(number[1])] = float(clock[1])
    return found


def others_on_gpu_in(listed: str, group: Collection[int]) -> int | None:
    """Count the other processes on the GPUs that a group of processes uses.

    Args:
        listed: the output of ``nvidia-smi`` for ``pid,gpu_uuid``.
        group: the ids of the processes.

    Returns:
        ``None`` if no process of the group is listed. In a container, the driver lists the host's process ids or none.
    """
    rows = [
        (int(row[0]), row[1].strip()) for row in csv.reader(listed.splitlines()) if len(row) == 2 and row[0].isdecimal()
    ]
    used = {gpu for pid, gpu in rows if pid in group}
    return len({pid for pid, gpu in rows if gpu in used and pid not in group}) if used else None


def _by_others(processors: Mapping[int, tuple[Ticks, Ticks]], own: int | None) -> float | None:
    return None if own is None else _share(sum(b.busy - a.busy for a, b in processors.values()) - own, processors)


def _share(ticks: int, processors: Mapping[int, tuple[Ticks, Ticks]]) -> float | None:
    """The share of ``ticks`` in all ticks between two readings, 0 to 1; ``None`` if there were none."""
    total = sum(b.total - a.total for a, b in processors.values())
    return min(max(ticks / total, 0.0), 1.0) if total > 0 else None


def _rise(before: Number | None, after: Number | None) -> Number | None:
    return None if before is None or after is None else after - before


# --- read the system's files


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
    """The clock of the fastest of these processors, since an idle processor may have a low clock."""
    kilohertz = (sum_of([text_of(Path(f"/sys/devices/system/cpu/cpu{n}/cpufreq/scaling_cur_freq"))]) for n in runs_on)
    told = [khz / 1e3 for khz in kilohertz if khz is not None]
    if not told:
        clocks = megahertz_in(text_of(Path("/proc/cpuinfo")))
        told = [clocks[number] for number in runs_on if number in clocks]
    return max(told, default=None)


def _others_on_gpu() -> int | None:
    """Count the other processes that ``nvidia-smi`` lists on our GPUs; ``None`` if it is missing or does not answer."""
    command = ["nvidia-smi", "--query-compute-apps=pid,gpu_uuid", "--format=csv,noheader"]
    try:
        listed = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=NVIDIA_SMI_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return others_on_gpu_in(listed, _members())
