"""Long answers in paragraphs: the answer first, then what backs it, network by network."""

import re
from collections.abc import Iterable

LONG = 420
"""Characters after which a paragraph ends with its sentence."""
SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z0-9])")


def paragraphs(text: str, names: Iterable[str]) -> tuple[str, list[str]]:
    """The first sentence, which is the answer, and the rest: a new paragraph where a sentence begins with
    one of ``names``, and where one would become too long.

    >>> paragraphs("Yes. It is. A has 1. It is small. B has 2.", ["A", "B"])
    ('Yes.', ['It is.', 'A has 1. It is small.', 'B has 2.'])
    """
    lead, *sentences = SENTENCE.split(text)
    begins = tuple(f"{name} " for name in names)
    found: list[str] = []
    for sentence in sentences:
        if not found or sentence.startswith(begins) or len(found[-1]) > LONG:
            found.append(sentence)
        else:
            found[-1] += f" {sentence}"
    return lead, found
