"""What a user asks of one worker process, whole: the task, the backend, where, in which precision, how long."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated

import msgspec

from lstm_bench.model.parameters import parameter_count
from lstm_bench.model.spec import Precision, Recipe

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A frozen, keyword-only record that is checked when it is read from JSON.

    None is looked at by the garbage collector (``gc=False``), which would go through the hundreds of thousands that
    many attempts consist of again and again: what is frozen, and made of what was there before it, is in no cycle.
    """


class Effort(Record, frozen=True):
    """How long to measure.

    Attributes:
        name: ``quick``, ``default`` or ``rigorous``.
        blocks: timed blocks for each scope.
        block_seconds: the least that one block lasts.
        warmup_blocks: blocks before the timed ones, at least this many ...
        warmup_seconds: ... and lasting at least this long together.
        epoch_fraction: share of the recipe's epochs that are trained.
        block_steps: the fewest steps of one block, so that what is done once per call, above all fetching memory from
            the operating system, does not pass for a part of a long step.
        rounds: in each of which every configuration is timed once, in a process of its own.
    """

    name: str
    blocks: int
    block_seconds: float
    warmup_blocks: int
    warmup_seconds: float
    epoch_fraction: float
    block_steps: int = 1
    rounds: int = 1


EFFORTS = {
    effort.name: effort
    for effort in (
        Effort(
            name="quick",
            blocks=3,
            block_seconds=0.1,
            warmup_blocks=2,
            warmup_seconds=0.2,
            epoch_fraction=0.1,
            block_steps=2,
        ),
        Effort(
            name="default",
            blocks=10,
            block_seconds=0.1,
            warmup_blocks=10,
            warmup_seconds=1.0,
            epoch_fraction=1.0,
            block_steps=4,
            rounds=3,
        ),
        Effort(
            name="rigorous",
            blocks=30,
            block_seconds=0.2,
            warmup_blocks=10,
            warmup_seconds=2.0,
            epoch_fraction=1.0,
            block_steps=8,
            rounds=10,
        ),
    )
}


class Configuration(Record, frozen=True):
    """One configuration of the table: everything that decides what a worker computes and how it measures.

    Attributes:
        task: the task's name.
        task_options: every option of the task, resolved.
        recipe: what is trained.
        epochs: passes over the data in this run; the recipe's, unless the user or the effort shortened it.
        steps: optimizer steps after which training ends, whatever the epochs; ``None`` if nobody said.
        changes: what the user changed in the recipe, which already holds it, such as ``{"hidden": "64"}``.
        require_kernel: what has to be named in both kernel paths, such as ``oneDNN``; empty for whatever there is.
        backend: the backend's name.
        backend_options: every option of the backend, resolved.
        device: such as ``cpu`` or ``cuda:0``.
        precision: what is computed in.
        threads: processor threads that the worker may use.
        seed: of weights, order and data.
        effort: how long to measure.
        task_defaults: what the task's options are when nothing is said; names leave these out.
        backend_defaults: likewise of the backend.
    """

    task: str
    task_options: dict[str, str]
    recipe: Recipe
    epochs: int
    backend: str
    backend_options: dict[str, str]
    device: str
    precision: Precision
    threads: int
    seed: int
    effort: Effort
    steps: int | None = None
    changes: dict[str, str] = {}
    require_kernel: str = ""
    task_defaults: dict[str, str] = {}
    backend_defaults: dict[str, str] = {}

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that are the same exactly for configurations that are equal."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    @property
    def seedless(self) -> str:
        """A fingerprint that is the same exactly for configurations that differ in nothing but their seed."""
        return msgspec.structs.replace(self, seed=0).fingerprint

    @property
    def task_selector(self) -> str:
        """The task as a user would write it: ``flights:tutorial``, ``copy:default[delay=50]``."""
        return f"{self.task}:{self.recipe.name}" + write_options(self.task_options, self.task_defaults)

    @property
    def backend_selector(self) -> str:
        """The backend as a user would write it: ``torch``, ``keras[engine=jax]``."""
        return self.backend + write_options(self.backend_options, self.backend_defaults)

    @property
    def name(self) -> str:
        """For people: ``torch on flights:tutorial (cpu, float32)``, and what was changed: ``(cell gru, cpu, ...)``."""
        changes = "".join(f"{name} {value}, " for name, value in self.changes.items())
        seed = f", seed {self.seed}" if self.seed else ""
        return f"{self.backend_selector} on {self.task_selector} ({changes}{self.device}, {self.precision}{seed})"

    @property
    def own_length(self) -> bool:
        """Whether training has another length than the recipe says."""
        return self.steps is not None or self.epochs != self.recipe.epochs

    @property
    def parameter_count(self) -> int:
        """Trained numbers in the canonical model."""
        return parameter_count(self.recipe.model)


def write_options(options: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """``[delay=50,symbols=5]`` for those that are not the defaults, or nothing if there are none."""
    shown = [f"{name}={value}" for name, value in options.items() if defaults.get(name) != value]
    return f"[{','.join(shown)}]" if shown else ""
