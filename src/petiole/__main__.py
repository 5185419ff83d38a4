"""``petiole``, and ``python -m petiole``: Ctrl-C is heeded before anything else is imported."""

import os
import sys

from petiole import cli_stop


def main() -> None:
    """Import the command line and do what it says."""
    _open_streams()
    cli_stop.heed()
    try:
        from petiole import cli
    except cli_stop.Stopped:
        print("petiole: stopped", file=sys.stderr)
        sys.exit(cli_stop.EXIT_CODE)
    cli.main()


def _open_streams() -> None:
    """What the shell has closed (``2>&-``) leads nowhere from now on; or the next file opened would be taken for it."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    main()
