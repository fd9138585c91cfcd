"""The content of every report for people, whatever its format: a table for each task, and the notes beneath."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lstm_bench.analysis.best import explain_marks, find_best
from lstm_bench.analysis.groups import Group, group_attempts
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports import notes as beneath
from lstm_bench.reports.models import by_data, by_model, recipe_name
from lstm_bench.reports.section import build_section
from lstm_bench.reports.speed import bounds, compared, soundness
from lstm_bench.reports.table import Summary


def summarise(attempts: Sequence[Attempt]) -> Summary:
    """Tables and notes of these attempts, in their order."""
    if not attempts:
        return Summary((), ("no attempts",))
    by_recipe: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in attempts:
        by_recipe.setdefault((attempt.configuration.task, attempt.configuration.recipe.name), []).append(attempt)
    sections, notes = [], []
    marked: dict[str, Collection[Group]] = {}
    for of_recipe in by_recipe.values():
        groups = group_attempts(of_recipe)
        models = by_model(groups)
        best = find_best([model.groups for model in models])
        marked.update(best)
        sections.append(build_section(groups, best))
        notes += [note for on_data in by_data(groups) for note in beneath.beaten_baselines(on_data)]
        notes += [note for model in models for note in beneath.seeds_explain(model)]
        recipe = recipe_name(groups[0].first.configuration)
        notes += compared(recipe, models)
        notes += bounds(recipe, models)
        notes += soundness(groups)
    notes += beneath.failures(attempts)
    notes += beneath.own_lengths(attempts)
    notes += beneath.parameter_counts(attempts)
    notes += explain_marks(marked)
    notes += beneath.meanings(attempts, sections)
    notes += beneath.measured(attempts)
    return Summary(tuple(sections), tuple(notes))
