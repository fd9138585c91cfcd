"""Compare two backends: training blocks alternate between two processes.

    python benchmarks/side_by_side.py jax torch --shape 128x128x512
    python benchmarks/side_by_side.py "keras[engine=jax]" torch --shape flights --pairs 30

While one process trains, the other waits. A slow phase of the machine then affects both. The output has the median time
per step of each backend, and the ratio of the first backend's time to the second's: median and range over the pairs.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from overhead import EFFORT, ours, timed, worker_environment
from shapes import SHAPES


def serve(backend: str, shape: str) -> None:
    """Train one block for each line on stdin, and answer with the seconds per step."""
    train = ours(backend, SHAPES[shape])["train"]
    steps = EFFORT.block_steps
    for _ in range(3):
        timed(train, steps)  # compile for this number of steps
        steps = max(EFFORT.block_steps, round(EFFORT.block_seconds / timed(train, steps)))
    timed(train, steps)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(timed(train, steps), flush=True)


def start(backend: str, shape: str, threads: int) -> subprocess.Popen[str]:
    """Start a process, and wait until it is ready to train."""
    process = subprocess.Popen(
        [sys.executable, __file__, backend, "--serve", "--shape", shape],
        env=worker_environment(backend, threads),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.stdout.readline().strip() != "ready":
        sys.exit(f"{backend} could not be started on {shape}")
    return process


def block(process: subprocess.Popen[str]) -> float:
    """Let a process train one more block, and return its seconds per step."""
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backends", nargs="+", metavar="BACKEND", help="two, such as jax and keras[engine=torch]")
    parser.add_argument("--shape", choices=SHAPES, default="flights")
    parser.add_argument("--pairs", type=int, default=15, help="pairs of blocks")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.backends[0], arguments.shape)
        return
    if len(arguments.backends) != 2:
        parser.error("give two backends")

    from lstm_bench.host.machine import describe_machine, usable_cores

    threads = usable_cores()
    print(f"{describe_machine().processor}, {threads} threads, {arguments.shape}, {arguments.pairs} pairs of blocks")
    first, second = (start(backend, arguments.shape, threads) for backend in arguments.backends)
    times = []
    for pair in range(arguments.pairs):
        if pair % 2:
            after, before = block(second), block(first)
            times.append((before, after))
        else:
            times.append((block(first), block(second)))
    for name, own in zip(arguments.backends, zip(*times, strict=True), strict=True):
        print(f"{name:24} {statistics.median(own) * 1e3:10.3f} ms per training step")
    ratios = sorted(a / b for a, b in times)
    print(f"{'ratio':24} {statistics.median(ratios):10.3f}    {ratios[0]:.3f} .. {ratios[-1]:.3f}")
    for process in (first, second):
        process.stdin.close()
        process.wait()


if __name__ == "__main__":
    main()
