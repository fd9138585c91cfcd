"""The speed task: random numbers in any shape, above all in shapes whose times others have published."""

from __future__ import annotations

from collections.abc import Iterable

from lstm_bench import TaskInfo, hookimpl, lazy
from lstm_bench_speed._recipes import OPTIONS, SHAPES, configure, published, sequences, steps_of


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
        sequences=sequences,
        time=steps_of,
        length="time",
        published=published,
    )
