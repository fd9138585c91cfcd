"""Whether what really ran is what was to run: names of kernels, held against what a backend has seen."""

from __future__ import annotations

import re

from lstm_bench.errors import LSTMBenchError


def alternatives(required: str) -> tuple[str, ...]:
    """The names of which one is enough, from ``onednn|cudnn``; none if nothing is required.

    Raises:
        LSTMBenchError: if one of them is empty, which anything would have.
    """
    names = tuple(name.strip() for name in required.split("|"))
    if names == ("",):
        return ()
    if "" in names:
        raise LSTMBenchError(f"--require-kernel {required!r} has an empty name beside a |: leave the | out")
    return names


def names(path: str, required: str) -> bool:
    """Whether a kernel path has one of the names that are required, in whole words and whatever their case.

    Args:
        path: such as ``oneDNN RNN``.
        required: such as ``onednn|cudnn``; anything has it if it is empty.
    """
    wanted = alternatives(required)
    return not wanted or any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", path, re.IGNORECASE) for name in wanted)


def shortfall(paths: dict[str, str], required: str) -> str | None:
    """What is wrong, in one line, if one of the paths does not have what is required.

    Args:
        paths: kernel paths by what they computed, such as ``{"infer": "oneDNN RNN"}``; empty where nobody could tell.
        required: as for ``names``.
    """
    wrong: dict[str, list[str]] = {}
    for scope, path in paths.items():
        if not names(path, required):
            wrong.setdefault(path, []).append(scope)
    if not wrong:
        return None
    asked = f"where --require-kernel asks for {' or '.join(alternatives(required))}"
    untold = wrong.pop("", [])
    if not wrong:
        return f"the backend cannot tell what {' and '.join(untold)} ran on, {asked}"
    return " and ".join(f"{' and '.join(scopes)} ran on {path!r}" for path, scopes in wrong.items()) + f", {asked}"
