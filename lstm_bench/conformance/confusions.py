"""Explain a disagreement: find a known confusion, or two, with which the canonical model computes what a backend did.

A confusion is believed only if a whole model with it computes the same numbers as the backend: every array that was
compared, in every case. If the first stages match and a later one does not, the explanation says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_bench.conformance.differential import Comparison, without_padding
from lstm_bench.conformance.known_layers import known_in_layers
from lstm_bench.conformance.known_training import known_in_training
from lstm_bench.conformance.observing import Behaviour, observe
from lstm_bench.conformance.quantities import D_NATIVE, D_TRAINED, STAGES, Key, QuantityKind
from lstm_bench.conformance.relevance import relevant
from lstm_bench.conformance.slips import Slip, both
from lstm_bench.conformance.wrong_model import Memory, wrong_model

CLOSER = 10
"""A confusion has to bring each array that disagrees closer to the backend's, by this factor. A wide tolerance alone
would let it explain an error that it does not touch."""

AS_GOOD = 4
"""Confusions whose worst error is under this multiple of the best one's are told. The others explain it less well."""

WORK = 60_000
"""Time steps of recurrent layers that the models of pairs may compute, about ten seconds. A limit in seconds would let
one machine find what another does not."""

OVERHEAD = 10
"""What a pass costs beside its time steps, and an observation beside its passes, as a number of time steps."""

TOLD = 6
"""Largest number of explanations that are told."""


class Confusion(NamedTuple):
    """One known way to be wrong: the words that follow "it matches if", and its slip."""

    text: str
    slip: Slip


CONFUSIONS: tuple[Confusion, ...] = tuple(
    Confusion(text, slip) for text, *slips in (*known_in_layers(), *known_in_training()) for slip in slips
)


def explain(comparisons: Sequence[Comparison]) -> list[str]:
    """Return a sentence for each explanation of all comparisons. Without one, no known confusion explains them.

    Args:
        comparisons: comparisons with disagreements. Those without are ignored.
    """
    concerned = sorted((c for c in comparisons if c.stage is not None), key=_cost)
    if not concerned:
        return []
    search = _Search(concerned)
    with np.errstate(all="ignore"):
        if right := search.explaining((confusion.text, confusion.slip) for confusion in CONFUSIONS):
            return _sentences("it", "matches", "", right)
        singles = [(confusion, search.results(confusion.slip)) for confusion in CONFUSIONS]
        if right := search.explaining(search.pairs(singles)):
            return _sentences("it", "matches", "", right)
    return search.partial(singles)


def _cost(comparison: Comparison) -> tuple[int, int]:
    """Sort by the first stage with a disagreement, then by the size of the model."""
    return STAGES.index(comparison.stage or STAGES[-1]), _loops(comparison)


def _loops(comparison: Comparison) -> int:
    """Count the time steps of all layers and directions."""
    model = comparison.case.model
    return len(model.hidden_sizes) * len(model.directions) * comparison.case.time


class _Result(NamedTuple):
    """How far a wrong model went along with a backend.

    Attributes:
        stage: index of the stage of the first array that does not match; the number of stages if all arrays match.
        matched: arrays that match before that.
        worst: the largest error among them, as a fraction of its tolerance.
        inert: whether all arrays so far were the canonical ones.
    """

    stage: int
    matched: int
    worst: float
    inert: bool


_END = len(STAGES)


class _Differs(Exception):
    """A wrong model has computed an array that is not the backend's."""


class _Followed(Behaviour):
    """What a wrong model computes, up to the first array that is not the backend's."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__()
        self._comparison = comparison
        self.differs: Key | None = None
        self.worst, self.moved = 0.0, False

    def add(self, kind: QuantityKind, name: str, array: NDArray[Any]) -> None:
        super().add(kind, name, array)
        key = (kind, name)
        if key not in self._comparison.errors:
            return
        tolerance = self._comparison.tolerances[key]
        expected = self._comparison.theirs[key]
        computed = without_padding(array, expected.size) if kind in (D_NATIVE, D_TRAINED) else np.asarray(array)
        self.moved = self.moved or self._error(key, computed, expected) > 1e-9
        error = self._error(key, self._comparison.ours.arrays[key], computed)
        allowed = tolerance if self._comparison.agrees(key) else min(tolerance, self._comparison.errors[key] / CLOSER)
        if not error <= allowed:  # NaN is not
            self.differs = key
            raise _Differs
        self.worst = max(self.worst, error / tolerance)

    def _error(self, key: Key, ours: NDArray[Any], computed: NDArray[Any]) -> float:
        return self._comparison.sensitivity.error(key, ours, computed) if ours.shape == computed.shape else np.inf


class _Search:
    """The search for the confusions that explain some comparisons."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        self._comparisons = comparisons
        self._memories: list[Memory] = [{} for _ in comparisons]
        self.work = 0
        self._known: dict[tuple[int, Slip], _Result] = {}
        self._stages = [STAGES.index(comparison.stage or STAGES[-1]) for comparison in comparisons]

    def results(self, slip: Slip) -> list[_Result]:
        """Follow the model with this slip through all comparisons."""
        return [self._follow(slip, number) for number in range(len(self._comparisons))]

    def explaining(self, candidates: Iterable[tuple[str, Slip]]) -> list[tuple[str, list[_Result]]]:
        """Return the candidates whose model matches in all comparisons, with their results."""
        found = []
        for text, slip in candidates:
            results: list[_Result] = []
            for number in range(len(self._comparisons)):
                results.append(self._follow(slip, number))
                if results[-1].stage < _END:
                    break
            else:
                found.append((text, results))
        return found

    def _follow(self, slip: Slip, number: int) -> _Result:
        """Follow the model with this slip through one comparison, as far as it goes."""
        comparison, memory = self._comparisons[number], self._memories[number]
        case, problem = comparison.case, comparison.problem
        slip = relevant(slip, case, problem.parameters)
        key = (number, slip)
        if key not in self._known:
            before = len(memory)
            self._known[key] = self._observe(slip, comparison, memory)
            self.work += OVERHEAD + (OVERHEAD + _loops(comparison)) * (len(memory) - before)
        return self._known[key]

    def _observe(self, slip: Slip, comparison: Comparison, memory: Memory) -> _Result:
        followed, case, problem = _Followed(comparison), comparison.case, comparison.problem
        observe(
            lambda: wrong_model(case, slip, problem.parameters, memory), case, problem, comparison.abilities, followed
        )
        matched = len(followed.arrays.keys() & comparison.errors.keys())
        if followed.differs is None and matched == len(comparison.errors):
            return _Result(_END, matched, followed.worst, not followed.moved)
        stage = 0 if followed.differs is None else STAGES.index(followed.differs[0].stage)
        return _Result(stage, matched - 1, followed.worst, not followed.moved)

    def pairs(self, singles: Sequence[tuple[Confusion, list[_Result]]]) -> Iterator[tuple[str, Slip]]:
        """Yield the pairs of confusions that may explain everything.

        A confusion that alone goes further than the canonical model is paired with every other one. Then those are
        paired that change anything in the first comparison.
        """
        canonical = self.results(Slip())

        def gains(results: list[_Result]) -> list[int]:
            return [ours.matched - none.matched for ours, none in zip(results, canonical, strict=True)]

        # What breaks an array that was right is no part of the explanation.
        possible = [(confusion, results) for confusion, results in singles if min(gains(results)) >= 0]
        helpful = [single for single in possible if max(gains(single[1])) > 0]
        helpful.sort(key=lambda single: -sum(gains(single[1])))
        moving = [confusion for confusion, results in possible if not results[0].inert]
        candidates = [(one, other) for one, _ in helpful for other, _ in possible]
        candidates += combinations(moving, 2)
        self.work = 0
        tried: set[frozenset[Slip]] = set()
        for one, other in candidates:
            slip, key = both(one.slip, other.slip), frozenset((one.slip, other.slip))
            if slip is None or key in tried:
                continue
            if self.work > WORK:
                return
            tried.add(key)
            yield ", and if ".join(sorted((one.text, other.text), key=_place)), slip

    def partial(self, singles: Sequence[tuple[Confusion, list[_Result]]]) -> list[str]:
        """Return sentences of the confusions that explain the first stages of all comparisons, but not the last."""
        first = min(self._stages)
        reached = {confusion: min(result.stage for result in results) for confusion, results in singles}
        last = max(reached.values())
        if last <= first:
            return []
        best = [(confusion.text, results) for confusion, results in singles if reached[confusion] == last]
        if STAGES[last] == "backward":
            return _sentences("its forward pass", "matches", ", but its gradients do not", best)
        what = "its gradients" if STAGES[first] == "backward" else "its forward pass and its gradients"
        return _sentences(what, "match", ", but its training does not", best)


_PLACES = {text: place for place, text in enumerate(dict.fromkeys(confusion.text for confusion in CONFUSIONS))}


def _place(text: str) -> int:
    return _PLACES[text]


def _sentences(subject: str, verb: str, after: str, found: Sequence[tuple[str, list[_Result]]]) -> list[str]:
    """Name the confusions that fit about as well as the best one, in one sentence each."""
    worst = {text: max(result.worst for result in results) for text, results in reversed(found)}
    limit = AS_GOOD * max(min(worst.values()), 1e-4)
    texts = [text for text in dict.fromkeys(text for text, _ in found) if worst[text] <= limit][:TOLD]
    return [f"{subject} {verb if n == 0 else f'also {verb}'} if {text}{after}" for n, text in enumerate(texts)]
