"""The speed task: shapes alone, above all those that others have published times of."""

from __future__ import annotations

from collections.abc import Iterable

from lstm_bench import TaskInfo, hookimpl, lazy
from lstm_bench_speed._recipes import OPTIONS, SHAPES, configure, published


@hookimpl
def lstm_bench_tasks() -> Iterable[TaskInfo]:
    yield TaskInfo(
        name="speed",
        summary="how fast a shape is, on random numbers: that of a published benchmark, or any",
        metric=None,
        recipes=tuple(shape.recipe for shape in SHAPES.values()),
        load=lazy("lstm_bench_speed._task:Speed"),
        options=OPTIONS,
        configure=configure,
        length="time",
        published=published,
    )
