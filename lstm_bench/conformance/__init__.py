"""Holding any backend against the reference, case by case: what ``lstm-bench check`` and the pytest kit share."""
