"""The root of the command line, and its one voice for everything that can go wrong."""

import difflib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from topokit import __version__
from topokit._escapes import shown
from topokit._extras import MissingExtraError
from topokit._failures import told
from topokit._interrupts import INTERRUPTED
from topokit.cli import (
    _build_command,
    _challenge_command,
    _choose_command,
    _design_command,
    _diagnose_command,
    _list_command,
    _plot_command,
    _rank_command,
    _report_command,
    _score_command,
    _train_command,
)
from topokit.cli._console import all_encoded, tell, tell_interrupted, writing
from topokit.cli._streams import CLOSED_PIPE

WRONG_INPUT = 2
MESSAGE = 2000  # columns of an error, of which names and values of any length are a part
EXAMPLES = """Examples:
  topokit list                             the families of topologies
  topokit score butterfly --help           the options of one of them
  topokit score butterfly --n 8            every data-free number of a member
  topokit diagnose net.npz                 where it is weak, what to change
  topokit plot torus --shape 8x4 --depth 7 --what control -o torus.png
  topokit rank                             reconstruction losses, best first
  topokit design --n-in 784 --n-out 300 --share 0.1    a wiring for a layer
  topokit report ranking                   the page of a ranking, again
  topokit train --layers clos --share 0.2  a sparse classifier learns
  topokit choose --model mlp --budget 0.1  which wiring for some data
  topokit challenge --neurons 1024         the Graph Challenge, and its rate"""


class Root(click.Group):
    """A group that answers every error with one line on stderr and a status of its own."""

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        """Run a command, and exit with 0, 2 for wrong input, or 130 after Ctrl-C."""
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **kwargs)
        with all_encoded():
            sys.exit(self._status(*args, **kwargs))

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the words; a reader who does not want the help that they ask for ends it."""
        with _ended(), writing():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a reader who has read enough ends it."""
        with _ended():
            return super().invoke(ctx)

    def _status(self, *args: Any, **kwargs: Any) -> Any:
        """What a command returns, or the status of an error that is told."""
        try:
            status = super().main(*args, standalone_mode=False, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            status = WRONG_INPUT
        except (click.ClickException, MissingExtraError, ValueError, OSError, MemoryError) as error:
            tell(f"Error: {_one_line(error)}")
            status = WRONG_INPUT
        except click.Abort:
            tell_interrupted()
            status = INTERRUPTED
        except Exception as error:  # of what kind is JAX's to say
            missing = _no_memory("") if "RESOURCE_EXHAUSTED" in str(error) else _missing_device()
            if missing is None:
                raise
            tell(f"Error: {missing}")
            status = WRONG_INPUT
        return status


@contextmanager
def _ended() -> Iterator[None]:
    """End by Ctrl-C, and where nobody reads the other end of a pipe, before click has its way."""
    try:
        yield
    except BrokenPipeError:
        raise click.exceptions.Exit(CLOSED_PIPE) from None
    except KeyboardInterrupt:
        raise click.Abort from None


def _no_memory(detail: str) -> str:
    """What to say where the memory of the machine does not suffice for what the limits allow."""
    return f"out of memory{': ' * bool(detail)}{detail}; give a smaller topology, or fewer at once"


def _missing_device() -> str | None:
    """What is wrong if JAX was needed, and has nothing to compute on."""
    needed = "jax" in sys.modules  # which takes half a second
    return import_module("topokit._jax_backend").missing_backend() if needed else None


def _one_line(error: Exception) -> str:
    match error:
        case click.UsageError(ctx=click.Context() as context):
            said = _usage(error, context)
            stop = "" if said.endswith((".", "?", ")")) else "."
            message = f"{said}{stop} See '{context.command_path} --help'."
        case click.ClickException():
            message = error.format_message()
        case OSError():
            message = told(error)
        case MemoryError():
            message = _no_memory(str(error))
        case _:
            message = str(error) or type(error).__name__
    return shown(" ".join(message.split()), MESSAGE)


def _usage(error: click.UsageError, context: click.Context) -> str:
    """What click says; of an option that there is not, which ones may be meant."""
    if not isinstance(error, click.NoSuchOption):
        return error.format_message()
    known = {name.lstrip("-"): name for p in context.command.params for name in p.opts}
    word = error.option_name.lstrip("-")
    parts = [name for name in known if word in name.split("-")]
    meant = [known[name] for name in parts or difflib.get_close_matches(word, known)]
    hint = f" Did you mean {' or '.join(meant)}?" * bool(meant)
    return f"No such option '{error.option_name}'.{hint}"


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\n" + EXAMPLES,
)
@click.version_option(__version__)
def main() -> None:
    """Build, score and rank the wiring of sparse neural networks, without data.

    A topology is a family with its options, or a file (.npz, .json, .graphml, .gml, .edgelist,
    .mtx).
    """


for verb in (
    _list_command,
    _build_command,
    _score_command,
    _diagnose_command,
    _plot_command,
    _rank_command,
    _design_command,
    _report_command,
    _train_command,
    _choose_command,
    _challenge_command,
):
    main.add_command(verb.command)
