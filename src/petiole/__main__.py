"""``petiole``, and ``python -m petiole``: Ctrl-C is heeded before anything else is imported."""

import sys

from petiole import cli_stop


def main() -> None:
    """Import the command line and do what it says."""
    cli_stop.heed()
    try:
        from petiole import cli
    except cli_stop.Stopped:
        print("petiole: stopped", file=sys.stderr)
        sys.exit(cli_stop.EXIT_CODE)
    cli.main()


if __name__ == "__main__":
    main()
