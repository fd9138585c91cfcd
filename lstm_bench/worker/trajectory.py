"""Train by a task's recipe in the worker process, and report every loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lstm_bench.catalog.loading import Plugins, load_plugins
from lstm_bench.conformance.agreement import expect
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.plugin.backend import build_or_refuse, load_backend, require_device
from lstm_bench.plugin.setting import Setting
from lstm_bench.worker import protocol
from lstm_bench.worker.training import Feed, finite

if TYPE_CHECKING:
    from lstm_bench.model.spec import ModelSpec
    from lstm_bench.plugin.backend import Model
    from lstm_bench.worker.session import Session

BLOCK = 100
"""Steps in one call of ``Model.train`` and in one message."""


def trace(job: protocol.TrajectoryJob, session: Session) -> None:
    """Train for the job's steps and report every loss.

    Raises:
        Unsupported: if the backend refuses the job.
        InvalidOutput: if ``Model.train`` does not return one loss for each step.
    """
    for losses in _train(job):
        session.say(protocol.Losses(tuple(finite(loss) for loss in losses)))


def _train(job: protocol.TrajectoryJob) -> Iterator[NDArray[np.float64]]:
    """Yield the losses of each block of steps."""
    recipe = job.recipe
    plugins = load_plugins(Path(file) for file in job.plugin_files)
    # Without dropout, because each framework draws its own masks.
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
    info = plugins.backend(job.backend)
    backend = load_backend(info)
    require_device(backend, job.backend, job.device)
    setting = Setting(job.precision, job.device, info.read(job.options))
    parameters = initial_parameters(spec, job.recipe.initialisation, job.seed, job.recipe.forget_bias)
    return build_or_refuse(backend, spec, job.recipe.train, parameters, setting, seed=job.seed)


def _feed(job: protocol.TrajectoryJob, plugins: Plugins) -> Feed:
    data_dir = None if job.data_dir is None else Path(job.data_dir)
    info = plugins.task(job.task)
    task = info.load()
    dataset = task.load(job.recipe, info.read(job.task_options), data_dir=data_dir, seed=job.seed)
    return Feed(task, dataset, job.recipe, job.seed)
