"""The PyTorch backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lstm_bench import BackendInfo, Choice, Flag, Options, hookimpl, lazy
from lstm_bench.version import pip_line


def _environ(options: Options, threads: int, device: str) -> Mapping[str, str]:
    # Otherwise code that an earlier run compiled would make the first step of this run look short.
    return {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"} if options.compile else {}


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="torch",
        summary="PyTorch's nn.LSTM: oneDNN on the CPU, cuDNN on CUDA",
        load=lazy("lstm_bench_torch._model:TorchBackend"),
        abilities=(
            "train",
            "differentiate",
            "states",
            "input_gradient",
            "kernel_path",
            "parameter_count",
            "product",
            "device_memory",
        ),
        requires=("torch",),
        install=pip_line("torch"),
        options={
            "impl": Choice(
                default="fused",
                meaning="nn.LSTM; nn.LSTMCell in a loop; or a loop with its gates written out",
                choices=("fused", "cell", "loop"),
            ),
            "compile": Flag(default=False, meaning="whether torch.compile takes the forward pass"),
            "denormals": Choice(
                default="keep",
                meaning="whether a CPU computes with numbers below 1e-38, slowly, or takes them for 0, as XLA does",
                choices=("keep", "flush"),
            ),
        },
        environ=_environ,
    )
