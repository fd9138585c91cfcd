"""The configuration of one worker process: the task, the backend, the device, the precision, how long to measure."""

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

    The garbage collector does not track records (``gc=False``). Many attempts consist of hundreds of thousands of
    records, and it would scan them again and again. It would find nothing: a frozen record refers only to older
    objects, so it is never part of a cycle.
    """


class Effort(Record, frozen=True):
    """How long to measure.

    Attributes:
        name: ``quick``, ``default`` or ``rigorous``.
        blocks: number of timed blocks for each scope.
        block_seconds: shortest duration of a block.
        warmup_blocks: smallest number of blocks before the timed blocks.
        warmup_seconds: shortest duration of these blocks together.
        epoch_fraction: fraction of the recipe's epochs that are trained.
        block_steps: smallest number of steps in a block. Several steps share the cost of a call, above all that of
            getting memory from the operating system, so that it is not taken for a part of one long step.
        rounds: number of rounds. In each round every configuration is timed once, in a process of its own.
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
    """Everything that decides what a worker computes and how it measures.

    Attributes:
        task: name of the task.
        task_options: value of every option of the task, defaults included.
        recipe: the model and its training, with the user's changes.
        epochs: passes over the data in this run. The recipe's number, unless the user or the effort changed it.
        steps: number of optimizer steps after which training ends, whatever the epochs; ``None`` for no limit.
        changes: the user's changes to the recipe, such as ``{"hidden": "64"}``. ``recipe`` already contains them.
        require_kernel: kernel that both kernel paths must name, such as ``oneDNN``; empty for no requirement.
        backend: name of the backend.
        backend_options: value of every option of the backend, defaults included.
        device: such as ``cpu`` or ``cuda:0``.
        precision: precision of the computation.
        threads: number of processor threads that the worker may use.
        seed: seed of weights, batch order and data.
        effort: how long to measure.
        task_defaults: default value of every option of the task. Names leave out options that have their default.
        backend_defaults: default value of every option of the backend.
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
        """64 hexadecimal digits. Two configurations have the same fingerprint exactly if they are equal."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    @property
    def seedless(self) -> str:
        """A fingerprint that ignores the seed: configurations share it exactly if they differ in nothing else."""
        return msgspec.structs.replace(self, seed=0).fingerprint

    @property
    def task_selector(self) -> str:
        """The task as a user would type it: ``flights:tutorial``, ``copy:default[delay=50]``."""
        return f"{self.task}:{self.recipe.name}" + write_options(self.task_options, self.task_defaults)

    @property
    def backend_selector(self) -> str:
        """The backend as a user would type it: ``torch``, ``keras[engine=jax]``."""
        return self.backend + write_options(self.backend_options, self.backend_defaults)

    @property
    def name(self) -> str:
        """A readable name: ``torch on flights:tutorial (cpu, float32)``; with changes ``(cell gru, cpu, float32)``."""
        changes = "".join(f"{name} {value}, " for name, value in self.changes.items())
        seed = f", seed {self.seed}" if self.seed else ""
        return f"{self.backend_selector} on {self.task_selector} ({changes}{self.device}, {self.precision}{seed})"

    @property
    def own_length(self) -> bool:
        """Whether the length of training differs from the recipe's."""
        return self.steps is not None or self.epochs != self.recipe.epochs

    @property
    def parameter_count(self) -> int:
        """The number of trained numbers in the canonical model."""
        return parameter_count(self.recipe.model)


def write_options(options: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """Write the options that differ from their defaults, as in ``[delay=50,symbols=5]``; empty if none does."""
    shown = [f"{name}={value}" for name, value in options.items() if defaults.get(name) != value]
    return f"[{','.join(shown)}]" if shown else ""
