"""The backend and its model: a network of nn.LSTM, nn.GRU, nn.RNN or our own loops, with its optimizer."""

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

from lstm_bench import Backend, Model, ModelSpec, Parameters, Setting, State, TrainSpec, Unsupported, describe_aten
from lstm_bench_torch._network import Network
from lstm_bench_torch._optimizers import optimizer_step
from lstm_bench_torch._products import format_of, multiplying_in, switch_to

_DTYPES = {"float64": torch.float64, "float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}
"""The dtype of layers and head, by precision."""


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

    def refuses(self, spec: ModelSpec, train: TrainSpec, setting: Setting) -> str | None:
        device, options = setting.device, setting.options
        if options.compile and options.impl == "fused":
            return "torch.compile leaves nn.LSTM as it is, so there would be nothing to compare; impl=cell or impl=loop"
        if options.compile and device == "cpu" and not any(map(shutil.which, _compilers())):
            return f"torch.compile needs a C++ compiler on the CPU; there is no {' or '.join(_compilers())}"
        if setting.precision == "tf32" and not (
            device.startswith("cuda") and torch.cuda.get_device_capability(device) >= (8, 0)
        ):
            return "tf32 needs an NVIDIA GPU of the Ampere generation or later"
        if options.denormals == "flush" and device != "cpu":
            return "denormals=flush is for the CPU alone; a GPU computes with them at full speed"
        return None

    def build(
        self, spec: ModelSpec, train: TrainSpec, parameters: Parameters, setting: Setting, *, seed: int
    ) -> Model[Tensor]:
        # This switch and the seed hold for the whole process. The switch is an option, so a worker sets it once. It is
        # set here and not in load, which has no options, and takes effect in threads that start later: torch starts its
        # threads at the first matrix product. The seed decides which elements dropout drops, and nothing else.
        flush = setting.options.denormals == "flush"
        if not torch.set_flush_denormal(flush) and flush:
            raise Unsupported("torch cannot flush denormals on this processor")
        torch.manual_seed(seed)
        network = Network(spec, torch.device(setting.device), _DTYPES[setting.precision], setting.options.impl)
        forward = torch.compile(network.__call__) if setting.options.compile else network
        products = format_of(setting.precision) if setting.device.startswith("cuda") else None
        return TorchModel(network, forward, train, parameters, products=products)

    def product(self, size: int, setting: Setting) -> Callable[[], None]:
        a, b, out = (torch.rand(size, size, device=setting.device).to(_DTYPES[setting.precision]) for _ in range(3))
        products = format_of(setting.precision)

        def multiply() -> None:
            torch.mm(a, b, out=out)

        def multiply_on_gpu() -> None:
            switch_to(products)
            torch.mm(a, b, out=out)
            torch.cuda.synchronize(out.device)

        return multiply_on_gpu if out.is_cuda else multiply

    def peak_device_memory(self, device: str) -> int:
        if not device.startswith("cuda"):
            raise Unsupported(f"torch counts the memory of GPUs alone, not that of {device}")
        return torch.cuda.max_memory_allocated(device)


class TorchModel(Model[Tensor]):
    """A network with its parameters and its optimizer.

    In bfloat16 the optimizer updates float32 parameters, and the network computes with rounded copies of them.

    Args:
        network: freshly made; its parameters are overwritten.
        forward: the network's forward pass, perhaps compiled.
        train: loss and optimizer.
        parameters: initial values by canonical name.
        products: what the GPU multiplies in, ``ieee`` or ``tf32``; ``None`` on the CPU, which has no choice.
    """

    def __init__(
        self,
        network: Network,
        forward: Callable[..., Tensor],
        train: TrainSpec,
        parameters: Parameters,
        *,
        products: str | None,
    ) -> None:
        self._network, self._device, self._products = network, network.device, products
        self._forward = forward if products is None else multiplying_in(products, forward)
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
        self._loss = functional.mse_loss if train.loss == "mse" else self._cross_entropy
        self._step = optimizer_step(train, self._weights)

    def _round(self) -> None:
        """Round the parameters into the network's copies, where it has copies."""
        if self._rounds:
            with torch.no_grad():
                torch._foreach_copy_(self._network.weights, self._weights)

    def _gradients(self, loss: Tensor) -> list[Tensor]:
        gradients = self._network.gradients(loss)
        return [gradient.to(self._dtype) for gradient in gradients] if self._rounds else gradients

    def _state(self) -> dict[str, Tensor]:
        """Parameters and statistics of batch normalisation by canonical name; views."""
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
        if self._products is not None:
            switch_to(self._products)
        with torch.inference_mode():
            outputs, h, c = self._network.states(x, initial)
        return self.get(outputs), State(h=tuple(map(self.get, h)), c=tuple(map(self.get, c)))

    def parameters(self) -> Parameters:
        return {name: self.get(part) for name, part in self._state().items()}

    def native_parameter_count(self) -> int:
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
        with _profiler() as profile:  # a step without its update; the statistics that it moves are put back below
            self._gradients(self._loss(self._forward(x_batch, training=True, remember=True), y_batch))
        with torch.no_grad():
            for name, part in self._state().items():
                part.copy_(before[name])
        return _kernels(profile, steps=x.shape[1], backward=True)


def _profiler() -> profiler.profile:
    """Counts the calls of each operator. Kineto would time them, too, but takes a second to start."""
    return profiler.profile(use_kineto=False)


def _kernels(profile: profiler.profile, *, steps: int, backward: bool = False) -> str:
    """The kernels of one profiled pass, in the words of ``describe_aten``."""
    calls = {event.key: event.count for event in profile.key_averages()}
    return describe_aten(calls, steps=steps, backward=backward)


def _batches(x: Tensor, y: Tensor, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The sequences and targets of each row of ``order``.

    Rows of consecutive numbers become views, which saves a copy. On a GPU they are copied all the same: comparing the
    numbers would make the CPU wait for the GPU.
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
