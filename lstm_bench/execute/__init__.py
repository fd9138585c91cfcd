"""The parent process: it plans a run, starts a worker for each turn, listens to it, and stores its attempt."""
