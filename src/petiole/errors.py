"""What can go wrong, told to the person who can mend it: one sentence (what, where, what to do), one exit code."""

import pickle
import re
import struct

NOT_OF_TORCH = (
    pickle.UnpicklingError, struct.error, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError,
    AssertionError,
)  # fmt: skip
"""What ``torch.load`` raises at a file that holds something else."""


class PetioleError(Exception):
    """Base of every error that Petiole raises on purpose. ``exit_code`` is what the command line returns."""

    exit_code = 1


class UserError(PetioleError):
    """The user's input is wrong: a missing folder, an unknown name, a file that does not fit. Exit code 2.

    The message is one sentence that says what is wrong, where, and what to do.
    """

    exit_code = 2


class GoalError(PetioleError):
    """The input is fine, but the goal cannot be met (no network within the constraint). Exit code 3."""

    exit_code = 3


class GateError(PetioleError):
    """A step claimed to have happened and did not: nothing pruned, nothing quantized, predictions that differ.

    In a lab run it becomes a row of ``failures``; the variant gets no row of results.
    """


def unknown_choice(what: str, given: str, choices: list[str]) -> UserError:
    """The error for a name that is not in a list: it shows the valid ones.

    >>> str(unknown_choice("stage", "prune", ["scratch", "pruning"]))
    "unknown stage 'prune': choose from scratch, pruning"
    """
    return UserError(f"unknown {what} {given!r}: choose from {', '.join(choices)}")


def without_password(url: str) -> str:
    """A URL, of a database as well, as it may be shown; any other text stays as it is.

    >>> without_password("postgresql://me:secret@host/name")
    'postgresql://me:***@host/name'
    >>> without_password("postgresql://host/name?user=me&password=secret")
    'postgresql://host/name?user=me&password=***'
    """
    if "://" not in url:
        return url
    url = re.sub(r"(://[^:/@]*:)[^@]*@", r"\1***@", url)
    return re.sub(r"(?i)([?&;][^=&;]*(?:password|passwd|pwd)=)[^&;]*", r"\1***", url)
