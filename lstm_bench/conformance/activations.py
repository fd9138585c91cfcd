"""Detect from outside whether a model rounds activations before it multiplies them, even where it rounds no weights.

The activations are the sequences, the outputs of the layers, and the hidden states. The test moves them by a little
less than half a step of a format, which rounding to that format undoes. If the logits stay bitwise equal, the product
that reads these activations uses no more digits than the format has.

Sequences can be moved as they are. To move outputs of a layer, the test builds a model with special weights. In that
model one time step sends a pulse through the layers, in one direction, and everything else is zero. One layer answers
the pulse with outputs that the test chooses. Every other layer passes the pulse on, and forgets it at the next step.
The chosen outputs lie an eighth of a step above the format's numbers, or three eighths: rounding to the nearest number
and rounding towards zero give the same for both.

The outputs need not be exact. They may be off by a sixteenth of a step, which is 3e-5 in TF32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.rounding import SEEN, SIGNIFICANDS, UNSEEN, moved, rounded
from lstm_bench.model.parameters import Parameters, named_generator, state_shapes
from lstm_bench.model.spec import ModelSpec, Precision

if TYPE_CHECKING:
    from lstm_bench.plugin.backend import Model

Array = NDArray[np.float64]

ON_GRID = 0.125
"""The first outputs lie this part of a step above a format's numbers, since outputs are never exact. Rounding towards
zero takes an output just below a number to the number before it."""

DRAWS = 8
"""Tries before activations count as rounded. A layer nearer to the logits that rounds may lose a change once, but not
in every try. One try shows that activations are not rounded."""

CLOSED = -60.0
"""Input of a closed gate. sigmoid(-60) is 1e-26, which float64 loses beside what passes through open gates, and exp(60)
is a float32."""

INNER = 2.0
"""Input of an LSTM's candidate if the output gate chooses what it puts out."""

EPSILON = 1e-5
"""Epsilon of the canonical batch norm."""


@dataclass(frozen=True)
class _Cell:
    """How a cell's state answers to a pulse, from zero.

    Attributes:
        driven: the gate that takes in the pulse, by its place among the gates. All others get no input.
        closing: the gate that forgets if it is closed; ``None`` if nothing is kept but by recurrent weights.
        answer: the output, from the driven gate's input.
        inverse: the driven gate's input, from the output.
        least, most: outputs to choose from.
    """

    driven: int
    closing: int | None
    answer: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    least: float
    most: float


_CELLS = {
    "lstm": _Cell(
        2, 1, lambda a: 0.5 * np.tanh(0.5 * np.tanh(a)), lambda h: np.arctanh(2 * np.arctanh(2 * h)), 0.1, 0.18
    ),
    "gru": _Cell(2, 1, lambda a: 0.5 * np.tanh(a), lambda h: np.arctanh(2 * h), 0.15, 0.3),
    "rnn": _Cell(0, None, np.tanh, np.arctanh, 0.3, 0.6),
}

_INNER_STATE = np.tanh(0.5 * np.tanh(INNER))
_BY_OUTPUT_GATE = _Cell(
    3, 1, lambda a: _INNER_STATE / (1 + np.exp(-a)), lambda h: np.log(h / (_INNER_STATE - h)), 0.15, 0.3
)
"""An LSTM that is asked for its recurrent product. The next step reads c, too, so it must not depend on the choice."""


@dataclass(frozen=True)
class Product:
    """The product of a weight matrix and its activations.

    Attributes:
        build: builds the model with given parameters.
        spec: the model.
        parameters: initial parameters, by canonical name.
        shape: `(B, T, I)` of the timed batches.
        matrix: canonical name of the weight matrix.
    """

    build: Callable[[Parameters], Model[Any]]
    spec: ModelSpec
    parameters: Parameters
    shape: tuple[int, int, int]
    matrix: str

    def activation_precision(self, of_weights: Precision) -> Precision | None:
        """Detect whether the activations are rounded to a coarse format.

        Args:
            of_weights: the coarsest format to which the model rounds a weight matrix. The test detects only coarser
                formats, because that matrix may hide finer ones.

        Returns:
            The format; ``None`` if there is none, or if the logits do not depend on these activations.
        """
        if self.matrix.endswith("weight_hh") and self.shape[1] < 2:
            return None
        reads_sequences = self.matrix.startswith("layers.0.") and self.matrix.endswith("weight_ih")
        logits = self._of_moved_sequences if reads_sequences else self._of_moved_outputs
        for precision, bits in SIGNIFICANDS.items():
            if precision == of_weights:
                break

            def changes(steps: float, draw: int, bits: int = bits) -> bool:
                return not np.array_equal(logits(bits, ON_GRID, draw), logits(bits, steps, draw))

            if not any(changes(UNSEEN, draw) for draw in range(DRAWS)):
                return precision if changes(SEEN, 0) else None
        return None

    def _of_moved_sequences(self, bits: int, steps: float, draw: int) -> NDArray[Any]:
        """Compute logits of sequences ``steps`` above numbers of ``bits`` bits, which no other matrix multiplies."""
        others = {f"layers.0.{direction}.weight_ih" for direction in self.spec.directions} - {self.matrix}
        silent = {name: np.zeros_like(p) for name, p in self.parameters.items() if name in others or "bias" in name}
        model = self.build({**self.parameters, **silent})
        x = rounded(named_generator(draw, "activations").standard_normal(self.shape), bits)
        return model.get(model.infer(model.put(moved(x, bits, steps))))

    def _of_moved_outputs(self, bits: int, steps: float, draw: int) -> NDArray[Any]:
        """Compute logits while the outputs that the matrix multiplies are ``steps`` above numbers of ``bits`` bits."""
        spec, recurrent = self.spec, self.matrix.endswith("weight_hh")
        if self.matrix == "head.weight":
            layer, direction = len(spec.hidden_sizes) - 1, "forward"
        else:
            _, number, direction, _ = self.matrix.split(".")
            layer = int(number) - (0 if recurrent else 1)
        pulse = _Pulse(spec, spec.directions.index(direction), layer, recurrent, bits, steps, draw)
        model = self.build(pulse.parameters(self.parameters))
        order = np.arange(self.shape[1])[:: -1 if direction == "backward" else 1]
        x = np.zeros(self.shape)
        x[:, order[-2 if recurrent else -1]] = 1
        logits = model.get(model.infer(model.put(x)))
        return logits if spec.readout == "last" else logits[:, order[-1]]


@dataclass(frozen=True)
class _Pulse:
    """Weights of the special model. All features are 1 in the pulse's time step, and 0 in every other one.

    Attributes:
        spec: the model.
        direction: the direction that the pulse takes through all layers. The other one puts out zeros.
        layer: the layer with chosen outputs.
        recurrent: whether these outputs go into its recurrent weights at the next time step.
        bits, steps: the outputs are ``steps`` off numbers of ``bits`` bits.
        draw: seed of the outputs and weights.
    """

    spec: ModelSpec
    direction: int
    layer: int
    recurrent: bool
    bits: int
    steps: float
    draw: int

    def parameters(self, given: Parameters) -> dict[str, Array]:
        """Return all parameters. Only the head keeps its given weight."""
        spec, generator = self.spec, named_generator(self.draw, "activations")
        found = {name: np.zeros(shape) for name, shape in state_shapes(spec).items()}
        found["head.weight"] = np.asarray(given["head.weight"], np.float64)
        if spec.batch_norm:
            found["batch_norm.weight"] += np.sqrt(1 + EPSILON)
            found["batch_norm.variance"] += 1
        inputs, begin = np.ones(spec.input_size), 0
        for layer, hidden in enumerate(spec.hidden_sizes):
            prefix = f"layers.{layer}.{spec.directions[self.direction]}"
            weight_ih, weight_hh = found[f"{prefix}.weight_ih"], found[f"{prefix}.weight_hh"]
            into = weight_ih[:, begin : begin + len(inputs)]
            choose = self._choose if layer == self.layer else self._pass_on
            inputs = choose(generator, into, weight_hh, inputs)
            begin = self.direction * hidden
        return found

    def _choose(self, generator: np.random.Generator, into: Array, weight_hh: Array, inputs: Array) -> Array:
        """Set the weights of the chosen layer. Return its outputs, as numbers of the format."""
        by_output_gate = self.recurrent and self.spec.cell == "lstm"
        cell, hidden = _BY_OUTPUT_GATE if by_output_gate else _CELLS[self.spec.cell], weight_hh.shape[1]
        outputs = rounded(np.asarray(generator.uniform(cell.least, cell.most, hidden)), self.bits)
        rows = slice(cell.driven * hidden, (cell.driven + 1) * hidden)
        into[rows, 0] = cell.inverse(moved(outputs, self.bits, self.steps)) / inputs[0]
        if by_output_gate:
            into[2 * hidden : 3 * hidden, 0] = INNER / inputs[0]
        if self.recurrent:
            weight_hh += generator.uniform(0.5, 1, weight_hh.shape) / outputs.sum()
            if self.spec.cell == "gru":  # which would else hand the outputs on past the product
                weight_hh[hidden : 2 * hidden] = CLOSED / outputs.sum()
        return outputs

    def _pass_on(self, generator: np.random.Generator, into: Array, weight_hh: Array, inputs: Array) -> Array:
        """Set the weights of a layer that passes the pulse on, and forgets it at the next step. Return its outputs."""
        cell, hidden = _CELLS[self.spec.cell], weight_hh.shape[1]
        driving = np.asarray(generator.uniform(0.5, 1, hidden))
        into[cell.driven * hidden : (cell.driven + 1) * hidden] = driving[:, None] / inputs.sum()
        outputs = cell.answer(driving)
        if cell.closing is not None:
            weight_hh[cell.closing * hidden : (cell.closing + 1) * hidden] = CLOSED / outputs.sum()
        return outputs
