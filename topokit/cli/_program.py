"""The program `topokit`: Ctrl-C ends it with one line and 130, whenever and however often it comes.

It is heard before all else is imported, which takes a while.
"""

import sys
from importlib import import_module
from typing import NoReturn

from topokit._interrupts import INTERRUPTED, OneInterrupt


def run() -> NoReturn:
    """Run the command of `sys.argv`, and exit."""
    interrupt = OneInterrupt()
    try:
        interrupt.listen()
        streams = import_module("topokit.cli._streams")
        streams.open_streams()
        status = streams.flushed(_status())
        interrupt.end()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        status = INTERRUPTED
    sys.exit(status)


def _status() -> int:
    """What the command exits with."""
    try:
        import_module("topokit.cli._main").main(prog_name="topokit")
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    return 0
