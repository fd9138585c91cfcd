"""Shapes that others have timed, the times that they published, and how options make another shape of one.

Every model here ends in a linear head, and its gradient begins with a loss. Where a benchmark has neither, the head
gives one number, read from the last state: the smallest there is, less than one in 100,000 of the shape's operations.
So the gradient enters at the last step only; with ``readout=all`` it enters at every step. Initial states are zero.

What else a benchmark does otherwise stands with its shape below. Where no times are given, none are known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from lstm_bench import LSTMBenchError, ModelSpec, Option, Published, Recipe, Scope, TrainSpec

LARGEST, MOST_LAYERS = 1_000_000, 100
"""Options may not be larger: sizes, and the number of layers."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A recipe, with what a recipe does not say.

    Attributes:
        recipe: what is computed.
        time: steps of each sequence.
        published: times that others have measured of exactly this.
    """

    recipe: Recipe
    time: int
    published: tuple[Published, ...] = ()


FORWARD_AND_GRADIENT: tuple[Scope, ...] = ("infer", "gradient")


def _shape(
    name: str,
    source: str,
    *,
    batch: int,
    time: int,
    features: int,
    hidden: int,
    layers: int = 1,
    bidirectional: bool = False,
    classes: int | None = None,
    scopes: tuple[Scope, ...] = FORWARD_AND_GRADIENT,
    published: tuple[Published, ...] = (),
) -> Shape:
    network = f"{layers} x {hidden}" if layers > 1 else str(hidden)
    if bidirectional:
        network += " bidirectional"
    if classes is not None:
        network += f", {classes} classes"
    return Shape(
        recipe=Recipe(
            name=name,
            summary=f"{batch} x {time} x {features} -> {network}: {source}",
            model=ModelSpec(
                input_size=features,
                hidden_sizes=(hidden,) * layers,
                output_size=1 if classes is None else classes,
                bidirectional=bidirectional,
            ),
            train=TrainSpec(
                loss="mse" if classes is None else "cross_entropy",
                # Where no update is timed, the optimizer that needs no memory: some shapes have 134 million parameters.
                optimizer="adam" if "train" in scopes else "sgd",
                learning_rate=1e-3,
                batch_size=batch,
            ),
            epochs=0,
            scopes=scopes,
        ),
        time=time,
        published=published,
    )


def _braun(column: int) -> tuple[Published, ...]:
    """Milliseconds for each batch, means of 400: of ``short``, ``long`` and ``long-4``, where they were measured."""
    measured: dict[str, tuple[int, ...]] = {
        "TensorFlow 1.8.0, cuDNN": (10, 75, 528),
        "PyTorch 0.4.0, cuDNN": (11, 80, 534),
        "Keras 2.1.6 on TensorFlow 1.8.0, cuDNN": (13, 82),
        "TensorFlow 1.8.0, LSTMBlockFusedCell": (16, 130),
        "PyTorch 0.4.0, LSTMCell": (18, 169),
        "PyTorch 0.4.0, gates written out": (31, 307),
        "Lasagne 0.2.1dev on Theano 1.0.1": (36, 293, 2464),
        "TensorFlow 1.8.0, LSTMCell": (47, 483, 3689),
        "Keras 2.1.6 on TensorFlow 1.8.0, LSTM": (54, 543),
    }
    return tuple(
        Published(
            name=name,
            hardware="NVIDIA GTX 1080, CUDA 9.0, cuDNN 7",
            scope="train",
            seconds=milliseconds[column] / 1000,
            source="Braun 2018, arXiv:1806.01818",
        )
        for name, milliseconds in measured.items()
        if column < len(milliseconds)
    )


def _flashrnn() -> tuple[Published, ...]:
    measured = {"PyTorch nn.LSTM, float16": (2.01, 5.19), "haste, float32": (18.4, 43.9)}
    return tuple(
        Published(
            name=name,
            hardware="NVIDIA H100",
            scope=scope,
            seconds=milliseconds / 1000,
            source="Pöppel, Beck & Hochreiter 2024, FlashRNN, arXiv:2412.07752",
        )
        for name, pair in measured.items()
        for scope, milliseconds in zip(FORWARD_AND_GRADIENT, pair, strict=True)
    )


BRAUN, DEEPBENCH = "Braun 2018", "Baidu DeepBench"

_ALL = (
    _shape(
        "tiny", "SimpleLSTM", batch=5, time=15, features=10, hidden=20, layers=2, scopes=("train", "gradient", "infer")
    ),
    # Timed there: the copy of a batch to the device, forward, loss, backward and Adam's update. Its head has no biases,
    # and reads a bidirectional layer's last output, which in the backward direction has seen one step.
    _shape(
        "braun2018-short",
        BRAUN,
        batch=64,
        time=100,
        features=123,
        hidden=320,
        classes=10,
        scopes=("train",),
        published=_braun(0),
    ),
    _shape(
        "braun2018-long",
        BRAUN,
        batch=32,
        time=1000,
        features=123,
        hidden=320,
        classes=10,
        scopes=("train",),
        published=_braun(1),
    ),
    _shape(
        "braun2018-long-4",
        BRAUN,
        batch=32,
        time=1000,
        features=123,
        hidden=320,
        layers=4,
        bidirectional=True,
        classes=10,
        scopes=("train",),
        published=_braun(2),
    ),
    # The defaults of a program in PyTorch's repository, which times forward and backward each on its own, from random
    # states, with a gradient of every output.
    _shape("fastrnns", "PyTorch's benchmarks/fastrnns", batch=64, time=100, features=512, hidden=512),
    # Timed there: forward as in training, and backward from the sum of all outputs, with the gradient of the inputs.
    _shape("flashrnn", "FlashRNN 2024", batch=16, time=1024, features=768, hidden=768, published=_flashrnn()),
    # The middle of its grid: batch 1, 16, 32, 64, 128; hidden 128, 256, 512, 768, 1024, 1536, 2048, 3072, 4096;
    # features 64, 128, 256, 512. The rest of it is had by options. It times the gradient of the inputs, too.
    _shape("haste", "haste's benchmark_lstm", batch=32, time=50, features=256, hidden=1024),
    # Its LSTM training set. What is timed there has the products with the inputs already made, which are half of the
    # operations here, and NVIDIA's program leaves out the gradient of the weights.
    *(
        _shape(f"deepbench-{hidden}-{batch}-{time}", DEEPBENCH, batch=batch, time=time, features=hidden, hidden=hidden)
        for sizes, batches, time in (
            ((512, 1024, 2048, 4096), (16, 32, 64, 128), 25),
            ((1536,), (8, 16, 32), 50),
            ((256,), (16, 32, 64), 150),
        )
        for hidden in sizes
        for batch in batches
    ),
)

SHAPES: Mapping[str, Shape] = {shape.recipe.name: shape for shape in _ALL}

OPTIONS: Mapping[str, Option] = {
    "batch": Option(default="", meaning="sequences in each batch"),
    "time": Option(default="", meaning="steps of each sequence"),
    "features": Option(default="", meaning="numbers in each step"),
    "hidden": Option(
        default="", meaning="hidden size of every layer, or one for each, bottom first, such as 128x64x32"
    ),
    "layers": Option(default="", meaning="layers"),
    "outputs": Option(default="", meaning="logits"),
    "cell": Option(default="", meaning="recurrent cell", choices=("lstm", "gru", "rnn")),
    "bidirectional": Option(default="", meaning="whether layers read in both directions", choices=("true", "false")),
    "readout": Option(
        default="", meaning="whether the head reads the last state or every step", choices=("last", "all")
    ),
}
"""Each changes one thing of the recipe, which says all that is not given."""


def configure(recipe: Recipe, options: Mapping[str, str]) -> Recipe:
    """The recipe with the sizes and choices that are given.

    Raises:
        LSTMBenchError: for a number that is none or is out of its range.
    """
    model, train = recipe.model, recipe.train
    _number(options, "time", 1)  # not of the recipe, but it may be wrong, too
    return replace(
        recipe,
        model=replace(
            model,
            input_size=_number(options, "features", model.input_size),
            hidden_sizes=_hidden_sizes(options, model.hidden_sizes),
            # The cross entropy of one class is always 0.
            output_size=_number(options, "outputs", model.output_size, least=2 if train.loss == "cross_entropy" else 1),
            cell=options.get("cell") or model.cell,
            bidirectional=options["bidirectional"] == "true" if options.get("bidirectional") else model.bidirectional,
            readout=options.get("readout") or model.readout,
        ),
        train=replace(train, batch_size=_number(options, "batch", train.batch_size)),
    )


def steps_of(recipe: Recipe, options: Mapping[str, str]) -> int:
    """Time steps of each sequence."""
    return _number(options, "time", SHAPES[recipe.name].time)


def published(recipe: Recipe, options: Mapping[str, str]) -> Sequence[Published]:
    """What others have measured of this shape; nothing if it is not exactly theirs."""
    shape = SHAPES.get(recipe.name)
    if shape is None or (recipe.model, recipe.train) != (shape.recipe.model, shape.recipe.train):
        return ()
    return shape.published if steps_of(recipe, options) == shape.time else ()


def _hidden_sizes(options: Mapping[str, str], own: tuple[int, ...]) -> tuple[int, ...]:
    """Of each layer, from what is given in place of the recipe's ``own``, which are all alike."""
    layers = _number(options, "layers", len(own), most=MOST_LAYERS)
    text = options.get("hidden", "")
    if not text:
        return (own[0],) * layers
    sizes = text.split("x")
    if not all(_is_number(size, 1, LARGEST) for size in sizes):
        raise _must_be("hidden", f"a whole number from 1 to {LARGEST}, or one for each layer as in 128x64x32", text)
    if len(sizes) == 1:
        return (int(text),) * layers
    if options.get("layers") and layers != len(sizes):
        raise _must_be("layers", f"{len(sizes)}, as hidden={text} says, or left out", options["layers"])
    return tuple(int(size) for size in sizes)


def _number(options: Mapping[str, str], name: str, otherwise: int, *, least: int = 1, most: int = LARGEST) -> int:
    """The option's value, or ``otherwise`` if it is not given."""
    text = options.get(name, "")
    if text and not _is_number(text, least, most):
        raise _must_be(name, f"a whole number from {least} to {most}", text)
    return int(text) if text else otherwise


def _is_number(text: str, least: int, most: int) -> bool:
    return re.fullmatch(r"[1-9][0-9]{0,9}", text) is not None and least <= int(text) <= most


def _must_be(name: str, wanted: str, text: str) -> LSTMBenchError:
    return LSTMBenchError(f"option {name!r} of task 'speed' must be {wanted}; got {text!r}")
