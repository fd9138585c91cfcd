"""PyTorch in a worker process: the model with its optimizer, on nn.LSTM, nn.GRU and nn.RNN or on our loops."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import profiler
from torch.nn import functional

from lstm_bench import Backend, Model, ModelSpec, Parameters, Precision, State, TrainSpec, Unsupported
from lstm_bench.plugin import aten
from lstm_bench_torch._network import Network
from lstm_bench_torch._optimizers import optimizer_step

_DTYPES = {"float64": torch.float64, "float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}
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
        if options["denormals"] == "flush" and device != "cpu":
            return "denormals=flush is for the CPU alone; a GPU computes with them at full speed"
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
        _set_products(precision)
        # Only threads that start later follow it, and torch starts them at the first product: a worker has set it then.
        flush = options["denormals"] == "flush"
        if not torch.set_flush_denormal(flush) and flush:
            raise Unsupported("torch cannot flush denormals on this processor")
        torch.manual_seed(seed)
        network = Network(spec, torch.device(device), _DTYPES[precision], options["impl"])
        return TorchModel(network, train, parameters, compiled=options["compile"] == "true")

    def product(
        self, size: int, *, precision: Precision, device: str, options: Mapping[str, str]
    ) -> Callable[[], None]:
        _set_products(precision)
        a, b, out = (torch.rand(size, size, device=device).to(_DTYPES[precision]) for _ in range(3))

        def multiply() -> None:
            torch.mm(a, b, out=out)
            if out.is_cuda:
                torch.cuda.synchronize(out.device)

        return multiply

    def peak_device_memory(self, device: str) -> int | None:
        return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else None


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

    def differentiate(self, x: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        loss = self._loss(self._forward(x, training=True), y)
        return loss.detach(), self._gradients(loss)

    def gradients(self, x: Tensor, y: Tensor) -> tuple[float, Parameters]:
        loss, gradients = self.differentiate(x, y)
        return loss.item(), {name: self.get(gradient) for name, gradient in self._network.pick(gradients).items()}

    def input_gradient(self, x: Tensor, y: Tensor) -> NDArray[Any]:
        x = x.detach().clone().requires_grad_()
        loss = self._loss(self._forward(x, training=True), y)
        return self.get(torch.autograd.grad(loss, x)[0])

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
        with _profiler() as profile:
            self.infer(x)
        return _kernels(profile, steps=x.shape[1])

    def training_kernel_path(self, x: Tensor, y: Tensor, order: Tensor) -> str:
        x_batch, y_batch = next(_batches(x, y, order))
        before = {name: part.detach().clone() for name, part in self._state().items()}
        with _profiler() as profile:  # of a step without its update; what it may change is put back
            self._gradients(self._loss(self._forward(x_batch, training=True, remember=True), y_batch))
        with torch.no_grad():
            for name, part in self._state().items():
                part.copy_(before[name])
        return _kernels(profile, steps=x.shape[1], backward=True)


def _set_products(precision: Precision) -> None:
    """Say what products are computed in, and cuDNN's RNNs, which use TF32 unless told otherwise; for the process."""
    product = "tf32" if precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = product
    torch.backends.cudnn.rnn.fp32_precision = product  # type: ignore[attr-defined]  # set up at run time


def _profiler() -> profiler.profile:
    """Of the operators that are called, and nothing else: Kineto, which also has what they take, takes a second."""
    return profiler.profile(use_kineto=False)


def _kernels(profile: profiler.profile, *, steps: int, backward: bool = False) -> str:
    """What computed a model, from the profile of one pass, as ``aten.describe`` has it."""
    calls = {event.key: event.count for event in profile.key_averages()}
    return aten.describe(calls, steps=steps, backward=backward)


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
