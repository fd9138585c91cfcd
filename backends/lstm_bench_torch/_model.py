"""The model on PyTorch: on nn.LSTM, nn.GRU and nn.RNN, which choose oneDNN, cuDNN or a loop, or on our loops."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lstm_bench import Backend, Model, ModelSpec, Parameters, Precision, State, TrainSpec, parameter_shapes
from lstm_bench_torch._loops import LOOPS, Loop, weights_of
from lstm_bench_torch._optimizers import optimizer_step

_CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}

_DTYPES = {
    "float64": torch.float64, "float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16,
}  # fmt: skip
"""What layers and head compute in."""


class TorchBackend(Backend):
    """PyTorch on the CPU or CUDA."""

    def versions(self) -> Mapping[str, str]:
        versions: dict[str, str] = {"torch": torch.__version__}
        if torch.backends.mkldnn.is_available():
            versions["oneDNN"] = _onednn_version()
        if torch.version.cuda is not None:
            versions["CUDA"] = torch.version.cuda
        if (cudnn := torch.backends.cudnn.version()) is not None:
            versions["cuDNN"] = str(cudnn)
        return versions

    def devices(self) -> Mapping[str, str]:
        return {"cpu": ""} | {f"cuda:{n}": torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())}

    def refuses(
        self, spec: ModelSpec, train: TrainSpec, *, precision: Precision, device: str, options: Mapping[str, str]
    ) -> str | None:
        if options["compile"] == "true" and options["impl"] == "fused":
            return "torch.compile leaves nn.LSTM as it is, so there would be nothing to compare; impl=cell or impl=loop"
        if options["compile"] == "true" and device == "cpu" and not any(map(shutil.which, _compilers())):
            return f"torch.compile needs a C++ compiler on the CPU; there is no {' or '.join(_compilers())}"
        if precision == "tf32" and not (
            device.startswith("cuda") and torch.cuda.get_device_capability(device) >= (8, 0)
        ):
            return "tf32 needs an NVIDIA GPU of the Ampere generation or later"
        return None

    def build(
        self,
        spec: ModelSpec,
        train: TrainSpec,
        parameters: Parameters,
        *,
        precision: Precision,
        device: str,
        seed: int,
        options: Mapping[str, str],
    ) -> Model[Tensor]:
        # Both products and cuDNN's RNNs; the latter use TF32 unless told otherwise. Set on every build, since it is
        # global to the process.
        product = "tf32" if precision == "tf32" else "ieee"
        torch.backends.cuda.matmul.fp32_precision = product
        torch.backends.cudnn.rnn.fp32_precision = product  # type: ignore[attr-defined]  # set up at run time
        torch.manual_seed(seed)
        network = Network(spec, torch.device(device), _DTYPES[precision], options["impl"])
        return TorchModel(network, train, parameters, compiled=options["compile"] == "true")

    def peak_device_memory(self, device: str) -> int | None:
        return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None


class Network:
    """Recurrent layers and nn.Linear. Neighbouring layers of one size share an nn.LSTM, one kernel to cuDNN.

    torch adds two biases where the canonical model has one. The second (``bias_hh``) is held at zero and takes no part
    in training: trained, both would move, and the bias they sum to would move twice as far. The GRU's candidate does
    have a recurrent bias of its own: there the last third of ``bias_hh`` is trained, and the rest held at zero.

    It is no nn.Module itself: on small models the look-ups of one more module show in the time per step.
    """

    def __init__(self, spec: ModelSpec, device: torch.device, dtype: torch.dtype, impl: str) -> None:
        self.spec, self.device, self.dtype = spec, device, dtype
        self._bidirectional, self._reads_all, self._has_c = (
            spec.bidirectional,
            spec.readout == "all",
            spec.cell == "lstm",
        )
        common: dict[str, Any] = {"bias": spec.bias, "bidirectional": spec.bidirectional}
        common |= {"device": device, "dtype": dtype}
        self.stacks: list[nn.RNNBase | Loop]
        if impl == "fused":
            runs = [(size, len(list(run))) for size, run in groupby(spec.hidden_sizes)]
            firsts = [sum(length for _, length in runs[:n]) for n in range(len(runs))]
            self.stacks = [
                _CELLS[spec.cell](
                    spec.layer_input_size(first), size, length,
                    batch_first=True, dropout=spec.dropout if length > 1 else 0.0, **common,
                )
                for (size, length), first in zip(runs, firsts, strict=True)
            ]  # fmt: skip
        else:
            firsts = list(range(len(spec.hidden_sizes)))
            self.stacks = [
                LOOPS[impl](spec.cell, spec.layer_input_size(n), size, **common)
                for n, size in enumerate(spec.hidden_sizes)
            ]
        self.head = nn.Linear(spec.readout_size, spec.output_size, bias=spec.bias, device=device, dtype=dtype)
        for stack in self.stacks:
            for name, parameter in stack.named_parameters():
                if "bias_hh" in name:
                    nn.init.zeros_(parameter).requires_grad_(spec.cell == "gru")
        exact = torch.float32 if dtype == torch.bfloat16 else dtype
        self.batch_norm = BatchNorm(spec.readout_size, device, exact) if spec.batch_norm else None
        self._dropout, self._training = spec.dropout, True  # as modules begin
        owners = dict(self._owners(firsts))
        self._owned = {name: owners[name] for name in parameter_shapes(spec)}
        self.weights: list[Tensor] = list(self._owned.values())
        self._held = [n for n, name in enumerate(self._owned) if name.endswith(".bias_hn")]

    def pick(self, arrays: Sequence[Tensor]) -> dict[str, Tensor]:
        """By canonical name, the trained part of each of ``weights`` or of arrays of their shapes; views."""
        return {
            name: array[2 * len(array) // 3 :] if name.endswith(".bias_hn") else array
            for name, array in zip(self._owned, arrays, strict=True)
        }

    def gradients(self, loss: Tensor) -> list[Tensor]:
        """Of ``weights``, zero where a part is held."""
        gradients = list(torch.autograd.grad(loss, self.weights))
        for n in self._held:
            gradients[n][: 2 * len(gradients[n]) // 3] = 0
        return gradients

    def _owners(self, firsts: list[int]) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameter that holds each canonical one; torch's gates are in canonical order, too."""
        for stack, first in zip(self.stacks, firsts, strict=True):
            for n in range(stack.num_layers):
                for direction, suffix in zip(self.spec.directions, ("", "_reverse"), strict=False):
                    names = ("weight_ih", "weight_hh", "bias", "bias_hn")
                    for name, parameter in zip(names, weights_of(stack, n, suffix), strict=True):
                        if parameter is not None:
                            yield f"layers.{first + n}.{direction}.{name}", parameter
        if self.batch_norm is not None:
            yield "batch_norm.weight", self.batch_norm.weight
            yield "batch_norm.bias", self.batch_norm.bias
        for name, parameter in self.head.named_parameters():
            yield f"head.{name}", parameter

    def __call__(self, x: Tensor, *, training: bool = False, remember: bool = False) -> Tensor:
        """Logits `(B, O)` or `(B, T, O)`, never less exact than float32, from ``x`` `(B, T, I)`.

        Args:
            x: sequences.
            training: whether to drop elements, and to normalise by the batch's own statistics.
            remember: whether to take these into the running ones.
        """
        if self._dropout and training != self._training:
            self._set_mode(training)
        x = x.to(self.dtype)
        for n, stack in enumerate(self.stacks):
            if n and training and self._dropout:
                x = functional.dropout(x, self._dropout)
            x, h = stack(x)
        if not self._reads_all:
            if self._has_c:
                h, _ = h
            x = torch.cat((h[-2], h[-1]), dim=-1) if self._bidirectional else h[-1]
        if self.batch_norm is not None:
            x = self.batch_norm(x, training=training, remember=remember)
        logits: Tensor = self.head(x)
        return logits.float() if self.dtype == torch.bfloat16 else logits

    def _set_mode(self, training: bool) -> None:
        for stack in self.stacks:
            stack.train(training)
        self._training = training

    def states(self, x: Tensor, initial: State | None) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The top layer's outputs `(B, T, D*H)`, and for each layer the final h, and c if there is one, `(D, B, H)`."""
        hidden: list[Tensor] = []
        cell: list[Tensor] = []
        if self._dropout and self._training:
            self._set_mode(training=False)
        x = x.to(self.dtype)
        for stack in self.stacks:
            begin = None
            if initial is not None:
                layers = slice(len(hidden), len(hidden) + stack.num_layers)
                parts = [
                    torch.from_numpy(np.concatenate(part[layers])).to(x)
                    for part in (initial.hidden, initial.cell)
                    if part
                ]
                begin = tuple(parts) if self._has_c else parts[0]
            x, end = stack(x, begin)
            for layers_of, final in zip((hidden, cell), end if self._has_c else (end,), strict=False):
                layers_of += final.split(len(self.spec.directions))
        return x, hidden, cell


class BatchNorm:
    """torch's batch normalisation, with running statistics of our own: torch's running variance is unbiased."""

    def __init__(self, size: int, device: torch.device, dtype: torch.dtype) -> None:
        self.weight, self.bias = (nn.Parameter(torch.empty(size, device=device, dtype=dtype)) for _ in range(2))
        # Four tensors and no slices of one: autograd would take a change to one for a change to all. Zeros, since torch
        # multiplies the old by zero where it is to be forgotten, and nothing times zero makes a NaN go away.
        self.mean, self.variance, self._batch_mean, self._batch_variance = (
            torch.zeros(size, device=device, dtype=dtype) for _ in range(4)
        )

    def __call__(self, x: Tensor, *, training: bool, remember: bool) -> Tensor:
        """Normalise `(..., R)` over all axes but the last; in its own dtype, whatever that of ``x``."""
        rows = x.flatten(0, -2).to(self.weight.dtype)
        if not training:
            return (
                functional.batch_norm(rows, self.mean, self.variance, self.weight, self.bias, eps=1e-5).view_as(x).to(x)
            )
        # With a momentum of 1 torch leaves the batch's mean and unbiased variance in what it takes for running ones.
        normal = functional.batch_norm(
            rows, self._batch_mean, self._batch_variance, self.weight, self.bias, training=True, momentum=1.0, eps=1e-5
        )
        if remember:
            self.mean.lerp_(self._batch_mean, 0.1)
            self.variance.lerp_(self._batch_variance * ((len(rows) - 1) / len(rows)), 0.1)
        return normal.view_as(x).to(x)


class TorchModel(Model[Tensor]):
    """A ``Network`` with its parameters and its optimizer.

    In bfloat16 the network works on rounded copies of float32 parameters, and the optimizer on these.
    """

    def __init__(self, network: Network, train: TrainSpec, parameters: Parameters, *, compiled: bool) -> None:
        self._network, self._device = network, network.device
        self._dtype = torch.float32 if network.dtype == torch.bfloat16 else network.dtype
        self._rounds = network.dtype != self._dtype
        copies = [torch.zeros_like(w, dtype=self._dtype) for w in network.weights]
        self._weights = copies if self._rounds else network.weights
        with torch.no_grad():
            for name, part in self._state().items():
                part.copy_(torch.from_numpy(np.ascontiguousarray(parameters[name])))
        self._round()
        for stack in network.stacks:
            stack.flatten_parameters()
        self._forward = torch.compile(network.__call__) if compiled else network
        self._loss = functional.mse_loss if train.loss == "mse" else self._cross_entropy
        self._step = optimizer_step(train, self._weights)

    def _round(self) -> None:
        """Bring the network's copies up to date."""
        if self._rounds:
            with torch.no_grad():
                torch._foreach_copy_(self._network.weights, self._weights)

    def _gradients(self, loss: Tensor) -> list[Tensor]:
        gradients = self._network.gradients(loss)
        return [gradient.to(self._dtype) for gradient in gradients] if self._rounds else gradients

    def _state(self) -> dict[str, Tensor]:
        """Parameters and statistics by canonical name; views."""
        norm = self._network.batch_norm
        statistics = {} if norm is None else {"batch_norm.mean": norm.mean, "batch_norm.variance": norm.variance}
        return self._network.pick(self._weights) | statistics

    @staticmethod
    def _cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(logits.flatten(0, -2), y.flatten())

    def put(self, array: NDArray[Any]) -> Tensor:
        dtype = self._dtype if np.issubdtype(array.dtype, np.floating) else torch.int64
        return torch.tensor(array, dtype=dtype, device=self._device)

    def get(self, native: Tensor) -> NDArray[Any]:
        found = native.detach().cpu()
        return (found.float() if found.dtype == torch.bfloat16 else found).numpy().copy()

    def infer(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            return self._forward(x)

    def train(self, x: Tensor, y: Tensor, order: Tensor) -> Tensor:
        losses = []
        for x_batch, y_batch in _batches(x, y, order):
            loss = self._loss(self._forward(x_batch, training=True, remember=True), y_batch)
            self._step(self._gradients(loss))
            self._round()
            losses.append(loss.detach())
        return torch.stack(losses)

    def gradients(self, x: Tensor, y: Tensor) -> tuple[float, Parameters]:
        loss = self._loss(self._forward(x, training=True), y)
        gradients = self._network.pick(self._gradients(loss))
        return loss.item(), {name: self.get(gradient) for name, gradient in gradients.items()}

    def states(self, x: Tensor, initial: State | None = None) -> tuple[NDArray[Any], State]:
        with torch.inference_mode():
            outputs, hidden, cell = self._network.states(x, initial)
        return self.get(outputs), State(tuple(map(self.get, hidden)), tuple(map(self.get, cell)))

    def parameters(self) -> Parameters:
        return {name: self.get(part) for name, part in self._state().items()}

    def native_parameter_count(self) -> int | None:
        modules = (*self._network.stacks, self._network.head)
        norm = self._network.batch_norm
        normalising = 0 if norm is None else norm.weight.numel() + norm.bias.numel()
        return normalising + sum(parameter.numel() for module in modules for parameter in module.parameters())

    def synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def kernel_path(self, x: Tensor) -> str:
        with torch.profiler.profile() as profile:
            self.infer(x)
        ran = {event.key for event in profile.key_averages()}
        if any("_cudnn_rnn" in name for name in ran):
            return "cuDNN RNN"
        if "aten::mkldnn_rnn_layer" in ran:
            return "oneDNN RNN"
        compiled = any("Torch-Compiled" in name for name in ran)
        return "loop over time by torch.compile" if compiled else "ATen loop over time"


def _batches(x: Tensor, y: Tensor, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The sequences and targets of each row of ``order``.

    Rows that count upwards are cut out as views, which saves a copy. Only on the CPU: on a GPU the question itself
    would make the processor wait.
    """
    if order.device.type == "cpu":
        begins = order[:, :1]
        if torch.equal(order, begins + torch.arange(order.shape[1])):
            for begin in begins.flatten().tolist():
                batch = slice(begin, begin + order.shape[1])
                yield x[batch], y[batch]
            return
    for rows in order.unbind():
        yield x[rows], y[rows]


def _compilers() -> list[str]:
    """The C++ compilers that torch.compile may use."""
    return [os.environ["CXX"]] if "CXX" in os.environ else ["g++", "c++", "clang++"]


def _onednn_version() -> str:
    lines = [line.strip() for line in torch.__config__.show().splitlines() if "MKL-DNN" in line or "oneDNN" in line]
    return lines[0].split(" v")[1].split()[0] if lines and " v" in lines[0] else "unknown"
