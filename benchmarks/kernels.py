"""Measure how precise the kernels under PyTorch's recurrent layers are in float32, by cell and hidden size.

    python benchmarks/kernels.py --device cuda

Each row has ``||outputs - float64|| / ||float64||`` over 20 steps of 16 sequences, by cuDNN (on CUDA) and by PyTorch's
own kernels. On the CPU both columns are PyTorch's own. The last line has the relative error of tanh alone, from a tanh
RNN of one unit.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn

CELLS: dict[str, type[nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
FEATURES, STEPS, SEQUENCES = 8, 20, 16


def relative_error(ours: Tensor, reference: Tensor) -> float:
    return float((ours.double() - reference).norm() / reference.norm())


@torch.no_grad()
def outputs(layer: nn.RNNBase, x: Tensor, *, cudnn: bool) -> Tensor:
    """The layer's outputs of all steps, on the CPU."""
    torch.backends.cudnn.enabled = cudnn
    found: Tensor = layer(x)[0].cpu()
    torch.backends.cudnn.enabled = True
    return found


def by_hidden_size(cell: str, hidden_size: int, device: str) -> tuple[float, float]:
    """The errors of cuDNN and of PyTorch's own kernels."""
    torch.manual_seed(0)
    layer, x = CELLS[cell](FEATURES, hidden_size, batch_first=True), torch.randn(SEQUENCES, STEPS, FEATURES)
    reference = outputs(layer.double(), x.double(), cudnn=False)
    layer, x = layer.float().to(device), x.to(device)
    return tuple(relative_error(outputs(layer, x, cudnn=cudnn), reference) for cudnn in (True, False))


def of_tanh(device: str) -> tuple[float, float]:
    """The largest relative error of tanh, and the number that has it."""
    layer = nn.RNN(1, 1, batch_first=True, bias=False)
    nn.init.ones_(layer.weight_ih_l0)
    nn.init.zeros_(layer.weight_hh_l0)
    x = torch.logspace(-5, 1.2, 200)[:, None, None]
    exact = torch.tanh(x.double()).ravel()
    errors = ((outputs(layer.to(device), x.to(device), cudnn=True).ravel().double() - exact) / exact).abs()
    return float(errors.max()), float(x[errors.argmax(), 0, 0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda or cpu (default: cuda)")
    parser.add_argument("--hidden", type=int, nargs="+", default=[1, 8, 64, 128, 192, 256, 384, 400, 512, 1024])
    arguments = parser.parse_args()
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    torch.backends.cudnn.rnn.fp32_precision = "ieee"  # type: ignore[attr-defined]  # set up at run time
    print(f"PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}, {arguments.device}")
    print("| cell | hidden size | by default | without cuDNN |\n|---|---:|---:|---:|")
    for cell in CELLS:
        for hidden_size in arguments.hidden:
            default, own = by_hidden_size(cell, hidden_size, arguments.device)
            print(f"| {cell} | {hidden_size:,} | {default:.1e} | {own:.1e} |", flush=True)
    print("tanh is off by at most {:.1e}, at {:.2g}".format(*of_tanh(arguments.device)))


if __name__ == "__main__":
    main()
