"""Values of a network's graph for many pictures at once, held or computed in chunks."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any


class Chunks(list[Any]):
    """One value of the graph for all pictures: a list of its chunks."""


class Recomputed:
    """One value of the graph for all pictures, none of it kept: each chunk is computed when it is asked for, from the
    kept values that it ``reads``."""

    def __init__(self, compute: Callable[[int], Any], chunks: int, reads: Sequence[Chunks]) -> None:
        self.compute, self.chunks, self.reads = compute, chunks, reads

    def __len__(self) -> int:
        return self.chunks

    def __getitem__(self, index: int) -> Any:
        return self.compute(index)

    def __iter__(self) -> Iterator[Any]:
        return map(self.compute, range(self.chunks))


def in_chunks(argument: Any) -> "Iterator[Chunks | Recomputed]":
    """What is of all pictures in an operation's arguments, also within lists."""
    if isinstance(argument, Chunks | Recomputed):
        yield argument
    elif isinstance(argument, list | tuple):
        yield from (found for each in argument for found in in_chunks(each))


def kept_in(argument: Any) -> Iterator[Chunks]:
    """The kept values that reading an argument takes: those in it, and those that the others are computed from."""
    for found in in_chunks(argument):
        yield from [found] if isinstance(found, Chunks) else found.reads


def chunk_of(argument: Any, index: int) -> Any:
    """The argument with one chunk in place of what is of all pictures."""
    if isinstance(argument, Chunks | Recomputed):
        return argument[index]
    if isinstance(argument, list | tuple):
        return tuple(chunk_of(each, index) for each in argument)
    return argument
