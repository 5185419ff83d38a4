"""Petiole: from a folder of photos to a small, fast image classifier, with the proof beside it.

Light on purpose: nothing heavy is imported here. The verbs are in :mod:`petiole.api`, one function each.
"""

__version__ = "0.1.0"
