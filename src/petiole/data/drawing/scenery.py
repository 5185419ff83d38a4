"""What lies about in the drawn photos, and what hides: berries, pebbles, petals, twigs, seeds, flies and beetles.

They carry the colours and textures of both classes on purpose: neither a stripe, nor a dark blob, nor six legs
decides alone whether a photo shows an ant or a bee.
"""

from collections.abc import Callable

import numpy as np

from petiole.data.drawing.anatomy import legs_of, wings
from petiole.data.drawing.backgrounds import EARTHS, GREENS, PETALS, SANDS
from petiole.data.drawing.insects import ANTS, BEES, tinted
from petiole.data.drawing.solids import Blade, Coat, Ellipsoid, Limb, Part, Rgb, Rng

INSECT_COLOURS: tuple[Rgb, ...] = tuple(c for p in (*ANTS, *BEES) for c in (p.front, p.hind, p.ring))


def _any(rng: Rng, *palettes: tuple[Rgb, ...]) -> Rgb:
    colours = palettes[rng.integers(len(palettes))]
    return tinted(rng, colours[rng.integers(len(colours))])


def berry(rng: Rng) -> list[Part]:
    """One to four shiny balls, red, blue-black or of an insect's colour."""
    colours: tuple[Rgb, ...] = ((0.7, 0.08, 0.08), (0.16, 0.12, 0.3), (0.8, 0.4, 0.08))
    coat = Coat(base=_any(rng, colours, INSECT_COLOURS), gloss=0.9)
    places = rng.uniform(-0.6, 0.6, (int(rng.integers(1, 5)), 2)).tolist()
    return [Ellipsoid(name="berry", centre=(x, y, 0.28), radii=(0.28, 0.28, 0.28), coat=coat) for x, y in places]


def pebble(rng: Rng) -> list[Part]:
    """A flat stone."""
    coat = Coat(base=_any(rng, SANDS, EARTHS), gloss=0.1)
    a, b, c = rng.uniform(0.25, 0.5), rng.uniform(0.2, 0.4), rng.uniform(0.15, 0.3)
    return [Ellipsoid(name="pebble", centre=(0, 0, float(c) * 0.7), radii=(float(a), float(b), float(c)), coat=coat)]


def seed(rng: Rng) -> list[Part]:
    """A seed or gall with the rings of an insect's hind part, perhaps two or three in a row, without legs."""
    palette = (*ANTS, *BEES)[rng.integers(len(ANTS) + len(BEES))]
    coat = Coat(
        base=tinted(rng, palette.hind),
        second=tinted(rng, palette.ring),
        bands=float(rng.uniform(2, 5)),
        band_share=palette.light_share,
        gloss=0.5,
        fur=float(rng.choice([0.0, 0.0, 0.25])),
    )
    return [
        Ellipsoid(
            name="seed",
            centre=(0.5 * i, 0, 0.18),
            coat=coat,
            yaw_deg=float(20 * rng.standard_normal()),
            radii=(float(rng.uniform(0.22, 0.34)), float(rng.uniform(0.13, 0.24)), 0.17),
        )
        for i in range(int(rng.integers(1, 4)))
    ]


def petal(rng: Rng) -> list[Part]:
    """A fallen petal or leaf."""
    leafy = rng.random() < 0.5
    coat = Coat(base=_any(rng, GREENS, EARTHS) if leafy else _any(rng, PETALS))
    return [
        Blade(
            name="petal",
            root=(-0.5, 0, 0.05),
            along=(1.0, 0.0, float(rng.uniform(0, 0.3))),
            across=(0, float(rng.uniform(0.2, 0.45)), float(rng.uniform(-0.1, 0.1))),
            coat=coat,
            outline="leaf" if leafy else "petal",
        )
    ]


def twig(rng: Rng) -> list[Part]:
    """A bent stick with side shoots, as thin as legs or as thick as bodies."""
    coat = Coat(base=_any(rng, EARTHS, INSECT_COLOURS), gloss=0.15)
    thick = float(rng.uniform(0.012, 0.06))
    parts: list[Part] = []
    at = (-0.9, 0.0, thick)
    for _ in range(int(rng.integers(2, 5))):
        end = (at[0] + float(rng.uniform(0.3, 0.6)), at[1] + float(0.16 * rng.standard_normal()), thick)
        parts.append(Limb(name="twig", start=at, end=end, radii=(thick, thick * 0.9), coat=coat))
        shoot = (
            end[0] + float(rng.uniform(-0.1, 0.35)),
            end[1] + float(0.3 * rng.standard_normal()),
            thick * 2,
        )
        parts.append(Limb(name="shoot", start=end, end=shoot, radii=(thick * 0.6, thick * 0.3), coat=coat))
        at = end
    return parts


def fly(rng: Rng) -> list[Part]:
    """A fly-like insect: a blunt body in an insect's colours, one pair of wings, short legs, no antennae."""
    palette = (*ANTS, *BEES)[rng.integers(len(ANTS) + len(BEES))]
    body = Coat(base=tinted(rng, palette.hind), second=tinted(rng, palette.ring), bands=3.0, band_share=0.3, gloss=0.6)
    front = Coat(base=tinted(rng, palette.front), gloss=0.4)
    parts: list[Part] = [
        Ellipsoid(name="abdomen", centre=(-0.22, 0, 0.2), radii=(0.24, 0.15, 0.13), coat=body),
        Ellipsoid(name="thorax", centre=(0.1, 0, 0.22), radii=(0.16, 0.13, 0.13), coat=front),
        Ellipsoid(
            name="head",
            centre=(0.3, 0, 0.22),
            radii=(0.08, 0.13, 0.1),
            coat=Coat(base=(0.4, 0.1, 0.07), gloss=0.7),
        ),
    ]
    parts += legs_of(
        rng,
        ((0.2, 45.0, 0.8), (0.1, 95.0, 0.8), (0.0, 145.0, 0.8)),
        0.08,
        0.14,
        (0.26, 0.3, 0.34),
        0.014,
        front,
    )
    return parts + wings(rng, (0.05, 0.08, 0.33), float(rng.uniform(15, 45)), pairs=1)


def beetle(rng: Rng) -> list[Part]:
    """A beetle: one oval shell without a waist, six legs, short feelers."""
    palette = (*ANTS, *BEES)[rng.integers(len(ANTS) + len(BEES))]
    shell = Coat(
        base=tinted(rng, palette.hind),
        second=tinted(rng, palette.ring),
        bands=float(rng.uniform(0, 3)),
        band_share=0.3,
        gloss=0.9,
    )
    legs = Coat(base=tinted(rng, palette.legs), gloss=0.3)
    parts: list[Part] = [
        Ellipsoid(name="shell", centre=(-0.08, 0, 0.16), radii=(0.34, 0.23, 0.16), coat=shell),
        Ellipsoid(name="head", centre=(0.3, 0, 0.14), radii=(0.1, 0.12, 0.08), coat=legs),
    ]
    for side in (1, -1):
        parts.append(
            Limb(
                name="feeler",
                start=(0.36, side * 0.06, 0.16),
                end=(0.54, side * 0.16, 0.2),
                radii=(0.012, 0.01),
                coat=legs,
            )
        )
    return parts + legs_of(
        rng, ((0.16, 50.0, 1), (0.02, 95.0, 1), (-0.16, 140.0, 1)), 0.12, 0.1, (0.3, 0.32, 0.36), 0.018, legs
    )


def stem(rng: Rng) -> list[Part]:
    """A stem to sit on, under the feet of an insect that looks along it."""
    thick = float(rng.uniform(0.06, 0.2))
    coat = Coat(base=_any(rng, GREENS, EARTHS), gloss=0.15)
    turn = float(0.25 * rng.standard_normal())
    return [
        Limb(
            name="stem",
            start=(-4.0, -4 * turn, -thick),
            end=(4.0, 4 * turn, -thick),
            radii=(thick, thick),
            coat=coat,
        )
    ]


def cover(rng: Rng) -> list[Part]:
    """What may stand before an insect: a blade of grass, a leaf or a petal."""
    kind = int(rng.integers(3))
    half = (float(rng.uniform(0.03, 0.07)), float(rng.uniform(0.15, 0.3)), float(rng.uniform(0.2, 0.4)))[kind]
    coat = Coat(base=_any(rng, GREENS) if kind < 2 else _any(rng, PETALS))
    return [
        Blade(
            name="cover",
            root=(0, 0, 0),
            along=(1.0, 0, 0.2),
            across=(0, half, 0.1),
            coat=coat,
            outline="petal" if kind == 2 else "leaf",
            soft_px=float(rng.uniform(1, 9)),
        )
    ]


CLUTTER: tuple[tuple[Callable[[Rng], list[Part]], float], ...] = (
    (berry, 0.15), (pebble, 0.15), (seed, 0.2), (petal, 0.15), (twig, 0.2), (fly, 0.09), (beetle, 0.06),
)  # fmt: skip


def clutter(rng: Rng) -> list[Part]:
    """One thing that lies about, of a random kind."""
    shares = np.array([share for _, share in CLUTTER])
    return CLUTTER[int(rng.choice(len(CLUTTER), p=shares / shares.sum()))][0](rng)
