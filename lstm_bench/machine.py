"""What this machine is, and what this process uses of it."""

from __future__ import annotations

import os
import platform
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil

from lstm_bench.result import Machine, Threads

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


def forget_peak() -> None:
    """Begin anew to record the largest resident size, where the system allows it (Linux)."""
    with suppress(OSError):  # then ``peak_resident_bytes`` covers the whole life of the process, an upper bound
        Path("/proc/self/clear_refs").write_text("5")


def peak_resident_bytes() -> int | None:
    """Largest resident size since ``forget_peak``; ``None`` where the system does not tell."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _processor_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
