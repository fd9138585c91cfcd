"""What is known of the Keras backend before Keras is imported; here nothing of Keras's need be installed."""

from __future__ import annotations

import pytest

from lstm_bench.catalog.loading import load_plugins

ENGINES = ["tensorflow", "jax", "torch"]


def environ(engine, threads=3, device="cpu"):
    info = load_plugins().backend("keras")
    return info.environ(info.read({"engine": engine}), threads, device)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_that_is_asked_for_is_what_keras_is_imported_with(engine):
    assert environ(engine)["KERAS_BACKEND"] == engine


def test_an_engine_gets_the_thread_count_by_the_variables_that_it_reads():
    tensorflow = environ("tensorflow")
    assert tensorflow["TF_NUM_INTRAOP_THREADS"] == tensorflow["TF_NUM_INTEROP_THREADS"] == "3"
    assert environ("jax")["PJRT_NPROC"] == "3"


def test_every_engine_is_kept_on_the_device():
    assert environ("jax")["JAX_PLATFORMS"] == "cpu"
    assert environ("jax", device="cuda:0")["JAX_PLATFORMS"].split(",")[0] == "cuda"
    assert environ("torch")["KERAS_TORCH_DEVICE"] == "cpu"
    assert environ("torch", device="cuda:0")["KERAS_TORCH_DEVICE"] == "cuda:0"


def test_no_engine_takes_the_whole_memory_of_a_gpu():
    assert environ("tensorflow", device="cuda:0")["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert environ("jax", device="cuda:0")["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_that_is_not_installed_is_missing_and_the_others_are_not_needed(monkeypatch, engine):
    there = {"keras", engine}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in there else None)
    info = load_plugins().backend("keras")
    assert {other: info.missing(info.read({"engine": other})) for other in ENGINES} == {
        other: () if other == engine else (other,) for other in ENGINES
    }
