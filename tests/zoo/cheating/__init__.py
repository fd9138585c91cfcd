"""Backends whose timed numbers are not of work that was done as specified, by group, and honest ones that look odd."""
