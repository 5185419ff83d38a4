"""The body plans of an ant and a bee, as solids in body units: x forward, y left, z up, ground at z = 0.

*Ant*: head, mesosoma and gaster in one line, a waist (the petiole, one or two small nodes) between the last two,
elbowed antennae (a long scape, then a bent funiculus), six long thin legs. *Bee*: stout and hairy, a round thorax,
a banded abdomen as wide as it, short antennae, two pairs of wings, hind legs with pollen. Both are about 1 long.
Their colours overlap: there are dark bees and pale ants.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from petiole.data.drawing.anatomy import added, antennae, eyes, legs_of, towards, turned, wings
from petiole.data.drawing.solids import Coat, Ellipsoid, Limb, Part, Point, Rgb, Rng


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Colours of an insect; ``light_share`` is the width of the rings of its hind part, 0..1."""

    front: Rgb
    hind: Rgb
    ring: Rgb
    legs: Rgb
    light_share: float = 0.4


ANTS = (
    Palette(front=(0.07, 0.06, 0.06), hind=(0.06, 0.05, 0.05), ring=(0.2, 0.17, 0.15), legs=(0.1, 0.07, 0.06)),
    Palette(front=(0.16, 0.09, 0.06), hind=(0.11, 0.07, 0.05), ring=(0.34, 0.24, 0.16), legs=(0.24, 0.13, 0.08)),
    Palette(front=(0.42, 0.15, 0.06), hind=(0.1, 0.05, 0.04), ring=(0.3, 0.17, 0.1), legs=(0.38, 0.15, 0.07)),
    Palette(front=(0.5, 0.2, 0.07), hind=(0.42, 0.17, 0.07), ring=(0.66, 0.4, 0.18), legs=(0.5, 0.22, 0.09)),
    Palette(front=(0.68, 0.42, 0.14), hind=(0.56, 0.34, 0.12), ring=(0.85, 0.66, 0.34), legs=(0.7, 0.46, 0.2)),
    Palette(front=(0.6, 0.35, 0.12), hind=(0.16, 0.1, 0.06), ring=(0.78, 0.6, 0.3), legs=(0.62, 0.4, 0.18)),
)
BEES = (
    Palette(front=(0.52, 0.38, 0.18), hind=(0.14, 0.08, 0.05), ring=(0.74, 0.44, 0.13), legs=(0.16, 0.09, 0.06)),
    Palette(front=(0.9, 0.7, 0.14), hind=(0.06, 0.05, 0.05), ring=(0.88, 0.68, 0.16), legs=(0.08, 0.06, 0.05)),
    Palette(
        front=(0.17, 0.13, 0.11),
        hind=(0.07, 0.06, 0.06),
        ring=(0.36, 0.32, 0.28),
        legs=(0.09, 0.07, 0.06),
        light_share=0.25,
    ),
    Palette(front=(0.58, 0.27, 0.08), hind=(0.13, 0.07, 0.05), ring=(0.6, 0.34, 0.14), legs=(0.28, 0.14, 0.07)),
    Palette(front=(0.34, 0.26, 0.18), hind=(0.2, 0.12, 0.07), ring=(0.62, 0.46, 0.26), legs=(0.2, 0.12, 0.08)),
    Palette(
        front=(0.12, 0.09, 0.08),
        hind=(0.1, 0.06, 0.05),
        ring=(0.2, 0.13, 0.09),
        legs=(0.12, 0.08, 0.06),
        light_share=0.3,
    ),
)


def tinted(rng: Rng, colour: Rgb, spread: float = 0.12) -> Rgb:
    """A colour near ``colour``, brighter or darker, a little warmer or colder; within 0..1."""
    shift = math.exp(spread * rng.standard_normal())
    r, g, b = (float(np.clip(c * shift * math.exp(0.3 * spread * rng.standard_normal()), 0, 1)) for c in colour)
    return r, g, b


def ant(rng: Rng) -> list[Part]:
    """An ant in a random pose: head, mesosoma, propodeum, petiole (and postpetiole), gaster, legs, antennae."""
    palette = ANTS[rng.integers(len(ANTS))]
    gloss = float(rng.uniform(0.25, 0.8))
    body = Coat(base=tinted(rng, palette.front), gloss=gloss * 0.7)
    legs = Coat(base=tinted(rng, palette.legs), gloss=0.3)
    stout, high = float(rng.uniform(0.85, 1.2)), float(rng.uniform(0.13, 0.2))
    parts: list[Part] = [
        Ellipsoid(name=name, centre=(x, 0, high + up), radii=(length, wide * stout, tall), coat=body, pitch_deg=pitch)
        for name, x, up, length, wide, tall, pitch in (
            ("mesosoma", 0.07, 0.012, 0.1, 0.07, 0.072, 8.0),
            ("propodeum", -0.07, 0.0, 0.105, 0.052, 0.058, -8.0),
            ("petiole", -0.182, -0.008, 0.026, 0.03, 0.046, 0.0),
        )
    ]
    joint = (-0.2, 0.0, high - 0.02)
    if rng.random() < 0.35:
        node = added(joint, (-0.022, 0, 0.005))
        parts.append(Ellipsoid(name="postpetiole", centre=node, radii=(0.028, 0.036 * stout, 0.038), coat=body))
        joint = added(joint, (-0.045, 0, 0))
    parts.append(_gaster(rng, joint, stout, palette, gloss))
    parts += _ant_head(rng, (0.155, 0, high + 0.01), body, legs)
    hips = ((0.11, 48.0, 1.0), (0.03, 92.0, 1.0), (-0.06, 142.0, 1.05))
    return parts + legs_of(rng, hips, 0.045, high - 0.045, (0.35, 0.37, 0.47), 0.0145, legs)


def _gaster(rng: Rng, joint: Point, stout: float, palette: Palette, gloss: float) -> Ellipsoid:
    """The hind part of an ant, hinged at ``joint``: shiny, with narrow rings."""
    coat = Coat(
        base=tinted(rng, palette.hind),
        second=tinted(rng, palette.ring),
        bands=float(rng.uniform(3, 4.5)),
        band_share=float(rng.uniform(0.08, 0.4)),
        gloss=gloss,
    )
    length, wide = float(rng.uniform(0.155, 0.215)), float(rng.uniform(0.11, 0.15)) * stout
    yaw, pitch = float(14 * rng.standard_normal()), float(rng.uniform(-22, 16))
    centre = added(joint, turned((-length * 0.93, 0, 0), yaw, pitch))
    radii = (length, wide, wide * 0.92)
    return Ellipsoid(name="gaster", centre=centre, radii=radii, coat=coat, yaw_deg=yaw, pitch_deg=pitch)


def _ant_head(rng: Rng, neck: Point, body: Coat, legs: Coat) -> list[Part]:
    """Head, small eyes, mandibles and long elbowed antennae."""
    yaw, pitch = float(18 * rng.standard_normal()), float(rng.uniform(-45, 0))
    big = float(rng.uniform(0.9, 1.25))
    head = added(neck, towards(yaw, pitch * 0.3, 0.09 * big))
    radii = (0.1 * big, 0.085 * big, 0.07 * big)
    parts: list[Part] = [Ellipsoid(name="head", centre=head, radii=radii, coat=body, yaw_deg=yaw, pitch_deg=pitch)]
    parts += eyes(head, yaw, pitch, (0.01, 0.075 * big, 0.03), (0.024, 0.014, 0.022))
    for side in (1, -1):
        root = added(head, turned((0.085 * big, side * 0.04, -0.015), yaw, pitch))
        tip = added(head, turned((0.15 * big, side * float(rng.uniform(0.0, 0.04)), -0.025), yaw, pitch))
        parts.append(Limb(name="mandible", start=root, end=tip, radii=(0.022, 0.008), coat=legs))
    return parts + antennae(rng, head, yaw, pitch, 0.075, 0.17, 0.24, 0.0095, legs)


def bee(rng: Rng) -> list[Part]:
    """A bee in a random pose: head, thorax, abdomen, tail, four wings, six legs, antennae, perhaps pollen."""
    palette = BEES[rng.integers(len(BEES))]
    front, hind, ring = tinted(rng, palette.front), tinted(rng, palette.hind), tinted(rng, palette.ring)
    legs = Coat(base=tinted(rng, palette.legs), gloss=0.25)
    fur, wide = float(rng.uniform(0.16, 0.42)), float(rng.uniform(0.88, 1.18))
    high = float(rng.uniform(0.19, 0.24))
    skin = (front[0] * 0.6, front[1] * 0.6, front[2] * 0.6)
    thorax = Coat(base=skin, gloss=0.05, fur=fur, fur_colour=front)
    radii = (0.15, 0.145 * wide, 0.135)
    parts: list[Part] = [Ellipsoid(name="thorax", centre=(0.12, 0, high + 0.02), radii=radii, coat=thorax)]
    abdomen = Coat(
        base=hind,
        second=ring,
        bands=float(rng.uniform(3.2, 5.2)),
        band_share=palette.light_share * float(rng.uniform(0.8, 1.3)),
        gloss=float(rng.uniform(0.1, 0.5)),
        fur=fur * 0.45 * float(rng.random()),
    )
    parts += _abdomen(rng, (-0.01, 0.0, high), wide, abdomen)
    parts += _bee_head(rng, (0.25, 0, high - 0.005), Coat(base=hind, gloss=0.15, fur=fur * 0.8, fur_colour=front), legs)
    hips = ((0.2, 42.0, 0.9), (0.1, 96.0, 1.0), (0.02, 148.0, 1.45))
    parts += legs_of(rng, hips, 0.085, high - 0.09, (0.24, 0.28, 0.36), 0.02, legs)
    if rng.random() < 0.4:
        pollen = Coat(base=tinted(rng, (0.9, 0.62, 0.12)), gloss=0.0)
        parts += [
            Ellipsoid(name="pollen", centre=(-0.1, side * 0.2, 0.12), radii=(0.055, 0.035, 0.04), coat=pollen)
            for side in (1, -1)
        ]
    return parts + wings(rng, (0.09, 0.09 * wide, high + 0.11), float(rng.uniform(12, 70)), pairs=2)


def _abdomen(rng: Rng, joint: Point, wide: float, coat: Coat) -> list[Part]:
    """The hind part of a bee, as wide as its thorax: two banded ellipsoids, the second one its tapering end."""
    yaw, pitch = float(9 * rng.standard_normal()), float(rng.uniform(-4, 22))
    length = float(rng.uniform(0.22, 0.29))
    end = replace(coat, bands=coat.bands * 0.45, fur=0.0)
    return [
        Ellipsoid(
            name=name,
            centre=added(joint, turned((-length * back, 0, 0), yaw, pitch)),
            radii=(length * long, across * wide, tall),
            coat=surface,
            yaw_deg=yaw,
            pitch_deg=pitch,
        )
        for name, back, long, across, tall, surface in (
            ("tail", 1.55, 0.46, 0.1, 0.09, end),
            ("abdomen", 0.92, 1.0, 0.152, 0.14, coat),
        )
    ]


def _bee_head(rng: Rng, neck: Point, face: Coat, legs: Coat) -> list[Part]:
    """A wide hairy head, big eyes at its sides, short antennae."""
    yaw, pitch = float(9 * rng.standard_normal()), float(rng.uniform(-40, -5))
    head = added(neck, towards(yaw, -10, 0.065))
    radii = (0.075, 0.115, 0.095)
    parts: list[Part] = [Ellipsoid(name="head", centre=head, radii=radii, coat=face, yaw_deg=yaw, pitch_deg=pitch)]
    parts += eyes(head, yaw, pitch, (0.012, 0.088, 0.015), (0.045, 0.036, 0.07))
    return parts + antennae(rng, head, yaw, pitch, 0.065, 0.09, 0.12, 0.011, legs)


BodyPlan = Callable[[Rng], list[Part]]
BODY_PLANS: dict[str, BodyPlan] = {"ants": ant, "bees": bee}
