"""The reference against PyTorch alone: its layers, losses and optimizers as they come, in float64.

Our own torch backend has no part in this. Where the canonical model has its own rule, the network below follows it:

- of the two biases of a torch layer the second is held at zero, but for the candidate of a GRU, whose second bias is
  ``bias_hn``;
- batch normalisation moves its running variance by the biased variance of a batch, torch's by the unbiased one;
- gradients are clipped by ``g * min(1, c / norm)``, and ``clip_grad_norm_`` has ``norm + 1e-6``;
- RMSprop decays by 0.9, and torch's default is 0.99.

Adam, SGD with momentum, and all else are torch's own formulas.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from lstm_bench import parameter_shapes
from lstm_bench.conformance.agreement import relative_error
from lstm_bench.conformance.cases import MODELS, draw_case, problem_of
from lstm_bench_numpy._model import NumpyModel

torch = pytest.importorskip("torch", minversion="2.9")

TOLERANCE = 1e-12
"""Norm-wise, of each array. Worst seen: 8.9e-15 for a gradient, 6.5e-15 for a trained parameter."""

STEPS = 30

DECAY = 0.9
"""Of the running statistics of batch normalisation."""

RECURRENT = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}

CASES = range(4 * MODELS)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Models this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Network(torch.nn.Module):
    """Recurrent layers, batch normalisation and a linear head. Layers of one size are one module of torch.

    ``second_bias`` trains the second biases as well, which the canonical model does not.
    """

    def __init__(self, spec, *, second_bias=False):
        super().__init__()
        self.spec, self.second_bias = spec, second_bias
        self.as_one = len(set(spec.hidden_sizes)) == 1
        depth = len(spec.hidden_sizes)
        self.stack = torch.nn.ModuleList(
            RECURRENT[spec.cell](
                spec.layer_input_size(layer),
                spec.hidden_sizes[layer],
                num_layers=depth if self.as_one else 1,
                bias=spec.bias,
                bidirectional=spec.bidirectional,
                batch_first=True,
            )
            for layer in range(1 if self.as_one else depth)
        )
        self.batch_norm = torch.nn.BatchNorm1d(spec.readout_size, momentum=1 - DECAY) if spec.batch_norm else None
        self.head = torch.nn.Linear(spec.readout_size, spec.output_size, bias=spec.bias)
        self.double()

    def of_layer(self, name):
        """The module and the ending of torch's names for a canonical name ``layers.LAYER.DIRECTION.KIND``."""
        _, layer, direction, _ = name.split(".")
        at, inner = (0, layer) if self.as_one else (int(layer), 0)
        return self.stack[at], f"_l{inner}" + ("_reverse" if direction == "backward" else "")

    def arrays(self, of=lambda tensor: tensor):
        """Under each canonical name, ``of`` the tensor that holds it."""
        found = {}
        for name in parameter_shapes(self.spec):
            owner, kind = name.rsplit(".", 1)
            if owner in ("head", "batch_norm"):
                found[name] = of(getattr(getattr(self, owner), kind))
                continue
            module, ending = self.of_layer(name)
            if kind == "bias_hn":
                found[name] = of(getattr(module, f"bias_hh{ending}"))[-module.hidden_size :]
            else:
                found[name] = of(getattr(module, ("bias_ih" if kind == "bias" else kind) + ending))
        return found

    def load(self, parameters):
        with torch.no_grad():
            for name, tensor in self.state_dict().items():
                if "bias_hh" in name:
                    tensor.zero_()
            for name, tensor in self.arrays().items():
                tensor.copy_(torch.from_numpy(parameters[name]))

    def forward(self, x):
        outputs = x
        for module in self.stack:
            outputs, final = module(outputs)
        if self.spec.readout == "last":
            h = final[0] if isinstance(final, tuple) else final
            outputs = torch.cat([*h[-len(self.spec.directions) :]], dim=-1)
        if self.batch_norm is not None:
            outputs = self.batch_norm(outputs.reshape(-1, self.spec.readout_size)).reshape(outputs.shape)
        return self.head(outputs)

    def loss(self, kind, x, y):
        logits = self(x)
        if kind == "mse":
            return torch.nn.functional.mse_loss(logits, y)
        return torch.nn.functional.cross_entropy(logits.reshape(-1, self.spec.output_size), y.reshape(-1))

    def hold_second_bias(self):
        """Take the second biases out of training, by their gradients; a GRU's candidate keeps its part."""
        if self.second_bias:
            return
        for name, tensor in self.named_parameters():
            if "bias_hh" in name:
                tensor.grad[: 2 * len(tensor) // 3 if self.spec.cell == "gru" else None] = 0

    def gradients(self, kind, x, y):
        """The loss and the gradients by canonical name, and that of ``x``. The running statistics stay."""
        kept = {name: tensor.clone() for name, tensor in self.named_buffers()}
        self.train()
        x = x.clone().requires_grad_()
        self.zero_grad()
        loss = self.loss(kind, x, y)
        loss.backward()
        for name, tensor in self.named_buffers():
            tensor.copy_(kept[name])
        return (
            loss.item(),
            {name: g.numpy().copy() for name, g in self.arrays(lambda p: p.grad).items()},
            x.grad.numpy(),
        )


def an_optimizer(train, parameters, **changes):
    rate = train.learning_rate
    match train.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, lr=rate, momentum=train.momentum)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, **({"lr": rate, "alpha": 0.9} | changes))
        case "adam":
            return torch.optim.Adam(parameters, **({"lr": rate} | changes))


def clip(parameters, limit):
    """Scale the gradients by min(1, limit / norm), the norm being that of all of them together."""
    gradients = [tensor.grad for tensor in parameters]
    norm = torch.sqrt(sum((gradient**2).sum() for gradient in gradients))
    for gradient in gradients:
        gradient *= torch.clamp(limit / norm, max=1.0)


def train(network, train, x, y, order, clip=clip, **changes):
    """The losses of one step for each batch."""
    network.train()
    parameters = list(network.parameters())
    optimizer = an_optimizer(train, parameters, **changes)
    losses = []
    for rows in order:
        optimizer.zero_grad()
        loss = network.loss(train.loss, x[rows], y[rows])
        loss.backward()
        network.hold_second_bias()
        if train.clip_norm is not None:
            clip(parameters, train.clip_norm)
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def make_variance_biased(network, count, steps):
    """Set the running variance to what it would be if batches of ``count`` had moved it by their biased variance."""
    begun = DECAY**steps  # what is left of the first value, which is 1
    variance = network.batch_norm.running_var
    variance.copy_(begun + (variance - begun) * (count - 1) / count)


def drawn(number, train=(), **changes):
    """A case with some of its training and of its model changed, its data, and the order of its steps.

    Long sequences are trained with SGD. RMSprop and Adam divide by roots of gradients. Those of a hundred steps may be
    nearly zero, and 30 divisions made rounding errors grow to 1.3e-11.
    """
    case = draw_case(0, number)
    if case.weights == "lasting":
        train = {"optimizer": "sgd", "momentum": 0.0} | dict(train)
    model = msgspec.structs.replace(case.model, **changes)
    case = msgspec.structs.replace(case, model=model, train=msgspec.structs.replace(case.train, **dict(train)))
    problem = problem_of(case)
    return case, problem, np.resize(problem.order, (STEPS, case.train.batch_size))


def compare(case, problem, order, network, **how):
    """The error of each quantity, and of the worst parameter where there are several."""
    ours = NumpyModel(case.model, case.train, problem.parameters, np.dtype(np.float64), 0)
    network.load(problem.parameters)
    x, y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
    first, errors = order[0], {}

    def against(quantity, got, expected):
        both = [a.detach().numpy() if torch.is_tensor(a) else np.asarray(a) for a in (got, expected)]
        assert both[0].shape == both[1].shape
        errors[quantity] = max(errors.get(quantity, 0.0), relative_error(*both))

    def against_each(quantity, got, expected):
        assert set(got) == set(expected)
        for name in expected:
            against(quantity, got[name], expected[name])

    network.eval()
    against("logits", ours.infer(problem.x[first]), network(x[first]))
    loss, gradients, of_x = network.gradients(case.train.loss, x[first], y[first])
    our_loss, our_gradients = ours.gradients(problem.x[first], problem.y[first])
    against("loss", our_loss, loss)
    against_each("gradients", our_gradients, gradients)
    against("gradient of x", ours.input_gradient(problem.x[first], problem.y[first]), of_x)

    against("training losses", ours.train(problem.x, problem.y, order), train(network, case.train, x, y, order, **how))
    trained = ours.parameters()
    against_each("trained parameters", {name: trained[name] for name in network.arrays()}, network.arrays())
    if case.model.batch_norm:
        make_variance_biased(network, len(first) * (case.time if case.model.readout == "all" else 1), STEPS)
        against("running mean", trained["batch_norm.mean"], network.batch_norm.running_mean)
        against("running variance", trained["batch_norm.variance"], network.batch_norm.running_var)
    network.eval()
    against("logits after training", ours.infer(problem.x[first]), network(x[first]))
    return errors


def require_agreement(case, errors):
    off = {quantity: error for quantity, error in errors.items() if not error <= TOLERANCE}
    assert not off, f"{case}: {off}"


@pytest.mark.parametrize("number", CASES)
def test_the_reference_computes_and_trains_what_torch_does(number):
    case, problem, order = drawn(number)
    require_agreement(case, compare(case, problem, order, Network(case.model)))


@pytest.mark.parametrize("number", [n for n in CASES if len(draw_case(0, n).model.hidden_sizes) > 1])
def test_layers_of_one_size_are_one_module_of_torch(number):
    layers = len(draw_case(0, number).model.hidden_sizes)
    case, problem, order = drawn(number, hidden_sizes=(5,) * layers)
    network = Network(case.model)
    assert [module.num_layers for module in network.stack] == [layers]
    require_agreement(case, compare(case, problem, order, network))


def test_every_choice_is_drawn():
    cases = [draw_case(0, number) for number in CASES]
    assert {case.model.cell for case in cases} == set(RECURRENT)
    assert {len(case.model.hidden_sizes) for case in cases} == {1, 2, 3}
    for choice in ("bidirectional", "bias", "batch_norm"):
        assert {getattr(case.model, choice) for case in cases} == {False, True}
    assert {case.model.readout for case in cases} == {"last", "all"}
    assert {case.train.loss for case in cases} == {"mse", "cross_entropy"}
    trainings = {(case.train.optimizer, case.train.momentum > 0) for case in cases}
    assert trainings == {("sgd", False), ("sgd", True), ("rmsprop", False), ("adam", False)}
    assert {case.train.clip_norm for case in cases} == {None, 0.05, 1e3}


def plain(optimizer, **changes):
    return {"optimizer": optimizer, "momentum": 0.0, "learning_rate": 1e-2, "clip_norm": None} | changes


@pytest.mark.parametrize(
    ("training", "how", "least"),
    [
        pytest.param(plain("rmsprop"), {"alpha": 0.99}, 1e-2, id="the decay of RMSprop"),
        pytest.param(plain("rmsprop"), {"eps": 1e-7}, 1e-9, id="the epsilon of RMSprop"),
        pytest.param(plain("adam"), {"eps": 1e-7}, 1e-9, id="the epsilon of Adam"),
        pytest.param(plain("adam"), {"betas": (0.9, 0.99)}, 1e-4, id="the decay of Adam"),
        pytest.param(
            plain("sgd", clip_norm=0.05), {"clip": torch.nn.utils.clip_grad_norm_}, 1e-9, id="clipping by norm + 1e-6"
        ),
    ],
)
def test_a_slightly_different_rule_shows(training, how, least):
    case, problem, order = drawn(0, train=training)
    require_agreement(case, compare(case, problem, order, Network(case.model)))
    assert compare(case, problem, order, Network(case.model), **how)["trained parameters"] > least


@pytest.mark.parametrize("cell", RECURRENT)
def test_training_both_biases_shows(cell):
    case, problem, order = drawn(0, train=plain("sgd"), cell=cell)
    require_agreement(case, compare(case, problem, order, Network(case.model)))
    assert compare(case, problem, order, Network(case.model, second_bias=True))["trained parameters"] > 1e-6


def test_the_unbiased_variance_shows(monkeypatch):
    number = next(number for number in CASES if draw_case(0, number).model.batch_norm)
    case, problem, order = drawn(number)
    monkeypatch.setattr(f"{__name__}.make_variance_biased", lambda *_: None)
    errors = compare(case, problem, order, Network(case.model))
    assert {q for q, e in errors.items() if not e <= TOLERANCE} == {"running variance", "logits after training"}
