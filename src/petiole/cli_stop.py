"""Ctrl-C and SIGTERM: a command ends with 130 and one sentence, which says how to go on where something was kept."""

import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from petiole.errors import without_password

EXIT_CODE = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN_S = 0.05
KEEP = ("lab", "compress")
"""The commands that keep what they have done and go on with it."""


class Stopped(BaseException):
    """The user has stopped this. No KeyboardInterrupt, which typer would end without a word."""


def heed() -> None:
    """From now on a signal raises :class:`Stopped` in the main thread; a forked child just ends. A signal that whoever
    started this has it ignore (``nohup``, a script's job in the background) is ignored. Where Python has nobody to
    raise it to (while it collects garbage, for example), it is sent again a moment later. While a module is imported,
    of which the large libraries lose exceptions, or abort, the process ends at once."""
    ours, tell = os.getpid(), sys.unraisablehook
    timer: threading.Timer | None = None

    def again(lost: "sys.UnraisableHookArgs") -> None:
        nonlocal timer
        if isinstance(lost.exc_value, Stopped):
            if timer is not None:
                timer.cancel()  # one signal is enough
            timer = threading.Timer(AGAIN_S, os.kill, (ours, lost.exc_value.args[0]))
            timer.daemon = True
            timer.start()
        else:
            tell(lost)

    def stop(signum: int, frame: FrameType | None) -> None:
        if os.getpid() != ours:
            os._exit(EXIT_CODE)
        if _is_importing(frame):
            with contextlib.suppress(OSError):
                os.write(2, f"petiole: {last_words(sys.argv[1:])}\n".encode(errors="backslashreplace"))
            leave()
        raise Stopped(signum)

    sys.unraisablehook = again
    for each in SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, stop)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def ignore() -> None:
    """From now on signals do nothing: the process is about to end."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def leave(code: int = EXIT_CODE) -> NoReturn:
    """End the process at once, without waiting for threads of which one may read what never answers."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):  # nobody reads, or it is at work
            stream.flush()
    os._exit(code)


def last_words(arguments: Sequence[str]) -> str:
    """What a stopped command says; ``arguments`` are those behind ``petiole``.

    >>> last_words(["lab", "--out", "my run"])
    "stopped; to go on where it was: petiole lab --out 'my run'"
    >>> last_words(["check", "photos"])
    'stopped'
    >>> last_words(["compress", "--study", "postgresql://:secret@host/studies"])
    "stopped; to go on where it was: petiole compress --study 'postgresql://:***@host/studies'"
    >>> last_words(["compress", "--study=postgresql://host/studies?password=secret"])
    "stopped; to go on where it was: petiole compress '--study=postgresql://host/studies?password=***'"
    """
    if arguments and arguments[0] in KEEP:
        shown = ["petiole", *map(without_password, arguments)]  # a database's password
        return f"stopped; to go on where it was: {shlex.join(shown)}"
    return "stopped"
