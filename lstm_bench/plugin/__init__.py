"""The plugin contract: hooks, backends, tasks, reporters, and helpers for plugins."""
