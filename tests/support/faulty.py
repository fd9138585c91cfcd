"""Attempts with backends that misbehave, each in a real worker process."""

from __future__ import annotations

from pathlib import Path

from builders import a_configuration
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.execute.attempt import run_attempt
from lstm_bench.record.configuration import Effort
from lstm_bench.worker.protocol import MeasureJob

FAULTS = Path(__file__).parents[1] / "zoo" / "fault_backends.py"
PLUGINS = load_plugins([FAULTS])
QUICK = Effort(name="quick", blocks=2, block_seconds=0.002, warmup_blocks=1, warmup_seconds=0.0, epoch_fraction=0.1)


def attempt(backend, *, timeout=60.0, on_message=lambda message: None, times_only=False, **changes):
    """Run a backend on flights for one epoch, in a real worker process."""
    task = PLUGINS.task("flights")
    given = {"backend": backend, "backend_options": {}, "recipe": task.recipe(None, task.read({})), "epochs": 1}
    configuration = a_configuration(**given | {"threads": 1, "effort": QUICK} | changes)
    job = MeasureJob(configuration=configuration, plugin_files=(str(FAULTS),), times_only=times_only)
    return run_attempt(job, PLUGINS.backend(backend), timeout=timeout, on_message=on_message)


def faulty(fault, moment="build", **how):
    return attempt(fault, backend_options={"moment": moment}, **how)
