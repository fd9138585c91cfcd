"""What a backend promises: what may be known before its framework is imported, and what its models can do."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lstm_bench.errors import LSTMBenchError, UnknownName
from lstm_bench.model.parameters import Parameters
from lstm_bench.model.spec import ModelSpec, Precision, TrainSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

Native = TypeVar("Native")
"""The framework's own array type."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One choice that a user of a backend or task has, as in ``keras[engine=jax]``.

    Attributes:
        default: the value when nothing is said.
        meaning: one line for people.
        choices: the values allowed; empty if any text is, in which case the plugin checks it.
        requires: packages that a value needs beside those that the plugin always needs, as import names.
    """

    default: str
    meaning: str
    choices: tuple[str, ...] = ()
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def resolve_options(options: Mapping[str, Option], given: Mapping[str, str], owner: str) -> dict[str, str]:
    """Every option's value, given or default, sorted by name.

    Args:
        options: what ``owner`` offers.
        given: what the user asked for.
        owner: for messages, such as ``"backend 'torch'"``.

    Raises:
        UnknownName: for an option or a value that ``owner`` does not have.
    """
    for name, value in given.items():
        if name not in options:
            raise UnknownName("option", name, options, owner)
        if options[name].choices and value not in options[name].choices:
            raise UnknownName("value", value, options[name].choices, f"option {name!r} of {owner}")
    return {name: given.get(name, option.default) for name, option in sorted(options.items())}


def no_environment(options: Mapping[str, str], threads: int, device: str) -> Mapping[str, str]:
    """The framework needs no environment variables beyond those that the harness sets for every worker."""
    return {}


@dataclass(frozen=True, kw_only=True)
class BackendInfo:
    """All that may be known about a backend without importing its framework. Given by ``lstm_bench_backends``.

    Attributes:
        name: what users type after ``--backend``.
        summary: one line for people.
        load: imports the framework and returns the backend; called only in a worker process.
        requires: import names of the top-level packages that ``load`` needs.
        install: the pip line that provides them, such as ``pip install "lstm-bench[torch]"``.
        options: options by name.
        environ: environment variables to set in the worker before anything is imported, from the resolved options,
            the thread count and the device.
    """

    name: str
    summary: str
    load: Callable[[], Backend]
    requires: tuple[str, ...] = ()
    install: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)
    environ: Callable[[Mapping[str, str], int, str], Mapping[str, str]] = no_environment

    def missing(self, options: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """The packages that are needed for these options, or for the defaults, and not installed; imports none."""
        chosen = resolve_options(self.options, options or {}, f"backend {self.name!r}")
        of_options = [self.options[name].requires.get(value, ()) for name, value in chosen.items()]
        needed = dict.fromkeys(name for names in (self.requires, *of_options) for name in names)
        return tuple(name for name in needed if importlib.util.find_spec(name) is None)


@dataclass(frozen=True)
class State:
    """The recurrent state of every layer at one end of a sequence.

    Attributes:
        h: hidden state of each layer, bottom layer first, `(D, B, H)`, forward before backward.
        c: LSTM memory of each layer, `(D, B, H)`; empty for a GRU and a plain RNN.
    """

    h: tuple[NDArray[Any], ...]
    c: tuple[NDArray[Any], ...] = ()


class Unsupported(LSTMBenchError):
    """Raised by ``Backend.build`` for what only building could show to be unsupported, and by ``Model.differentiate``.

    The message is the reason.
    """


class Backend(ABC):
    """One framework, imported and ready, in a worker process."""

    @abstractmethod
    def versions(self) -> Mapping[str, str]:
        """The framework's version under its name, then those of the libraries that decide its speed."""

    @abstractmethod
    def devices(self) -> Mapping[str, str]:
        """Device names that ``build`` takes, such as ``cpu`` or ``cuda:0``, with the hardware's own name or ``""``."""

    @abstractmethod
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
    ) -> Model[Any]:
        """A model with these initial parameters and a fresh optimizer, ready to be called.

        Args:
            spec: the model.
            train: loss and optimizer.
            parameters: float64 arrays by canonical name; copied, never changed.
            precision: what to compute in.
            device: one of ``devices()``.
            seed: for whatever the framework itself draws, such as dropout masks.
            options: every option of the backend's info, resolved.

        Raises:
            Unsupported: if only building could show that this cannot be had.
        """

    def refuses(
        self, spec: ModelSpec, train: TrainSpec, *, precision: Precision, device: str, options: Mapping[str, str]
    ) -> str | None:
        """The reason why this cannot be built, in words for a table, or ``None`` if it can."""
        return None

    def product(
        self, size: int, *, precision: Precision, device: str, options: Mapping[str, str]
    ) -> Callable[[], None] | None:
        """A call that multiplies two square matrices, and waits for the result; ``None`` if there is none.

        It is timed, as what the process can do at most: the framework's own product, as its models have it. The
        matrices are there beforehand, and the call may be made any number of times.

        Args:
            size: rows and columns of each.
            precision: what to compute in.
            device: one of ``devices()``.
            options: every option of the backend's info, resolved.
        """
        return None

    def compile_seconds(self) -> float | None:
        """Seconds that this process has spent compiling until now; ``None`` if the framework does not tell."""
        return None

    def peak_device_memory(self, device: str) -> int | None:
        """Most bytes that the device's allocator has held at once in this process; ``None`` if the device has none."""
        return None


def require_device(backend: Backend, name: str, device: str) -> str:
    """The device's own name.

    Args:
        backend: one that is loaded.
        name: of the backend, for the message.
        device: one that a user asks for.

    Raises:
        Unsupported: if the backend sees none of this name.
    """
    devices = backend.devices()
    if device not in devices:
        raise Unsupported(f"{name} sees no device {device!r} on this machine; it sees: {', '.join(devices)}")
    return str(devices[device])


class Model(ABC, Generic[Native]):
    """A built model: whole after construction, stateless between calls but for its parameters and optimizer.

    ``infer``, ``train`` and ``differentiate`` are timed: they take and return native arrays and do nothing that is not
    their work.
    """

    @abstractmethod
    def put(self, array: NDArray[Any]) -> Native:
        """A native copy on the device: floating arrays in the model's dtype, integer arrays as indices or labels."""

    @abstractmethod
    def get(self, native: Native) -> NDArray[Any]:
        """The NumPy form of a native array, in its own dtype where NumPy has it, else float32."""

    @abstractmethod
    def infer(self, x: Native) -> Native:
        """Timed. Logits in evaluation mode, from zero initial states.

        Args:
            x: sequences `(B, T, I)`.

        Returns:
            Logits `(B, O)`, or `(B, T, O)` if the spec reads out every step.
        """

    @abstractmethod
    def train(self, x: Native, y: Native, order: Native) -> Native:
        """Timed. One optimizer step for each row of ``order``, each from zero initial states.

        Args:
            x: sequences `(N, T, I)`.
            y: targets: `(N, O)` or `(N, T, O)` for ``mse``, integer labels `(N,)` or `(N, T)` for ``cross_entropy``.
            order: indices into ``x`` and ``y``, `(steps, B)`.

        Returns:
            The loss of each step, before its update, `(steps,)`.
        """

    def differentiate(self, x: Native, y: Native) -> tuple[Native, Any]:
        """Timed. The loss of one batch in training mode, and its gradient by every parameter, all left on the device.

        Changes nothing that a later call would notice but which elements dropout drops: neither parameters nor
        statistics nor the optimizer.

        Args:
            x: sequences `(B, T, I)`.
            y: their targets, as in ``train``.

        Returns:
            The loss `()`; and the gradients as the framework has them: native arrays of any layout, nested in tuples,
            lists and mappings. Nothing of them is left to be computed when somebody asks for it. The model's next call
            may overwrite them.

        Raises:
            Unsupported: if there is none. A backend is whole without it, so it is not abstract; and it does not fall
                back on ``gradients``, which copies to the host: that would be timed, too.
        """
        raise Unsupported("the backend has no Model.differentiate, so that there is no gradient alone to be timed")

    @abstractmethod
    def gradients(self, x: Native, y: Native) -> tuple[float, Parameters]:
        """The loss of one batch in training mode, and its gradient by canonical name.

        Changes nothing: neither parameters nor statistics nor the optimizer.

        Args:
            x: sequences `(B, T, I)`.
            y: their targets, as in ``train``.
        """

    def input_gradient(self, x: Native, y: Native) -> NDArray[Any] | None:
        """The gradient of the loss that ``gradients`` gives by ``x`` `(B, T, I)`; ``None`` if it is not to be had.

        Changes nothing, either. Args as of ``gradients``.
        """
        return None

    @abstractmethod
    def states(self, x: Native, initial: State | None = None) -> tuple[NDArray[Any], State]:
        """What the recurrent layers compute, in evaluation mode.

        Args:
            x: sequences `(B, T, I)`.
            initial: states to begin from; ``None`` for zeros.

        Returns:
            The top layer's outputs `(B, T, D*H)`, and the final state of every layer and direction. The backward
            direction's final state is the one after it has read time 0.
        """

    @abstractmethod
    def parameters(self) -> Parameters:
        """A copy of the present parameters and statistics by canonical name."""

    def native_parameter_count(self) -> int | None:
        """Parameters as the framework itself counts them; ``None`` if it does not differ from the canonical count."""
        return None

    def synchronize(self) -> None:
        """Wait until all that was asked of the device is done. The clock stops after this."""
        return None

    def kernel_path(self, x: Native) -> str:
        """What really computes ``infer(x)``, as a profiler or the compiled program tells; ``""`` if neither does.

        Never what was asked for: this is what ``--require-kernel`` is held against.
        """
        return ""

    def training_kernel_path(self, x: Native, y: Native, order: Native) -> str:
        """What really computes the steps of ``train(x, y, order)``, forward and backward; ``""`` if nothing tells.

        Changes nothing that a later call would notice but which elements dropout drops, as ``differentiate`` does not.
        Args as of ``train``: given those of an earlier call, what was compiled for that is looked at.
        """
        return ""
