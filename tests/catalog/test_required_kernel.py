from __future__ import annotations

import pytest

from lstm_bench import LSTMBenchError
from lstm_bench.catalog.required_kernel import alternatives, names, shortfall


@pytest.mark.parametrize(
    ("path", "required", "named"),
    [
        ("oneDNN RNN", "oneDNN", True),
        ("oneDNN RNN", "onednn", True),
        ("oneDNN RNN", "ONEDNN rnn", True),
        ("oneDNN RNN", "DNN", False),
        ("oneDNN RNN", "one", False),
        ("cuDNN RNN", "onednn|cudnn", True),
        ("cuDNN RNN", "onednn | cudnn", True),
        ("ATen loop over time", "onednn|cudnn", False),
        ("loop over time by torch.compile", "torch.compile", True),
        ("loop over time by torch.compiled", "torch.compile", False),
        ("loop over time by torchxcompile", "torch.compile", False),
        ("XLA program, no loop, products by YNNPACK", "ynnpack", True),
        ("", "anything", False),
        ("", "", True),
        ("whatever", "", True),
    ],
)
def test_a_name_is_looked_for_in_whole_words_and_whatever_its_case(path, required, named):
    assert names(path, required) is named


@pytest.mark.parametrize(("required", "found"), [("", ()), (" ", ()), ("a", ("a",)), ("a | b c|d", ("a", "b c", "d"))])
def test_alternatives_stand_between_bars(required, found):
    assert alternatives(required) == found


@pytest.mark.parametrize("required", ["|", "onednn|", "| cudnn", "a||b"])
def test_an_empty_alternative_is_an_error(required):
    with pytest.raises(LSTMBenchError, match="has an empty name"):
        alternatives(required)


FAST, SLOW = "oneDNN RNN", "ATen loop over time"


@pytest.mark.parametrize(
    ("paths", "required", "reason"),
    [
        ({"infer": SLOW, "train": SLOW}, "", None),
        ({"infer": "", "train": ""}, "", None),
        ({"infer": FAST, "train": FAST}, "oneDNN", None),
        (
            {"infer": SLOW, "train": FAST},
            "oneDNN",
            "infer ran on 'ATen loop over time', where --require-kernel asks for oneDNN",
        ),
        (
            {"infer": FAST, "train": SLOW},
            "onednn|cudnn",
            "train ran on 'ATen loop over time', where --require-kernel asks for onednn or cudnn",
        ),
        (
            {"infer": SLOW, "train": SLOW},
            "oneDNN",
            "infer and train ran on 'ATen loop over time', where --require-kernel asks for oneDNN",
        ),
        (
            {"infer": SLOW, "train": "ATen cells"},
            "oneDNN",
            "infer ran on 'ATen loop over time' and train ran on 'ATen cells', where --require-kernel asks for oneDNN",
        ),
        (
            {"infer": "", "train": ""},
            "oneDNN",
            "the backend cannot tell what infer and train ran on, where --require-kernel asks for oneDNN",
        ),
        (
            {"infer": FAST, "train": ""},
            "oneDNN",
            "the backend cannot tell what train ran on, where --require-kernel asks for oneDNN",
        ),
        (
            {"infer": SLOW, "train": ""},
            "oneDNN",
            "infer ran on 'ATen loop over time', where --require-kernel asks for oneDNN",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(paths, required, reason):
    assert shortfall(paths, required) == reason
