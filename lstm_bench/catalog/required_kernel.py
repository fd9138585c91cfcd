"""Check whether the required kernel ran, by its name in the kernel paths that a backend reports."""

from __future__ import annotations

import re

from lstm_bench.errors import LSTMBenchError


def alternatives(required: str) -> tuple[str, ...]:
    """Split ``onednn|cudnn`` into its names. A kernel path needs only one of them. Empty if nothing is required.

    Raises:
        LSTMBenchError: if one of the names is empty, since every path would match it.
    """
    names = tuple(name.strip() for name in required.split("|"))
    if names == ("",):
        return ()
    if "" in names:
        raise LSTMBenchError(f"--require-kernel {required!r} has an empty name beside a |: leave the | out")
    return names


def names(path: str, required: str) -> bool:
    """Whether a kernel path contains a required name as a whole word, ignoring case.

    Args:
        path: such as ``oneDNN RNN``.
        required: such as ``onednn|cudnn``; every path matches an empty requirement.

    Raises:
        LSTMBenchError: as ``alternatives`` does.
    """
    wanted = alternatives(required)
    return not wanted or any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", path, re.IGNORECASE) for name in wanted)


def shortfall(paths: dict[str, str], required: str) -> str | None:
    """Say in one line which paths miss the requirement; ``None`` if all meet it.

    Args:
        paths: kernel paths by their scope, such as ``{"infer": "oneDNN RNN"}``; a path is empty if the backend cannot
            tell it.
        required: as for ``names``.

    Raises:
        LSTMBenchError: as ``alternatives`` does.
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
