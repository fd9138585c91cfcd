"""The content of every report for people, whatever its format: a table for each task, and the notes beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lstm_bench.analysis.best import Best, explain_marks, find_best
from lstm_bench.analysis.groups import Group, group_attempts
from lstm_bench.record.attempt import Attempt
from lstm_bench.reports import notes as beneath
from lstm_bench.reports.models import by_data, by_model
from lstm_bench.reports.section import build_section
from lstm_bench.reports.speed import bounds, compared, soundness
from lstm_bench.reports.table import Section, Summary


def summarise(attempts: Sequence[Attempt]) -> Summary:
    """Tables of these attempts, in the order of their recipes, with answers and notes."""
    if not attempts:
        return Summary((), ("no attempts",))
    by_recipe: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in attempts:
        by_recipe.setdefault((attempt.configuration.task, attempt.configuration.recipe.name), []).append(attempt)
    found = [_section(of_recipe) for of_recipe in by_recipe.values()]
    marked: dict[str, set[Group]] = {}
    for _, best in found:
        for column, groups in best.items():
            marked.setdefault(column, set()).update(groups)
    sections = tuple(section for section, _ in found)
    notes = [*explain_marks(marked), *beneath.meanings(attempts, sections), *beneath.measured(attempts)]
    return Summary(sections, tuple(notes))


def _section(attempts: Sequence[Attempt]) -> tuple[Section, Best]:
    """The table of the attempts of one recipe with its notes, and the groups that it marks."""
    groups = group_attempts(attempts)
    models = by_model(groups)
    best = find_best([model.groups for model in models])
    notes = [
        *(note for on_data in by_data(groups) for note in beneath.beaten_baselines(on_data)),
        *(note for model in models for note in beneath.seeds_explain(model)),
        *compared(models),
        *bounds(models),
        *soundness(groups),
        *beneath.failures(attempts),
        *beneath.parameter_counts(attempts),
    ]
    return replace(build_section(groups, models, best), notes=tuple(notes)), best
