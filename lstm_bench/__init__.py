"""Do the frameworks' recurrent networks agree, and which is fastest on this machine at these shapes?

Importing this package imports no framework, no NumPy and no pandas.
"""

from lstm_bench.backend import Backend, BackendInfo, Model, Option, State, Unsupported
from lstm_bench.data import read_file
from lstm_bench.errors import DataError, InvalidSpec, LSTMBenchError
from lstm_bench.hookspecs import hookimpl
from lstm_bench.losses import mean_loss
from lstm_bench.parameters import Parameters, named_generator, parameter_count, parameter_shapes, statistics_shapes
from lstm_bench.reporter import ReporterInfo
from lstm_bench.result import Attempt
from lstm_bench.spec import ModelSpec, Precision, Recipe, Scope, TrainSpec
from lstm_bench.task import DataFile, Dataset, Evaluation, Metric, Observed, Predict, Published, Split, Task, TaskInfo

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
