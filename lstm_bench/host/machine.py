"""What this machine is, and what this process uses of it."""

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


def usable_cores() -> int:
    """Logical processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine() -> Machine:
    """This machine, without anything that names its owner."""
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=_processor_name(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        python=platform.python_version(),
    )


def restrict_to(threads: int, first: int = 0) -> None:
    """Keep this process, and all that it starts, on ``threads`` of the processors that it may use, from one on."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[first : first + threads])


def read_back_threads() -> Threads:
    """Thread counts as the native libraries that are loaded by now report them, and as the system counts them."""
    from threadpoolctl import threadpool_info

    libraries = {f"{info['user_api']} {Path(info['filepath']).name}": info["num_threads"] for info in threadpool_info()}
    return Threads(affinity=usable_cores(), libraries=dict(sorted(libraries.items())), pools=_named_threads())


def _named_threads() -> dict[str, int]:
    """This process's threads that do not go by its own name, where the system tells (Linux)."""
    names = []
    with suppress(OSError):
        own = Path("/proc/self/comm").read_text()
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError):  # it may end while we look
                names.append((task / "comm").read_text())
        names = [name.strip() for name in names if name != own]
    return dict(sorted(Counter(names).items()))


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


class PeakMemory:
    """The most memory that this process has held in those parts of its life that count.

    Args:
        on_device: the most bytes that the device's allocator has held in the whole life; ``None`` if it has none.

    Attributes:
        resident: largest resident size in bytes, without what was left over between those parts; ``None`` where the
            system does not tell.
        device: most bytes that the device's allocator held. Its counter is not set back, so until the end of the first
            part everything counts, and after that a part in which it rises.
    """

    def __init__(self, on_device: Callable[[], int | None]) -> None:
        self.resident: int | None = None
        self.device: int | None = None
        self._on_device = on_device
        self._ended_with: int | None = None
        self._left_over = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """A part that counts."""
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
    """Begin anew to record the largest resident size, where the system allows it (Linux)."""
    with suppress(OSError):  # then the peak is that of the whole life of the process, an upper bound
        Path("/proc/self/clear_refs").write_text("5")


def _peak_resident_bytes() -> int | None:
    """Largest resident size since then; ``None`` where the system does not tell."""
    for line in text_of(Path("/proc/self/status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def cgroups() -> list[Path]:
    """The folders of this process's cgroup (version 2) and of those above it, the nearest first; none without any."""
    for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (root / "cgroup.controllers").exists():
            own = cgroup_of(text_of(Path("/proc/self/cgroup")))
            return [root / own, *(root / above for above in own.parents)]
    return []


def cgroup_of(membership: str) -> PurePosixPath:
    """The cgroup (version 2) that ``/proc/self/cgroup`` tells, below the root; the root if it tells none."""
    found = re.search(r"^0::/(.*)$", membership, re.MULTILINE)
    path = PurePosixPath(found[1] if found else "")
    return PurePosixPath() if ".." in path.parts else path  # it is outside of what this container sees


def oom_kills() -> int | None:
    """Processes that the kernel has ended for want of memory, in the nearest cgroup that tells, or else anywhere."""
    for source in (*(folder / "memory.events" for folder in cgroups()), Path("/proc/vmstat")):
        if (kills := oom_kills_in(text_of(source))) is not None:
            return kills
    return None


def oom_kills_in(counters: str) -> int | None:
    """The count in ``memory.events`` or ``/proc/vmstat``; ``None`` if there is none."""
    found = re.search(r"^oom_kill (\d+)$", counters, re.MULTILINE)
    return int(found[1]) if found else None


def text_of(path: Path) -> str:
    """What the system says in one of its files; nothing if it does not have it or does not let us."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _processor_name() -> str:
    for line in text_of(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
