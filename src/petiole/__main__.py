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
    try:
        cli.main()
    except SystemExit as end:
        if end.code:  # something is left undone, perhaps by a thread that Python would wait for
            cli_stop.leave(int(end.code))
        raise


def _open_streams() -> None:
    """What the shell has closed (``2>&-``) leads nowhere from now on; or the next file opened would be taken for it."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null == number:
                os.set_inheritable(null, True)  # children need the three as well
            else:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    main()
