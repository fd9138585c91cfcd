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

from lstm_bench import BackendInfo, Option, hookimpl
from lstm_bench.worker.protocol import LONGEST_LINE
from lstm_bench_numpy._model import NumpyBackend, NumpyModel

FAULTS: dict[str, Callable[[], None]] = {}

MOMENTS = ("load", "build", "check", "inspect", "train")
"""To load, to build, to be checked, to be asked for what really ran, to train the recipe."""


def fault(function: Callable[[], None]) -> Callable[[], None]:
    FAULTS[function.__name__.replace("_", "-")] = function
    return function


def note(text: object) -> None:
    """Write a line where the test reads it: a file, or a named pipe, in which case the test waits for it."""
    with Path(os.environ["ZOO_NOTES"]).open("a") as notes:
        print(text, file=notes)


def answer(line: bytes) -> None:
    """Write to the pipe on which the worker answers."""
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
    """Ends neither on SIGTERM nor by itself."""
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
    """As native code that never gives the interpreter back: no signal handler and no other thread runs any more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(os.getpid())
    sum(itertools.repeat(0))


@fault
def stopped():
    """As by a debugger, or Ctrl-Z."""
    note(os.getpid())
    os.kill(os.getpid(), signal.SIGSTOP)


@fault
def chatter():
    """20 MB, and then nothing is wrong."""
    for _ in range(20):
        os.write(1, b"." * 10**6)


@fault
def flood():
    while True:
        os.write(1, b"." * 65536)


def have_child():
    """Start a process that holds this one's stdout and does not end."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]).pid


@fault
def grandchild():
    """Nothing else is wrong."""
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
    """The other one has left the group, the parent and the rest, and does not end on SIGTERM."""
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
    """Removes the folder of results; then nothing is wrong."""
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
    """Native code that finds no memory and has nobody to tell."""
    ctypes.CDLL("libstdc++.so.6")._Znwm(ctypes.c_size_t(2**62))


@fault
def memory_limit():
    """Asks for memory until the system gives no more."""
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, used + 2**29))
    hoard = []
    while True:
        hoard.append(bytes(2**26))


@fault
def glutton():
    """Fills memory until the system ends it."""
    hoard = []
    while True:
        hoard.append(b"." * 2**24)


@fault
def hoard():
    """Has 200 MiB for a moment; nothing else is wrong."""
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
    """The numpy backend, until the fault."""

    def __init__(self, fault: Callable[[], None]) -> None:
        self._fault = fault
        self.inspected = False
        self.at("load")

    def at(self, moment: str) -> None:
        if os.environ["ZOO_FAULT_AT"] == moment:
            self._fault()

    def build(self, spec, train, parameters, *, precision, device, seed, options):
        self.at("build")
        model = FaultyModel(spec, train, parameters, np.dtype(precision), seed)
        model.backend, model.hidden_sizes = self, spec.hidden_sizes
        return model


@fault
def tight_lipped():
    """Nothing is wrong, but that it does not say what ran."""
    FaultyModel.kernel_path = FaultyModel.training_kernel_path = lambda *_: ""


@fault
def hoards():
    """Nothing is wrong, but that 256 MiB are left of the product that is the ceiling."""

    def product(self, size, **how):
        self.kept = np.ones(2**25)
        return NumpyBackend.product(self, size, **how)

    Faulty.product = product


class FaultyModel(NumpyModel):
    """The numpy backend's, until its recipe is trained: after it was asked what ran, and not the smallest model."""

    def train(self, x, y, order):
        if self.backend.inspected and self.hidden_sizes != (1,):
            self.backend.at("train")
        return super().train(x, y, order)

    def gradients(self, x, y):
        self.backend.at("check")
        return super().gradients(x, y)

    def kernel_path(self, x):
        self.backend.at("inspect")
        self.backend.inspected = True
        return super().kernel_path(x)


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    for name, function in FAULTS.items():
        yield BackendInfo(
            name=name,
            summary="misbehaves",
            load=lambda function=function: Faulty(function),
            options={"moment": Option(default="build", meaning="when", choices=MOMENTS)},
            environ=lambda options, threads, device: {"ZOO_FAULT_AT": options["moment"]},
        )
