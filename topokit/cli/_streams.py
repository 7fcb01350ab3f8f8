"""Standard output and standard error from the first to the last byte: closed, full, or unread.

Where one is closed from the beginning, what is said there goes nowhere. A reader that closes a pipe
ends the program without a word, as it ends any other one.
"""

import os
import sys

from topokit._failures import OUTPUT, failure, told

WRONG, CLOSED_PIPE = 2, 141
NAMES = {0: "stdin", 1: "stdout", 2: "stderr"}


def open_streams() -> None:
    """Open what is closed, lest the next file that is opened gets what is said."""
    for number, name in NAMES.items():
        if getattr(sys, name) is None:
            _discard(number)
            mode = "w" if number else "r"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def flushed(status: int) -> int:
    """The status once all is written, or that of what prevents it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            _discard(stream.fileno())
            if stream is sys.stdout and not status:
                status = _told(error)
    return status


def _told(error: OSError) -> int:
    """The status of an error of standard output."""
    if isinstance(error, BrokenPipeError):
        return CLOSED_PIPE
    sys.stderr.write(f"Error: {told(failure(error, OUTPUT))}\n")
    return WRONG


def _discard(number: int) -> None:
    """Let a stream lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
