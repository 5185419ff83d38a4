"""``python -m petiole``."""

from petiole.cli import main

main()
