"""What every backend on JAX sets and reads in a worker process. JAX itself is not imported here, but given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lstm_bench.plugin.backend import Unsupported
from lstm_bench.plugin.xla import describe_xla


def jax_environment(threads: int, device: str) -> Mapping[str, str]:
    """Environment variables for a worker that imports JAX.

    Args:
        threads: threads of the CPU client.
        device: ``cpu``, or a CUDA device beside which JAX also sees the CPU.
    """
    return {
        "JAX_PLATFORMS": "cpu" if device == "cpu" else "cuda,cpu",
        "PJRT_NPROC": str(threads),  # the only variable from which the CPU client takes the size of its pools
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # otherwise three quarters of the GPU's memory count as used
    }


class JaxCompileSeconds:
    """Adds up the seconds that JAX spends compiling, from now on.

    Args:
        listen: ``jax.monitoring.register_event_duration_secs_listener``.

    Attributes:
        total: seconds until now, of tracing, lowering and XLA together.
    """

    def __init__(self, listen: Callable[[Callable[..., None]], None]) -> None:
        self.total = 0.0
        listen(self._note)

    def _note(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event.startswith("/jax/core/compile/"):  # tracing, lowering and XLA report one event each
            self.total += duration_secs


def jax_peak_memory(device: Any) -> int:
    """Most bytes that the allocator of a ``jax.Device`` has held at once.

    Raises:
        Unsupported: if the device does not count them, as a CPU does not.
    """
    statistics = device.memory_stats()
    if not statistics:
        raise Unsupported(f"JAX does not count the memory of {device}")
    return int(statistics["peak_bytes_in_use"])


def describe_jax(compiled: Any, *, around: int = 0) -> str:
    """Say what computes a compiled program, in the words of ``describe_xla``.

    Args:
        compiled: a ``jax.stages.Compiled``.
        around: loops around the model, one within the other, such as the loop over training steps.

    Raises:
        Unsupported: if this platform does not show the text of its programs.
    """
    text = compiled.as_text()
    if not text:
        raise Unsupported("XLA does not show the text of the program that it compiled")
    return describe_xla(text, around=around)
