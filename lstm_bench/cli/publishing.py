"""``lstm-bench publish``."""

from __future__ import annotations

from pathlib import Path

import click

from lstm_bench.cli.options import load, plugin_option, say, warn_of


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@plugin_option
def publish(folder: Path, check: bool, plugin_files: tuple[Path, ...]) -> int:
    """Fill the tables and pictures of FOLDER/README.md, and make FOLDER/index.html of the same attempts.

    What stands in README.md between <!-- report SUBFOLDER --> and <!-- end --> becomes the tables of the attempts in
    that subfolder, and between <!-- plot KIND SUBFOLDER --> and <!-- end --> a picture of them. The rest of the text
    is yours. Without a README.md one is begun.
    """
    from lstm_bench.publish import folder as publishing
    from lstm_bench.record import store

    files, problems = publishing.publish(folder, load(plugin_files))
    warn_of(problems)
    changed = list(publishing.stale(files))
    for path in changed:
        if check:
            say(f"{path} is not what its attempts give: run lstm-bench publish {folder}")
        else:
            store.write_text(files[path], path)
            say(f"wrote {path}")
    return 1 if problems or (check and changed) else 0
