"""Where the photos come from: the user's folder, the cache, the official archive, or the embedded drawn ants
and bees.

The first of these that can be had is taken; the note says why it was not an earlier one.
"""

import hashlib
import inspect
import json
import os
from dataclasses import dataclass
from pathlib import Path

from petiole.cache import cache_dir, cache_path
from petiole.data import synthetic
from petiole.data.archive import extract_zip
from petiole.data.drawing import anatomy, backgrounds, insects, leaves, rendering, scenery, solids
from petiole.data.layout import text_of
from petiole.download import DownloadError, fetch, new_folder, temporary_folder
from petiole.errors import UserError

HYMENOPTERA_URL = "https://download.pytorch.org/tutorial/hymenoptera_data.zip"
HYMENOPTERA_SHA256 = "fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209"
TRAIN_IMAGES, TEST_IMAGES = 245, 153
"""Files of the official archive, and pictures of the embedded default."""

MOST_PHOTOS = 10_000_000
"""That are drawn: some hundred gigabytes."""

SYNTHETIC = Path("synthetic")
"""``--data synthetic``: the embedded default, unless there is a folder of that name."""

GENERATOR = (synthetic, anatomy, backgrounds, insects, leaves, rendering, scenery, solids)
"""The modules that decide what is drawn: photos drawn by other versions of them are not reused."""

MARKER = ".petiole-synthetic.json"
"""Lies in every folder of drawn photos, so that they are called synthetic wherever they are opened."""


@dataclass(frozen=True, kw_only=True)
class PhotoSource:
    """A folder of photos, a short name of where it came from, and why it was taken."""

    root: Path
    source: str
    synthetic: bool
    note: str


def hymenoptera(
    *,
    data: Path | None,
    offline: bool,
    synthetic_count: int | None = None,
    seed: int = 0,
    fallback: Path,
    progress: bool = True,
    url: str = HYMENOPTERA_URL,
    sha256: str = HYMENOPTERA_SHA256,
) -> PhotoSource:
    """The photos of a lab run: ``data``, else the cache, the official archive, or the embedded default.

    ``synthetic_count`` is the number of drawn photos, both splits together (398 by default). ``fallback`` is
    a folder that holds what the cache would, where the cache cannot be written.

    Raises:
        UserError: neither the cache nor ``fallback`` can be written, or a count too small to split.
    """
    if data == SYNTHETIC and not data.is_dir():
        return _drawn(synthetic_count, seed, fallback, progress, why="as asked for")
    if data is not None:
        return from_folder(data)
    for place in (cache_path(), fallback):
        root = place / "hymenoptera" / "hymenoptera_data"
        if root.is_dir():
            return PhotoSource(root=root, source="hymenoptera", synthetic=False, note="from the cache")
    try:
        root = _download(_writable(fallback), url=url, sha256=sha256, offline=offline, progress=progress)
    except DownloadError as error:
        return _drawn(synthetic_count, seed, fallback, progress, why=str(error))
    return PhotoSource(root=root, source="hymenoptera", synthetic=False, note="downloaded")


def from_folder(data: Path) -> PhotoSource:
    """The user's own folder. Whether it exists and what is in it is for :mod:`petiole.data.folder` to say."""
    drawn = os.path.isfile(data / MARKER)  # False, too, where there is no permission to look
    name = text_of(os.path.basename(os.path.realpath(data)))
    source = "hymenoptera" if name.startswith("hymenoptera") else name
    return PhotoSource(root=data, source="synthetic" if drawn else source, synthetic=drawn, note="")


def draw(root: Path, *, seed: int = 0, count: int = TRAIN_IMAGES + TEST_IMAGES, progress: bool = False) -> PhotoSource:
    """Draw ``count`` synthetic photos into the new folder ``root``, split 245 to 153 like the archive.

    Raises:
        UserError: fewer than 8 photos, or ``root`` is there already or cannot be written.
    """
    if root.exists():
        raise UserError(f"{root} is already there: draw into a new folder")
    if count < 8:
        raise UserError(f"{count} synthetic photos cannot be split into two classes: ask for 8 or more")
    if count > MOST_PHOTOS:
        raise UserError(f"{count} synthetic photos are too many: ask for {MOST_PHOTOS:,} at most")
    train_images = round(count * TRAIN_IMAGES / (TRAIN_IMAGES + TEST_IMAGES))
    with new_folder(root) as fresh:
        test_images = count - train_images
        synthetic.generate(fresh, seed=seed, train_images=train_images, test_images=test_images, progress=progress)
        (fresh / MARKER).write_text(json.dumps({"seed": seed, "count": count}), encoding="utf-8")
    return PhotoSource(root=root, source="synthetic", synthetic=True, note="")


def _drawn(count: int | None, seed: int, fallback: Path, progress: bool, *, why: str) -> PhotoSource:
    """The embedded default, drawn once into the cache for each seed, count and version of the generator."""
    count = TRAIN_IMAGES + TEST_IMAGES if count is None else count
    sources = "".join(inspect.getsource(module) for module in GENERATOR)
    generator = hashlib.sha256(sources.encode()).hexdigest()[:8]
    root = _writable(fallback) / f"synthetic-{count}-seed{seed}-{generator}"
    if not (root / MARKER).is_file():
        draw(root, seed=seed, count=count, progress=progress)
    note = f"the embedded synthetic photos, not real ones ({why})"
    return PhotoSource(root=root, source="synthetic", synthetic=True, note=note)


def _download(place: Path, *, url: str, sha256: str, offline: bool, progress: bool) -> Path:
    """The official archive, unpacked in ``place``; the zip file itself is not kept."""
    with temporary_folder(place / "download") as folder:  # this process's own: another one may do the same
        archive = folder / "hymenoptera_data.zip"
        fetch(url, archive, sha256=sha256, what="the hymenoptera photos", offline=offline, progress=progress)
        extract_zip(archive, place / "hymenoptera")
    return place / "hymenoptera" / "hymenoptera_data"


def _writable(fallback: Path) -> Path:
    """The cache, or ``fallback`` where the cache cannot be written."""
    try:
        return cache_dir()
    except UserError:
        return fallback
