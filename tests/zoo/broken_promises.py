"""A plugin of backends that compute the right numbers and break one promise each.

A backend is named after the kit's test that must catch it. After ``--`` follow words for its fault.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import ClassVar

import msgspec
import numpy as np

import lstm_bench_numpy
from lstm_bench import BackendInfo, Model, ModelSpec, Unsupported, hookimpl
from lstm_bench_numpy._model import NumpyBackend, NumpyModel
from lstm_bench_numpy._training import Optimizer

(NUMPY,) = lstm_bench_numpy.lstm_bench_backends()

BROKEN: dict[str, type[NumpyModel]] = {}
KNOWN: dict[ModelSpec, NumpyModel] = {}


def breaks(test: str, fault: str = ""):
    """Register a model that breaks the promise of a test. Its backend declares ``abilities``, or NumPy's."""

    def register(kind: type[NumpyModel]) -> type[NumpyModel]:
        BROKEN[test.replace("_", "-") + (f"--{fault}" if fault else "")] = kind
        return kind

    return register


class Zoo(NumpyBackend):
    """The NumPy backend with another class of model, which may have a product of its own."""

    def __init__(self, model):
        self._model = model

    def build(self, spec, train, parameters, setting, *, seed):
        return self._model(spec, train, parameters, np.dtype(setting.precision), seed)

    def product(self, size, setting):
        return getattr(self._model, "product", super().product)(size, setting)


# --- abilities


@breaks("test_it_has_the_abilities_that_it_declares_and_no_others", "declares-one-too-many")
class CountsNothing(NumpyModel):
    abilities = (*NUMPY.abilities, "parameter_count")


@breaks("test_it_has_the_abilities_that_it_declares_and_no_others", "declares-one-too-few")
class HasStatesAllTheSame(NumpyModel):
    abilities = tuple(ability for ability in NUMPY.abilities if ability != "states")


@breaks("test_it_has_the_abilities_that_it_declares_and_no_others", "gives-no-reason")
class GivesNoReason(NumpyModel):
    def native_parameter_count(self):
        raise Unsupported("")


@breaks("test_none_is_never_the_answer_where_there_is_none", "none")
class AnswersNone(NumpyModel):
    def input_gradient(self, x, y):
        return None


@breaks("test_none_is_never_the_answer_where_there_is_none", "empty-text")
class AnswersAnEmptyText(NumpyModel):
    def kernel_path(self, x):
        return ""


@breaks("test_the_training_kernel_is_told_where_both_abilities_are_declared", "tells-inference-alone")
class TellsInferenceAlone(NumpyModel):
    training_kernel_path = Model.training_kernel_path


@breaks("test_the_training_kernel_is_told_where_both_abilities_are_declared", "empty-text")
class TellsNothing(NumpyModel):
    def training_kernel_path(self, x, y, order):
        return ""


# --- several models in one process


@breaks("test_what_one_model_has_put_other_models_use", "refuses-others")
class KnowsItsOwnArraysAlone(NumpyModel):
    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        self._own = []

    def put(self, array):
        self._own.append(super().put(array))
        return self._own[-1]

    def infer(self, x):
        if not any(x is own for own in self._own):
            raise ValueError("this array belongs to another model")
        return super().infer(x)


@breaks("test_what_one_model_has_put_other_models_use", "dies-with-its-owner")
class TakesItsArraysAlong(NumpyModel):
    def put(self, array):
        native = super().put(array)
        weakref.finalize(self, native.fill, 0)
        return native


@breaks("test_every_build_with_equal_weights_gives_an_equal_model")
class GoesOnWithTheLastOptimizer(NumpyModel):
    optimizers: ClassVar = {}

    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        self._optimizer = self.optimizers.setdefault((spec, train, dtype), self._optimizer)


@breaks("test_a_model_ends_when_it_is_dropped")
class NeverEnds(NumpyModel):
    all_models: ClassVar = []

    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        self.all_models.append(self)


@breaks("test_a_model_in_another_precision_changes_nothing_about_an_older_one", "switches-the-process")
class SwitchesTheProcess(NumpyModel):
    switched_to: ClassVar = np.dtype(np.float64)

    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        SwitchesTheProcess.switched_to = dtype

    def infer(self, x):
        return super().infer(x.astype(self.switched_to)).astype(self._dtype)


@breaks("test_a_model_in_another_precision_changes_nothing_about_an_older_one", "never-switches-back")
class NeverSwitchesBack(NumpyModel):
    coarsest: ClassVar = np.dtype(np.float64)

    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        NeverSwitchesBack.coarsest = self._coarsest = min(dtype, self.coarsest, key=lambda kind: kind.itemsize)

    def infer(self, x):
        return super().infer(x.astype(self._coarsest)).astype(self._dtype)


# --- calls of one model


@breaks("test_training_in_several_blocks_is_training_in_one")
class FreshOptimizerInEachBlock(NumpyModel):
    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed)
        self._how = train, self._flat.size, dtype

    def train(self, x, y, order):
        self._optimizer = Optimizer(*self._how)
        return super().train(x, y, order)


@breaks("test_two_models_share_nothing")
class OneForAllOfASpecification(NumpyModel):
    def __new__(cls, spec, train, parameters, dtype, seed):
        if spec not in KNOWN:
            KNOWN[spec] = super().__new__(cls)
        return KNOWN[spec]


@breaks("test_what_goes_in_is_copied")
class KeepsWhatItIsGiven(NumpyModel):
    def put(self, array):
        return np.asarray(array)


@breaks("test_what_comes_out_stays_as_it_was")
class HandsOutItsOwn(NumpyModel):
    def parameters(self):
        return self._named | self._statistics


@breaks("test_asking_for_gradients_changes_nothing")
class TakesGradientsForTraining(NumpyModel):
    def _backpropagate(self, x, y, *, remember, wants_dx=False):
        return super()._backpropagate(x, y, remember=True, wants_dx=wants_dx)


class _DifferentiatesApart(NumpyModel):
    def gradients(self, x, y):
        loss, gradients = NumpyModel.differentiate(self, x, y)
        return loss.item(), {name: view.copy() for name, view in gradients.items()}


@breaks("test_differentiating_gives_the_loss_and_every_gradient", "leaves-out-the-head")
class DifferentiatesTheLayersAlone(_DifferentiatesApart):
    def differentiate(self, x, y):
        loss, gradients = super().differentiate(x, y)
        return loss, {name: array for name, array in gradients.items() if not name.startswith("head")}


@breaks("test_differentiating_gives_the_loss_and_every_gradient", "takes-the-running-statistics")
class LosesInEvaluationMode(_DifferentiatesApart):
    def differentiate(self, x, y):
        _, gradients = super().differentiate(x, y)
        return np.array(self._loss(self.infer(x), y)[0]), gradients


@breaks("test_differentiating_changes_nothing", "moves-statistics")
class RemembersStatistics(_DifferentiatesApart):
    def differentiate(self, x, y):
        return np.array(self._backpropagate(x, y, remember=True)), self._gradient


@breaks("test_differentiating_changes_nothing", "takes-a-step")
class TakesAStep(_DifferentiatesApart):
    def differentiate(self, x, y):
        loss, gradients = super().differentiate(x, y)
        self._optimizer.step(self._flat, self._flat_gradient)
        return loss, gradients


@breaks("test_differentiating_changes_nothing", "moves-moments")
class TellsTheOptimizer(_DifferentiatesApart):
    def differentiate(self, x, y):
        loss, gradients = super().differentiate(x, y)
        self._optimizer.step(self._flat.copy(), self._flat_gradient)
        return loss, gradients


@breaks("test_asking_what_ran_changes_nothing", "trains")
class TrainsToSeeWhatTrains(NumpyModel):
    def training_kernel_path(self, x, y, order):
        self.train(x, y, order)
        return super().training_kernel_path(x, y, order)


@breaks("test_asking_what_ran_changes_nothing", "moves-statistics")
class RemembersWhatItWasShown(NumpyModel):
    def training_kernel_path(self, x, y, order):
        self._backpropagate(x[order[0]], y[order[0]], remember=True)
        return super().training_kernel_path(x, y, order)


@breaks("test_a_product_can_be_asked_for_again_and_again")
class GivesItsMatricesAway(NumpyModel):
    @staticmethod
    def product(size, setting):
        matrices = [np.ones((size, size))]
        return lambda: matrices.pop() @ np.ones((size, size))


@breaks("test_given_states_are_not_remembered")
class RemembersGivenStates(NumpyModel):
    _given = None

    def states(self, x, initial=None):
        self._given = initial or self._given
        return super().states(x, self._given)


@breaks("test_batches_of_any_shape_can_follow_each_other")
class ReadsFiveStepsAtMost(NumpyModel):
    def _recur(self, x, initial=None, *, training=False):
        return super()._recur(x[:, :5], initial, training=training)


@breaks("test_elements_are_dropped_or_scaled_so_that_the_expectation_stays")
class DropsWithoutScaling(NumpyModel):
    def _draw_mask(self, layer, shape):
        self._masks[layer:] = [(super()._draw_mask(layer, shape) > 0).astype(self._dtype)]
        return self._masks[layer]


@breaks("test_evaluation_drops_nothing_before_and_after_training")
class DropsInEvaluation(NumpyModel):
    def _recur(self, x, initial=None, *, training=False):
        return super()._recur(x, initial, training=True)


@breaks("test_nothing_is_dropped_above_the_top_layer_nor_below_the_bottom_one")
class DropsItsInputs(NumpyModel):
    def _recur(self, x, initial=None, *, training=False):
        if training and self._spec.dropout:
            keep = 1 - self._spec.dropout
            x = x * (self._generator.random(x.shape) < keep) / keep
        return super()._recur(x, initial, training=training)


@breaks("test_the_gradient_below_passes_through_the_same_mask")
class ForgetsTheMaskOnTheWayBack(NumpyModel):
    def _draw_mask(self, layer, shape):
        mask = super()._draw_mask(layer, shape)
        self._masks[layer] = np.ones_like(mask) / (1 - self._spec.dropout)
        return mask


@breaks("test_differentiating_drops_other_elements_in_every_call", "drops-nothing")
class DifferentiatesWithoutDropout(NumpyModel):
    def differentiate(self, x, y):
        spec, self._spec = self._spec, msgspec.structs.replace(self._spec, dropout=0.0)
        try:
            return super().differentiate(x, y)
        finally:
            self._spec = spec


@breaks("test_differentiating_drops_other_elements_in_every_call", "drops-the-same")
class DifferentiatesUnderOneMask(NumpyModel):
    def differentiate(self, x, y):
        self._generator = np.random.default_rng(0)
        return super().differentiate(x, y)


@breaks("test_the_seed_decides_what_is_dropped")
class DropsAsItLikes(NumpyModel):
    def __init__(self, spec, train, parameters, dtype, seed):
        super().__init__(spec, train, parameters, dtype, seed=None)


@hookimpl
def lstm_bench_backends() -> Iterable[BackendInfo]:
    for name, kind in BROKEN.items():
        abilities = getattr(kind, "abilities", NUMPY.abilities)
        yield BackendInfo(name=name, summary=kind.__name__, load=lambda kind=kind: Zoo(kind), abilities=abilities)
