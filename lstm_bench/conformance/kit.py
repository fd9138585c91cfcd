"""Helpers of the conformance kit's tests: the backend under test, small models and data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_bench.conformance.agreement import TOLERANCES, fetched
from lstm_bench.conformance.plugin import Chosen
from lstm_bench.model.parameters import initial_parameters
from lstm_bench.model.spec import ModelSpec, Precision, TrainSpec
from lstm_bench.plugin.backend import Ability, Backend, Model, Unsupported, build_or_refuse
from lstm_bench.plugin.setting import Setting

PLAIN = ModelSpec(input_size=2, hidden_sizes=(5,), output_size=1)
STACKED = ModelSpec(input_size=2, hidden_sizes=(5, 4), output_size=1, bidirectional=True, batch_norm=True)
ADAM = TrainSpec(loss="mse", optimizer="adam", learning_rate=1e-2, batch_size=4)

either = pytest.mark.parametrize("spec", [PLAIN, STACKED], ids=["plain", "stacked"])


class Candidate:
    """The backend under test, in one precision.

    Attributes:
        backend: the loaded backend.
        setting: precision, device and options.
        bands: tolerances by stage for two results of this backend that should be equal, the same on every device.
        same: ``rtol`` and ``atol`` for two ways of computing the same number.
        loosely: ``rtol`` and ``atol`` after some training, which amplifies rounding errors.
    """

    def __init__(self, backend: Backend, chosen: Chosen, precision: Precision) -> None:
        self.backend, self._chosen = backend, chosen
        self.setting = Setting(precision, chosen.device, chosen.backend.options)
        self.bands = TOLERANCES[precision]
        self.same: dict[str, Any] = {"rtol": 10 * self.bands["forward"], "atol": self.bands["forward"]}
        self.loosely: dict[str, Any] = {"rtol": 10 * self.bands["update"], "atol": self.bands["update"]}

    def has(self, ability: Ability) -> bool:
        """Whether the backend declares an ability."""
        return ability in self._chosen.backend.info.abilities

    def require(self, *abilities: Ability) -> None:
        """Skip the test if the backend does not declare these abilities."""
        for ability in abilities:
            if not self.has(ability):
                pytest.skip(f"the backend does not declare {ability!r}")

    def refusal(self, spec: ModelSpec, train: TrainSpec) -> str | None:
        """The reason why the backend refuses this model; ``None`` if it builds the model."""
        return self.backend.refuses(spec, train, self.setting)

    def build(
        self, spec: ModelSpec, train: TrainSpec, parameters: Any = None, seed: int = 0, setting: Setting | None = None
    ) -> Model[Any]:
        """Build a model. Skip the test if the backend refuses it."""
        if parameters is None:
            parameters = initial_parameters(spec, "uniform", 1)
        try:
            return build_or_refuse(self.backend, spec, train, parameters, setting or self.setting, seed=seed)
        except Unsupported as error:
            pytest.skip(str(error))


def data(spec: ModelSpec, count: int = 12, time: int = 5) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Draw sequences `(N, T, I)`, targets `(N, O)`, and six batches of four, `(6, 4)`."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((count, time, spec.input_size))
    y = generator.standard_normal((count, spec.output_size))
    return x, y, np.stack([generator.permutation(count)[:4] for _ in range(6)])


def infer(model: Model[Any], x: NDArray[Any]) -> NDArray[Any]:
    """Compute the logits of sequences."""
    return model.get(model.infer(model.put(x)))


def train(model: Model[Any], spec: ModelSpec, *blocks: slice) -> NDArray[Any]:
    """Train in one block or in several. Return the losses."""
    x, y, order = data(spec)
    native_x, native_y = model.put(x), model.put(y)
    parts = [model.get(model.train(native_x, native_y, model.put(order[block]))) for block in blocks or (slice(None),)]
    return np.concatenate(parts)


def differentiate(model: Model[Any], x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    """Compute the loss and all gradients of one batch."""
    loss, gradients = model.differentiate(model.put(x), model.put(y))
    model.synchronize()
    return model.get(loss), fetched(model, gradients)
