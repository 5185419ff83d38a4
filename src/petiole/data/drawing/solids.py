"""The solids that drawn photos are made of: what an insect, a berry, a twig or a leaf is before it is a picture.

Three kinds of part are enough: an ellipsoid (a segment of a body, a berry), a limb (a tapering rod: leg, antenna,
twig) and a blade (a flat leaf shape: wing, petal).
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Rgb = tuple[float, float, float]
Point = tuple[float, float, float]
Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Coat:
    """The surface of a part: its colour, ``bands`` rings of a ``second`` colour, shine, and hair.

    ``band_share`` is the part of a ring's period in the second colour; ``fur`` is the length of hairs as a
    fraction of the part's mean radius, 0 for none.
    """

    base: Rgb
    second: Rgb | None = None
    bands: float = 0.0
    band_share: float = 0.5
    gloss: float = 0.3
    fur: float = 0.0
    fur_colour: Rgb | None = None


@dataclass(frozen=True, kw_only=True)
class Ellipsoid:
    """An ellipsoid: ``radii`` along its own axes, turned by ``yaw_deg`` (about z), ``pitch_deg`` (nose up)."""

    name: str
    centre: Point
    radii: Point
    coat: Coat
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Limb:
    """A rod from ``start`` to ``end`` whose radius goes from the first to the second of ``radii``."""

    name: str
    start: Point
    end: Point
    radii: tuple[float, float]
    coat: Coat


@dataclass(frozen=True, kw_only=True)
class Blade:
    """A flat shape: ``root`` + u * ``along`` + v * ``across``, u in 0..1, v in -1..1.

    ``outline`` is "wing", "leaf" or "petal"; ``soft_px`` is how far its edge is out of focus, in the
    picture's pixels.
    """

    name: str
    root: Point
    along: Point
    across: Point
    coat: Coat
    outline: str
    opacity: float = 1.0
    soft_px: float = 1.0


Part = Ellipsoid | Limb | Blade


class View(NamedTuple):
    """From a part's space to the picture.

    ``rotation`` (3, 3) gives (right, down, towards us); then ``scale_px`` pixels per unit and the origin's pixel.
    """

    rotation: Array
    scale_px: float
    origin_px: tuple[float, float]


class Light(NamedTuple):
    """``direction`` to the sun in view space (unit length), and the colours of sun and sky."""

    direction: Array
    sun: Array
    sky: Array


def axes(yaw_deg: float, pitch_deg: float) -> Array:
    """The rotation (3, 3) whose columns are the axes of a part turned by yaw and pitch.

    >>> axes(90.0, 0.0)[:, 0].round(6).tolist()
    [0.0, 1.0, 0.0]
    """
    cy, sy = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    cp, sp = math.cos(math.radians(pitch_deg)), math.sin(math.radians(pitch_deg))
    return np.array([[cy * cp, -sy, -cy * sp], [sy * cp, cy, -sy * sp], [sp, 0.0, cp]], dtype=np.float32)
