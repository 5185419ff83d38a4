"""The embedded default photos: drawn ants and bees, for trying out, tests and benchmarks without real photos.

Every photo has its own random numbers, from (seed, split, class, index) alone, so a larger set begins with the
smaller one and photos can be drawn in any order. A scene is a ground, an insect or a few in a random pose under one
sun, things that lie about, something in front, and a camera that is not always in focus.
"""

import hashlib
import math
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter
from rich.console import Console
from rich.progress import track

from petiole.data.drawing import backgrounds, insects, rendering, scenery
from petiole.data.drawing.solids import Array, Light, Part, Rng, View
from petiole.errors import UserError, unknown_choice
from petiole.writing import user_errors

KINDS = ("ants", "bees")
SPLITS = ("train", "val")
LONG_PX = (320, 500)
"""Shortest and longest long side of a photo."""
ANTS_OF = {"train": (124, 245), "val": (70, 153)}
"""Ants of all photos in each split of the hymenoptera archive; the drawn set has the same balance."""


class _Scene(NamedTuple):
    """What all things in one photo share; ``camera`` (3, 3) turns the ground's x, y, up to the view's axes."""

    picture: Array
    camera: Array
    light: Light
    grain: Array
    shadow: float


def draw(kind: str, *, seed: int, index: int, split: str) -> Image.Image:
    """Photo ``index`` (from 0) of class ``kind`` ("ants", "bees") in ``split`` ("train", "val"), RGB, 320 to 500 px.

    Raises:
        UserError: an unknown class or split, or a negative seed.
    """
    if kind not in KINDS:
        raise unknown_choice("class", kind, list(KINDS))
    if split not in SPLITS:
        raise unknown_choice("split", split, list(SPLITS))
    if seed < 0:
        raise UserError(f"seed {seed} is negative: give 0 or more")
    rng = np.random.default_rng([seed, SPLITS.index(split), KINDS.index(kind), index])
    scene = _empty_scene(rng)
    h, w = scene.picture.shape[1:]
    side = min(h, w)
    length_px = side * math.exp(rng.uniform(math.log(0.2), math.log(1.0)))
    for _ in range(int(min(rng.poisson(2.6), 6))):
        size_px = min(max(length_px, 0.25 * side), 0.4 * side) * float(rng.uniform(0.4, 1.0))
        _place(rng, scene, scenery.clutter(rng), size_px, (rng.uniform(0, w), rng.uniform(0, h)))
    centre = (w * rng.uniform(0.24, 0.76), h * rng.uniform(0.26, 0.74))
    for number in range(1 + int(rng.choice([0, 1, 2], p=[0.8, 0.14, 0.06]))):
        parts = insects.BODY_PLANS[kind](rng)
        at = centre if number == 0 else (rng.uniform(0, w), rng.uniform(0, h))
        perch = scenery.stem(rng) if rng.random() < 0.12 else []
        _place(rng, scene, parts + perch, length_px * (1 if number == 0 else 0.9), at)
    if rng.random() < 0.5:
        _cover(rng, scene, length_px, centre)
    return _developed(rng, scene.picture)


def _empty_scene(rng: Rng) -> _Scene:
    """A ground under a random light, sharp or out of focus, seen from above or aslant."""
    long = int(rng.integers(LONG_PX[0], LONG_PX[1] + 1))
    short = max(240, round(long / float(rng.choice([1.0, 1.25, 1.33, 1.33, 1.33, 1.5, 1.5]))))
    h, w = (long, short) if rng.random() < 0.3 else (short, long)
    tilt = math.radians(float(rng.uniform(0, 68)))
    c, s = math.cos(tilt), math.sin(tilt)
    camera = np.array([[1, 0, 0], [0, -c, -s], [0, -s, c]], dtype=np.float32)
    if rng.random() < 0.25:
        roll = float(rng.uniform(0, 2 * math.pi))
        c, s = math.cos(roll), math.sin(roll)
        camera = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=np.float32) @ camera
    azimuth, height = float(rng.uniform(0, 2 * math.pi)), math.radians(float(rng.uniform(42, 80)))
    sun = (math.cos(azimuth) * math.cos(height), math.sin(azimuth) * math.cos(height), math.sin(height))
    hard, warm = float(rng.uniform(0.2, 1)), float(rng.uniform(-0.04, 0.14))
    light = Light(
        direction=camera @ np.asarray(sun, dtype=np.float32),
        sun=np.array([1 + warm, 1, 1 - warm], dtype=np.float32) * (0.45 + 0.5 * hard),
        sky=np.array([1 - warm / 2, 1, 1 + warm / 2], dtype=np.float32) * (0.95 - 0.4 * hard),
    )
    grounds = list(backgrounds.GROUNDS.values())
    paint = grounds[int(rng.integers(len(grounds)))]
    soft = rng.random() < 0.5
    if soft:
        half = paint(rng, h // 2, w // 2, light.direction)
        picture = backgrounds.from_image(backgrounds.to_image(half).resize((w, h), Image.Resampling.BICUBIC))
    else:
        picture = paint(rng, h, w, light.direction)
    grain = backgrounds.noise(rng, h, w, 2.5)
    return _Scene(picture, camera, light, grain, 0.25 + 0.4 * hard)


def _place(rng: Rng, scene: _Scene, parts: list[Part], length_px: float, at: tuple[float, float]) -> None:
    """Set a thing on the ground of the scene, facing anywhere, with its shadow."""
    heading = float(rng.uniform(0, 2 * math.pi))
    c, s = math.cos(heading), math.sin(heading)
    turned = scene.camera @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=np.float32)
    view = View(turned, length_px, at)
    soft_px = 0.6 + length_px / 60
    rendering.cast_shadow(scene.picture, parts, view, scene.light, depth=scene.shadow, soft_px=soft_px)
    rendering.paint(scene.picture, parts, view, scene.light, scene.grain)


def _cover(rng: Rng, scene: _Scene, length_px: float, centre: tuple[float, float]) -> None:
    """Put one or two leaves, petals or blades of grass before the insect, perhaps out of focus."""
    size = max(scene.picture.shape)
    for _ in range(int(rng.integers(1, 3))):
        away = float(rng.uniform(0, 2 * math.pi))
        c, s = math.cos(away), math.sin(away)
        turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=np.float32)
        near, aside = length_px * float(rng.uniform(-0.1, 0.35)), length_px * float(rng.uniform(-0.45, 0.45))
        root = (centre[0] + c * near - s * aside, centre[1] + s * near + c * aside)
        view = View(turned, size * float(rng.uniform(0.25, 0.5)), root)
        rendering.paint(scene.picture, scenery.cover(rng), view, scene.light, scene.grain)


@lru_cache(maxsize=1)
def _sensor_noise() -> Array:
    """Fixed white noise of which each photo takes a part."""
    return np.random.default_rng(2).standard_normal((LONG_PX[1] + 64, LONG_PX[1] + 64), dtype=np.float32)


def _developed(rng: Rng, picture: Array) -> Image.Image:
    """From a scene to a photo: exposure, white balance, darker corners, noise of the sensor, focus."""
    h, w = picture.shape[1:]
    tint = np.exp(np.array([0.05, 0.03, 0.06]) * rng.standard_normal(3) + 0.1 + 0.16 * rng.standard_normal())
    y, x = np.linspace(-1, 1, h, dtype=np.float32)[:, None], np.linspace(-1, 1, w, dtype=np.float32)[None, :]
    picture *= 1 - np.float32(rng.uniform(0, 0.22)) * (x * x + y * y)
    picture *= tint.astype(np.float32)[:, None, None]
    row, column = rng.integers(64, size=2).tolist()
    picture += _sensor_noise()[row : row + h, column : column + w] * np.float32(rng.uniform(0.004, 0.03))
    image = backgrounds.to_image(picture)
    soft = float(rng.uniform(-1.0, 2.4))
    return image.filter(ImageFilter.BoxBlur(soft)) if soft > 0.2 else image


def counts(split: str, images: int) -> dict[str, int]:
    """How many of the ``images`` of a split show each class, in the balance of the hymenoptera archive.

    >>> counts("train", 245), counts("val", 153), counts("train", 10)
    ({'ants': 124, 'bees': 121}, {'ants': 70, 'bees': 83}, {'ants': 5, 'bees': 5})
    """
    share, total = ANTS_OF[split]
    ants = min(max((2 * images * share + total) // (2 * total), 1), images - 1)
    return {"ants": ants, "bees": images - ants}


def generate(
    root: Path, *, seed: int = 0, train_images: int = 245, test_images: int = 153, progress: bool = False
) -> None:
    """Draw a whole set into ``root/{train,val}/{ants,bees}/`` as JPEG files; existing ones are replaced.

    Same seed, same machine: the same bytes. One photo is in memory at a time.
    ``progress`` shows a bar on standard error.

    Raises:
        UserError: fewer than 2 photos in a split, a negative seed, or ``root`` cannot be written.
    """
    wanted = {"train": train_images, "val": test_images}
    for split, images in wanted.items():
        if images < 2:
            raise UserError(f"{images} drawn photos for {split!r} leave a class empty: ask for 2 or more in each split")
    photos = (
        (split, kind, index)
        for split, images in wanted.items()
        for kind, number in counts(split, images).items()
        for index in range(number)
    )
    total = train_images + test_images
    with user_errors(root):
        for split in SPLITS:
            for kind in KINDS:
                (root / split / kind).mkdir(parents=True, exist_ok=True)
        shown = Console(stderr=True)
        for split, kind, index in track(photos, "drawing photos", total, console=shown, disable=not progress):
            photo = draw(kind, seed=seed, index=index, split=split)
            photo.save(root / split / kind / f"{kind[:-1]}-{seed}-{index:05d}.jpg", quality=88)


def fingerprint() -> str:
    """A digest of the generator's source: sets that two versions of it draw must not be taken for each other."""
    here = Path(__file__)
    sources = [here, *sorted((here.parent / "drawing").glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]
