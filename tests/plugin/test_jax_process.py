"""JAX is stood in for: nothing of JAX's need be installed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lstm_bench import JaxCompileSeconds, Unsupported, describe_jax, jax_environment, jax_peak_memory


def test_a_worker_sees_the_device_that_it_is_to_use():
    assert jax_environment(3, "cpu")["JAX_PLATFORMS"] == "cpu"
    assert jax_environment(3, "cuda:0")["JAX_PLATFORMS"].split(",")[0] == "cuda"


def test_the_thread_count_goes_into_the_variable_that_the_cpu_client_reads():
    assert jax_environment(3, "cpu")["PJRT_NPROC"] == "3"


def test_seconds_of_compiling_are_added_up_and_those_of_nothing_else():
    listeners = []
    seconds = JaxCompileSeconds(listeners.append)
    (note,) = listeners
    note("/jax/core/compile/backend_compile_duration", 2.0, fun_name="f")
    note("/jax/core/compile/jaxpr_trace_duration", 0.5)
    note("/jax/checkpoint/write_duration", 7.0)
    assert seconds.total == 2.5


def test_peak_memory_is_what_the_allocator_says():
    device = SimpleNamespace(memory_stats=lambda: {"peak_bytes_in_use": 12, "bytes_in_use": 3})
    assert jax_peak_memory(device) == 12


def test_a_device_without_an_allocator_has_no_peak_memory():
    with pytest.raises(Unsupported, match="does not count the memory"):
        jax_peak_memory(SimpleNamespace(memory_stats=lambda: None))


def test_a_compiled_program_is_described_by_its_text():
    text = "ENTRY %main (x: f32[2]) -> f32[2] {\n  ROOT %dot = f32[2] dot(%x, %x)\n}\n"
    assert describe_jax(SimpleNamespace(as_text=lambda: text)) == "XLA program, no loop, products by XLA itself"


@pytest.mark.parametrize("text", ["", None])
def test_a_program_without_a_text_is_not_described(text):
    with pytest.raises(Unsupported, match="does not show the text"):
        describe_jax(SimpleNamespace(as_text=lambda: text))
