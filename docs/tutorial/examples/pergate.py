"""One LSTM layer, gate by gate: slow, and easy to read."""

from collections import namedtuple

import numpy as np

from lstm_bench import Backend, BackendInfo, Model, State, hookimpl

ORDER = "ifgo"
"""How the rows of weights are stacked: input, forget, cell candidate, output."""


@hookimpl
def lstm_bench_backends():
    """The backend that this file adds."""
    yield BackendInfo(
        name="pergate",
        summary="one LSTM layer, gate by gate",
        load=PerGateBackend,
        abilities=("train", "states"),
    )


class PerGateBackend(Backend):
    """Builds models, and says which models it does not build."""

    def versions(self):
        return {"pergate": "1.0"}

    def devices(self):
        return {"cpu": ""}

    def refuses(self, spec, train, setting):
        if spec.cell != "lstm" or len(spec.hidden_sizes) > 1 or spec.bidirectional:
            return "pergate has one LSTM layer, in one direction"
        if spec.readout != "last":
            return "pergate reads out the last state alone"
        if not spec.bias or spec.dropout or spec.batch_norm:
            return "pergate has biases, and neither dropout nor batch normalisation"
        if (train.loss, train.optimizer, train.clip_norm) != ("mse", "adam", None):
            return "pergate trains with Adam on a squared error, without clipping"
        if setting.precision not in ("float32", "float64"):
            return f"pergate has no {setting.precision}"
        return None

    def build(self, spec, train, parameters, setting, *, seed):
        return PerGate(train, parameters, setting.precision)


Step = namedtuple("Step", "x h_before c_before i f g o c h")
"""The arrays of one time step, kept for the backward pass."""


def sigmoid(z):
    """The logistic function, which does not overflow."""
    return (1 + np.tanh(z / 2)) / 2


class PerGate(Model):
    """A model with its weights and its optimizer."""

    def __init__(self, train, parameters, precision):
        self.dtype = np.dtype(precision)
        self.learning_rate = train.learning_rate
        self.step = 0
        self.p = {name: np.array(of, self.dtype) for name, of in parameters.items()}
        self.m = {name: np.zeros_like(value) for name, value in self.p.items()}
        self.v = {name: np.zeros_like(value) for name, value in self.p.items()}

    def put(self, array):
        floating = np.issubdtype(array.dtype, np.floating)
        return np.array(array, self.dtype if floating else np.int64)

    def get(self, native):
        return native.copy()

    def parameters(self):
        return {name: value.copy() for name, value in self.p.items()}

    def recur(self, x, h, c):
        """Every time step, in order, from the states h and c."""
        w_ih = self.p["layers.0.forward.weight_ih"]
        w_hh = self.p["layers.0.forward.weight_hh"]
        bias = self.p["layers.0.forward.bias"]
        steps = []
        for t in range(x.shape[1]):
            stacked = x[:, t] @ w_ih.T + h @ w_hh.T + bias
            z = dict(zip(ORDER, np.split(stacked, 4, axis=1), strict=True))
            i, f, o = sigmoid(z["i"]), sigmoid(z["f"]), sigmoid(z["o"])
            g = np.tanh(z["g"])
            h_before, c_before = h, c
            c = f * c + i * g
            h = o * np.tanh(c)
            steps.append(Step(x[:, t], h_before, c_before, i, f, g, o, c, h))
        return steps

    def zeros(self, x):
        """The states h and c that a sequence begins from."""
        hidden = self.p["layers.0.forward.weight_hh"].shape[1]
        return np.zeros((2, len(x), hidden), self.dtype)

    def head(self, h):
        """Logits of the last hidden state."""
        return h @ self.p["head.weight"].T + self.p["head.bias"]

    def infer(self, x):
        return self.head(self.recur(x, *self.zeros(x))[-1].h)

    def states(self, x, initial=None):
        if initial is None:
            h, c = self.zeros(x)
        else:  # of the first layer, forward
            h, c = self.put(initial.h[0][0]), self.put(initial.c[0][0])
        steps = self.recur(x, h, c)
        final = State(h=(steps[-1].h[None],), c=(steps[-1].c[None],))
        return np.stack([step.h for step in steps], axis=1), final

    def gradients(self, x, y):
        steps = self.recur(x, *self.zeros(x))
        h = steps[-1].h
        difference = self.head(h) - y
        d_logits = 2 * difference / difference.size
        d = {name: np.zeros_like(value) for name, value in self.p.items()}
        d["head.weight"], d["head.bias"] = d_logits.T @ h, d_logits.sum(axis=0)
        dh, dc = d_logits @ self.p["head.weight"], 0
        for s in reversed(steps):
            tanh_c = np.tanh(s.c)
            dc = dc + dh * s.o * (1 - tanh_c**2)
            d_gates = {
                "i": dc * s.g * s.i * (1 - s.i),
                "f": dc * s.c_before * s.f * (1 - s.f),
                "g": dc * s.i * (1 - s.g**2),
                "o": dh * tanh_c * s.o * (1 - s.o),
            }
            dz = np.concatenate([d_gates[gate] for gate in ORDER], axis=1)
            d["layers.0.forward.weight_ih"] += dz.T @ s.x
            d["layers.0.forward.weight_hh"] += dz.T @ s.h_before
            d["layers.0.forward.bias"] += dz.sum(axis=0)
            dh, dc = dz @ self.p["layers.0.forward.weight_hh"], dc * s.f
        return float(np.mean(difference**2)), d

    def train(self, x, y, order):
        losses = []
        for rows in order:
            loss, gradients = self.gradients(x[rows], y[rows])
            self.adam(gradients)
            losses.append(loss)
        return np.array(losses, self.dtype)

    def adam(self, gradients):
        """One update (Kingma & Ba 2015), with epsilon outside the root."""
        self.step += 1
        for name, g in gradients.items():
            self.m[name] += 0.1 * (g - self.m[name])
            self.v[name] += 0.001 * (g * g - self.v[name])
            m_hat = self.m[name] / (1 - 0.9**self.step)
            v_hat = self.v[name] / (1 - 0.999**self.step)
            self.p[name] -= self.learning_rate * m_hat / (np.sqrt(v_hat) + 1e-8)
