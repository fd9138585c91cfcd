"""A good engineer's loop in JAX and optax alone: a scan over time inside a scan over batches."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from shapes import Scopes, Shape


def lstm(p, x):
    def step(state, z):
        h, c = state
        i, f, g, o = jnp.split(z + h @ p["w_hh"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), None

    zeros = jnp.zeros((x.shape[0], len(p["w_hh"])))
    (h, _), _ = jax.lax.scan(step, (zeros, zeros), x.swapaxes(0, 1) @ p["w_ih"] + p["b"])
    return h @ p["w"] + p["b_out"]


def build(shape: Shape) -> Scopes:
    x, y = map(jnp.asarray, shape.data())
    H, O = shape.hidden, shape.outputs
    generator, bound = np.random.default_rng(1), 1 / np.sqrt(H)
    shapes = {"w_ih": (shape.features, 4 * H), "w_hh": (H, 4 * H), "b": (4 * H,), "w": (H, O), "b_out": (O,)}
    p = {k: jnp.asarray(generator.uniform(-bound, bound, s), jnp.float32) for k, s in shapes.items()}
    optimizer = optax.adam(1e-3)

    def loss(p, x, y):
        logits = lstm(p, x)
        if O == 1:
            return jnp.mean((logits - y) ** 2)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    @partial(jax.jit, donate_argnums=0)
    def train_on(state, x, y, order):
        def step(state, rows):
            p, moments = state
            value, gradients = jax.value_and_grad(loss)(p, x[rows], y[rows])
            updates, moments = optimizer.update(gradients, moments)
            return (optax.apply_updates(p, updates), moments), value

        return jax.lax.scan(step, state, order)

    differentiate = jax.jit(jax.value_and_grad(loss))
    forward = jax.jit(lstm)
    state = (p, optimizer.init(p))
    epoch = np.arange(len(x)).reshape(-1, shape.batch)
    orders: dict[int, jax.Array] = {}
    batches = [(x[rows], y[rows]) for rows in epoch[:8]]

    def train(steps: int) -> jax.Array:
        nonlocal state
        if steps not in orders:
            orders[steps] = jnp.asarray(np.resize(epoch, (steps, shape.batch)))
        state, losses = train_on(state, x, y, orders[steps])
        return losses.block_until_ready()

    def gradient(steps: int) -> None:
        losses = []
        for step in range(steps):
            value, _ = differentiate(state[0], *batches[step % len(batches)])
            losses.append(value)  # ready when its gradients are; nothing keeps the gradients, as in training
        jax.block_until_ready(losses)

    def infer(steps: int) -> None:
        jax.block_until_ready([forward(state[0], batches[step % len(batches)][0]) for step in range(steps)])

    return {"train": train, "gradient": gradient, "infer": infer}
