"""The command line: one module per command, each parses, calls one function, renders and sets the exit code.

Command modules import only typer at the top; numpy, rich, torch and our own rooms are imported inside the command,
so that `--help` and shell completion stay instant.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperGroup

from ssem_advisor import __version__
from ssem_advisor.cli._output import Waiting, say, tell
from ssem_advisor.domain import AdvisorError
from ssem_advisor.extras import line_for
from ssem_advisor.limits import DEBUG, OWN_FAULT

# Each command is the function of its name in the module of its name.
COMMANDS = ("recommend", "explain", "datasets", "check", "rule", "measure", "diagnose", "plot", "explore", "validate")


class _Group(TyperGroup):
    """Imports the command that is asked for alone; turns what a user can mend into one line on stderr and exit 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{cmd_name}")
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        alone.command(cmd_name, cls=getattr(module, "Command", None))(getattr(module, cmd_name))
        return typer.main.get_command(alone)

    def invoke(self, ctx: Any) -> Any:
        try:
            with Waiting("Working"):
                return super().invoke(ctx)
        except AdvisorError as error:
            tell(f"ssem-advisor: {error}")
        except _UsageError as error:
            asked = error.ctx.command_path if error.ctx is not None else "ssem-advisor"
            tell(f"ssem-advisor: {' '.join(error.format_message().split())} (see {asked} --help)")
        except ModuleNotFoundError as error:
            line = line_for(error, ctx.invoked_subcommand or "this")
            if line is None:
                raise
            tell(f"ssem-advisor: {line}")
        except BrokenPipeError:  # the reader, as `head`, has seen enough; nothing is left to flush at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            if DEBUG:
                raise
            place = "" if error.filename is None else f"{error.filename}: "
            tell(f"ssem-advisor: {place}{error.strerror or error}")
        except KeyboardInterrupt:
            tell("ssem-advisor: interrupted")
            raise typer.Exit(130) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if isinstance(error, MemoryError) or re.search("can't allocate memory|out of memory", str(error)):
                tell("ssem-advisor: not enough memory for this; give fewer classes, dimensions or rows")
                raise typer.Exit(2) from None
            if DEBUG:
                raise
            name = f"{type(error).__name__}: {error}"
            tell(f"ssem-advisor: {OWN_FAULT} ({name}; SSEM_ADVISOR_DEBUG=1 shows where)")
        raise typer.Exit(2)


_UsageError: Any = typer.BadParameter.__base__  # typer carries click's errors under names of its own

app = typer.Typer(
    cls=_Group,
    name="ssem-advisor",
    help="Find loss weights and temperatures of supervised contrastive learning that avoid class collapse.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(show: bool) -> None:
    if show:
        say(f"ssem-advisor {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


# Threads of a parallel loop wait asleep: beside another busy process, spinning makes a training step 20 times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Numpy's products take one thread unless the user says how many: on a busy machine two took ten times as long as one,
# with fifteen times the processor time. The libraries that numpy is built with are asked each by its own name.
if "OMP_NUM_THREADS" not in os.environ:
    for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(_name, "1")


def main() -> None:
    app()
