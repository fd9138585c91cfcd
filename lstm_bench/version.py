"""The version of lstm-bench, in a file of its own that every folder may read."""

__version__ = "0.2.0"
