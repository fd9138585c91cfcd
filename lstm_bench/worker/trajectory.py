"""What a worker does to show a backend's loss curve: train by a task's recipe, and tell every loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lstm_bench.catalog.loading import Plugins, load_plugins
from lstm_bench.conformance.agreement import InvalidOutput, expect
from lstm_bench.errors import LSTMBenchError, print_error
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.plugin.backend import Unsupported, require_device
from lstm_bench.text import describe, one_line
from lstm_bench.worker import protocol
from lstm_bench.worker.training import Feed, finite

if TYPE_CHECKING:
    from lstm_bench.model.spec import ModelSpec
    from lstm_bench.plugin.backend import Model

BLOCK = 100
"""Steps that are trained in one call, and told at once."""


def carry_out(job: protocol.TrajectoryJob, session: protocol.Session) -> None:
    """Train for the job's steps, and say how it ended."""
    try:
        for losses in _train(job):
            session.say(protocol.Losses(tuple(finite(loss) for loss in losses)))
    except InvalidOutput as error:
        session.ended("invalid-output", one_line(str(error)))
    except LSTMBenchError as error:
        session.ended("unsupported", one_line(str(error)))
    except Exception as error:
        print_error(error)
        session.ended("crashed", describe(error))
    else:
        session.ended("ok", "")


def _train(job: protocol.TrajectoryJob) -> Iterator[NDArray[np.float64]]:
    """The losses of each block of steps.

    Raises:
        Unsupported: if the backend cannot do it.
        InvalidOutput: if it returns what are no losses.
    """
    recipe = job.recipe
    plugins = load_plugins(Path(file) for file in job.plugin_files)
    # Each framework draws its own masks.
    spec = msgspec.structs.replace(recipe.model, dropout=0.0)
    model = _build(job, spec, plugins)
    left = job.steps
    for x, y, order in _feed(job, plugins).epochs(model.put):
        for begin in range(0, min(len(order), left), BLOCK):
            block = order[begin : min(begin + BLOCK, left)]
            losses = np.asarray(model.get(model.train(x, y, model.put(block))), np.float64)
            if losses.shape != (len(block),):
                expect("training losses", losses, (len(block),))
            yield losses
        left -= len(order)
        if left <= 0:
            return


def _build(job: protocol.TrajectoryJob, spec: ModelSpec, plugins: Plugins) -> Model[Any]:
    backend = plugins.backend(job.backend).load()
    require_device(backend, job.backend, job.device)
    how: dict[str, Any] = {"precision": job.precision, "device": job.device, "options": job.options}
    if (refusal := backend.refuses(spec, job.recipe.train, **how)) is not None:
        raise Unsupported(refusal)
    parameters = initial_parameters(spec, job.recipe.initialisation, job.seed, job.recipe.forget_bias)
    return backend.build(spec, job.recipe.train, parameters, seed=job.seed, **how)


def _feed(job: protocol.TrajectoryJob, plugins: Plugins) -> Feed:
    data_dir = None if job.data_dir is None else Path(job.data_dir)
    task = plugins.task(job.task).load()
    dataset = task.load(job.recipe, job.task_options, data_dir=data_dir, seed=job.seed)
    return Feed(task, dataset, job.recipe, job.seed)
