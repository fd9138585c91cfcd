"""Compare backends with the float64 reference. ``lstm-bench check`` and the pytest kit share this code."""
