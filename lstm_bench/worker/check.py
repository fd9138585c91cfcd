"""Compare a backend with the reference, one case after the other, in the worker process."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstm_bench.catalog.loading import load_plugins
from lstm_bench.conformance.cases import Case, Problem, draw_case, read_case
from lstm_bench.conformance.confusions import explain
from lstm_bench.conformance.differential import Comparison, Reference
from lstm_bench.conformance.shrinking import smallest
from lstm_bench.plugin.backend import Unsupported, build_or_refuse, load_backend, require_device
from lstm_bench.plugin.setting import Setting
from lstm_bench.record.checked import Compared
from lstm_bench.text import one_line
from lstm_bench.worker import protocol

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model
    from lstm_bench.worker.session import Session

SHRINKING_SECONDS = 60.0
"""Time limit for the search of a smaller failing case."""

LOOKED_AT = 6
"""Number of disagreeing cases that an explanation must fit."""


def check(job: protocol.CheckJob, session: Session) -> None:
    """Compare every case of the job and report each result. A failed case does not stop the others."""
    plugins = load_plugins(Path(file) for file in job.plugin_files)
    info = plugins.backend(job.backend)
    backend = load_backend(info)
    require_device(backend, job.backend, job.device)
    reference = Reference.of(plugins)
    setting = Setting(job.precision, job.device, info.read(job.options))

    def build(case: Case, problem: Problem) -> Model[Any]:
        return build_or_refuse(backend, case.model, case.train, problem.parameters, setting, seed=case.seed)

    def compare(case: Case) -> Comparison:
        return Comparison(case, build, reference, setting, info.abilities)

    disagreeing: dict[int, Comparison] = {}
    faulty: dict[int, Comparison] = {}
    for number in job.cases:
        session.say(protocol.Comparing(number))
        case = draw_case(job.seed, number) if job.case is None else read_case(job.case)
        try:
            comparison = compare(case)
        except Unsupported as error:
            session.say(Compared(number=number, skipped=one_line(str(error))))
            continue
        session.say(comparison.compared(number))
        if comparison.stage is not None and len(disagreeing) < LOOKED_AT:
            disagreeing[number] = comparison
        elif comparison.faults and not faulty:
            faulty[number] = comparison
    if disagreeing:
        session.say(protocol.Diagnosed(tuple(explain(list(disagreeing.values())))))
    for number, comparison in islice((disagreeing or faulty).items(), 1):
        smaller = None
        with suppress(ImportError):  # without hypothesis the case is not shrunk
            smaller = str(_smallest(comparison, compare))
        session.say(protocol.Shrunk(number, smaller))


def _smallest(comparison: Comparison, compare: Callable[[Case], Comparison]) -> Case:
    def fails(case: Case) -> bool:
        try:
            return _failure(compare(case)) == _failure(comparison)
        except Unsupported:
            return False

    return smallest(comparison.case, fails, seconds=SHRINKING_SECONDS)


def _failure(comparison: Comparison) -> str | None:
    """Return a key that is equal for cases that fail in the same way.

    The key is the first stage with a disagreement. If all numbers agree, it is the first fault, cut off before its
    first free-standing number, such as a size, because such numbers differ between cases.
    """
    if comparison.stage is not None or not comparison.faults:
        return comparison.stage
    return re.split(r"(?<![\w.])\d", comparison.faults[0])[0]
