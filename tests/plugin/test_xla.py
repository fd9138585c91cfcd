from __future__ import annotations

import pytest

from lstm_bench.plugin.xla import depth_of_loops, describe_xla

STEP = """\
%fused_computation (param_0: f32[4,23], param_1: f32[23,80]) -> f32[4,80] {
  ROOT %dot.1 = f32[4,80]{1,0} dot(%param_0, %param_1), metadata={op_name="jit(f)/while/body/dot_general"}
}

"""

OVER_TIME = """\
%body.1 (arg: (s32[], f32[4,20])) -> (s32[], f32[4,20]) {
  %fusion.1 = f32[4,80]{1,0} fusion(%a, %b), kind=kCustom, calls=%fused_computation
}

%condition.1 (arg: (s32[], f32[4,20])) -> pred[] {
  ROOT %compare = pred[] compare(%a, %b), direction=LT
}

"""

OVER_STEPS = """\
%body.2 (arg: (s32[], f32[4,20])) -> (s32[], f32[4,20]) {{
  {inner}
}}

%condition.2 (arg: (s32[], f32[4,20])) -> pred[] {{
  ROOT %compare.2 = pred[] compare(%a, %b), direction=LT
}}

"""

CALLED = """\
%small_call (p: (s32[], f32[4,20])) -> (s32[], f32[4,20]) {
  ROOT %while.7 = (s32[], f32[4,20]) while(%p), condition=%condition.1, body=%body.1
}

"""

LOOP = "%while.1 = (s32[], f32[4,20]) while(%tuple), condition=%condition.1, body=%body.1"
CALL = "%call.1 = (s32[], f32[4,20]) call(%tuple), to_apply=%small_call"
CHOICE = "%c = (s32[]) conditional(%p, %a, %b), branch_computations={%fused_computation, %small_call}"
STEPS = "%while.2 = (s32[], f32[4,20]) while(%tuple.2), condition=%condition.2, body=%body.2"
SCATTER = (
    "%while.3 = (s32[], f32[4,3]) while(%tuple.3), condition=%condition.1, body=%body.1, "
    'metadata={op_name="jit(f)/while/body/transpose(jvp(jit(take_along_axis)))/scatter-add" stack_frame_id=69}'
)
NONE = "%fusion.9 = f32[4,80]{1,0} fusion(%a, %b), kind=kCustom, calls=%fused_computation"


def program(*parts, entry):
    head = "HloModule jit_f, is_scheduled=true, entry_computation_layout={(f32[4,5,3]{2,1,0})->f32[4,1]{1,0}}\n\n"
    main = f"ENTRY %main.3 (x: f32[4,5,3]) -> f32[4,1] {{\n  {entry}\n  ROOT %copy = f32[4,1]{{1,0}} copy(%a)\n}}\n"
    return head + "".join(parts) + main


FLAT = program(STEP, entry=NONE)
LOOPED = program(STEP, OVER_TIME, entry=LOOP)
TRAINED_FLAT = program(STEP, OVER_STEPS.format(inner=NONE), entry=STEPS)
TRAINED = program(STEP, OVER_TIME, OVER_STEPS.format(inner=LOOP), entry=STEPS)


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        (FLAT, 0),
        (LOOPED, 1),
        (program(STEP, OVER_TIME, CALLED, entry=CALL), 1),
        (program(STEP, OVER_TIME, entry=f"{LOOP}\n  {LOOP}"), 1),
        (TRAINED_FLAT, 1),
        (TRAINED, 2),
        (program(STEP, OVER_TIME, CALLED, OVER_STEPS.format(inner=CALL), entry=STEPS), 2),
        (program(STEP, OVER_TIME, CALLED, OVER_STEPS.format(inner=CHOICE), entry=STEPS), 2),
        (program(STEP, OVER_TIME, OVER_STEPS.format(inner=SCATTER), entry=STEPS), 1),
    ],
)
def test_loops_are_counted_as_deep_as_they_lie_within_each_other(text, depth):
    assert depth_of_loops(text) == depth
    assert depth_of_loops(text.replace("%", "")) == depth, "newer versions write names without a sign"


@pytest.mark.parametrize(
    ("text", "around", "loop"),
    [
        (FLAT, 0, "no loop"),
        (LOOPED, 0, "a loop over time"),
        (TRAINED_FLAT, 1, "no loop"),
        (TRAINED, 1, "a loop over time"),
    ],
)
def test_a_loop_over_steps_of_training_is_none_over_time(text, around, loop):
    assert describe_xla(text, around=around) == f"XLA program, {loop}, products by XLA itself"


def test_of_no_program_nothing_is_said():
    assert describe_xla("") == ""


@pytest.mark.parametrize(
    ("mark", "library"),
    [
        ('backend_config={"fusion_config":{"kind":"__ynn_fusion"}}', "YNNPACK"),
        ('custom_call_target="__onednn$matmul"', "oneDNN"),
        ('custom_call_target="__cublas$lt$matmul"', "cuBLAS"),
        ('backend_config={"kind":"__triton_gemm"}', "Triton"),
    ],
)
def test_the_library_that_multiplies_is_known_by_its_mark(mark, library):
    assert describe_xla(program(entry=f"%p = f32[4,1] custom-call(%a), {mark}")).endswith(f"products by {library}")


@pytest.mark.parametrize(
    ("mark", "path"),
    [
        ('custom_call_target="cudnn_rnn_ffi"', "cuDNN RNN"),
        ('custom_call_target="__cudnn$convForward", metadata={op_name="rnn"}', "XLA program, no loop"),
    ],
)
def test_cudnns_rnn_is_known_by_its_call_and_not_by_what_else_bears_its_names(mark, path):
    assert describe_xla(program(entry=f"%p = f32[4,1] custom-call(%a), {mark}")).startswith(path)
