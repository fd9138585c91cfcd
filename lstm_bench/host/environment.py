"""Environment variables that decide what a process sees of the machine; set before a framework is imported."""

from __future__ import annotations

from collections.abc import Mapping

from lstm_bench.host.machine import THREAD_VARIABLES


def of_device(device: str) -> Mapping[str, str]:
    """Hide the GPUs from a process that is to use the CPU: some frameworks prepare them even when told not to."""
    return {"CUDA_VISIBLE_DEVICES": "-1"} if device == "cpu" else {}


def of_worker(threads: int, device: str) -> Mapping[str, str]:
    """Everything that the harness sets for a worker, whichever backend it runs.

    Args:
        threads: processor threads for the worker.
        device: where it computes.
    """
    # Unbuffered, so that the last words of a worker that dies are not lost.
    return {**dict.fromkeys(THREAD_VARIABLES, str(threads)), "PYTHONUNBUFFERED": "1", **of_device(device)}
