"""Shapes that others have timed, the times that they published, and options that change a shape.

Every model here ends in a linear head, and its gradient begins with a loss. Where a benchmark has neither, the head
reads one number from the last state. It is the smallest possible head: less than one in 100,000 of the shape's
operations. The gradient then enters at the last step only; with ``readout=all`` it enters at every step. Initial states
are zero.

A comment at a shape names further differences from its benchmark. A shape without times has none that we know of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from lstm_bench import (
    Choice,
    Flag,
    Integer,
    Integers,
    LSTMBenchError,
    ModelSpec,
    Option,
    Options,
    Published,
    Recipe,
    Scope,
    TrainSpec,
)

LARGEST, MOST_LAYERS = 1_000_000, 100
"""The largest values of options: of sizes, and of the number of layers."""

MOST_BATCHES = 8
"""Different batches that are timed one after the other."""

LARGEST_DATA = 2**24
"""Numbers in all sequences together, 64 MiB. Shapes with more in eight batches get fewer batches, but at least two."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A recipe, with the length of its sequences and the times that others published.

    Attributes:
        recipe: model, loss, optimizer and scopes.
        time: steps of each sequence.
        published: times that others measured of exactly this shape.
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
                # SGD needs no memory of its own, and some shapes that time no update have 134 million parameters.
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
    """The published times of one column: 0 for ``short``, 1 for ``long``, 2 for ``long-4``, which fewer programs ran.

    The numbers are milliseconds for each batch, each the mean of 400 batches.
    """
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
    """The published times of forward and of forward and backward; the numbers are milliseconds for each batch."""
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
    # One layer, so that an option such as hidden=320 means what it says.
    _shape(
        "any",
        "any shape, by options",
        batch=32,
        time=50,
        features=64,
        hidden=128,
        scopes=("train", "gradient", "infer"),
    ),
    _shape(
        "tiny", "SimpleLSTM", batch=5, time=15, features=10, hidden=20, layers=2, scopes=("train", "gradient", "infer")
    ),
    # Braun's time includes the copy of a batch to the device. The head there has no biases. It reads a bidirectional
    # layer's last output: the backward direction has seen one step by then.
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
    # The defaults of a program in PyTorch's repository. It times forward and backward each on its own, from random
    # states, with a gradient at every output.
    _shape("fastrnns", "PyTorch's benchmarks/fastrnns", batch=64, time=100, features=512, hidden=512),
    # FlashRNN times forward as in training, and backward from the sum of all outputs, with the gradient of the inputs.
    _shape("flashrnn", "FlashRNN 2024", batch=16, time=1024, features=768, hidden=768, published=_flashrnn()),
    # The middle of its grid: batch 1, 16, 32, 64, 128; hidden 128, 256, 512, 768, 1024, 1536, 2048, 3072, 4096;
    # features 64, 128, 256, 512. Options give the rest of the grid. haste times the gradient of the inputs, too.
    _shape("haste", "haste's benchmark_lstm", batch=32, time=50, features=256, hidden=1024),
    # DeepBench's LSTM training set. Its times leave out the products with the inputs, half of the operations here, and
    # NVIDIA's program leaves out the gradient of the weights.
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

OPTIONS: Mapping[str, Option[Any]] = {
    "batch": Integer(default=None, high=LARGEST, meaning="sequences in each batch"),
    "time": Integer(default=None, high=LARGEST, meaning="steps of each sequence"),
    "features": Integer(default=None, high=LARGEST, meaning="numbers in each step"),
    "hidden": Integers(
        default=None,
        high=LARGEST,
        meaning="hidden size of every layer, or one for each, bottom first, such as 128x64x32",
    ),
    "layers": Integer(default=None, high=MOST_LAYERS, meaning="layers"),
    "outputs": Integer(default=None, high=LARGEST, meaning="logits"),
    "cell": Choice(default=None, choices=("lstm", "gru", "rnn"), meaning="recurrent cell"),
    "bidirectional": Flag(default=None, meaning="whether layers read in both directions"),
    "readout": Choice(
        default=None, choices=("last", "all"), meaning="whether the head reads the last state or every step"
    ),
}
"""Each changes one thing of the recipe. The recipe decides whatever users leave out."""


def configure(recipe: Recipe, options: Options) -> Recipe:
    """The recipe with the sizes and choices that users gave.

    Raises:
        LSTMBenchError: for options that contradict each other, or one class under cross entropy.
    """
    if recipe.train.loss == "cross_entropy" and options.outputs == 1:  # its cross entropy would always be 0
        raise _must_be("outputs", f"a whole number from 2 to {LARGEST}", options)
    model = {
        "input_size": options.features,
        "hidden_sizes": _hidden_sizes(options, recipe.model.hidden_sizes),
        "output_size": options.outputs,
        "cell": options.cell,
        "bidirectional": options.bidirectional,
        "readout": options.readout,
    }
    return replace(
        recipe,
        model=replace(recipe.model, **{name: value for name, value in model.items() if value is not None}),
        train=replace(recipe.train, batch_size=options.batch or recipe.train.batch_size),
    )


def steps_of(recipe: Recipe, options: Options) -> int:
    """Time steps of each sequence."""
    return int(options.time or SHAPES[recipe.name].time)


def sequences(recipe: Recipe, options: Options) -> int:
    """Sequences that are drawn: eight batches, or as many as ``LARGEST_DATA`` has room for, but at least two."""
    batch = recipe.train.batch_size
    numbers = batch * steps_of(recipe, options) * recipe.model.input_size
    return batch * min(MOST_BATCHES, max(2, LARGEST_DATA // numbers))


def published(recipe: Recipe, options: Options) -> Sequence[Published]:
    """Times that others measured of exactly this shape; empty for any other shape."""
    shape = SHAPES.get(recipe.name)
    if shape is None or (recipe.model, recipe.train) != (shape.recipe.model, shape.recipe.train):
        return ()
    return shape.published if steps_of(recipe, options) == shape.time else ()


def _hidden_sizes(options: Options, own: tuple[int, ...]) -> tuple[int, ...]:
    """The size of each layer; ``own`` are the recipe's, which are all equal."""
    sizes: tuple[int, ...] = options.hidden or own[:1]
    if len(sizes) == 1:
        return sizes * (options.layers or len(own))
    if options.layers not in (None, len(sizes)):
        raise _must_be("layers", f"{len(sizes)}, as hidden={options.written['hidden']} says, or left out", options)
    return sizes


def _must_be(name: str, wanted: str, options: Options) -> LSTMBenchError:
    return LSTMBenchError(f"option {name!r} of task 'speed' must be {wanted}; got {options.written[name]!r}")
