"""A good engineer's loop in NumPy alone.

It fuses the gates, has one product for all of x W and one for all of dW, allocates arrays once, and applies Adam in
place.
"""

from __future__ import annotations

import numpy as np

from shapes import Scopes, Shape


def sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


class Net:
    def __init__(self, shape: Shape) -> None:
        B, T, I, H, O = shape.batch, shape.steps, shape.features, shape.hidden, shape.outputs
        generator, bound = np.random.default_rng(1), 1 / np.sqrt(H)
        shapes = {"w_ih": (I, 4 * H), "w_hh": (H, 4 * H), "b": (4 * H,), "w": (H, O), "b_out": (O,)}
        self.p = {k: generator.uniform(-bound, bound, s).astype(np.float32) for k, s in shapes.items()}
        self.m = {k: np.zeros_like(v) for k, v in self.p.items()}
        self.v = {k: np.zeros_like(v) for k, v in self.p.items()}
        self.shape, self.t = shape, 0
        self.h, self.c = np.zeros((2, T + 1, B, H), np.float32)
        self.z, self.dz = np.zeros((2, T, B, 4 * H), np.float32)
        self.tanh_c = np.zeros((T, B, H), np.float32)

    def forward(self, x):
        s, p, H = self.shape, self.p, self.shape.hidden
        self.x = np.ascontiguousarray(x.swapaxes(0, 1)).reshape(-1, s.features)
        np.matmul(self.x, p["w_ih"], out=self.z.reshape(-1, 4 * H))
        self.z += p["b"]
        for t in range(s.steps):
            z = self.z[t]
            z += self.h[t] @ p["w_hh"]
            z[:, : 2 * H] = sigmoid(z[:, : 2 * H])
            z[:, 2 * H : 3 * H] = np.tanh(z[:, 2 * H : 3 * H])
            z[:, 3 * H :] = sigmoid(z[:, 3 * H :])
            i, f, g, o = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]
            np.multiply(f, self.c[t], out=self.c[t + 1])
            self.c[t + 1] += i * g
            np.tanh(self.c[t + 1], out=self.tanh_c[t])
            np.multiply(o, self.tanh_c[t], out=self.h[t + 1])
        return self.h[-1] @ p["w"] + p["b_out"]

    def loss(self, logits, y):
        if self.shape.outputs == 1:
            difference = logits - y
            return np.mean(difference**2), 2 * difference / difference.size
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        e /= e.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = -np.log(e[rows, y]).mean()
        e[rows, y] -= 1
        return loss, e / len(y)

    def backward(self, d_logits):
        s, p, H = self.shape, self.p, self.shape.hidden
        dh, dc = d_logits @ p["w"].T, np.zeros((s.batch, H), np.float32)
        for t in range(s.steps)[::-1]:
            z, dz, tanh_c = self.z[t], self.dz[t], self.tanh_c[t]
            i, f, g, o = z[:, :H], z[:, H : 2 * H], z[:, 2 * H : 3 * H], z[:, 3 * H :]
            dc += dh * o * (1 - tanh_c * tanh_c)
            dz[:, :H] = dc * g * i * (1 - i)
            dz[:, H : 2 * H] = dc * self.c[t] * f * (1 - f)
            dz[:, 2 * H : 3 * H] = dc * i * (1 - g * g)
            dz[:, 3 * H :] = dh * tanh_c * o * (1 - o)
            dc *= f
            dh = dz @ p["w_hh"].T
        flat = self.dz.reshape(-1, 4 * H)
        return {
            "w_ih": self.x.T @ flat,
            "w_hh": self.h[:-1].reshape(-1, H).T @ flat,
            "b": flat.sum(axis=0),
            "w": self.h[-1].T @ d_logits,
            "b_out": d_logits.sum(axis=0),
        }

    def adam(self, gradients):
        self.t += 1
        for k, g in gradients.items():
            m, v = self.m[k], self.v[k]
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            self.p[k] -= 1e-3 / (1 - 0.9**self.t) * m / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)


def build(shape: Shape) -> Scopes:
    x, y = shape.data()
    net, batches = Net(shape), len(x) // shape.batch

    def differentiate(step: int):
        begin = step % batches * shape.batch
        loss, d_logits = net.loss(net.forward(x[begin : begin + shape.batch]), y[begin : begin + shape.batch])
        return loss, net.backward(d_logits)

    def train(steps: int) -> list[float]:
        losses = []
        for step in range(steps):
            loss, gradients = differentiate(step)
            net.adam(gradients)
            losses.append(loss)
        return losses

    def gradient(steps: int) -> None:
        for step in range(steps):
            differentiate(step)

    def infer(steps: int) -> None:
        for step in range(steps):
            begin = step % batches * shape.batch
            net.forward(x[begin : begin + shape.batch])

    return {"train": train, "gradient": gradient, "infer": infer}
