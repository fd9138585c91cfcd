"""The pytest plugin of the conformance kit: options, the chosen backend, and expected failures.

pytest loads it in every run in an environment with lstm-bench. It does nothing unless the run is
``pytest --pyargs lstm_bench.conformance``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from lstm_bench.errors import LSTMBenchError
from lstm_bench.model.spec import Precision

if TYPE_CHECKING:
    from lstm_bench.catalog.choosing import ChosenBackend
    from lstm_bench.catalog.loading import Plugins

PACKAGE = "lstm_bench.conformance"


@dataclass(frozen=True)
class Chosen:
    """What to test, from the command line.

    Attributes:
        plugins: all plugins.
        backend: the backend under test, with its options.
        device: the device to compute on.
        precisions: the precisions to test, one after the other.
        cases: number of random cases.
        seed: of the cases.
    """

    plugins: Plugins
    backend: ChosenBackend
    device: str
    precisions: tuple[Precision, ...]
    cases: int
    seed: int


CHOSEN = pytest.StashKey[Chosen]()


def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Add the options if the kit is run. In other runs they may mean something else."""
    if not any(PACKAGE in arg.replace("/", ".") for arg in args):
        return
    group = parser.getgroup("lstm-bench conformance")
    group.addoption("--backend", metavar="NAME[option=value,...]", help="backend to test")
    group.addoption(
        "--plugin",
        metavar="FILE.py",
        action="append",
        default=[],
        help="a Python file to use as a plugin, beside the installed ones; repeatable",
    )
    group.addoption(
        "--precision",
        action="append",
        choices=get_args(Precision),
        help="what to compute in; repeatable (default: float32 and float64)",
    )
    group.addoption("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    group.addoption("--cases", type=_from_one, default=30, help="how many models to compare (default: 30)")
    group.addoption("--seed", type=int, default=0, help="of the cases (default: 0)")
    group.addoption(
        "--expected-failures",
        metavar="FILE",
        type=Path,
        help="a line for each test that is known to fail: its name (* stands for anything), and why",
    )


def _from_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("must be at least 1")
    return number


def pytest_configure(config: pytest.Config) -> None:
    """Find the backend, and set its environment variables before anything imports its framework."""
    if not hasattr(config.option, "expected_failures") or config.option.help:
        return
    from lstm_bench.host import environment
    from lstm_bench.host.machine import usable_cores

    try:
        chosen = _choose(config)
    except LSTMBenchError as error:
        raise pytest.UsageError(str(error)) from error
    os.environ |= environment.of_device(chosen.device)
    os.environ |= chosen.backend.info.environ(chosen.backend.options, usable_cores(), chosen.device)
    config.stash[CHOSEN] = chosen


def _choose(config: pytest.Config) -> Chosen:
    from lstm_bench.catalog.choosing import choose_backends, parse_device
    from lstm_bench.catalog.loading import load_plugins

    option = config.option
    installed = load_plugins().backends
    plugins = load_plugins(Path(file) for file in option.plugin)
    name = option.backend
    if name is None:
        offered = [name for name in plugins.backends if name not in installed]
        if len(offered) != 1:
            which = f"--plugin offers {', '.join(offered)}" if offered else "none was named"
            raise LSTMBenchError(f"which backend? {which}: say --backend NAME")
        (name,) = offered
    backends, device = choose_backends(plugins, [name]), parse_device(option.device)
    if len(backends) > 1:
        raise LSTMBenchError(f"--backend {name} is {len(backends)} backends: the kit takes one")
    precisions = tuple(dict.fromkeys(option.precision or ("float32", "float64")))
    return Chosen(plugins, backends[0], device, precisions, option.cases, option.seed)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the backend, device, precisions and cases."""
    chosen = config.stash.get(CHOSEN, None)
    if chosen is None:
        return None
    precisions = " and ".join(chosen.precisions)
    what = f"{chosen.backend.selector} on {chosen.device} in {precisions}"
    return f"lstm-bench: {what}, {chosen.cases} cases of seed {chosen.seed}"


@pytest.hookimpl(tryfirst=True)  # before -k and -m deselect tests
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark expected failures. An expected failure that passes or does not exist is an error."""
    file: Path | None = getattr(config.option, "expected_failures", None)
    if file is None:
        return
    for where, pattern, reason in _read_expected(file):
        named = [item for item in items if pattern.fullmatch(item.name)]
        if not named and not any("::" in arg for arg in config.args):
            raise pytest.UsageError(f"{where}: no test has this name: take the line out")
        for item in named:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def _read_expected(file: Path) -> Iterator[tuple[str, re.Pattern[str], str]]:
    """Yield the position, the pattern of test names and the reason of each line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise pytest.UsageError(f"cannot read --expected-failures {file}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reason = line.strip().partition(" ")
        if not reason.strip():
            raise pytest.UsageError(f"{file}:{number}: say after the test's name why it fails")
        yield f"{file}:{number}", re.compile(re.escape(name).replace(r"\*", ".*")), reason.strip()


@pytest.fixture(scope="session")
def chosen(pytestconfig: pytest.Config) -> Any:
    """What to test, from the command line."""
    return pytestconfig.stash[CHOSEN]
