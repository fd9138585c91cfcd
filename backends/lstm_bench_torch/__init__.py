"""The PyTorch backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lstm_bench import Backend, BackendInfo, Option, hookimpl


def _load() -> Backend:
    from lstm_bench_torch._model import TorchBackend

    return TorchBackend()


def _environ(options: Mapping[str, str], threads: int, device: str) -> Mapping[str, str]:
    # What an earlier run has compiled must not make this one's first step look short.
    return {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"} if options["compile"] == "true" else {}


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    yield BackendInfo(
        name="torch",
        summary="PyTorch's nn.LSTM: oneDNN on the CPU, cuDNN on CUDA",
        load=_load,
        requires=("torch",),
        install='pip install "lstm-bench[torch]"',
        options={
            "impl": Option(
                default="fused",
                meaning="nn.LSTM; nn.LSTMCell in a loop; or a loop with its gates written out",
                choices=("fused", "cell", "loop"),
            ),
            "compile": Option(
                default="false", meaning="whether torch.compile takes the forward pass", choices=("false", "true")
            ),
            "denormals": Option(
                default="keep",
                meaning="whether a CPU computes with numbers below 1e-38, slowly, or takes them for 0, as XLA does",
                choices=("keep", "flush"),
            ),
        },
        environ=_environ,
    )
