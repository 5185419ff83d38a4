"""Photos in, classes out: an artifact at work, one photo after another, in flat memory however many there are."""

import glob
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from scipy.special import softmax

from petiole.data.augment import centre_view, normalize
from petiole.data.layout import is_picture_name
from petiole.data.pixels import UnusableError, decode, harmless_warnings
from petiole.deploy.runtime import Array, Runtime
from petiole.deployed import Deployed
from petiole.errors import UserError
from petiole.inference_records import Prediction
from petiole.preprocessing import Preprocessing

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 16
"""Photos that are decoded ahead of the network."""
GREY = (0.299, 0.587, 0.114)
"""ITU-R BT.601, as Pillow's own conversion to greys."""


def predict(deployed: Deployed, runtime: Runtime, images: Sequence[str], *, threads: int) -> Iterator[Prediction]:
    """One row for each photo, in the order of ``images``: files, folders (searched), or patterns such as ``*.jpg``.

    A photo that cannot be read is a row with the reason.

    Raises:
        UserError: ``images`` names nothing at all.
    """
    preprocessing = deployed.card.preprocessing

    def load(path: Path) -> Array | str:
        return _load(path, preprocessing)

    with harmless_warnings(), ThreadPoolExecutor(max_workers=threads) as pool:
        for path, loaded in _ahead(pool, load, named_files(images)):
            yield _row(deployed, runtime, path, loaded)


def _row(deployed: Deployed, runtime: Runtime, path: Path, loaded: Array | str) -> Prediction:
    if isinstance(loaded, str):
        return Prediction(path=_shown(path), why=loaded)
    began = time.perf_counter()
    logits = runtime.run(loaded)
    ms = (time.perf_counter() - began) * 1000
    probabilities = softmax(logits[0].astype(np.float64))
    best = int(probabilities.argmax())
    of_all = dict(zip(deployed.card.classes, probabilities.tolist(), strict=True))
    label = deployed.card.classes[best]
    return Prediction(path=_shown(path), label=label, probability=of_all[label], probabilities=of_all, ms=ms)


def _shown(path: Path) -> str:
    """The path as text that a terminal and JSON can hold, also where a name is not UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def named_files(images: Sequence[str]) -> Iterator[Path]:
    """What ``images`` names; a name without a file stays, so that it becomes a row, and so does, at the end, a pattern
    that matches nothing.

    Raises:
        UserError: it names nothing at all.
    """
    found, unmatched = False, list[Path]()
    for name in images:
        path = Path(name)
        matches = [] if path.exists() else sorted(Path(each) for each in glob.glob(name, recursive=True))
        if not matches and glob.has_magic(name) and not path.exists():
            unmatched.append(path)
            continue
        for each in matches or [path]:
            for file in _pictures_below(each) if each.is_dir() else [each]:
                found = True
                yield file
    if not found:
        raise UserError(f"no pictures in {', '.join(images)}: name photos, folders of photos, or a pattern in quotes")
    yield from unmatched


def _pictures_below(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if is_picture_name(each) and not _is_hidden(each, folder))


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def _load(path: Path, preprocessing: Preprocessing) -> Array | str:
    """The network's input ``(1, C, S, S)`` of a photo file, exactly as it was judged with, or why there is none."""
    try:
        if not path.is_file():
            return "no file" if path.exists() else f"no {'match' if glob.has_magic(str(path)) else 'such file'}"
        pixels = torch.from_numpy(decode(path.read_bytes(), short_side=preprocessing.decoded_px).copy())
    except UnusableError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    picture = pixels.permute(2, 0, 1)
    if preprocessing.channels == 1:
        weights = torch.tensor(GREY).view(3, 1, 1)
        picture = (picture * weights).sum(0, keepdim=True).round().to(torch.uint8)
    view = centre_view(picture, preprocessing)
    inputs: Array = np.ascontiguousarray(normalize(view[None], preprocessing).numpy())
    return inputs


def _ahead(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
    """Results in order, with at most ``AHEAD`` items under way: memory stays flat."""
    waiting: deque[tuple[T, Future[R]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(work, item)))
        if len(waiting) > AHEAD:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()
