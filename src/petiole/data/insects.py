"""The body plans of an ant and a bee, as solids in body units: length about 1, x forward, y left, z up, ground at z = 0.

*Ant*: head, mesosoma and gaster in one line, a waist (the petiole, one or two small nodes) between the last two,
elbowed antennae (a long scape, then a bent funiculus), six long thin legs. *Bee*: stout and hairy, a round thorax, a
banded abdomen as wide as it, short antennae, two pairs of wings, hind legs with pollen. The colours of both overlap:
there are dark bees and pale ants.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from petiole.data.solids import Blade, Coat, Ellipsoid, Limb, Part, Point, Rgb, axes

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Colours of an insect: front of the body, hind part, its rings, legs; ``light_share`` is the rings' width."""

    front: Rgb
    hind: Rgb
    ring: Rgb
    legs: Rgb
    light_share: float = 0.4


ANTS = (
    Palette(
        front=(0.07, 0.06, 0.06), hind=(0.06, 0.05, 0.05), ring=(0.2, 0.17, 0.15), legs=(0.1, 0.07, 0.06)
    ),
    Palette(
        front=(0.16, 0.09, 0.06), hind=(0.11, 0.07, 0.05), ring=(0.34, 0.24, 0.16), legs=(0.24, 0.13, 0.08)
    ),
    Palette(front=(0.42, 0.15, 0.06), hind=(0.1, 0.05, 0.04), ring=(0.3, 0.17, 0.1), legs=(0.38, 0.15, 0.07)),
    Palette(front=(0.5, 0.2, 0.07), hind=(0.42, 0.17, 0.07), ring=(0.66, 0.4, 0.18), legs=(0.5, 0.22, 0.09)),
    Palette(
        front=(0.68, 0.42, 0.14), hind=(0.56, 0.34, 0.12), ring=(0.85, 0.66, 0.34), legs=(0.7, 0.46, 0.2)
    ),
    Palette(front=(0.6, 0.35, 0.12), hind=(0.16, 0.1, 0.06), ring=(0.78, 0.6, 0.3), legs=(0.62, 0.4, 0.18)),
)
BEES = (
    Palette(
        front=(0.52, 0.38, 0.18), hind=(0.14, 0.08, 0.05), ring=(0.74, 0.44, 0.13), legs=(0.16, 0.09, 0.06)
    ),
    Palette(
        front=(0.9, 0.7, 0.14), hind=(0.06, 0.05, 0.05), ring=(0.88, 0.68, 0.16), legs=(0.08, 0.06, 0.05)
    ),
    Palette(
        front=(0.17, 0.13, 0.11),
        hind=(0.07, 0.06, 0.06),
        ring=(0.36, 0.32, 0.28),
        legs=(0.09, 0.07, 0.06),
        light_share=0.25,
    ),
    Palette(
        front=(0.58, 0.27, 0.08), hind=(0.13, 0.07, 0.05), ring=(0.6, 0.34, 0.14), legs=(0.28, 0.14, 0.07)
    ),
    Palette(
        front=(0.34, 0.26, 0.18), hind=(0.2, 0.12, 0.07), ring=(0.62, 0.46, 0.26), legs=(0.2, 0.12, 0.08)
    ),
    Palette(
        front=(0.12, 0.09, 0.08),
        hind=(0.1, 0.06, 0.05),
        ring=(0.2, 0.13, 0.09),
        legs=(0.12, 0.08, 0.06),
        light_share=0.3,
    ),
)


def tinted(rng: Rng, colour: Rgb, spread: float = 0.12) -> Rgb:
    """A colour near ``colour``, brighter or darker, a little warmer or colder; components stay within 0..1."""
    shift = math.exp(spread * rng.standard_normal())
    r, g, b = (
        float(np.clip(c * shift * math.exp(0.3 * spread * rng.standard_normal()), 0, 1)) for c in colour
    )
    return r, g, b


def _add(a: Point, b: Point) -> Point:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _turned(point: Point, yaw_deg: float, pitch_deg: float) -> Point:
    x, y, z = axes(yaw_deg, pitch_deg) @ np.asarray(point, dtype=np.float32)
    return float(x), float(y), float(z)


def _towards(yaw_deg: float, pitch_deg: float, length: float) -> Point:
    return _turned((length, 0.0, 0.0), yaw_deg, pitch_deg)


def _leg(
    rng: Rng, name: str, hip: Point, angle_deg: float, reach: float, thick: float, coat: Coat
) -> list[Part]:
    """Femur up to the knee, tibia down, tarsus flat on the ground; ``angle_deg`` from straight ahead, + is left."""
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
    """Three pairs. ``hips`` holds (x, angle in degrees, thickness factor) from front to back."""
    parts: list[Part] = []
    for pair, ((x, angle_deg, factor), reach) in enumerate(zip(hips, reaches, strict=True)):
        for side, word in ((1, "left"), (-1, "right")):
            name = f"{word} leg {pair + 1}"
            parts += _leg(rng, name, (x, side * aside, height), side * angle_deg, reach, thick * factor, coat)
    return parts


def _antennae(
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
        base = _add(head, _turned((forward, side * forward * 0.4, forward * 0.45), yaw, pitch))
        out = yaw + side * (48 + 14 * rng.standard_normal())
        elbow = _add(base, _towards(out, 22 + 12 * rng.standard_normal(), scape))
        turn = yaw + side * (8 + 22 * rng.standard_normal())
        middle = _add(elbow, _towards(turn, -18 + 12 * rng.standard_normal(), funiculus / 2))
        tip = _add(middle, _towards(turn - side * 12, -30 + 15 * rng.standard_normal(), funiculus / 2))
        parts += [
            Limb(name=f"{word} scape", start=base, end=elbow, radii=(thick * 0.8, thick), coat=coat),
            Limb(name=f"{word} funiculus", start=elbow, end=middle, radii=(thick, thick), coat=coat),
            Limb(name=f"{word} antenna tip", start=middle, end=tip, radii=(thick, thick * 1.2), coat=coat),
        ]
    return parts


def _eyes(head: Point, yaw: float, pitch: float, at: Point, radii: Point, colour: Rgb) -> list[Part]:
    coat = Coat(base=colour, gloss=0.8)
    return [
        Ellipsoid(
            name=f"{word} eye",
            centre=_add(head, _turned((at[0], side * at[1], at[2]), yaw, pitch)),
            radii=radii,
            coat=coat,
            yaw_deg=yaw,
            pitch_deg=pitch,
        )
        for side, word in ((1, "left"), (-1, "right"))
    ]


def ant(rng: Rng) -> list[Part]:
    """An ant in a random pose: parts named head, mesosoma, propodeum, petiole, (postpetiole), gaster, legs, antennae."""
    palette = ANTS[rng.integers(len(ANTS))]
    front, hind = tinted(rng, palette.front), tinted(rng, palette.hind)
    gloss = float(rng.uniform(0.25, 0.8))
    body = Coat(base=front, gloss=gloss * 0.7)
    legs = Coat(base=tinted(rng, palette.legs), gloss=0.3)
    gaster_coat = Coat(
        base=hind,
        second=tinted(rng, palette.ring),
        bands=float(rng.uniform(3, 4.5)),
        band_share=float(rng.uniform(0.08, 0.4)),
        gloss=gloss,
    )
    stout = float(rng.uniform(0.85, 1.2))
    high = float(rng.uniform(0.13, 0.2))
    parts: list[Part] = [
        Ellipsoid(
            name="mesosoma",
            centre=(0.07, 0, high + 0.012),
            radii=(0.1, 0.07 * stout, 0.072),
            coat=body,
            pitch_deg=8,
        ),
        Ellipsoid(
            name="propodeum",
            centre=(-0.07, 0, high),
            radii=(0.105, 0.052 * stout, 0.058),
            coat=body,
            pitch_deg=-8,
        ),
    ]
    joint = (-0.17, 0.0, high - 0.02)
    node = Ellipsoid(
        name="petiole", centre=_add(joint, (-0.012, 0, 0.012)), radii=(0.026, 0.03 * stout, 0.046), coat=body
    )
    parts.append(node)
    joint = _add(joint, (-0.03, 0, 0))
    if rng.random() < 0.35:
        parts.append(
            Ellipsoid(
                name="postpetiole",
                centre=_add(joint, (-0.022, 0, 0.005)),
                radii=(0.028, 0.036 * stout, 0.038),
                coat=body,
            )
        )
        joint = _add(joint, (-0.045, 0, 0))
    length, wide = float(rng.uniform(0.155, 0.215)), float(rng.uniform(0.11, 0.15)) * stout
    yaw, pitch = float(14 * rng.standard_normal()), float(rng.uniform(-22, 16))
    parts.append(
        Ellipsoid(
            name="gaster",
            centre=_add(joint, _turned((-length * 0.93, 0, 0), yaw, pitch)),
            radii=(length, wide, wide * 0.92),
            coat=gaster_coat,
            yaw_deg=yaw,
            pitch_deg=pitch,
        )
    )
    yaw, pitch = float(18 * rng.standard_normal()), float(rng.uniform(-45, 0))
    big = float(rng.uniform(0.9, 1.25))
    head = _add((0.155, 0, high + 0.01), _towards(yaw, pitch * 0.3, 0.09 * big))
    parts.append(
        Ellipsoid(
            name="head",
            centre=head,
            radii=(0.1 * big, 0.085 * big, 0.07 * big),
            coat=body,
            yaw_deg=yaw,
            pitch_deg=pitch,
        )
    )
    parts += _eyes(head, yaw, pitch, (0.01, 0.075 * big, 0.03), (0.024, 0.014, 0.022), (0.03, 0.03, 0.03))
    for side in (1, -1):
        root = _add(head, _turned((0.085 * big, side * 0.04, -0.015), yaw, pitch))
        tip = _add(head, _turned((0.15 * big, side * float(rng.uniform(0.0, 0.04)), -0.025), yaw, pitch))
        parts.append(Limb(name="mandible", start=root, end=tip, radii=(0.022, 0.008), coat=legs))
    parts += _antennae(rng, head, yaw, pitch, 0.075, 0.17, 0.24, 0.0095, legs)
    hips = ((0.11, 48.0, 1.0), (0.03, 92.0, 1.0), (-0.06, 142.0, 1.05))
    return parts + legs_of(rng, hips, 0.045, high - 0.045, (0.35, 0.37, 0.47), 0.0145, legs)


def bee(rng: Rng) -> list[Part]:
    """A bee in a random pose: parts named head, thorax, abdomen, tail, four wings, six legs, antennae, pollen."""
    palette = BEES[rng.integers(len(BEES))]
    front, hind, ring = tinted(rng, palette.front), tinted(rng, palette.hind), tinted(rng, palette.ring)
    legs = Coat(base=tinted(rng, palette.legs), gloss=0.25)
    fur = float(rng.uniform(0.16, 0.42))
    wide = float(rng.uniform(0.88, 1.18))
    high = float(rng.uniform(0.19, 0.24))
    bands, share = float(rng.uniform(3.2, 5.2)), palette.light_share * float(rng.uniform(0.8, 1.3))
    abdomen = Coat(
        base=hind,
        second=ring,
        bands=bands,
        band_share=share,
        gloss=float(rng.uniform(0.1, 0.5)),
        fur=fur * 0.45 * float(rng.random()),
    )
    thorax = Coat(
        base=(front[0] * 0.6, front[1] * 0.6, front[2] * 0.6), gloss=0.05, fur=fur, fur_colour=front
    )
    yaw, pitch = float(9 * rng.standard_normal()), float(rng.uniform(-4, 22))
    length = float(rng.uniform(0.22, 0.29))
    joint = (-0.01, 0.0, high)
    behind = _add(joint, _turned((-length * 0.92, 0, 0), yaw, pitch))
    tail = _add(joint, _turned((-length * 1.55, 0, -0.01), yaw, pitch))
    parts: list[Part] = [
        Ellipsoid(
            name="thorax", centre=(0.12, 0, high + 0.02), radii=(0.15, 0.145 * wide, 0.135), coat=thorax
        ),
        Ellipsoid(
            name="tail",
            centre=tail,
            radii=(length * 0.46, 0.1 * wide, 0.09),
            yaw_deg=yaw,
            pitch_deg=pitch,
            coat=Coat(base=hind, second=ring, bands=bands * 0.45, band_share=share, gloss=0.3),
        ),
        Ellipsoid(
            name="abdomen",
            centre=behind,
            radii=(length, 0.152 * wide, 0.14),
            coat=abdomen,
            yaw_deg=yaw,
            pitch_deg=pitch,
        ),
    ]
    yaw, pitch = float(9 * rng.standard_normal()), float(rng.uniform(-40, -5))
    head = _add((0.25, 0, high - 0.005), _towards(yaw, -10, 0.065))
    face = Coat(base=hind, gloss=0.15, fur=fur * 0.8, fur_colour=front)
    parts.append(
        Ellipsoid(
            name="head", centre=head, radii=(0.075, 0.115, 0.095), coat=face, yaw_deg=yaw, pitch_deg=pitch
        )
    )
    parts += _eyes(head, yaw, pitch, (0.012, 0.088, 0.015), (0.045, 0.036, 0.07), (0.06, 0.045, 0.04))
    parts += _antennae(rng, head, yaw, pitch, 0.065, 0.09, 0.12, 0.011, legs)
    hips = ((0.2, 42.0, 0.9), (0.1, 96.0, 1.0), (0.02, 148.0, 1.45))
    parts += legs_of(rng, hips, 0.085, high - 0.09, (0.24, 0.28, 0.36), 0.02, legs)
    if rng.random() < 0.4:
        pollen = Coat(base=tinted(rng, (0.9, 0.62, 0.12)), gloss=0.0)
        parts += [
            Ellipsoid(name="pollen", centre=(-0.1, side * 0.2, 0.12), radii=(0.055, 0.035, 0.04), coat=pollen)
            for side in (1, -1)
        ]
    return parts + wings(rng, (0.09, 0.09 * wide, high + 0.11), float(rng.uniform(12, 70)), pairs=2)


def wings(rng: Rng, root: Point, spread_deg: float, *, pairs: int) -> list[Part]:
    """One or two pairs of clear wings; ``spread_deg`` is the angle of the fore wings from straight back."""
    smoke = float(rng.uniform(0.55, 0.95))
    coat = Coat(base=(smoke, smoke * 0.94, smoke * 0.84), gloss=float(rng.uniform(0.3, 1)))
    clear, rise = float(rng.uniform(0.16, 0.36)), float(rng.uniform(2, 22))
    parts: list[Part] = []
    for pair, (name, length, half) in enumerate(
        (("hind wing", 0.4, 0.075), ("fore wing", 0.55, 0.09))[2 - pairs :]
    ):
        angle = spread_deg * (0.75 if pair + 2 - pairs == 0 else 1.0) + 3 * float(rng.standard_normal())
        for side, word in ((1, "left"), (-1, "right")):
            yaw = 180 - side * angle
            along = _towards(yaw, rise, length)
            across = _turned((0, half, half * 0.25 * side), yaw, rise)
            start = _add(root, (-0.06 * (1 - pair), 0, 0.004 * pair))
            parts.append(
                Blade(
                    name=f"{word} {name}",
                    root=(start[0], side * root[1], start[2]),
                    along=along,
                    across=across,
                    coat=coat,
                    outline="wing",
                    opacity=clear,
                )
            )
    return parts


BODY_PLANS: dict[str, Callable[[Rng], list[Part]]] = {"ants": ant, "bees": bee}
