"""The shape of a computation in one line: ``64 x 100 x 125 -> LSTM 1 x 320 -> 10, 574,730 parameters``."""

from __future__ import annotations

from collections.abc import Sequence

from lstm_bench.model.parameters import parameter_count
from lstm_bench.model.spec import ModelSpec

LISTED = 3
"""How many different values of one part are listed. Of more values, the first and the last are shown."""

NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}


def shape_line(models: Sequence[ModelSpec], batches: Sequence[int], times: Sequence[int | None]) -> str:
    """Describe what is computed: batch x time x features -> layers x hidden -> outputs, parameters.

    Args:
        models: one model, or several that share a table. Parts that differ are listed, as in ``LSTM 1 x 64/128/256``.
        batches: the batch size of each model.
        times: the time steps of each model's sequences; ``None`` where nobody knows them before the data are loaded.
    """
    parts = (
        [f"{batch:,}" for batch in batches],
        ["time" if time is None else f"{time:,}" for time in times],
        [f"{model.input_size:,}" for model in models],
    )
    counts = list(dict.fromkeys(parameter_count(model) for model in models))
    parameters = f"{counts[0]:,}" if len(counts) == 1 else f"{min(counts):,} to {max(counts):,}"
    read = " x ".join(map(_merged, parts))
    outputs = _merged([f"{model.output_size:,}" for model in models])
    return f"{read} -> {_layers(models)} -> {outputs}, {parameters} parameters"


def _layers(models: Sequence[ModelSpec]) -> str:
    cells = _merged([("bidirectional " if model.bidirectional else "") + NAMES[model.cell] for model in models])
    even = all(len(set(model.hidden_sizes)) == 1 for model in models)
    if not even:
        return f"{cells} {_merged(['-'.join(map(str, model.hidden_sizes)) for model in models])}"
    counts = _merged([str(len(model.hidden_sizes)) for model in models])
    return f"{cells} {counts} x {_merged([f'{model.hidden_sizes[0]:,}' for model in models])}"


def _merged(texts: Sequence[str]) -> str:
    different = list(dict.fromkeys(texts))
    return "/".join(different) if len(different) <= LISTED else f"{different[0]}..{different[-1]}"
