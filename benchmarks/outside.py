"""Check the harness's time of a training step against a time that another process takes from outside.

    python benchmarks/outside.py
    python benchmarks/outside.py --backend jax --task mnist-rows --rounds 7

In each round a worker of the harness times a backend. Then another process trains the same shape in a hand-written
loop and prints a line about every third of a second; this process reads its own clock at each line. The second time
uses nothing of the harness's timing: not its blocks, not its clock, not its process. It is the median of the times
between two lines, as the harness takes the median of its blocks; a mean would include the machine's occasional
pauses. The table shows the harness's time over the time from outside: median and range of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from itertools import pairwise
from time import perf_counter

from overhead import PLAIN, ours, worker_environment
from shapes import SHAPES

STRETCHES, SECONDS = 10, 0.3
"""How many lines the hand-written loop prints after the first, and about how long it trains between two lines."""


def train(backend: str, shape: str, steps: int, calls: int) -> None:
    """Train in calls of ``steps`` steps, and print a line after every ``calls`` calls."""
    step = ours(backend, SHAPES[shape])["train"]
    for _ in range(5 * calls):
        step(steps)
    for _ in range(STRETCHES + 1):
        print(flush=True)
        for _ in range(calls):
            step(steps)


def from_outside(backend: str, shape: str, steps: int, calls: int, threads: int) -> float:
    """Seconds per step, by this process's clock."""
    command = [sys.executable, __file__, "--train", backend, shape, str(steps), str(calls)]
    environment = worker_environment(backend, threads)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        seen = [perf_counter() for _ in process.stdout]
    stretches = [after - before for before, after in pairwise(seen)]
    return statistics.median(stretches) / steps / calls


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", action="append", choices=PLAIN)
    parser.add_argument("--task", action="append", choices=("flights", "mnist-rows"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="threads of both processes [default: all processors]")
    parser.add_argument("--train", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        backend, shape, steps, calls = arguments.train
        train(backend, shape, int(steps), int(calls))
        return

    import os

    import msgspec

    from lstm_bench.catalog.loading import load_plugins
    from lstm_bench.execute.attempt import run_attempt
    from lstm_bench.execute.plan import Request, plan_configurations
    from lstm_bench.host.machine import describe_machine, usable_cores
    from lstm_bench.record.configuration import EFFORTS
    from lstm_bench.worker.protocol import MeasureJob

    plugins, threads = load_plugins(), arguments.threads or usable_cores()
    print(f"{describe_machine().processor}, {threads} threads, {arguments.rounds} rounds")
    print(f"{'backend':19} {'task':11} {'harness ms':>10} {'outside ms':>10} {'ratio':>6}  range")
    for name in arguments.backend or PLAIN:
        for task in arguments.task or ("flights", "mnist-rows"):
            request = Request(
                backends=[name],
                tasks=[task],
                devices=["cpu"],
                precisions=["float32"],
                effort=EFFORTS["default"],
                threads=threads,
            )
            (configuration,) = plan_configurations(plugins, request)
            configuration = msgspec.structs.replace(
                configuration, recipe=msgspec.structs.replace(configuration.recipe, scopes=("train",))
            )
            job = MeasureJob(configuration=configuration, data_dir=os.environ.get("LSTM_BENCH_DATA"), times_only=True)
            both = []
            for _ in range(arguments.rounds):
                timing = run_attempt(job, plugins.backend(configuration.backend), timeout=600).findings.timings["train"]
                inside, steps = timing.seconds_per_step, timing.steps_per_block
                calls = max(1, round(SECONDS / inside / steps))
                both.append((inside, from_outside(name, task, steps, calls, threads)))
            ratios = sorted(inside / outside for inside, outside in both)
            in_ms, out_ms = (1e3 * statistics.median(column) for column in zip(*both, strict=True))
            print(
                f"{name:19} {task:11} {in_ms:10.3f} {out_ms:10.3f} {statistics.median(ratios):6.3f}  "
                f"{ratios[0]:.3f} .. {ratios[-1]:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
