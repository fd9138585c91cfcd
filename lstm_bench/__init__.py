"""Do the frameworks' recurrent networks agree, and which is fastest on this machine at these shapes?

Importing this package imports no framework, no NumPy and no pandas.
"""

from lstm_bench.catalog.data import read_file
from lstm_bench.errors import DataError, InvalidSpec, LSTMBenchError
from lstm_bench.library import compare, load, run
from lstm_bench.model.losses import mean_loss
from lstm_bench.model.parameters import (
    Parameters,
    named_generator,
    parameter_count,
    parameter_shapes,
    statistics_shapes,
)
from lstm_bench.model.spec import ModelSpec, Precision, Recipe, Scope, TrainSpec
from lstm_bench.plugin.aten import describe_aten
from lstm_bench.plugin.backend import ABILITIES, Ability, Backend, BackendInfo, Model, State, Unsupported
from lstm_bench.plugin.blocks import padded_blocks
from lstm_bench.plugin.hookspecs import hookimpl
from lstm_bench.plugin.jax_process import JaxCompileSeconds, describe_jax, jax_environment, jax_peak_memory
from lstm_bench.plugin.lazy import lazy
from lstm_bench.plugin.options import Choice, Flag, Integer, Integers, Number, Option, Options, Text
from lstm_bench.plugin.reporter import ReporterInfo
from lstm_bench.plugin.setting import Setting
from lstm_bench.plugin.task import DataFile, Dataset, Evaluation, Metric, Predict, Split, Task, TaskInfo
from lstm_bench.plugin.xla import describe_xla
from lstm_bench.record.attempt import Attempt
from lstm_bench.record.published import Observed, Published
from lstm_bench.version import __version__ as __version__

__all__ = [
    "ABILITIES",
    "Ability",
    "Attempt",
    "Backend",
    "BackendInfo",
    "Choice",
    "DataError",
    "DataFile",
    "Dataset",
    "Evaluation",
    "Flag",
    "Integer",
    "Integers",
    "InvalidSpec",
    "JaxCompileSeconds",
    "LSTMBenchError",
    "Metric",
    "Model",
    "ModelSpec",
    "Number",
    "Observed",
    "Option",
    "Options",
    "Parameters",
    "Precision",
    "Predict",
    "Published",
    "Recipe",
    "ReporterInfo",
    "Scope",
    "Setting",
    "Split",
    "State",
    "Task",
    "TaskInfo",
    "Text",
    "TrainSpec",
    "Unsupported",
    "compare",
    "describe_aten",
    "describe_jax",
    "describe_xla",
    "hookimpl",
    "jax_environment",
    "jax_peak_memory",
    "lazy",
    "load",
    "mean_loss",
    "named_generator",
    "padded_blocks",
    "parameter_count",
    "parameter_shapes",
    "read_file",
    "run",
    "statistics_shapes",
]
