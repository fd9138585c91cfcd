"""What is timed is what was checked: the cheats are found out, in real workers of a run of three rounds."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from builders import a_configuration
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.execute.attempt import run_attempt
from lstm_bench.host.machine import usable_cores
from lstm_bench.record.configuration import EFFORTS, Effort
from lstm_bench.worker.protocol import MeasureJob

CHEATS = Path(__file__).parent / "cheats.py"
PLUGINS = load_plugins([CHEATS])
ANIMALS = sys.modules["lstm_bench_plugin_cheats"].ANIMALS

ROUNDS = 3
ORDER = (1, 0, 2)
"""A round that only times comes first: it is short, and finds most."""

EFFORT = Effort(
    name="default",
    blocks=3,
    block_seconds=0.03,
    warmup_blocks=2,
    warmup_seconds=0.0,
    epoch_fraction=1.0,
    block_steps=4,
    rounds=ROUNDS,
)
"""As long as the cheats need to begin, which is a third of a default block."""

CAUGHT = {"mismatch", "implausible", "invalid-output", "crashed"}


def replaced(recipe, model=(), train=(), **changes):
    return msgspec.structs.replace(
        recipe,
        model=msgspec.structs.replace(recipe.model, **dict(model)),
        train=msgspec.structs.replace(recipe.train, **dict(train)),
        **changes,
    )


SPEED = PLUGINS.task("speed")
FLIGHTS = PLUGINS.task("flights").recipe(None, {})
ALL = ("train", "gradient", "infer")

RECIPES = {
    "flights": {"recipe": FLIGHTS},
    "gradient": {"recipe": replaced(FLIGHTS, scopes=ALL)},
    "batched": {"recipe": replaced(FLIGHTS, train={"batch_size": 4})},
    "gradient-batched": {"recipe": replaced(FLIGHTS, train={"batch_size": 4}, scopes=ALL)},
    "shuffled": {"recipe": replaced(FLIGHTS, shuffle=True)},
    "wide": {"recipe": replaced(FLIGHTS, model={"hidden_sizes": (64,)})},
    "normed": {"recipe": replaced(FLIGHTS, model={"batch_norm": True}, train={"batch_size": 8})},
    "dropped": {"recipe": replaced(FLIGHTS, model={"hidden_sizes": (32, 32), "dropout": 0.5}, train={"batch_size": 4})},
    "clipped": {
        "recipe": replaced(
            FLIGHTS, train={"optimizer": "sgd", "learning_rate": 0.1, "clip_norm": 0.05, "batch_size": 4}
        )
    },
    "slow": {"recipe": replaced(FLIGHTS, train={"optimizer": "sgd", "learning_rate": 1e-7})},
    "tiny": {"task": "speed", "recipe": SPEED.recipe("tiny", SPEED.read({}))},
}


def a_run(name, effort=EFFORT, rounds=ORDER):
    """The attempts of a run, up to the first that is not ok."""
    found = ANIMALS[name]
    recipe = RECIPES[found.recipe]
    configuration = a_configuration(
        **{"backend": name, "epochs": min(1, recipe["recipe"].epochs), "threads": found.threads, "effort": effort}
        | recipe
    )
    for number in rounds:
        done = run_attempt(
            MeasureJob(
                configuration=configuration,
                plugin_files=(str(CHEATS),),
                run="a run",
                round=number,
                times_only=number > 0,
            ),
            PLUGINS.backend(name),
            timeout=120,
        )
        yield done
        if done.status != "ok":
            return


@pytest.fixture(autouse=True)
def notes(monkeypatch, tmp_path):
    monkeypatch.setenv("CHEATS_NOTES", str(tmp_path))


def named(*shows):
    return [name for name, found in ANIMALS.items() if found.shows in shows]


BUSY = 0.1
"""Share of the processors that other processes use, from which on times and processors tell nothing for sure."""

RUNS = 3
"""A cheat that only the time gives away may pass when other processes keep the processors busy."""


def disturbed(attempt):
    return attempt.status == "ok" and attempt.findings.disturbance.others > BUSY


def require_caught(name):
    shows = ANIMALS[name].shows
    for _ in range(RUNS if shows == "work" else 1):
        attempts = []
        for attempt in a_run(name, EFFORTS["default"] if shows == "processors" else EFFORT):
            attempts.append(attempt)
            if shows == "processors" and disturbed(attempt):
                break  # the processor that was not granted is taken, and will be in the next round, too
        if attempts[-1].status in CAUGHT:
            break
    if shows in ("work", "processors") and disturbed(attempts[-1]):
        pytest.skip("other processes use the processors: times tell nothing, and none is left that was not granted")
    assert attempts[-1].status in CAUGHT, f"{ANIMALS[name].kind.__doc__}: {[(a.status, a.reason) for a in attempts]}"


@pytest.mark.parametrize("name", named("results"))
def test_other_results_of_timed_calls_are_found(name):
    require_caught(name)


@pytest.mark.parametrize("name", named("work"))
def test_right_results_without_the_work_are_found(name):
    require_caught(name)


@pytest.mark.skipif(usable_cores() < 2, reason="there is no processor but the granted one")
@pytest.mark.parametrize("name", named("processors"))
def test_processors_that_were_not_granted_are_found(name):
    require_caught(name)


@pytest.mark.parametrize("name", named("process"))
def test_a_change_of_the_harness_is_found(name):
    require_caught(name)


@pytest.mark.parametrize("name", named("nothing"))
def test_an_honest_backend_stays_ok_however_odd_it_is(name):
    attempts = list(a_run(name, rounds=ORDER[:2]))  # the third is as the first
    assert [(a.status, a.reason) for a in attempts] == 2 * [("ok", "")]


def test_every_animal_says_what_is_odd_about_it_and_has_a_recipe():
    for name, found in ANIMALS.items():
        assert found.kind.__doc__, name
        assert found.recipe in RECIPES, name
    assert {found.recipe for found in ANIMALS.values()} == set(RECIPES)
