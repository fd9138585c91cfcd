"""Describe this machine, and measure how much of it this process uses."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import psutil

from lstm_bench.record.attempt import Machine, Threads

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


WORKED_SECONDS = 0.2
"""Processor time from which a process has worked, and has not only waited."""


def usable_processors() -> frozenset[int]:
    """The numbers of the logical processors that this process may run on."""
    return frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


def processors_of_all_threads() -> frozenset[int] | None:
    """The processors that any thread of this process may run on; ``None`` where that is unknown.

    Threads that were started earlier do not follow a change of the process, and may have changed by themselves. The
    threads of descendants count, too, if these have worked. The guard that waits beside each worker has not.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    found = set(os.sched_getaffinity(0))
    descendants = [child.pid for child in psutil.Process().children(recursive=True) if _has_worked(child)]
    for task in (task for pid in (os.getpid(), *descendants) for task in Path(f"/proc/{pid}/task").glob("*")):
        with suppress(OSError):  # a thread may end meanwhile
            found |= os.sched_getaffinity(int(task.name))
    return frozenset(found)


def _has_worked(process: psutil.Process) -> bool:
    try:
        times = process.cpu_times()
    except psutil.Error:  # it has ended meanwhile
        return False
    return bool(times.user + times.system > WORKED_SECONDS)


def usable_cores() -> int:
    """Count the logical processors that this process may run on."""
    return len(usable_processors())


def describe_machine() -> Machine:
    """Describe this machine without naming its owner."""
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=_processor_name(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        python=platform.python_version(),
    )


def restrict_to(threads: int, first: int = 0) -> None:
    """Keep this process and its children on some of the processors that it may use.

    Args:
        threads: number of processors.
        first: the position of the first of them, counted from 0.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[first : first + threads])


def read_back_threads() -> Threads:
    """Count threads: as the native libraries report that are loaded by now, and as the system does."""
    from threadpoolctl import threadpool_info

    libraries = {f"{info['user_api']} {Path(info['filepath']).name}": info["num_threads"] for info in threadpool_info()}
    return Threads(affinity=usable_cores(), libraries=dict(sorted(libraries.items())), pools=_named_threads())


def _named_threads() -> dict[str, int]:
    """Count by name the threads of this process that have a name of their own, where the system shows them (Linux)."""
    names = []
    with suppress(OSError):
        own = Path("/proc/self/comm").read_text()
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError):  # a thread may end meanwhile
                names.append((task / "comm").read_text())
        names = [name.strip() for name in names if name != own]
    return dict(sorted(Counter(names).items()))


def resident_bytes() -> int:
    """The resident memory of this process in bytes."""
    return int(psutil.Process().memory_info().rss)


class PeakMemory:
    """The largest amount of memory that this process has held during the periods marked by ``counted``.

    Args:
        on_device: returns the most bytes that the device's allocator has held since the process started; ``None`` if
            the device has no allocator.

    Attributes:
        resident: the largest resident size in bytes. Memory that was allocated between the periods and not freed is
            subtracted. ``None`` where the system does not report it.
        device: the most bytes that the device's allocator held. Its counter is never reset. So the value after the
            first period includes everything before it, and a later period changes the value only if the counter rose.
    """

    def __init__(self, on_device: Callable[[], int | None]) -> None:
        self.resident: int | None = None
        self.device: int | None = None
        self._on_device = on_device
        self._ended_with: int | None = None
        self._left_over = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Mark a period that counts."""
        before = self._on_device()
        if self._ended_with is not None:
            self._left_over += max(0, resident_bytes() - self._ended_with)
        _forget_peak()
        yield
        self._ended_with = resident_bytes()
        if (resident := _peak_resident_bytes()) is not None:
            self.resident = max(self.resident or 0, resident - self._left_over)
        after = self._on_device()
        if self.device is None or (before is not None and after is not None and after > before):
            self.device = after


def _forget_peak() -> None:
    """Reset the system's record of the largest resident size, where it allows that (Linux)."""
    with suppress(OSError):  # the peak is then that of the whole life of the process, an upper bound
        Path("/proc/self/clear_refs").write_text("5")


def _peak_resident_bytes() -> int | None:
    """The largest resident size in bytes since ``_forget_peak``; ``None`` where the system does not report it."""
    for line in text_of(Path("/proc/self/status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def cgroups() -> list[Path]:
    """The folders of this process's cgroup (version 2) and of its parents, nearest first; empty without cgroups."""
    for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (root / "cgroup.controllers").exists():
            own = cgroup_of(text_of(Path("/proc/self/cgroup")))
            return [root / own, *(root / above for above in own.parents)]
    return []


def cgroup_of(membership: str) -> PurePosixPath:
    """Read the path of the cgroup (version 2) below the root from ``/proc/self/cgroup``; the root if none is named."""
    found = re.search(r"^0::/(.*)$", membership, re.MULTILINE)
    path = PurePosixPath(found[1] if found else "")
    return PurePosixPath() if ".." in path.parts else path  # it lies outside of what this container sees


def oom_kills() -> int | None:
    """Count the processes that the kernel has killed for lack of memory; ``None`` if the system does not report it.

    The count is that of the nearest cgroup that has one, or else of the whole machine.
    """
    for source in (*(folder / "memory.events" for folder in cgroups()), Path("/proc/vmstat")):
        if (kills := oom_kills_in(text_of(source))) is not None:
            return kills
    return None


def oom_kills_in(counters: str) -> int | None:
    """Read the count from ``memory.events`` or ``/proc/vmstat``; ``None`` if the text has none."""
    found = re.search(r"^oom_kill (\d+)$", counters, re.MULTILINE)
    return int(found[1]) if found else None


def text_of(path: Path) -> str:
    """The text of one of the system's files; empty if there is no such file or we may not read it."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _processor_name() -> str:
    for line in text_of(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
