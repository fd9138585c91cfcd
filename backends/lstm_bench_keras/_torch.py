"""Keras on PyTorch, step by step, or with the forward pass compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import profiler

from lstm_bench import Parameters, Precision, TrainSpec, describe_aten
from lstm_bench_keras._model import Engine, KerasModel, Program
from lstm_bench_keras._network import Network, loss


class Torch(Engine):
    """PyTorch on the CPU or CUDA.

    With ``jit=auto`` nothing is compiled: ``torch.compile`` takes many seconds, and breaks Keras's layers into pieces.
    """

    jits = False

    def versions(self) -> Mapping[str, str]:
        return {"torch": torch.__version__}

    def gpu(self) -> str | None:
        return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None

    def prepare(self, precision: Precision) -> None:
        # PyTorch has TF32 as switches for the whole process. They matter on a GPU alone.
        product = "tf32" if precision == "tf32" else "ieee"
        torch.backends.cuda.matmul.fp32_precision = product
        torch.backends.cudnn.rnn.fp32_precision = product  # type: ignore[attr-defined]  # set up at run time

    def program(
        self, network: Network, train: TrainSpec, precision: Precision, jit: bool, *, read_once: bool
    ) -> TorchProgram:
        return TorchProgram(network, train, jit)

    def product(self, size: int, precision: Precision, jit: bool) -> Callable[[], None]:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.float32 if precision == "tf32" else getattr(torch, precision)
        a, b, out = (torch.rand(size, size, device=device).to(dtype) for _ in range(3))

        def multiply() -> None:
            torch.mm(a, b, out=out)
            if out.is_cuda:
                torch.cuda.synchronize()

        return multiply

    def peak_memory(self) -> int:
        return torch.cuda.max_memory_allocated()


class TorchProgram(Program):
    """The forward pass, compiled or not.

    Attributes:
        forward: the network, compiled or as it is.
    """

    def __init__(self, network: Network, train: TrainSpec, jit: bool) -> None:
        super().__init__(network, train)
        self.forward = torch.compile(network) if jit else network

    def model(self, parameters: Parameters, seed: int) -> TorchModel:
        self.network.begin(parameters, seed)
        torch.manual_seed(seed)  # on torch, Keras's dropout draws from the generator of the whole process
        return TorchModel(self)


class TorchModel(KerasModel[Tensor]):
    """A program whose variables hold the parameters as tensors of PyTorch."""

    def __init__(self, program: TorchProgram) -> None:
        super().__init__(program.network)
        self._forward, self._train_spec = program.forward, program.train_spec
        self._values = [variable.value for variable in program.network.trainable_variables]
        self._device = self._values[0].device
        self._optimizer = _optimizer(self._train_spec, self._values)

    def _put(self, array: NDArray[Any]) -> Tensor:
        native = torch.from_numpy(array).to(self._device)
        return native if native.is_floating_point() else native.long()

    def get(self, native: Tensor) -> NDArray[Any]:
        native = native.detach().cpu()
        return (native.float() if native.dtype == torch.bfloat16 else native).numpy().copy()

    def infer(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = self._forward(x, training=False)
        return logits

    def train(self, x: Tensor, y: Tensor, order: Tensor) -> Tensor:
        losses, clip = [], self._train_spec.clip_norm
        for rows in order:
            value, gradients = self._loss_and_gradients(x[rows], y[rows], remember=True)
            if clip is not None:
                norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
                torch._foreach_mul_(gradients, (clip / norm).clamp(max=1.0))
            for parameter, gradient in zip(self._values, gradients, strict=True):
                # cuDNN returns transposed gradients; fused optimizers on CUDA take the parameter's own layout alone.
                parameter.grad = gradient.contiguous()
            self._optimizer.step()
            self._optimizer.zero_grad()  # frees the gradients' memory before the next step
            del gradients
            losses.append(value.detach())
        return torch.stack(losses)

    def _loss_and_gradients(self, x: Tensor, y: Tensor, *, remember: bool) -> tuple[Tensor, list[Tensor]]:
        value: Tensor = loss(self._train_spec, self._forward(x, training=True, remember=remember), y)
        return value, self._network.restrain(torch.autograd.grad(value, self._values))

    def differentiate(self, x: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        value, gradients = self._loss_and_gradients(x, y, remember=False)
        return value.detach(), gradients

    def input_gradient(self, x: Tensor, y: Tensor) -> NDArray[Any]:
        x = x.detach().clone().requires_grad_()
        value = loss(self._train_spec, self._forward(x, training=True, remember=False), y)
        return self.get(torch.autograd.grad(value, x)[0])

    def _states(self, x: Tensor, begin: list[list[Tensor]] | None) -> tuple[Tensor, list[list[Tensor]]]:
        with torch.no_grad():
            return super()._states(x, begin)

    def synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def kernel_path(self, x: Tensor) -> str:
        with _profiler() as profile:
            self.infer(x)
        return _kernels(profile, steps=x.shape[1])

    def training_kernel_path(self, x: Tensor, y: Tensor, order: Tensor) -> str:
        variables = self._network.variables
        before = [variable.value.detach().clone() for variable in variables]
        with _profiler() as profile:  # a step without its update; the variables that it changes are put back below
            self._loss_and_gradients(x[order[0]], y[order[0]], remember=True)
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        return _kernels(profile, steps=x.shape[1], backward=True)


def _profiler() -> profiler.profile:
    """Counts the calls of each operator. Kineto would time them, too, but takes a second to start."""
    return profiler.profile(use_kineto=False)


def _kernels(profile: profiler.profile, *, steps: int, backward: bool = False) -> str:
    """The kernels of one profiled pass, in the words of ``describe_aten``."""
    calls = {event.key: event.count for event in profile.key_averages()}
    return describe_aten(calls, steps=steps, backward=backward)


def _optimizer(train: TrainSpec, parameters: list[Tensor]) -> torch.optim.Optimizer:
    """PyTorch's own optimizer, as in Keras's guide to custom loops on PyTorch. Its formulas are the canonical ones."""
    if train.optimizer == "adam":
        return torch.optim.Adam(parameters, train.learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True)
    if train.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, train.learning_rate, alpha=0.9, eps=1e-8, foreach=True)
    return torch.optim.SGD(parameters, train.learning_rate, momentum=train.momentum, fused=True)


ENGINE = Torch
