"""Photos in, classes out: an artifact at work, one photo after another, in flat memory however many there are."""

import glob
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from petiole.data.augment import centre_view, normalize
from petiole.data.layout import below, is_picture_name, is_visible, text_of
from petiole.data.pixels import UnusableError, decode, harmless_warnings, read_file
from petiole.deploy.runtime import Array, Runtime
from petiole.deployed import Deployed
from petiole.errors import UserError
from petiole.inference_records import Prediction
from petiole.preprocessing import Preprocessing
from petiole.processes import pool

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 16
"""Photos that are decoded ahead of the network, beside those of one batch."""
GREY = (0.299, 0.587, 0.114)
"""ITU-R BT.601, as Pillow's own conversion to greys."""


class Named(NamedTuple):
    """A photo file, or what was named and is none: ``why``."""

    path: Path
    why: str = ""


def predict(
    deployed: Deployed, runtime: Runtime, images: Sequence[str], *, threads: int, batch: int = 1
) -> Iterator[Prediction]:
    """One row for each photo, in the order of ``images``: files, folders (searched), or patterns such as ``*.jpg``.

    The network sees ``batch`` photos in one call. A photo that cannot be read is a row with the reason.

    Raises:
        UserError: ``images`` names nothing at all, or a folder that cannot be read.
    """
    preprocessing = deployed.card.preprocessing

    def load(named: Named) -> Array | str:
        return named.why or _load(named.path, preprocessing)

    with harmless_warnings(), pool(threads) as decoders:
        loaded = _ahead(decoders, load, named_files(images), ahead=AHEAD + batch)
        while some := list(islice(loaded, batch)):
            yield from _rows(deployed.card.classes, runtime, some)


NO_NUMBER = "the network's answer is no number"


def _rows(
    classes: Sequence[str], runtime: Runtime, loaded: Sequence[tuple[Named, Array | str]]
) -> Iterator[Prediction]:
    """The rows of photos that the network sees together."""
    readable = [each for _, each in loaded if not isinstance(each, str)]
    ms = 0.0
    answers: Iterator[NDArray[np.float64]] = iter(())
    if readable:
        inputs = np.concatenate(readable)
        began = time.perf_counter()
        logits = runtime.run(inputs)
        ms = (time.perf_counter() - began) * 1000 / len(readable)
        with np.errstate(invalid="ignore", over="ignore"):  # what is no number is told, picture by picture
            answers = iter(softmax(logits.astype(np.float64), axis=1))
    for named, each in loaded:
        path = text_of(named.path)
        if isinstance(each, str):
            yield Prediction(path=path, why=each)
            continue
        probabilities = next(answers)
        if not np.isfinite(probabilities).all():
            yield Prediction(path=path, why=NO_NUMBER)
            continue
        of_all = dict(zip(classes, probabilities.tolist(), strict=True))
        label = classes[int(probabilities.argmax())]
        yield Prediction(
            path=path, label=label, probability=of_all[label], probabilities=of_all, ms=ms, runtime=runtime.name
        )


def named_files(images: Sequence[str]) -> Iterator[Named]:
    """What ``images`` names; a name without a file stays, so that it becomes a row, and so does what cannot be entered
    in a folder, and, at the end, a pattern that matches nothing.

    Raises:
        UserError: it names nothing at all, or a folder that cannot be read.
    """
    if "" in images:
        raise UserError("the name of a photo is empty: name photos, folders of photos, or a pattern in quotes")
    found, unmatched = False, list[Named]()
    for name in images:
        is_pattern = glob.has_magic(name) and not os.path.lexists(name)
        matches = _matches(name) if is_pattern else [Path(name)]
        if not matches:
            unmatched.append(Named(Path(name), "no match"))
        for each in matches:
            is_empty = True
            for file in _pictures_below(each) if os.path.isdir(each) else [Named(each)]:
                found, is_empty = True, False
                yield file
            if is_empty:
                unmatched.append(Named(each, "no pictures in this folder"))
    if not found:
        raise UserError(f"no pictures in {', '.join(images)}: name photos, folders of photos, or a pattern in quotes")
    yield from unmatched


def _pictures_below(folder: Path) -> Iterator[Named]:
    return (Named(path, why) for path, why in below(folder) if why or is_picture_name(path))


def _matches(pattern: str) -> list[Path]:
    """What a pattern matches, sorted: nothing hidden unless it says so, and links to folders not followed by ``**``.
    What lies in a folder that is matched itself is found with it.

    Raises:
        UserError: ``**`` is part of a name.
    """
    path = Path(pattern)
    try:
        found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    except ValueError as error:
        raise UserError(f"the pattern {pattern!r} is none: ** stands alone between slashes") from error
    asks_for_hidden = any(part.startswith(".") and part != ".." for part in path.parts)
    shown = [
        each for each in found if asks_for_hidden or all(part in path.parts or is_visible(part) for part in each.parts)
    ]
    folders = {each for each in shown if os.path.isdir(each)}
    return [each for each in shown if folders.isdisjoint(each.parents)]


def _load(path: Path, preprocessing: Preprocessing) -> Array | str:
    """The network's input ``(1, C, S, S)`` of a photo file, exactly as it was judged with, or why there is none."""
    try:
        pixels = torch.from_numpy(decode(read_file(path), short_side=preprocessing.decoded_px).copy())
    except UnusableError as error:
        return str(error)
    picture = pixels.permute(2, 0, 1)
    if preprocessing.channels == 1:
        weights = torch.tensor(GREY).view(3, 1, 1)
        picture = (picture * weights).sum(0, keepdim=True).round().to(torch.uint8)
    view = centre_view(picture, preprocessing)
    inputs: Array = np.ascontiguousarray(normalize(view[None], preprocessing).numpy())
    return inputs


def _ahead(threads: Executor, work: Callable[[T], R], items: Iterable[T], *, ahead: int) -> Iterator[tuple[T, R]]:
    """Results in order, with at most ``ahead`` items under way: memory stays flat."""
    waiting: deque[tuple[T, Future[R]]] = deque()
    for item in items:
        waiting.append((item, threads.submit(work, item)))
        if len(waiting) > ahead:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()
