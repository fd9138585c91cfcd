"""Charts read as Vega-Lite, and attempts to draw."""

from __future__ import annotations

from builders import ROUNDS, a_judgement, a_model, a_recipe, some_run, times
from lstm_bench import charts
from lstm_bench.charts import KINDS, rendering
from lstm_bench.record.attempt import CurvePoint, Training


def drawn(kind, attempts):
    """The figure of this kind as Vega-Lite."""
    figure = charts.draw(KINDS[kind], attempts)
    return figure, rendering.specification(figure)


def layers(spec):
    """Every mark of a chart, with its data, which several can have in common."""
    if "mark" in spec:
        yield spec
    for part in ("layer", "vconcat", "hconcat"):
        for child in spec.get(part, ()):
            yield from layers({"data": spec["data"], **child} if "data" in spec else child)


def records(spec, layer):
    """The data of a mark."""
    data = layer["data"]
    return data["values"] if "values" in data else spec["datasets"][data["name"]]


def texts(spec):
    """Everything that is written within a chart."""
    return [layer["mark"]["text"] for layer in layers(spec) if layer["mark"]["type"] == "text"]


def of_type(spec, kind, axis="x"):
    """Records of all marks of a type that lie along an axis."""
    return [
        record
        for layer in layers(spec)
        if layer["mark"]["type"] == kind and axis in layer.get("encoding", {})
        for record in records(spec, layer)
    ]


def scales(spec, axis):
    return [s["encoding"][axis]["scale"] for s in layers(spec) if axis in s.get("encoding", {})]


def axis_titles(spec, axis="x"):
    found = (s["encoding"][axis].get("axis") for s in layers(spec) if axis in s.get("encoding", {}))
    return {one["title"] for one in found if one}


def two_backends(**configuration):
    return [
        *some_run(*ROUNDS, backend="torch", **configuration),
        *some_run(*times(2), run="old", backend="jax", **configuration),
    ]


def a_grid(sizes, backends=("torch", "jax"), run="old", **recipe):
    made = []
    for factor, backend in enumerate(backends, start=1):
        for size in sizes:
            chosen = a_recipe(model=a_model(hidden_sizes=(size,)), **recipe)
            made += some_run(*times(factor * size), backend=backend, recipe=chosen, run=run)
    return made


def trained(values, *, metric="recall", better="higher", **configuration):
    """An attempt whose metric went through these values, one each hundred steps."""
    curve = tuple(
        CurvePoint(step=100 * at, seconds=0.5 * at, metrics={metric: value}) for at, value in enumerate(values)
    )
    losses = tuple(1 / (1 + at) for at in range(3))
    training = Training(steps=100, seconds=9, first_losses=losses, epoch_losses=losses, curve=curve)
    judged = a_judgement(
        metric=metric, unit="", better=better, metrics={metric: values[-1]}, baselines={"guess": {metric: 0.125}}
    )
    return some_run(1.0, findings={"training": training, "judgement": judged}, **configuration)
