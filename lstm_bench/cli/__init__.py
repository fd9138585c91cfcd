"""The command line."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from lstm_bench.cli.checking import check
from lstm_bench.cli.comparing import compare
from lstm_bench.cli.files import data
from lstm_bench.cli.looking import env, list_, report
from lstm_bench.cli.options import INTERRUPTED, say
from lstm_bench.cli.plotting import plot
from lstm_bench.cli.publishing import publish
from lstm_bench.cli.running import run
from lstm_bench.errors import LSTMBenchError
from lstm_bench.version import __version__


class _Commands(click.Group):
    """Turns our errors into one line and the right exit code, wherever in a command they come from."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        debug = "--debug" in (kwargs.get("args") or (args[0] if args else None) or sys.argv)
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt) as error:
            if isinstance(error.__cause__, EOFError):  # click takes it for Ctrl-D at a prompt, but we never ask
                raise error.__cause__ from None
            say("interrupted")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:  # as in `lstm-bench report | head`
            sys.stderr.close()
            sys.exit(1)
        except LSTMBenchError as error:
            if debug:
                raise
            say(f"error: {error}")
            sys.exit(2)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lstm-bench")
@click.option("--debug", is_flag=True, help="Show a traceback where something goes wrong.")
def main(debug: bool) -> None:
    """Do the frameworks' recurrent networks agree, and which is fastest here?

    Every backend trains the same model from the same initial weights on the same batches, in a process of its own, and
    is held against a float64 reference before anything is timed.
    """


for command in (run, check, report, compare, plot, publish, list_, data, env):
    main.add_command(command)
