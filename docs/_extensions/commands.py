"""The directive ``commands``: a section for each command, with what its help says, as click itself has it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lstm_bench.cli import main


class Commands(SphinxDirective):
    """Takes neither arguments nor content."""

    def run(self) -> list[nodes.Node]:
        """A section for each command and each command below it, in the order in which they were added."""
        root = click.Context(main, info_name="lstm-bench")
        return [_section(context) for context in _below(root)]


def _below(context: click.Context) -> Iterator[click.Context]:
    assert isinstance(context.command, click.Group)
    for command in context.command.commands.values():
        inner = click.Context(command, info_name=command.name, parent=context)
        yield inner
        if isinstance(command, click.Group):
            yield from _below(inner)


def _section(context: click.Context) -> nodes.section:
    section = nodes.section(ids=[nodes.make_id(context.command_path)], names=[context.command_path])
    section += nodes.title("", context.command_path)
    usage = context.command.get_usage(context).removeprefix("Usage: ")
    section += nodes.literal_block(usage, usage, language="text")
    for text in inspect.cleandoc(context.command.help or "").split("\n\n"):
        section += _paragraph(text)
    records = [record for each in context.command.get_params(context) if (record := each.get_help_record(context))]
    if records:
        section += nodes.definition_list("", *(_option(*record) for record in records), classes=["options"])
    return section


def _option(written: str, meaning: str) -> nodes.definition_list_item:
    term = nodes.term("", "", nodes.literal("", written))
    return nodes.definition_list_item("", term, nodes.definition("", _paragraph(meaning)))


def _paragraph(text: str) -> nodes.paragraph:
    """In which options are written as they are typed."""
    parts = re.split(r"(--[a-z][a-z-]*|[A-Z]+(?:_[A-Z]+)+)", " ".join(text.split()))
    typed = (nodes.literal("", part) if at % 2 else nodes.Text(part) for at, part in enumerate(parts))
    return nodes.paragraph("", "", *typed)


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
