"""A plugin of backends whose process misbehaves at a chosen moment, in the order of ``MOMENTS``."""

from __future__ import annotations

import ctypes
import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import psutil

import lstm_bench_numpy
from lstm_bench import BackendInfo, Choice, Unsupported, hookimpl
from lstm_bench.worker.protocol import LONGEST_LINE
from lstm_bench_numpy._model import NumpyBackend, NumpyModel

(NUMPY,) = lstm_bench_numpy.lstm_bench_backends()

FAULTS: dict[str, Callable[[], None]] = {}

MOMENTS = ("load", "build", "check", "inspect", "train")
"""Loading, building, the comparison with the reference, the question what really ran, the training of the recipe."""


def fault(function: Callable[[], None]) -> Callable[[], None]:
    FAULTS[function.__name__.replace("_", "-")] = function
    return function


def note(text: object) -> None:
    """Write a line for the test, to a file or to a named pipe; with a pipe the test waits for it."""
    with Path(os.environ["ZOO_NOTES"]).open("a") as notes:
        print(text, file=notes)


def answer(line: bytes) -> None:
    """Write to the pipe that carries the worker's answers."""
    line = memoryview(line)
    while line:
        line = line[os.write(int(sys.argv[1]), line) :]


@fault
def segfault():
    ctypes.string_at(0)


@fault
def abort():
    os.abort()


@fault
def real_time_signal():
    os.kill(os.getpid(), signal.SIGRTMIN + 1)


@fault
def killed():
    os.kill(os.getpid(), signal.SIGKILL)


@fault
def exit_0():
    os._exit(0)


@fault
def exit_3():
    print("out of licences")
    os._exit(3)


@fault
def sys_exit():
    sys.exit("no licence server")


@fault
def hang():
    """Never ends, not even on SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(os.getpid())
    while True:
        time.sleep(1000)


@fault
def busy_hang():
    note(os.getpid())
    while True:
        pass


@fault
def deaf_hang():
    """Behaves like native code that never returns: no signal handler and no other thread runs any more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(os.getpid())
    sum(itertools.repeat(0))


@fault
def stopped():
    """Stops its process, as a debugger or Ctrl-Z does."""
    note(os.getpid())
    os.kill(os.getpid(), signal.SIGSTOP)


@fault
def chatter():
    """Writes 20 MB; then nothing is wrong."""
    for _ in range(20):
        os.write(1, b"." * 10**6)


@fault
def flood():
    while True:
        os.write(1, b"." * 65536)


def have_child():
    """Start a process that never ends and keeps this process's stdout open."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]).pid


@fault
def grandchild():
    """Leaves a process behind; nothing else is wrong."""
    note(have_child())


@fault
def orphan():
    note(have_child())
    os._exit(3)


@fault
def family_hang():
    note(f"{os.getpid()} {have_child()}")
    while True:
        time.sleep(1000)


@fault
def dispersed_family_hang():
    """Its grandchild has left the process group, the session and its parent, and does not end on SIGTERM."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"
    alone = f"s.Popen([sys.executable, '-c', {code!r}], stdout=s.DEVNULL, stderr=s.DEVNULL)"
    leaving = f"import subprocess as s, sys; print({alone}.pid)"
    pid = subprocess.run(
        [sys.executable, "-c", leaving], start_new_session=True, capture_output=True, text=True, check=True
    ).stdout
    note(f"{os.getpid()} {pid.strip()}")
    while True:
        time.sleep(1000)


@fault
def vandal():
    """Removes the folder of results; nothing else is wrong."""
    shutil.rmtree(os.environ["ZOO_NOTES"])


@fault
def value_error():
    raise ValueError("no kernel\nfor this shape")


@fault
def lone_surrogate():
    raise ValueError("no file \udcff")


@fault
def memory_error():
    raise MemoryError


@fault
def device_out_of_memory():
    raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")


@fault
def bad_alloc():
    """Native code finds no memory and throws an exception that nobody catches."""
    ctypes.CDLL("libstdc++.so.6")._Znwm(ctypes.c_size_t(2**62))


@fault
def memory_limit():
    """Asks for memory until the system refuses."""
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, used + 2**29))
    hoard = []
    while True:
        hoard.append(bytes(2**26))


@fault
def glutton():
    """Fills memory until the system kills it."""
    hoard = []
    while True:
        hoard.append(b"." * 2**24)


@fault
def hoard():
    """Allocates 200 MiB for a moment; nothing else is wrong."""
    np.ones(200 * 2**20, np.int8)


@fault
def import_error():
    raise ImportError("libzoo.so.3: cannot open shared object file")


@fault
def gibberish():
    answer(b"gibberish\n")


@fault
def wrong_answer():
    answer(b'{"type":"ended","status":"splendid","reason":""}\n')


@fault
def long_answer():
    answer(b"." * (LONGEST_LINE + 2**17))


class Faulty(NumpyBackend):
    """The NumPy backend, until the fault happens at the moment that the environment names."""

    def __init__(self, fault: Callable[[], None]) -> None:
        self._fault = fault
        self.bounded = False
        self.at("load")

    def at(self, moment: str) -> None:
        if os.environ["ZOO_FAULT_AT"] == moment:
            self._fault()

    def build(self, spec, train, parameters, setting, *, seed):
        self.at("build")
        model = FaultyModel(spec, train, parameters, np.dtype(setting.precision), seed)
        model.backend, model.hidden_sizes = self, spec.hidden_sizes
        return model

    def product(self, size, setting):
        self.bounded = True
        return super().product(size, setting)


@fault
def tight_lipped():
    """Nothing is wrong, but it does not tell what ran."""

    def kernel_path(*_):
        raise Unsupported("nothing tells")

    FaultyModel.kernel_path = FaultyModel.training_kernel_path = kernel_path


@fault
def hoards():
    """Nothing is wrong, but the product that is the ceiling leaves 256 MiB behind."""

    def product(self, size, setting):
        self.kept = np.ones(2**25)
        return NumpyBackend.product(self, size, setting)

    Faulty.product = product


class FaultyModel(NumpyModel):
    """The model of the NumPy backend, with a fault at some moments.

    The recipe is trained after the product that is the ceiling. Models of one unit are left out: the harness times the
    floor with them.
    """

    def train(self, x, y, order):
        if self.backend.bounded and self.hidden_sizes != (1,):
            self.backend.at("train")
        return super().train(x, y, order)

    def gradients(self, x, y):
        self.backend.at("check")
        return super().gradients(x, y)

    def kernel_path(self, x):
        self.backend.at("inspect")
        return super().kernel_path(x)


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    for name, function in FAULTS.items():
        yield BackendInfo(
            name=name,
            summary="misbehaves",
            load=lambda function=function: Faulty(function),
            abilities=NUMPY.abilities,
            options={"moment": Choice(default="build", meaning="when", choices=MOMENTS)},
            environ=lambda options, threads, device: {"ZOO_FAULT_AT": options.moment},
        )
