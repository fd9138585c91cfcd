"""The contract of a backend: its description, the backend itself, and its models."""

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
"""Array type of the framework."""

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
"""Optional abilities, each with its methods. A backend overrides these methods if, and only if, it names the ability in
``BackendInfo.abilities``. By default the methods raise ``Unsupported``. A backend without any ability only infers.
With both ``train`` and ``kernel_path``, it overrides ``Model.training_kernel_path``, too."""


class Unsupported(LSTMBenchError):
    """The backend does not have or cannot do something. The message is the reason, as tables show it.

    Methods always raise this error instead of returning ``None`` or an empty text.
    """


def if_supported(call: Callable[[], T]) -> T | None:
    """Return the result of a call; ``None`` if it raises ``Unsupported``."""
    try:
        return call()
    except Unsupported:
        return None


def no_environment(options: Options, threads: int, device: str) -> Mapping[str, str]:
    """Return no environment variables, beside those that the harness sets for every worker."""
    return {}


@dataclass(frozen=True, kw_only=True)
class BackendInfo:
    """A backend, as known without importing its framework. Returned by ``lstm_bench_backends``.

    Attributes:
        name: name for ``--backend``.
        summary: one line for lists.
        load: imports the framework, sets its process-wide switches, and returns the backend. Called in a
            worker process.
        abilities: the names in ``ABILITIES`` that the backend has.
        requires: import names of the top-level packages that ``load`` needs.
        install: pip command that installs them, such as ``pip install "lstm-bench[torch]"``.
        options: options by name. Every name must be a Python name.
        environ: returns environment variables from the options, the number of threads and the device. Workers start
            with them.

    Raises:
        InvalidSpec: for an unknown ability, or an option whose name is not a Python name.
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
        """Parse the options that users wrote. All other options get their defaults.

        Raises:
            LSTMBenchError: for an option or a value that the backend does not have.
        """
        return read_options(self.options, given, f"backend {self.name!r}")

    def missing(self, options: Options | None = None) -> tuple[str, ...]:
        """Return the missing packages that these options (by default, the defaults) need. Imports no package."""
        chosen = self.read({}) if options is None else options
        of_options = [self.options[name].requires.get(text, ()) for name, text in chosen.written.items()]
        needed = dict.fromkeys(name for names in (self.requires, *of_options) for name in names)
        return tuple(name for name in needed if importlib.util.find_spec(name) is None)


@dataclass(frozen=True)
class State:
    """The recurrent state of all layers before or after a sequence.

    Attributes:
        h: hidden states `(D, B, H)` of each layer, bottom layer first; forward direction before backward.
        c: LSTM cell states `(D, B, H)` of each layer; empty for a GRU and a plain RNN.
    """

    h: tuple[NDArray[Any], ...]
    c: tuple[NDArray[Any], ...] = ()


class Backend(ABC):
    """A loaded framework in a worker process.

    The harness relies on these rules, and the conformance kit tests them:

    - ``build`` may be called any number of times, with equal weights and in other settings. A new model changes nothing
      in an older one, so ``BackendInfo.load`` sets all process-wide switches.
    - All models of a backend in one setting accept the native arrays that any of them has ``put``.
    - A backend keeps no reference to its models, so that a dropped model is freed.
    """

    @abstractmethod
    def versions(self) -> Mapping[str, str]:
        """Return the version of the framework, then the versions of the libraries that decide its speed, by name."""

    @abstractmethod
    def devices(self) -> Mapping[str, str]:
        """Return the hardware names of all devices (or ``""``), by device name such as ``cpu`` or ``cuda:0``."""

    @abstractmethod
    def build(
        self, spec: ModelSpec, train: TrainSpec, parameters: Parameters, setting: Setting, *, seed: int
    ) -> Model[Any]:
        """Build a model with these initial parameters and a new optimizer.

        Args:
            spec: the model.
            train: loss and optimizer. Backends that only infer ignore it.
            parameters: float64 arrays by canonical name. Copy them, never change them.
            setting: precision, device and options.
            seed: for random numbers of the framework, such as dropout masks.

        Raises:
            Unsupported: if the backend cannot build the model, and ``refuses`` could not know it.
        """

    def refuses(self, spec: ModelSpec, train: TrainSpec, setting: Setting) -> str | None:
        """Return why the backend cannot build a model, in words for tables, or ``None``. Called before ``build``."""
        return None

    def product(self, size: int, setting: Setting) -> Callable[[], None]:
        """Return a function that multiplies two square matrices and waits for the result.

        The function is timed, as an upper bound on the speed of models. It uses the same product as the models and
        allocates its matrices beforehand. It may be called any number of times.

        Args:
            size: rows and columns of each matrix.
            setting: precision, device and options.

        Raises:
            Unsupported: without the ability ``product``.
        """
        raise Unsupported("the backend has no Backend.product, so the harness measures no ceiling")

    def compile_seconds(self) -> float:
        """Return the seconds of JIT compilation in this process so far.

        Raises:
            Unsupported: without the ability ``compile_seconds``, or if they are unknown in this setting.
        """
        raise Unsupported("the backend does not tell how long it compiles")

    def peak_device_memory(self, device: str) -> int:
        """Return the peak number of bytes in the device's allocator in this process.

        Raises:
            Unsupported: without the ability ``device_memory``, or for a device without an allocator of its own.
        """
        raise Unsupported("the backend does not tell the memory of its devices")


class Model(ABC, Generic[Native]):
    """A model with its optimizer. It keeps no other state between calls.

    ``infer``, ``train`` and ``differentiate`` are timed. They take and return native arrays and do nothing unrelated.
    """

    @abstractmethod
    def put(self, array: NDArray[Any]) -> Native:
        """Copy an array to the device: floating arrays in the model's dtype, integer arrays as indices or labels."""

    @abstractmethod
    def get(self, native: Native) -> NDArray[Any]:
        """Copy a native array to NumPy, in the same dtype if NumPy has it, else in float32."""

    @abstractmethod
    def infer(self, x: Native) -> Native:
        """Compute logits in evaluation mode, from zero initial states. Timed.

        Args:
            x: sequences `(B, T, I)`.

        Returns:
            Logits `(B, O)`, or `(B, T, O)` if the spec's ``readout`` is ``all``.
        """

    @abstractmethod
    def parameters(self) -> Parameters:
        """Copy the current parameters and batch norm statistics to NumPy, by canonical name."""

    def synchronize(self) -> None:
        """Wait until the device has finished all work. The clock is read after this call."""
        return None

    def train(self, x: Native, y: Native, order: Native) -> Native:
        """Take one optimizer step for each row of ``order``, each from zero initial states. Timed.

        Args:
            x: sequences `(N, T, I)`.
            y: targets: `(N, O)` or `(N, T, O)` for ``mse``, integer labels `(N,)` or `(N, T)` for ``cross_entropy``.
            order: indices into ``x`` and ``y``, `(steps, B)`.

        Returns:
            The loss of each step before its update, `(steps,)`.

        Raises:
            Unsupported: without the ability ``train``.
        """
        raise Unsupported("the backend only infers")

    def gradients(self, x: Native, y: Native) -> tuple[float, Parameters]:
        """Return the loss of one batch in training mode, and its gradient by canonical name.

        Changes no parameters, statistics or optimizer state.

        Args:
            x: sequences `(B, T, I)`.
            y: their targets, as in ``train``.

        Raises:
            Unsupported: without the ability ``train``.
        """
        raise Unsupported("the backend only infers")

    def differentiate(self, x: Native, y: Native) -> tuple[Native, Any]:
        """Compute the loss of one batch in training mode and all gradients, and leave them on the device. Timed.

        Changes no parameters, statistics or optimizer state. Later dropout masks may change. Unlike ``gradients``, it
        does not copy to the host, because the copy would be timed, too.

        Args:
            x: sequences `(B, T, I)`.
            y: their targets, as in ``train``.

        Returns:
            The loss `()`, and the gradients as native arrays in any layout, nested in tuples, lists and mappings. They
            are complete when ``synchronize`` returns. The next call of the model may overwrite them.

        Raises:
            Unsupported: without the ability ``differentiate``.
        """
        raise Unsupported("the backend has no Model.differentiate, so the harness cannot time a gradient alone")

    def input_gradient(self, x: Native, y: Native) -> NDArray[Any]:
        """Return the gradient of the loss of ``gradients`` with respect to ``x``, `(B, T, I)`. Changes nothing, either.

        Args:
            x: sequences `(B, T, I)`.
            y: their targets, as in ``train``.

        Raises:
            Unsupported: without the ability ``input_gradient``.
        """
        raise Unsupported("the backend has no gradient by its inputs")

    def states(self, x: Native, initial: State | None = None) -> tuple[NDArray[Any], State]:
        """Return the outputs and final states of the recurrent layers, in evaluation mode.

        Args:
            x: sequences `(B, T, I)`.
            initial: initial states; ``None`` for zeros.

        Returns:
            The top layer's outputs `(B, T, D*H)`, and the final states. The final state of the backward direction is
            its state after time step 0.

        Raises:
            Unsupported: without the ability ``states``.
        """
        raise Unsupported("the backend does not give the states of its layers")

    def native_parameter_count(self) -> int:
        """Return the framework's own number of parameters, which may differ from the canonical number.

        Raises:
            Unsupported: without the ability ``parameter_count``.
        """
        raise Unsupported("the framework counts no parameters of its own")

    def kernel_path(self, x: Native) -> str:
        """Name the kernels that compute ``infer(x)``, from a profiler or the compiled program, never from the options.

        ``--require-kernel`` is compared with this text.

        Raises:
            Unsupported: without the ability ``kernel_path``, or if they are unknown in this setting.
        """
        raise Unsupported("the backend does not tell what computes it")

    def training_kernel_path(self, x: Native, y: Native, order: Native) -> str:
        """Name the kernels that compute ``train(x, y, order)``, forward and backward.

        Changes no parameters, statistics or optimizer state. The arguments have the shapes of an earlier call of
        ``train``, so that its compiled program can be inspected.

        Raises:
            Unsupported: without the abilities ``kernel_path`` and ``train``, or if they are unknown in this setting.
        """
        raise Unsupported("the backend does not tell what computes its training steps")


def load_backend(info: BackendInfo) -> Backend:
    """Load a backend, and require that it was written for this version of the contract.

    Raises:
        PluginError: if it was written for an earlier version; the message says what has changed.
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
    """Return the hardware name of a device.

    Args:
        backend: the loaded backend.
        name: name of the backend, for the message.
        device: the requested device.

    Raises:
        Unsupported: if the backend does not see this device.
    """
    devices = backend.devices()
    if device not in devices:
        raise Unsupported(f"{name} sees no device {device!r} on this machine; it sees: {', '.join(devices)}")
    return str(devices[device])


def build_or_refuse(
    backend: Backend, spec: ModelSpec, train: TrainSpec, parameters: Parameters, setting: Setting, *, seed: int
) -> Model[Any]:
    """Build a model unless the backend refuses it. The arguments are those of ``Backend.build``.

    Raises:
        Unsupported: with the backend's reason.
    """
    if (refusal := backend.refuses(spec, train, setting)) is not None:
        raise Unsupported(refusal)
    return backend.build(spec, train, parameters, setting, seed=seed)
