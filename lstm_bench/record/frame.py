"""The DataFrame of attempts: one row each, for programs and spreadsheets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lstm_bench.model.spec import SCOPES, Scope
from lstm_bench.record.attempt import Attempt

if TYPE_CHECKING:
    import pandas as pd


def to_frame(attempts: Sequence[Attempt]) -> pd.DataFrame:
    """Return one row for each attempt.

    A column's name ends in its unit, as in ``train_step_s`` and ``peak_memory_bytes``. Unknown values are missing.
    """
    import pandas as pd

    return pd.DataFrame([_row(attempt) for attempt in attempts])


def _row(attempt: Attempt) -> dict[str, Any]:
    return _asked(attempt) | _speeds(attempt) | _costs(attempt) | _ending(attempt) | _errors_and_metrics(attempt)


def _asked(attempt: Attempt) -> dict[str, Any]:
    """The configuration, and where it was measured; then the metric that the table shows."""
    configuration, found = attempt.configuration, attempt.findings
    recipe, judgement = configuration.recipe, found.judgement
    return {
        "task": configuration.task_selector,
        "backend": configuration.backend_selector,
        "version": next(iter(found.versions.values()), None),
        "device": configuration.device,
        "device_name": found.device_name,
        "precision": configuration.precision,
        "observed_precision": found.observed_precision,
        "observed_denormals": found.observed_denormals,
        "threads": configuration.threads,
        "seed": configuration.seed,
        "effort": configuration.effort.name,
        "cell": recipe.model.cell,
        "hidden_sizes": "x".join(map(str, recipe.model.hidden_sizes)),
        "batch_norm": recipe.model.batch_norm,
        "batch_size": recipe.train.batch_size,
        "optimizer": recipe.train.optimizer,
        "learning_rate": recipe.train.learning_rate,
        "epochs": configuration.epochs,
        "recipe_epochs": recipe.epochs,
        "parameters": configuration.parameter_count,
        "native_parameters": found.native_parameter_count,
        "metric": judgement.metric if judgement else None,
        "unit": judgement.unit if judgement else None,
        "value": judgement.metrics.get(judgement.metric) if judgement else None,
    }


def _speeds(attempt: Attempt) -> dict[str, Any]:
    """The speed of each scope, and the fastest that this worker could have been."""
    timings, ceiling = attempt.findings.timings, attempt.findings.ceiling
    return {
        **{
            f"{scope}_sequences_per_s": t.sequences_per_second if (t := timings.get(scope)) else None
            for scope in SCOPES
        },
        **{f"{scope}_step_s": t.seconds_per_step if (t := timings.get(scope)) else None for scope in SCOPES},
        **{f"{scope}_flops_per_s": _flops_per_second(attempt, scope) for scope in SCOPES},
        "ceiling_flops_per_s": ceiling.flops_per_second if ceiling else None,
        **{f"{scope}_floor_s": ceiling.floor_seconds.get(scope) if ceiling else None for scope in SCOPES},
    }


def _costs(attempt: Attempt) -> dict[str, Any]:
    """The time of everything but steps, training, memory, and the kernels that ran."""
    found = attempt.findings
    training, memory = found.training, found.memory
    return {
        "import_s": found.seconds.get("import"),
        "first_step_s": found.seconds.get("first step"),
        "training_s": training.seconds if training else None,
        "training_steps": training.steps if training else None,
        "stopped": training.stopped if training else None,
        "best_step": training.best_step if training else None,
        "peak_memory_bytes": memory.peak - memory.after_import if memory and memory.peak else None,
        "device_peak_memory_bytes": memory.device_peak if memory else None,
        "kernel_path": found.kernel_path,
        "training_kernel_path": found.training_kernel_path,
    }


def _ending(attempt: Attempt) -> dict[str, Any]:
    """How the attempt ended, and the run that it belongs to."""
    machine = attempt.findings.machine
    return {
        "run": attempt.run,
        "round": attempt.round,
        "times_only": attempt.times_only,
        "status": attempt.status,
        "reason": attempt.reason,
        "created": attempt.created,
        "id": attempt.id,
        "processor": machine.processor if machine else None,
    }


def _errors_and_metrics(attempt: Attempt) -> dict[str, Any]:
    """Columns whose names depend on the attempt: errors by quantity, metrics, and metrics of baselines."""
    agreement, judgement = attempt.findings.agreement, attempt.findings.judgement
    row: dict[str, Any] = {}
    if agreement is not None:
        row |= {f"error_{name.replace(' ', '_')}": error for name, error in agreement.errors.items()}
    if judgement is not None:
        row |= {f"metric_{name}": value for name, value in judgement.metrics.items()}
        for baseline, metrics in judgement.baselines.items():
            row |= {f"baseline_{baseline.replace(' ', '_')}_{name}": value for name, value in metrics.items()}
    return row


def _flops_per_second(attempt: Attempt, scope: Scope) -> float | None:
    timing, operations = attempt.findings.timings.get(scope), attempt.operations(scope)
    return None if timing is None or operations is None else operations / timing.seconds_per_step
