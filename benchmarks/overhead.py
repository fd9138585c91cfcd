"""Measure what the harness costs: our models beside plain loops that use the framework alone.

    python benchmarks/overhead.py                                  every backend, every shape
    python benchmarks/overhead.py --backend torch --backend "keras[engine=jax]" --shape flights --scope gradient

Each round is a fresh process on all usable cores, with the thread variables of a worker. In it, blocks of our steps and
blocks of the plain loop's steps alternate, and ours come first in every other pair. A disturbance of the machine then
affects both. The ratio of a round is our time over the plain loop's, as the median over its pairs. The table shows the
median of the rounds and their range. Below 1, ours is faster.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from lstm_bench.record.configuration import EFFORTS
from shapes import SHAPES, Scopes, Shape

if TYPE_CHECKING:
    from lstm_bench.catalog.choosing import ChosenBackend

PLAIN = {
    "numpy": ["plain_numpy"],
    "torch": ["plain_torch", "tutorial_torch"],
    "jax": ["plain_jax"],
    "keras": ["plain_keras", "tutorial_keras"],
    "keras[engine=jax]": ["plain_keras"],
    "keras[engine=torch]": ["plain_keras"],
}
"""Modules with a plain loop, by backend."""

ONLY_ON = {"tutorial_torch": "flights", "tutorial_keras": "mnist-rows"}
"""The one shape of each tutorial's loop."""

SCOPES = ("train", "gradient", "infer")

EFFORT = EFFORTS["default"]
"""Blocks here are as long as in a run with this effort."""

Steps = Callable[[int], object]


def selected(selector: str) -> ChosenBackend:
    """A backend and its options, from ``keras[engine=jax]``."""
    from lstm_bench.catalog.choosing import choose_backends
    from lstm_bench.catalog.loading import load_plugins

    (backend,) = choose_backends(load_plugins(), [selector])
    return backend


def ours(selector: str, shape: Shape) -> Scopes:
    """Our steps: the calls that the harness times."""
    from lstm_bench import ModelSpec, Setting, TrainSpec
    from lstm_bench.model.parameters import initial_parameters
    from lstm_bench.plugin.backend import build_or_refuse, load_backend

    spec = ModelSpec(input_size=shape.features, hidden_sizes=(shape.hidden,), output_size=shape.outputs)
    loss = "mse" if shape.outputs == 1 else "cross_entropy"
    train_spec = TrainSpec(loss=loss, optimizer="adam", learning_rate=1e-3, batch_size=shape.batch)
    chosen = selected(selector)
    backend, setting = load_backend(chosen.info), Setting("float32", "cpu", chosen.options)
    model = build_or_refuse(backend, spec, train_spec, initial_parameters(spec, "uniform", 0), setting, seed=0)
    data, targets = shape.data()
    x, y = model.put(data), model.put(targets)
    epoch = np.arange(len(data)).reshape(-1, shape.batch)
    batches = [(model.put(data[rows]), model.put(targets[rows])) for rows in epoch[:8]]
    orders: dict[int, object] = {}

    def train(steps: int) -> None:
        if steps not in orders:
            orders[steps] = model.put(np.resize(epoch, (steps, shape.batch)))
        model.train(x, y, orders[steps])
        model.synchronize()

    def gradient(steps: int) -> None:
        for step in range(steps):
            model.differentiate(*batches[step % len(batches)])
        model.synchronize()

    def infer(steps: int) -> None:
        for step in range(steps):
            model.infer(batches[step % len(batches)][0])
        model.synchronize()

    return {"train": train, "gradient": gradient, "infer": infer}


def timed(run: Steps, steps: int) -> float:
    """Seconds per step."""
    begin = perf_counter()
    run(steps)
    return (perf_counter() - begin) / steps


def one_round(
    backend: str, module: str, shape: Shape, scopes: Sequence[str], pairs: int
) -> dict[str, dict[str, float]]:
    """Seconds per step of ours and of the plain loop, and their ratio, for each scope that the plain loop has."""
    our_scopes, plain_scopes = ours(backend, shape), importlib.import_module(module).build(shape)
    answer = {}
    for scope in (scope for scope in scopes if scope in plain_scopes):
        our_run, plain_run = our_scopes[scope], plain_scopes[scope]
        steps = 1
        for _ in range(3):  # the estimate improves each time: in more steps, the cost of a call weighs less
            timed(our_run, steps), timed(plain_run, steps)  # compile for this number of steps
            fastest = min(timed(our_run, steps), timed(plain_run, steps))
            steps = max(EFFORT.block_steps, round(EFFORT.block_seconds / fastest))
        for _ in range(5):
            timed(our_run, steps), timed(plain_run, steps)
        times: list[tuple[float, float]] = []
        for pair in range(pairs):
            if pair % 2:
                plain_time, our_time = timed(plain_run, steps), timed(our_run, steps)
            else:
                our_time, plain_time = timed(our_run, steps), timed(plain_run, steps)
            times.append((our_time, plain_time))
        answer[scope] = {
            "ours": statistics.median(a for a, _ in times),
            "plain": statistics.median(b for _, b in times),
            "ratio": statistics.median(a / b for a, b in times),
        }
    return answer


def worker_environment(selector: str, threads: int) -> dict[str, str]:
    """The environment of a worker of the harness."""
    from lstm_bench.host.machine import THREAD_VARIABLES

    backend = selected(selector)
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"CUDA_VISIBLE_DEVICES": "-1"}
    return environment | backend.info.environ(backend.options, threads, "cpu")


def in_fresh_process(arguments: list[str], threads: int) -> dict[str, dict[str, float]]:
    """Run one round in a process with the environment of a worker."""
    environment = worker_environment(arguments[0], threads)
    done = subprocess.run(
        [sys.executable, __file__, "--one-round", *arguments], env=environment, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", action="append", choices=PLAIN)
    parser.add_argument("--shape", action="append", choices=SHAPES)
    parser.add_argument("--scope", action="append", choices=SCOPES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=15, help="pairs of blocks in each round")
    parser.add_argument("--one-round", nargs=2, metavar=("BACKEND", "MODULE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    scopes = arguments.scope or SCOPES
    if arguments.one_round:
        backend, module = arguments.one_round
        print(json.dumps(one_round(backend, module, SHAPES[arguments.shape[0]], scopes, arguments.pairs)))
        return

    from lstm_bench.host.machine import describe_machine, usable_cores

    machine, threads = describe_machine(), usable_cores()
    print(f"{machine.processor}, {threads} threads, {arguments.rounds} rounds of {arguments.pairs} pairs")
    print(
        f"{'backend':19} {'shape':12} {'plain loop':15} {'scope':8} {'ours ms':>9} {'plain ms':>9} {'ratio':>7}  range"
    )
    for backend in arguments.backend or PLAIN:
        for name in arguments.shape or SHAPES:
            for module in PLAIN[backend]:
                if ONLY_ON.get(module, name) != name:
                    continue
                command = [backend, module, "--shape", name, "--pairs", str(arguments.pairs)]
                command += [word for scope in scopes for word in ("--scope", scope)]
                rounds = [in_fresh_process(command, threads) for _ in range(arguments.rounds)]
                for scope in rounds[0]:
                    ratios = sorted(r[scope]["ratio"] for r in rounds)
                    our_ms, plain_ms = (statistics.median(r[scope][k] for r in rounds) * 1e3 for k in ("ours", "plain"))
                    print(
                        f"{backend:19} {name:12} {module:15} {scope:8} {our_ms:9.3f} {plain_ms:9.3f} "
                        f"{statistics.median(ratios):7.3f}  {ratios[0]:.3f} .. {ratios[-1]:.3f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
