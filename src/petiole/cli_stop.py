"""Ctrl-C and SIGTERM: a command ends with 130 and one sentence, which says how to go on where something was kept."""

import os
import re
import shlex
import signal
from collections.abc import Sequence

EXIT_CODE = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)
KEEP = ("lab", "compress")
"""The commands that keep what they have done and go on with it."""


class Stopped(BaseException):
    """The user has stopped this. No KeyboardInterrupt, which typer would end without a word."""


def heed() -> None:
    """From now on a signal raises :class:`Stopped` in the main thread; a forked child just ends."""
    ours = os.getpid()

    def stop(signum: int, frame: object) -> None:
        if os.getpid() != ours:
            os._exit(EXIT_CODE)
        raise Stopped

    for each in SIGNALS:
        signal.signal(each, stop)


def ignore() -> None:
    """From now on signals do nothing: the process is about to end."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def last_words(arguments: Sequence[str]) -> str:
    """What a stopped command says; ``arguments`` are those behind ``petiole``.

    >>> last_words(["lab", "--out", "my run"])
    "stopped; to go on where it was: petiole lab --out 'my run'"
    >>> last_words(["check", "photos"])
    'stopped'
    >>> last_words(["compress", "--study", "postgresql://:secret@host/studies"])
    "stopped; to go on where it was: petiole compress --study 'postgresql://:***@host/studies'"
    """
    if arguments and arguments[0] in KEEP:
        shown = [re.sub(r"(://[^:/@\s]*:)[^@\s]+@", r"\1***@", each) for each in arguments]  # a database's password
        return f"stopped; to go on where it was: {shlex.join(['petiole', *shown])}"
    return "stopped"
