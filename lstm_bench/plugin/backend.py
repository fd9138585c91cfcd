"""What a backend promises: what is known before its framework is imported, and what its models can do."""

from __future__ import annotations

import importlib.util
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

from lstm_bench.errors import InvalidSpec, LSTMBenchError, PluginError
from lstm_bench.model.parameters import Parameters
from lstm_bench.model.spec import ModelSpec, TrainSpec
from lstm_bench.plugin.options import Option, Options, read_options, require_names
from lstm_bench.plugin.setting import Setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

Native = TypeVar("Native")
"""The framework's own array type."""

T = TypeVar("T")

Ability = Literal[
    "train",
    "differentiate",
    "states",
    "input_gradient",
    "kernel_path",
    "parameter_count",
    "product",
    "compile_seconds",
    "device_memory",
]

ABILITIES: Mapping[Ability, tuple[str, ...]] = {
    "train": ("Model.train", "Model.gradients"),
    "differentiate": ("Model.differentiate",),
    "states": ("Model.states",),
    "input_gradient": ("Model.input_gradient",),
    "kernel_path": ("Model.kernel_path",),
    "parameter_count": ("Model.native_parameter_count",),
    "product": ("Backend.product",),
    "compile_seconds": ("Backend.compile_seconds",),
    "device_memory": ("Backend.peak_device_memory",),
}
"""What a backend may leave out, with the methods of each ability. A backend names those that it has in
``BackendInfo.abilities``; the others' methods stay as they are here, and raise ``Unsupported``. A runtime that only
infers names none and is a whole backend. ``train`` brings ``Model.training_kernel_path`` into ``kernel_path``."""


class Unsupported(LSTMBenchError):
    """Raised for whatever a backend does not have or cannot do. The message is the reason, in words for a table.

    It is the only sign for that: no method returns ``None`` or an empty text in its place.
    """


def if_supported(call: Callable[[], T]) -> T | None:
    """What a call returns; ``None`` if it raises ``Unsupported``."""
    try:
        return call()
    except Unsupported:
        return None


def no_environment(options: Options, threads: int, device: str) -> Mapping[str, str]:
    """The framework needs no environment variables beyond those that the harness sets for every worker."""
    return {}


@dataclass(frozen=True, kw_only=True)
class BackendInfo:
    """All that may be known about a backend without importing its framework. Given by ``lstm_bench_backends``.

    Attributes:
        name: what users type after ``--backend``.
        summary: one line for people.
        load: imports the framework and returns the backend; called once, in a worker process. Switches of the framework
            that hold for the whole process are set here.
        abilities: which of ``ABILITIES`` the backend has.
        requires: import names of the top-level packages that ``load`` needs.
        install: the pip line that provides them, such as ``pip install "lstm-bench[torch]"``.
        options: options by name, each a Python name.
        environ: environment variables to set in the worker before anything is imported, from the options, the thread
            count and the device.

    Raises:
        InvalidSpec: for an ability that there is not, or an option whose name is no Python name.
    """

    name: str
    summary: str
    load: Callable[[], Backend]
    abilities: tuple[Ability, ...] = ("train",)
    requires: tuple[str, ...] = ()
    install: str = ""
    options: Mapping[str, Option[Any]] = field(default_factory=dict)
    environ: Callable[[Options, int, str], Mapping[str, str]] = no_environment

    def __post_init__(self) -> None:
        if unknown := [ability for ability in self.abilities if ability not in get_args(Ability)]:
            known = ", ".join(get_args(Ability))
            raise InvalidSpec(f"backend {self.name!r} has no ability {unknown[0]!r}; there is: {known}")
        require_names(self.options, f"backend {self.name!r}")

    def read(self, given: Mapping[str, str]) -> Options:
        """Every option's value, from what users wrote.

        Raises:
            LSTMBenchError: for an option or a value that the backend does not have.
        """
        return read_options(self.options, given, f"backend {self.name!r}")

    def missing(self, options: Options | None = None) -> tuple[str, ...]:
        """The packages that these options need, or the defaults, and that are not installed; imports none."""
        chosen = self.read({}) if options is None else options
        of_options = [self.options[name].requires.get(text, ()) for name, text in chosen.written.items()]
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


class Backend(ABC):
    """One framework, imported and ready, in a worker process.

    What the harness relies on, and the conformance kit tests:

    - ``build`` is called several times in a process, also with equal weights, and for models in other settings. A new
      model changes nothing about an older one: switches for the whole process are set when the backend is loaded.
    - Arrays that one model has ``put`` are used by other models of the backend in the same setting.
    - A model's life ends when it is dropped. The backend keeps no reference to it.
    """

    @abstractmethod
    def versions(self) -> Mapping[str, str]:
        """The framework's version under its name, then those of the libraries that decide its speed."""

    @abstractmethod
    def devices(self) -> Mapping[str, str]:
        """Names of devices, such as ``cpu`` or ``cuda:0``, each with the hardware's own name or ``""``."""

    @abstractmethod
    def build(
        self, spec: ModelSpec, train: TrainSpec, parameters: Parameters, setting: Setting, *, seed: int
    ) -> Model[Any]:
        """A model with these initial parameters and a fresh optimizer, ready to be called.

        Args:
            spec: the model.
            train: loss and optimizer; a backend that only infers does not look at it.
            parameters: float64 arrays by canonical name; copied, never changed.
            setting: precision, device, options.
            seed: for whatever the framework itself draws, such as dropout masks.

        Raises:
            Unsupported: if only building could show that the backend does not have this.
        """

    def refuses(self, spec: ModelSpec, train: TrainSpec, setting: Setting) -> str | None:
        """Why the backend does not build this, in words for a table; ``None`` if it does. Asked before ``build``."""
        return None

    def product(self, size: int, setting: Setting) -> Callable[[], None]:
        """A call that multiplies two square matrices, and waits for the result.

        The call is timed, as the most that the process can do: the framework's own product, as its models have it. The
        matrices are there beforehand, and the call may be made any number of times.

        Args:
            size: rows and columns of each matrix.
            setting: precision, device, options.

        Raises:
            Unsupported: without the ability ``product``.
        """
        raise Unsupported("the backend has no Backend.product, so the harness measures no ceiling")

    def compile_seconds(self) -> float:
        """Seconds that this process has spent compiling until now.

        Raises:
            Unsupported: without the ability ``compile_seconds``, or if nothing tells in this setting.
        """
        raise Unsupported("the backend does not tell how long it compiles")

    def peak_device_memory(self, device: str) -> int:
        """Most bytes that the device's allocator has held at once in this process.

        Raises:
            Unsupported: without the ability ``device_memory``, or for a device without an allocator of its own.
        """
        raise Unsupported("the backend does not tell the memory of its devices")


class Model(ABC, Generic[Native]):
    """A built model: whole after construction, stateless between calls but for its parameters and optimizer.

    ``infer``, ``train`` and ``differentiate`` are timed: they take and return native arrays and do only their own work.
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
    def parameters(self) -> Parameters:
        """A copy of the present parameters and statistics by canonical name."""

    def synchronize(self) -> None:
        """Wait until the device has done everything asked of it. The clock stops after this."""
        return None

    def train(self, x: Native, y: Native, order: Native) -> Native:
        """Timed. One optimizer step for each row of ``order``, each from zero initial states.

        Args:
            x: sequences `(N, T, I)`.
            y: targets: `(N, O)` or `(N, T, O)` for ``mse``, integer labels `(N,)` or `(N, T)` for ``cross_entropy``.
            order: indices into ``x`` and ``y``, `(steps, B)`.

        Returns:
            The loss of each step, before its update, `(steps,)`.

        Raises:
            Unsupported: without the ability ``train``.
        """
        raise Unsupported("the backend only infers")

    def gradients(self, x: Native, y: Native) -> tuple[float, Parameters]:
        """The loss of one batch in training mode, and its gradient by canonical name.

        Changes neither parameters nor statistics nor the optimizer.

        Args:
            x: sequences `(B, T, I)`.
            y: their targets, as in ``train``.

        Raises:
            Unsupported: without the ability ``train``.
        """
        raise Unsupported("the backend only infers")

    def differentiate(self, x: Native, y: Native) -> tuple[Native, Any]:
        """Timed. The loss of one batch in training mode, and its gradient by every parameter, all left on the device.

        Changes nothing that a later call would notice but which elements dropout drops: neither parameters nor
        statistics nor the optimizer. Does not copy to the host, as ``gradients`` does: that would be timed, too.

        Args:
            x: sequences `(B, T, I)`.
            y: their targets, as in ``train``.

        Returns:
            The loss `()`; and the gradients as the framework has them: native arrays of any layout, nested in tuples,
            lists and mappings. They are computed by the time that ``synchronize`` returns. The model's next call may
            overwrite them.

        Raises:
            Unsupported: without the ability ``differentiate``.
        """
        raise Unsupported("the backend has no Model.differentiate, so the harness cannot time a gradient alone")

    def input_gradient(self, x: Native, y: Native) -> NDArray[Any]:
        """The gradient by ``x`` `(B, T, I)` of the loss that ``gradients`` gives. Changes nothing, either.

        Args:
            x: sequences `(B, T, I)`.
            y: their targets, as in ``train``.

        Raises:
            Unsupported: without the ability ``input_gradient``.
        """
        raise Unsupported("the backend has no gradient by its inputs")

    def states(self, x: Native, initial: State | None = None) -> tuple[NDArray[Any], State]:
        """What the recurrent layers compute, in evaluation mode.

        Args:
            x: sequences `(B, T, I)`.
            initial: states to begin from; ``None`` for zeros.

        Returns:
            The top layer's outputs `(B, T, D*H)`, and the final state of every layer and direction. The backward
            direction's final state is the one after it has read time 0.

        Raises:
            Unsupported: without the ability ``states``.
        """
        raise Unsupported("the backend does not give the states of its layers")

    def native_parameter_count(self) -> int:
        """Parameters as the framework itself counts them, where that is another number than the canonical count.

        Raises:
            Unsupported: without the ability ``parameter_count``.
        """
        raise Unsupported("the framework counts no parameters of its own")

    def kernel_path(self, x: Native) -> str:
        """What really computes ``infer(x)``, as a profiler or the compiled program tells. Never what was asked for.

        ``--require-kernel`` is held against it.

        Raises:
            Unsupported: without the ability ``kernel_path``, or if nothing tells in this setting.
        """
        raise Unsupported("the backend does not tell what computes it")

    def training_kernel_path(self, x: Native, y: Native, order: Native) -> str:
        """What really computes the steps of ``train(x, y, order)``, forward and backward.

        Changes nothing that a later call would notice but which elements dropout drops, as ``differentiate`` does not.
        Args as of ``train``: given those of an earlier call, it looks at what was compiled for that.

        Raises:
            Unsupported: without the abilities ``kernel_path`` and ``train``, or if nothing tells in this setting.
        """
        raise Unsupported("the backend does not tell what computes its training steps")


def load_backend(info: BackendInfo) -> Backend:
    """Import a framework, and make sure that its backend was written for this contract.

    Raises:
        PluginError: saying what changed, if it was written for an earlier one.
    """
    backend = info.load()
    if not isinstance(backend, Backend):
        raise PluginError(
            f"load of backend {info.name!r} gave {type(backend).__name__}, which is no lstm_bench.Backend"
        )
    if {"precision", "device", "options"} & inspect.signature(backend.build).parameters.keys():
        raise PluginError(
            f"backend {info.name!r} was written for lstm-bench 0.1: since 0.2, build and refuses take one setting in "
            'place of precision, device and options, see "Migrating a plugin" in CHANGELOG.md'
        )
    return backend


def require_device(backend: Backend, name: str, device: str) -> str:
    """The device's own name.

    Args:
        backend: one that is loaded.
        name: of the backend, for the message.
        device: the device that a user asks for.

    Raises:
        Unsupported: if the backend sees no such device.
    """
    devices = backend.devices()
    if device not in devices:
        raise Unsupported(f"{name} sees no device {device!r} on this machine; it sees: {', '.join(devices)}")
    return str(devices[device])


def build_or_refuse(
    backend: Backend, spec: ModelSpec, train: TrainSpec, parameters: Parameters, setting: Setting, *, seed: int
) -> Model[Any]:
    """Build a model, unless the backend refuses it. Args as of ``Backend.build``.

    Raises:
        Unsupported: with the backend's reason.
    """
    if (refusal := backend.refuses(spec, train, setting)) is not None:
        raise Unsupported(refusal)
    return backend.build(spec, train, parameters, setting, seed=seed)
