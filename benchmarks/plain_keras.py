"""A good engineer's loop in Keras: its layers and its Adam, in the custom loop of Keras's own guides.

The guides ("Writing a training loop from scratch") compile one step and call it for each batch.
"""

from __future__ import annotations

import keras
import numpy as np

from shapes import Scopes, Shape


def build(shape: Shape) -> Scopes:
    """Steps on the engine that Keras was imported with."""
    # Weights from the same distribution as ours, so that both compute with numbers of the same size.
    uniform = keras.initializers.RandomUniform(-(shape.hidden**-0.5), shape.hidden**-0.5, seed=1)
    lstm = keras.layers.LSTM(
        shape.hidden,
        kernel_initializer=uniform,
        recurrent_initializer=uniform,
        bias_initializer=uniform,
        unit_forget_bias=False,
    )
    model = keras.Sequential([keras.Input((shape.steps, shape.features)), lstm, keras.layers.Dense(shape.outputs)])
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    loss = (
        keras.losses.MeanSquaredError()
        if shape.outputs == 1
        else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x, y = shape.data()
    batches = [(x[n : n + shape.batch], y[n : n + shape.batch]) for n in range(0, len(x), shape.batch)]
    return {"tensorflow": on_tensorflow, "jax": on_jax, "torch": on_torch}[keras.backend.backend()](
        model, optimizer, loss, batches
    )


def on_tensorflow(model, optimizer, loss, batches) -> Scopes:
    import tensorflow as tf

    batches = [(tf.constant(x), tf.constant(y)) for x, y in batches]

    def loss_and_gradients(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        return value, tape.gradient(value, model.trainable_weights)

    @tf.function(jit_compile=True)
    def train_step(x, y):
        value, gradients = loss_and_gradients(x, y)
        optimizer.apply(gradients, model.trainable_weights)
        return value

    differentiate = tf.function(loss_and_gradients, jit_compile=True)

    @tf.function(jit_compile=True)
    def forward(x):
        return model(x, training=False)

    def train(steps: int) -> list:
        return [train_step(*batches[step % len(batches)]) for step in range(steps)]

    def gradient(steps: int) -> None:
        for step in range(steps):
            differentiate(*batches[step % len(batches)])

    def infer(steps: int) -> list:
        return [forward(batches[step % len(batches)][0]) for step in range(steps)]

    return {"train": train, "gradient": gradient, "infer": infer}


def on_jax(model, optimizer, loss, batches) -> Scopes:
    import jax

    batches = [(jax.numpy.asarray(x), jax.numpy.asarray(y)) for x, y in batches]

    def loss_of(trainable, others, x, y):
        logits, others = model.stateless_call(trainable, others, x, training=True)
        return loss(y, logits), others

    loss_and_gradients = jax.value_and_grad(loss_of, has_aux=True)
    differentiate = jax.jit(loss_and_gradients)

    @jax.jit
    def train_step(state, x, y):
        trainable, others, moments = state
        (value, others), gradients = loss_and_gradients(trainable, others, x, y)
        trainable, moments = optimizer.stateless_apply(moments, gradients, trainable)
        return value, (trainable, others, moments)

    @jax.jit
    def forward(trainable, others, x):
        return model.stateless_call(trainable, others, x, training=False)[0]

    state = tuple(
        [v.value for v in some]
        for some in (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    )

    def train(steps: int) -> list:
        nonlocal state
        losses = []
        for step in range(steps):
            value, state = train_step(state, *batches[step % len(batches)])
            losses.append(value)
        return jax.block_until_ready(losses)

    def gradient(steps: int) -> None:
        losses = []
        for step in range(steps):
            (value, _), _ = differentiate(*state[:2], *batches[step % len(batches)])
            losses.append(value)  # ready when its gradients are; nothing keeps the gradients, as in training
        jax.block_until_ready(losses)

    def infer(steps: int) -> object:
        return jax.block_until_ready([forward(*state[:2], batches[step % len(batches)][0]) for step in range(steps)])

    return {"train": train, "gradient": gradient, "infer": infer}


def on_torch(model, optimizer, loss, batches) -> Scopes:
    import torch

    batches = [(torch.from_numpy(x), torch.from_numpy(np.asarray(y))) for x, y in batches]

    def differentiate(step: int) -> torch.Tensor:
        x, y = batches[step % len(batches)]
        model.zero_grad()
        value = loss(y, model(x, training=True))
        value.backward()
        return value.detach()

    def train(steps: int) -> list:
        losses = []
        for step in range(steps):
            losses.append(differentiate(step))
            with torch.no_grad():
                optimizer.apply([v.value.grad for v in model.trainable_weights], model.trainable_weights)
        return losses

    def gradient(steps: int) -> None:
        for step in range(steps):
            differentiate(step)

    @torch.inference_mode()
    def infer(steps: int) -> None:
        for step in range(steps):
            model(batches[step % len(batches)][0], training=False)

    return {"train": train, "gradient": gradient, "infer": infer}
