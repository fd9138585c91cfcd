"""Do the frameworks' recurrent networks agree, and which is fastest on this machine at these shapes?

Importing this package imports no framework, no NumPy and no pandas.
"""

from lstm_bench.catalog.data import read_file
from lstm_bench.errors import DataError, InvalidSpec, LSTMBenchError
from lstm_bench.model.losses import mean_loss
from lstm_bench.model.parameters import (
    Parameters,
    named_generator,
    parameter_count,
    parameter_shapes,
    statistics_shapes,
)
from lstm_bench.model.spec import ModelSpec, Precision, Recipe, Scope, TrainSpec
from lstm_bench.plugin.backend import Backend, BackendInfo, Model, Option, State, Unsupported
from lstm_bench.plugin.hookspecs import hookimpl
from lstm_bench.plugin.reporter import ReporterInfo
from lstm_bench.plugin.task import DataFile, Dataset, Evaluation, Metric, Predict, Split, Task, TaskInfo
from lstm_bench.record.attempt import Attempt
from lstm_bench.record.published import Observed, Published

__version__ = "0.1.0"

__all__ = [
    "Attempt",
    "Backend",
    "BackendInfo",
    "DataError",
    "DataFile",
    "Dataset",
    "Evaluation",
    "InvalidSpec",
    "LSTMBenchError",
    "Metric",
    "Model",
    "ModelSpec",
    "Observed",
    "Option",
    "Parameters",
    "Precision",
    "Predict",
    "Published",
    "Recipe",
    "ReporterInfo",
    "Scope",
    "Split",
    "State",
    "Task",
    "TaskInfo",
    "TrainSpec",
    "Unsupported",
    "hookimpl",
    "mean_loss",
    "named_generator",
    "parameter_count",
    "parameter_shapes",
    "read_file",
    "statistics_shapes",
]
