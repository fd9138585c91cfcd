"""The reference against numbers that ONNX Runtime publishes in its own tests, computed in float32.

The tests are in ``onnxruntime/test/providers/cpu/rnn`` (microsoft/onnxruntime, MIT License). Each case is named after
the file and the test that has its numbers.
"""

from __future__ import annotations

import numpy as np
import pytest

from lstm_bench import State
from lstm_bench.model.parameters import GATES
from published import assert_published, float32, reference

# Where our gates stand among ONNX's: our i, f, g, o in its i, o, f, c; our r, z, n in its z, r, h
ONNX_ORDER = {"lstm": (0, 2, 3, 1), "gru": (1, 0, 2), "rnn": (0,)}


def from_onnx(cell: str, size: int, weight, recurrent, biases=None) -> dict[str, np.ndarray]:
    """One direction's parameters from ONNX's W, R and B, each written out row after row."""

    def rows(numbers) -> np.ndarray:
        gates = np.split(float32(numbers).reshape(GATES[cell] * size, -1), GATES[cell])
        return np.concatenate([gates[k] for k in ONNX_ORDER[cell]])

    own = {"weight_ih": rows(weight), "weight_hh": rows(recurrent)}
    if biases is not None:
        ours, theirs = (rows(half)[:, 0] for half in np.split(np.ravel(biases), 2))
        if cell == "gru":
            own["bias_hn"] = theirs[2 * size :].copy()
            theirs[2 * size :] = 0
        own["bias"] = ours + theirs
    return own


LSTM_ROWS = ([0.1, 0.2, 0.3, 0.4, 1, 2, 3, 4, 10, 11, 12, 13], [0.1] * 36)
LSTM_2X2 = (
    [
        [-0.494659, 0.0453352, -0.487793, 0.417264, -0.0175329, 0.489074, -0.446013, 0.414029],
        [-0.0091708, -0.255364, -0.106952, -0.266717, -0.0888852, -0.428709, -0.283349, 0.208792],
    ],
    [
        [0.146626, -0.0620289, -0.0815302, 0.100482, -0.219535, -0.306635, -0.28515, -0.314112],
        [-0.228172, 0.405972, 0.31576, 0.281487, -0.394864, 0.42111, -0.386624, -0.390225],
    ],
    [0.381619, 0.0323954, -0.14449, 0.420804, -0.258721, 0.45056, -0.250755, 0.0967895] + [0] * 8,
)
GRU_ROWS = (
    [0.1, 0.2, 0.3, 0.2, 0.3, 0.1, 0.3, 0.1, 0.2],
    [0.1] * 27,
    [-0.01, 0.1, 0.01, -0.2, -0.02, 0.02, 0.3, -0.3, -0.3, -0.03, 0.5, -0.7, 0.05, -0.7, 0.3, 0.07, -0.03, 0.5],
)
GRU_2X2 = (
    [
        [-0.494659, 0.0453352, -0.487793, 0.417264],
        [-0.0091708, -0.255364, -0.106952, -0.266717],
        [-0.0888852, -0.428709, -0.283349, 0.208792],
    ],
    [
        [0.146626, -0.0620289, -0.0815302, 0.100482],
        [-0.228172, 0.405972, 0.31576, 0.281487],
        [-0.394864, 0.42111, -0.386624, -0.390225],
    ],
    [0.381619, 0.0323954, -0.258721, 0.45056, -0.250755, 0.0967895] + [0] * 6,
)
RNN_3X2 = (
    [-0.49937296, -0.082866333, 0.40978807, -0.33496389, -0.40066367, -0.72275674],
    [0.16146433, -0.36291042, 0.61149812, -0.018460333, -0.19345543, 0.35175204, 0.84270394, 0.94917566, -0.76469761],
)
RNN_FORWARD = (
    [-0.74535543, 0.21360011, 1.0782362, 0.092641734, -1.0087538, -0.97021431],
    [-0.7322467, -0.95795155, -0.058495734, -0.7271859, -0.29820377, -0.85114992, -0.097570196, 0.82271612, 0.1396943],
)
RNN_BACKWARD = (
    [0.88425213, 0.93182313, 0.767329, -0.541361, 0.6218195, -0.7977342],
    [0.11753198, -0.30726218, 0.47448817, -0.60847247, 0.11959127, -0.15468557, 0.18048254, -0.27739462, 0.40944993],
)
RNN_BIASED_FORWARD = (
    [0.4317745, 0.37378395, -1.0386457, -0.22681296, 0.4418987, 0.49973935],
    [-0.24072374, -0.29326528, -0.91741192, 0.5447638, 0.53938544, 0.79502326, -0.59813821, 0.020413321, -0.52225035],
    [-0.44529742, 0.80094892, -1.0028138, 0, 0, 0],
)
RNN_BIASED_BACKWARD = (
    [0.47248289, -0.63369429, 0.89542073, 0.69698066, 0.65118814, 1.0828459],
    [-0.4292987, -0.14766316, -0.91084105, 0.23699039, 0.064034894, 0.089069292, -0.12803128, -0.081178986, 0.967533],
    [0.57412368, 0.13440208, -0.85748988, 0, 0, 0],
)
X_2X2 = [-0.455351, -0.276391, -0.185934, -0.269585]


# Everything is in ONNX's layout, in order of memory: X (T, B, I), states (D, B, H), Y (T, D, B, H). A test of the
# reverse direction alone is run as one of both, where the forward one, with the same parameters, is not looked at.
@pytest.mark.parametrize(
    ("cell", "directions", "shape", "x", "initial", "published"),
    [
        pytest.param(
            *("lstm", [LSTM_ROWS] * 2, (2, 2, 3), [1, 2, 10, 11], {}),
            {
                "Y": [
                    [0.28828835, 0.36581863, 0.45679406, 0.34526032, 0.47220859, 0.55850911],
                    [0.55391603, 0.69201493, 0.82696019, 0.64046413, 0.82303363, 0.91610711],
                    [0.84196719, 0.89402526, 0.91073048, 0.85882828, 0.90703777, 0.92382453],
                    [0.61249432, 0.70678632, 0.74094619, 0.62759886, 0.71640738, 0.74624585],
                ],
                "Y_h": [
                    [0.84196719, 0.89402526, 0.91073048, 0.85882828, 0.90703777, 0.92382453],
                    [0.55391603, 0.69201493, 0.82696019, 0.64046413, 0.82303363, 0.91610711],
                ],
                "Y_c": [
                    [1.27731147, 1.44181041, 1.53179041, 1.3249796, 1.51063104, 1.61451544],
                    [1.27850552, 1.46799496, 1.57641257, 1.34960834, 1.54772296, 1.65633056],
                ],
            },
            id="deep_cpu_lstm_op_test.cc: BidirectionalSimpleWeightsNoBiasTwoRows",
        ),
        pytest.param(
            *("lstm", [([0.1, 0.2, 0.3, 0.4, 1, 2, 3, 4], [0.1] * 16)], (2, 1, 2), [1, 2], {}),
            {"Y": [0.27546653, 0.29941525, 0.50903179, 0.57476457], "Y_c": [1.02721067, 1.15254318]},
            id="deep_cpu_lstm_op_test.cc: BatchParallelFalseSeqLengthGreaterThanOne",
        ),
        pytest.param(
            *("lstm", [LSTM_2X2], (2, 1, 2), X_2X2, {"h": [0.34, 0.72], "c": [0, 0]}),
            {
                "Y": [0.01797521, -0.07104912, -0.03174796, -0.0152949],
                "Y_h": [-0.03174796, -0.0152949],
                "Y_c": [-0.07285583, -0.02545788],
            },
            id="deep_cpu_lstm_op_test.cc: ONNXRuntime_TestLSTMForwardHiddenState",
        ),
        pytest.param(
            *("lstm", [LSTM_2X2], (2, 1, 2), X_2X2, {"h": [0.34, 0.72], "c": [0.63, 0.21]}),
            {
                "Y": [0.12797015, 0.0097284, 0.02716939, 0.01842997],
                "Y_h": [0.02716939, 0.01842997],
                "Y_c": [0.06408449, 0.03139432],
            },
            id="deep_cpu_lstm_op_test.cc: ONNXRuntime_TestLSTMForwardCellState",
        ),
        pytest.param(
            *("lstm", [None, LSTM_2X2], (2, 1, 2), X_2X2, {}),
            {
                "Y": [-0.033075746, 0.074455738, -0.031248707, 0.027853041],
                "Y_h": [-0.033075746, 0.074455738],
                "Y_c": [-0.076699793, 0.11975205],
            },
            id="deep_cpu_lstm_op_test.cc: ONNXRuntime_TestLSTMBackward_gpu",
        ),
        pytest.param(
            *("gru", [GRU_ROWS], (2, 2, 3), [-0.1, 0.2, -0.3, 0.4], {}),
            {
                "Y": [
                    [0.15024948, -0.11097029, -0.02121867, 0.18887489, -0.09747667, 0.02093463],
                    [0.19538902, -0.19016478, -0.05644283, 0.30856851, -0.15190377, 0.05999807],
                ]
            },
            id="deep_cpu_gru_op_test.cc: ForwardDefaultActivationsSimpleWeightsWithBiasBatchParallelLinearBeforeReset",
        ),
        pytest.param(
            *("gru", [None, GRU_ROWS], (2, 2, 3), [-0.1, 0.2, -0.3, 0.4], {}),
            {
                "Y": [
                    [0.20910699, -0.18880953, -0.04005555, 0.29700265, -0.15308119, 0.04537245],
                    [0.12252139, -0.12032216, -0.05064924, 0.21249877, -0.08884402, 0.04751285],
                ]
            },
            id="deep_cpu_gru_op_test.cc: ReverseDefaultActivationsSimpleWeightsWithBiasBatchParallelLinearBeforeReset",
        ),
        pytest.param(
            *("gru", [GRU_2X2], (2, 2, 2), X_2X2[:2] * 2 + X_2X2[2:] * 2, {"h": [0.5, -0.5, 0, 0]}),
            {
                "Y": [
                    [0.2539424, -0.174207777, -0.0325528607, 0.0774837881],
                    [0.0874997079, -0.0485242009, -0.0577347837, 0.0796165839],
                ],
                "Y_h": [0.0874997079, -0.0485242009, -0.0577347837, 0.0796165839],
            },
            id="deep_cpu_gru_op_test.cc: ONNXRuntime_TestGRUOpForwardBatchLinearBeforeReset",
        ),
        pytest.param(
            *("gru", [GRU_2X2] * 2, (2, 1, 2), X_2X2, {}),
            {
                "Y": [
                    [-0.0325528607, 0.0774837881, -0.0559310019, 0.101836264],
                    [-0.0577347837, 0.0796165839, -0.0456649922, 0.0462125242],
                ],
                "Y_h": [-0.0577347837, 0.0796165839, -0.0559310019, 0.101836264],
            },
            id="deep_cpu_gru_op_test.cc: ONNXRuntime_TestGRUOpSequenceLengthWithBidirectionalLinearBeforeResetB1",
        ),
        pytest.param(
            *("gru", [GRU_2X2] * 2, (2, 1, 2), [0.855351, 0.676391, 0.585934, 0.669585], {}),
            {
                "Y": [
                    [-0.275918573, -0.002285585, -0.385578573, 0.0370728001],
                    [-0.382134795, 0.0607641526, -0.24875176, 0.0347689129],
                ],
                "Y_h": [-0.382134795, 0.0607641526, -0.385578573, 0.0370728001],
            },
            id="deep_cpu_gru_op_test.cc: ONNXRuntime_TestGRUOpSequenceLengthWithBidirectionalLinearBeforeResetB2",
        ),
        pytest.param(
            *("rnn", [RNN_3X2], (5, 1, 3)),
            [
                [0.061169811, 0.26296741, 0.80939841, 0.080034949, 0.21000224],
                [0.65772671, 0.20081005, 0.95461535, 0.93818879, 0.76034665],
            ],
            {},
            {
                "Y": [
                    [-0.052289959, -0.062934637, -0.21133657],
                    [-0.48205593, 0.23896417, -0.31342113],
                    [-0.47428668, -0.27460238, -0.46153161],
                    [-0.41242906, -0.32563525, -0.79238516],
                    [-0.74626476, -0.07818383, -0.75139415],
                ],
                "Y_h": [-0.74626476, -0.07818383, -0.75139415],
            },
            id="rnn_op_test.cc: RNN_default_attributes_and_forward_direction",
        ),
        pytest.param(
            *("rnn", [RNN_FORWARD, RNN_BACKWARD], (5, 1, 3)),
            [
                [0.54881352, 0.71518934, 0.60276335, 0.54488319, 0.42365479],
                [0.64589411, 0.4375872, 0.891773, 0.96366274, 0.38344151],
            ],
            {},
            {
                "Y": [
                    [-0.25082839, 0.57703555, -0.84758246, 0.89708149, -0.50691134, 0.10560472],
                    [-0.57328993, 0.89210528, -0.63864726, 0.85242939, -0.35763535, 0.20078957],
                    [-0.51920897, 0.83700335, -0.33934233, 0.80431187, -0.51605088, -0.060805645],
                    [-0.49105126, 0.74924558, -0.54746729, 0.86223149, -0.56618357, -0.29732516],
                    [-0.74539614, 0.93210655, -0.63887376, 0.83650553, 0.48680621, 0.28520593],
                ],
                "Y_h": [-0.74539614, 0.93210655, -0.63887376, 0.89708149, -0.50691134, 0.10560472],
            },
            id="rnn_op_test.cc: RNN_bidirectional_0",
        ),
        pytest.param(
            *("rnn", [([1] * 4, [1] * 4)] * 2, (1, 1, 2), [1, 1], {"h": [0.1, 0.2, 0.3, 0.4]}),
            {"Y": [0.98009639, 0.98009639, 0.99100745, 0.99100745]},
            id="rnn_op_test.cc: RNN_bidirectional_1",
        ),
        pytest.param(
            *("rnn", [RNN_BIASED_FORWARD, RNN_BIASED_BACKWARD], (5, 1, 3)),
            [
                [1.64644051, 2.14556813, 1.80829012, 1.63464952, 1.27096438],
                [1.93768239, 1.31276166, 2.67531896, 2.89098835, 1.15032458],
            ],
            {"h": [1.2] * 6},
            {
                "Y": [
                    [-0.58767605, 0.69586837, -0.48001164, -0.71697658, 0.99646497, 0.9980582],
                    [0.8678354, -0.94409049, 0.8424542, -0.37213817, 0.99391747, 0.99555576],
                    [0.12221602, -0.31430662, -0.42285997, -0.62726945, 0.988343, 0.9956606],
                    [0.91737539, -0.92293501, 0.78396499, -0.87013513, 0.99671143, 0.9990834],
                    [0.51060104, -0.95055139, -0.12672578, -0.51847482, 0.99931973, 0.99655205],
                ],
                "Y_h": [0.51060104, -0.95055139, -0.12672578, -0.71697658, 0.99646497, 0.9980582],
            },
            id="rnn_op_test.cc: RNN_bidirectional_bias_initial_zigged_batch, the sequence without padding",
        ),
    ],
)
def test_outputs_and_states_are_those_that_onnx_runtime_publishes(cell, directions, shape, x, initial, published):
    steps, batch, size = shape
    looked_at = [d for d, numbers in enumerate(directions) if numbers is not None]
    own = [from_onnx(cell, size, *(numbers or directions[looked_at[0]])) for numbers in directions]
    given = {kind: (float32(numbers).reshape(len(own), batch, size),) for kind, numbers in initial.items()}
    x = float32(x).reshape(steps, batch, -1).swapaxes(0, 1)
    outputs, final = reference(cell, own).states(x, State(**given) if given else None)

    values = {"Y": outputs.reshape(batch, steps, len(own), size).transpose(1, 2, 0, 3), "Y_h": final.h[0][None]}
    if cell == "lstm":
        values["Y_c"] = final.c[0][None]
    for name, numbers in published.items():
        value = values[name][:, looked_at]
        assert_published(value, np.reshape(numbers, value.shape))
