"""The machine under us: what it is, what else it does, and processes that end when they should."""
