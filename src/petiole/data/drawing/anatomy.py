"""Limbs and wings of insects, in body units (x forward, y left, z up, ground at z = 0), in random poses."""

import math

import numpy as np

from petiole.data.drawing.solids import Blade, Coat, Ellipsoid, Limb, Part, Point, Rng, axes


def added(a: Point, b: Point) -> Point:
    """The sum of two points."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def turned(point: Point, yaw_deg: float, pitch_deg: float) -> Point:
    """A point given in the axes of a part with that yaw and pitch, in body axes."""
    x, y, z = axes(yaw_deg, pitch_deg) @ np.asarray(point, dtype=np.float32)
    return float(x), float(y), float(z)


def towards(yaw_deg: float, pitch_deg: float, length: float) -> Point:
    """The point ``length`` away in the direction of that yaw and pitch."""
    return turned((length, 0.0, 0.0), yaw_deg, pitch_deg)


def _leg(rng: Rng, name: str, hip: Point, angle_deg: float, reach: float, thick: float, coat: Coat) -> list[Part]:
    """Femur up to the knee, tibia down, tarsus on the ground; ``angle_deg`` from straight ahead, + is left."""
    angle = math.radians(angle_deg + 11 * rng.standard_normal())
    reach *= 1 + 0.1 * rng.standard_normal()
    ahead, aside = math.cos(angle), math.sin(angle)
    bend = 0.06 * rng.standard_normal()

    def at(share: float, height: float) -> Point:
        return (
            hip[0] + (ahead - bend * aside) * reach * share,
            hip[1] + (aside + bend * ahead) * reach * share,
            height,
        )

    knee = at(0.42, hip[2] + reach * (0.24 + 0.08 * rng.random()))
    ankle = at(0.8, 0.03)
    foot = (hip[0] + ahead * reach * 1.08, hip[1] + aside * reach * 1.08, 0.0)
    return [
        Limb(name=f"{name} femur", start=hip, end=knee, radii=(thick * 1.15, thick * 0.9), coat=coat),
        Limb(name=f"{name} tibia", start=knee, end=ankle, radii=(thick * 0.85, thick * 0.6), coat=coat),
        Limb(name=f"{name} tarsus", start=ankle, end=foot, radii=(thick * 0.5, thick * 0.3), coat=coat),
    ]


def legs_of(
    rng: Rng,
    hips: tuple[tuple[float, float, float], ...],
    aside: float,
    height: float,
    reaches: tuple[float, ...],
    thick: float,
    coat: Coat,
) -> list[Part]:
    """Three pairs of legs, hinged ``aside`` of the middle at ``height``.

    ``hips`` holds (x, angle in degrees, thickness factor) from front to back.
    """
    parts: list[Part] = []
    for pair, ((x, angle_deg, factor), reach) in enumerate(zip(hips, reaches, strict=True)):
        for side, word in ((1, "left"), (-1, "right")):
            name = f"{word} leg {pair + 1}"
            parts += _leg(rng, name, (x, side * aside, height), side * angle_deg, reach, thick * factor, coat)
    return parts


def antennae(
    rng: Rng,
    head: Point,
    yaw: float,
    pitch: float,
    forward: float,
    scape: float,
    funiculus: float,
    thick: float,
    coat: Coat,
) -> list[Part]:
    """Elbowed antennae: the scape goes out and up, the funiculus bends forward and down in two pieces."""
    parts: list[Part] = []
    for side, word in ((1, "left"), (-1, "right")):
        base = added(head, turned((forward, side * forward * 0.4, forward * 0.45), yaw, pitch))
        out = yaw + side * (48 + 14 * rng.standard_normal())
        elbow = added(base, towards(out, 22 + 12 * rng.standard_normal(), scape))
        turn = yaw + side * (8 + 22 * rng.standard_normal())
        middle = added(elbow, towards(turn, -18 + 12 * rng.standard_normal(), funiculus / 2))
        tip = added(middle, towards(turn - side * 12, -30 + 15 * rng.standard_normal(), funiculus / 2))
        parts += [
            Limb(name=f"{word} scape", start=base, end=elbow, radii=(thick * 0.8, thick), coat=coat),
            Limb(name=f"{word} funiculus", start=elbow, end=middle, radii=(thick, thick), coat=coat),
            Limb(name=f"{word} antenna tip", start=middle, end=tip, radii=(thick, thick * 1.2), coat=coat),
        ]
    return parts


def eyes(head: Point, yaw: float, pitch: float, at: Point, radii: Point) -> list[Part]:
    """A pair of dark shining eyes; ``at`` is the left one's place from the head's centre, in its axes."""
    coat = Coat(base=(0.04, 0.035, 0.03), gloss=0.8)
    return [
        Ellipsoid(
            name=f"{word} eye",
            centre=added(head, turned((at[0], side * at[1], at[2]), yaw, pitch)),
            radii=radii,
            coat=coat,
            yaw_deg=yaw,
            pitch_deg=pitch,
        )
        for side, word in ((1, "left"), (-1, "right"))
    ]


FORE_WING = ("fore wing", 0.0, 0.55, 0.09, 1.0)
HIND_WING = ("hind wing", -0.06, 0.4, 0.075, 0.75)
"""Name, place of the root along the body, length, half-width, and share of the fore wings' spread."""


def wings(rng: Rng, root: Point, spread_deg: float, *, pairs: int) -> list[Part]:
    """One or two pairs of clear wings; ``spread_deg`` is the angle of the fore wings from straight back."""
    smoke = float(rng.uniform(0.55, 0.95))
    coat = Coat(base=(smoke, smoke * 0.94, smoke * 0.84), gloss=float(rng.uniform(0.3, 1)))
    clear, rise = float(rng.uniform(0.16, 0.36)), float(rng.uniform(2, 22))
    parts: list[Part] = []
    for name, x, length, half, share in (FORE_WING, HIND_WING)[:pairs]:
        angle = spread_deg * share + 3 * float(rng.standard_normal())
        for side, word in ((1, "left"), (-1, "right")):
            yaw = 180 - side * angle
            parts.append(
                Blade(
                    name=f"{word} {name}",
                    root=(root[0] + x, side * root[1], root[2]),
                    along=towards(yaw, rise, length),
                    across=turned((0, half, half * 0.25 * side), yaw, rise),
                    coat=coat,
                    outline="wing",
                    opacity=clear,
                )
            )
    return parts
