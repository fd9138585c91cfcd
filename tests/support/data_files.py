"""Data files for tests: content, places to put it, and a recorder of what is told while they are fetched."""

from __future__ import annotations

import numpy as np

from lstm_bench.catalog.data import cache_folder

NUMBERS = np.random.default_rng(0).integers(0, 99, 300_000, np.uint8).tobytes()
"""Large enough that it comes in several pieces, and gzip makes something of it."""

HTML = b"\n<!DOCTYPE html>\n<html>log in first</html>"


class Recorder:
    """Keeps what it is told."""

    def __init__(self):
        self.begun, self.counts, self.ended, self.said = [], [], [], []

    def begin(self, file, url):
        self.begun.append(url)

    def progress(self, done, total):
        self.counts.append((done, total))

    def end(self, file, path):
        self.ended.append(path)

    def say(self, line):
        self.said.append(line)


def cached():
    """The names of what lies in the cache, but for the lock."""
    return sorted(path.name for path in (cache_folder() / "some").iterdir() if path.name != ".lock")


def put(folder, content, name="numbers"):
    path = folder / "some" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
