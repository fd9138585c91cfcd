"""The computation: its specification, parameters, losses, operation counts, and the axes of a sweep."""
