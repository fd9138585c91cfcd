"""The known confusions of gradients, optimizers and the order of calls: their texts and their slips."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lstm_bench.conformance.known_layers import Known
from lstm_bench.conformance.slips import Array, Slip


def known_in_training() -> Iterator[Known]:
    """Yield every known confusion that leaves the logits of the initial weights as they are."""
    yield from _gradients()
    yield from _truncations()
    yield from _epsilons()
    yield from _adam()
    yield from _momentum()
    yield from _clipping()
    yield from _decay()
    yield from _untrained()
    yield from _orders()
    yield from _results()


SUMS = {
    "batch": "the batch",
    "time": "the time steps",
    "outputs": "the outputs",
    "labels": "the batch and the time steps",
    "elements": "all elements",
}

_FACTORS: tuple[tuple[float, str], ...] = ((2.0, "twice as large"), (0.5, "half as large"), (-1.0, "of the wrong sign"))


def _gradients() -> Iterator[Known]:
    for scale, name in SUMS.items():
        yield f"its loss is the sum over {name}, not the mean", *_scaled(scale, ("loss", "gradients", "training"))
        yield f"its gradients are those of the sum over {name}", *_scaled(scale, ("gradients", "training"))
        yield (f"its gradients are those of the sum over {name}, but not in training", *_scaled(scale, ("gradients",)))
        yield f"training alone takes the gradients of the sum over {name}", Slip(scale=scale, scaled=("training",))
        yield f"the loss alone is the sum over {name}, not the mean", Slip(scale=scale, scaled=("loss",))
    for factor, name in _FACTORS:
        yield f"its loss and its gradients are {name}", *_scaled(factor, ("loss", "gradients", "training"))
        yield f"its gradients are {name}", *_scaled(factor, ("gradients", "training"))
        yield f"its gradients are {name}, but not in training", *_scaled(factor, ("gradients",))
        yield f"the gradients by the inputs are {name}", Slip(scale=factor, scaled=("dx",))
        yield f"the loss alone is {name}", Slip(scale=factor, scaled=("loss",))
    yield "gradients are added to those of earlier training steps", Slip(accumulates="steps")
    yield "gradients are added to those of all earlier calls", Slip(accumulates="calls")
    yield "the gradients that it returns are clipped", Slip(clips_early="gradients"), Slip(clips_early="all")


def _scaled(scale: str | float, what: tuple[str, ...]) -> tuple[Slip, Slip]:
    """The gradient by the inputs may come from a computation of its own, and be right."""
    return Slip(scale=scale, scaled=what), Slip(scale=scale, scaled=(*what, "dx"))


def _truncations() -> Iterator[Known]:
    yield "no gradient passes from one time step to the one before", Slip(truncated=1, truncation="chunks")
    yield "no gradient passes through h to the time step before", Slip(detached="h")
    yield "no gradient passes through c to the time step before", Slip(detached="c")
    for steps in (1, 2, 3, 4, 5, 6, 8, 10, 16, 20, 32, 35, 50, 64, 100, 128):
        last = "time step" if steps == 1 else f"{steps} time steps"
        yield (
            f"the backward pass goes through the last {last} only",
            Slip(truncated=steps),
            Slip(truncated=steps, truncation="only"),
        )
        if steps > 1:
            yield f"the backward pass is cut every {steps} time steps", Slip(truncated=steps, truncation="chunks")


def _epsilons() -> Iterator[Known]:
    hat = "of epsilon hat, as in Keras: m * sqrt(1 - 0.999^t) / (1 - 0.9^t) / (sqrt(v) + epsilon)"
    yield "the epsilon stands within the root", Slip(epsilon_at="inside")
    yield f"Adam is that {hat}", Slip(epsilon_at="hat")
    for epsilon in ("1e-10", "1e-7", "1e-6", "1e-5", "1e-4", "1e-3", "1e-2"):
        yield f"the epsilon is {epsilon}, not 1e-8", Slip(epsilon=float(epsilon))
        yield (
            f"the epsilon is {epsilon}, not 1e-8, and stands within the root",
            Slip(epsilon=float(epsilon), epsilon_at="inside"),
        )
        yield (
            f"the epsilon is {epsilon}, not 1e-8, and Adam is that {hat}",
            Slip(epsilon=float(epsilon), epsilon_at="hat"),
        )
    yield "the epsilon is 0, not 1e-8", Slip(epsilon=0.0)


def _adam() -> Iterator[Known]:
    yield "Adam's bias correction is left out", Slip(corrected="none")
    yield "Adam corrects the bias of its mean, but not of its mean square", Slip(corrected="first")
    yield "Adam corrects the bias of its mean square, but not of its mean", Slip(corrected="second")
    yield "Adam's bias correction takes the first step for step 2", Slip(counts_from=2)
    yield "Adam's bias correction is one step late: it takes the second step for step 1, too", Slip(counts_from=0)
    yield "Adam's bias correction stays at step 1", Slip(counts=False)
    yield "Adam's two decays are exchanged: 0.999 and 0.9", Slip(betas=(0.999, 0.9))
    for first, second in ((0.9, 0.99), (0.9, 0.95), (0.9, 0.9), (0.95, 0.999), (0.5, 0.999), (0.0, 0.999)):
        yield f"Adam's decays are {first:g} and {second:g}, not 0.9 and 0.999", Slip(betas=(first, second))
    yield "Adam is AMSGrad", Slip(amsgrad="raw"), Slip(amsgrad="corrected")
    for decay in ("0.99", "0.95", "0.999"):
        yield f"RMSprop's decay is {decay}, not 0.9", Slip(rmsprop_decay=float(decay))
    yield "RMSprop's mean square starts at 1, not at 0", Slip(rmsprop_start=1.0)
    yield "RMSprop is centered: the squared mean of the gradient is subtracted", Slip(centered=True)


def _momentum() -> Iterator[Known]:
    yield "momentum is Nesterov's", Slip(nesterov=True)
    yield "momentum is dampened", Slip(dampening="second")
    yield "momentum is dampened from the first step on", Slip(dampening="first")
    yield "momentum is left out", Slip(momentum_times=0.0)
    for name, factor in (("ten times as large", 10.0), ("a tenth", 0.1), ("twice as large", 2.0), ("half", 0.5)):
        yield f"the learning rate is {name}", Slip(rate=factor)
    yield "the biases' learning rate is twice as large", Slip(rate=2.0, rate_of="bias")
    yield (
        "both of two biases are trained, so that their sum moves twice as far",
        Slip(biases=2),
        Slip(biases=2, clip_biases=True),
    )
    for what in ("calls", "steps"):
        name = "calls of train" if what == "calls" else "training steps"
        yield f"the optimizer forgets its state between {name}", Slip(forgets=what)


def _clipping() -> Iterator[Known]:
    yield "gradients are clipped each by its own norm, not by the norm of all", Slip(clips="each")
    yield "gradients are clipped value by value, not by the norm of all", Slip(clips="values")
    yield "gradients are not clipped", Slip(clips="never")
    yield "gradients under the limit are scaled up to it", Slip(clips="always")
    yield "clipping adds 1e-6 to the norm, as in PyTorch", Slip(clip_epsilon=1e-6)


def _decay() -> Iterator[Known]:
    for amount in ("0.1", "0.01", "1e-3", "1e-4", "1e-5"):
        for kind, name in (("l2", "added to the gradient"), ("decoupled", "decoupled, as in AdamW")):
            yield f"weights decay by {amount}, {name}", Slip(decay=float(amount), decay_kind=kind)
            yield (
                f"weights decay by {amount}, {name}, but biases do not",
                Slip(decay=float(amount), decay_kind=f"{kind} weights"),
            )


def _untrained() -> Iterator[Known]:
    names = {
        "": "nothing is",
        "head": "the head is not",
        "head.weight": "the head's weight is not",
        "head.bias": "the head's bias is not",
        "layers": "the recurrent layers are not",
        "weight_hh": "the recurrent weights are not",
        "weight_ih": "the layers' input weights are not",
        "bias": "no bias is",
        "bias_hn": "bias_hn is not",
        "batch_norm": "batch norm's weight and bias are not",
        "backward": "the backward direction is not",
        "layers.0": "the first layer is not",
    }
    for part, name in names.items():
        yield f"{name} trained", Slip(frozen=part), Slip(frozen=part, frozen_counted=False)
    yield "the layers' biases are not trained", Slip(biases=0), Slip(biases=0, clip_biases=True)


def _first_batch(order: Array, done: int, count: int) -> Array:
    return np.broadcast_to(order[0], order.shape)


def _as_they_come(order: Array, done: int, count: int) -> Array:
    return np.arange(order.size).reshape(order.shape) % count


def _as_they_come_through_calls(order: Array, done: int, count: int) -> Array:
    return np.asarray((_as_they_come(order, done, order.size) + done * order.shape[1]) % count)


def _backwards(order: Array, done: int, count: int) -> Array:
    return order[::-1]


def _orders() -> Iterator[Known]:
    yield "every step of a call trains on its first batch", Slip(order=_first_batch)
    yield (
        "it trains on the sequences as they come, whatever the order says",
        Slip(order=_as_they_come),
        Slip(order=_as_they_come_through_calls),
    )
    yield "the batches of a call are taken from the last to the first", Slip(order=_backwards)


def _results() -> Iterator[Known]:
    yield "the loss of a step is that after its update", Slip(losses="after")
    yield "the loss of a step is the mean of the call's losses so far", Slip(losses="mean")
    yield "the loss of a step is that of the step before", Slip(losses="last")
    yield "infer uses the initial weights, also after training", Slip(infers="initial")
    yield "infer misses the last training step", Slip(infers="step")
    yield "infer misses the last call of train", Slip(infers="call")
    yield "infer returns the logits of its last call", Slip(late=True)
