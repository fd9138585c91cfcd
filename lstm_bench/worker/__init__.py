"""The child process: it builds, checks, times and trains one configuration, and reports to its parent."""
