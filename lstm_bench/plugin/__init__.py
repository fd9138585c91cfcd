"""All that a plugin author reads: hooks, backends, tasks, reporters, and helpers that the built-in plugins use, too."""
