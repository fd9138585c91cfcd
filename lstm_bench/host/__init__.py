"""The machine: its description, what else runs on it, and child processes that always end."""
