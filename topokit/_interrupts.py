"""Ctrl-C: where it must not be heard, and how often it is heard by a program that ends of it."""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

INTERRUPTED = 130  # what a shell is told by a program that Ctrl-C has ended

# Seconds after a first Ctrl-C in which others are taken for the same one; a later one ends at once.
SAME = 1.0

# Seconds until a Ctrl-C is heard that could not be, and what Python loads modules in C++ by.
MOMENT, LOADER = 0.02, "ExtensionFileLoader."

# What shows the cursor of a terminal, which a bar hides.
CURSOR = "\x1b[?25h"


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ctrl-C does nothing in here, if this is the main thread: no other can set signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Processes that begin in here inherit that they never hear Ctrl-C; this one still does."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class OneInterrupt:
    """A program that hears Ctrl-C once: a second one would end in a traceback what cleans up.

    The first is a KeyboardInterrupt, but not while a module in C++ begins, which would crash. Those
    that come within a second of it are not heard; a later one, where cleaning up takes long, ends
    the process at once.
    """

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self.heard: float | None = None
        self.raised = False
        self.waiting = False

    def listen(self) -> None:
        """Hear Ctrl-C from now on; the main thread alone can."""
        signal.signal(signal.SIGINT, self._hear)
        atexit.register(self._leave)  # what is registered first is called last
        sys.unraisablehook = self._tell_unraisable

    def end(self) -> None:
        """Raise nothing any more: the process ends anyway."""
        self.heard = self.heard or time.monotonic()

    def _hear(self, _: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.heard is None and _loading(frame):
            self._wait()
        elif self.heard is None:
            self.heard, self.raised = now, True
            raise KeyboardInterrupt
        elif now - self.heard > SAME:
            if sys.stderr.isatty():
                sys.stderr.write(CURSOR)
                sys.stderr.flush()
            os._exit(INTERRUPTED)

    def _leave(self) -> None:
        """Python now takes its handlers away, so that Ctrl-C would kill it.

        If one was raised while a module began, Python even kills itself.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self.raised:
            with suppress(OSError):
                sys.stdout.flush()
            os._exit(INTERRUPTED)

    def _tell_unraisable(self, error: Any) -> None:
        """Where Python drops a KeyboardInterrupt, as in `__del__`, it is raised again elsewhere."""
        if error.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(error)
            return
        self.heard = None
        self._wait()

    def _wait(self) -> None:
        """Send the signal again in a moment."""
        if not self.waiting:
            self.waiting = True
            again = threading.Timer(MOMENT, self._repeat)
            again.daemon = True
            again.start()

    def _repeat(self) -> None:
        self.waiting = False
        os.kill(os.getpid(), signal.SIGINT)


def _loading(frame: FrameType | None) -> bool:
    """Whether in some frame of a stack Python loads a module that is not written in Python."""
    while frame is not None and not frame.f_code.co_qualname.startswith(LOADER):
        frame = frame.f_back
    return frame is not None
