"""Grounds for drawn insects: soil, sand, stone, bark, wood, moss, leaf, flower, thistle, grass, blurred greenery.

All are procedural: sums of smooth noise at halving cell sizes (Perlin 1985's fractal sum, with bicubic value
noise), shaded as a relief under the scene's light. A picture is float32 ``(3, H, W)``, 0..1.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from petiole.data.drawing.insects import tinted
from petiole.data.drawing.solids import Array, Rgb, Rng

GREENS: tuple[Rgb, ...] = (
    (0.27, 0.38, 0.14),
    (0.36, 0.48, 0.18),
    (0.18, 0.29, 0.13),
    (0.46, 0.5, 0.22),
    (0.26, 0.36, 0.25),
)
EARTHS: tuple[Rgb, ...] = (
    (0.4, 0.29, 0.2),
    (0.5, 0.39, 0.27),
    (0.32, 0.25, 0.2),
    (0.54, 0.36, 0.24),
    (0.46, 0.41, 0.35),
)
SANDS: tuple[Rgb, ...] = (
    (0.74, 0.64, 0.48),
    (0.66, 0.58, 0.46),
    (0.8, 0.72, 0.58),
    (0.62, 0.6, 0.56),
    (0.7, 0.52, 0.36),
)
PETALS: tuple[Rgb, ...] = (
    (0.92, 0.9, 0.86), (0.9, 0.72, 0.1), (0.86, 0.4, 0.62), (0.6, 0.34, 0.76), (0.93, 0.52, 0.14),
    (0.8, 0.14, 0.2), (0.36, 0.42, 0.82), (0.94, 0.84, 0.5), (0.76, 0.56, 0.8),
)  # fmt: skip
Ground = Callable[[Rng, int, int, Array], Array]


def pick(rng: Rng, colours: tuple[Rgb, ...], spread: float = 0.15) -> Array:
    """One of ``colours``, tinted, as an array (3,)."""
    return np.asarray(tinted(rng, colours[rng.integers(len(colours))], spread), dtype=np.float32)


def noise(rng: Rng, h: int, w: int, cell_px: float, stretch: float = 1.0) -> Array:
    """Smooth noise (h, w), mean 0, about -1.5..1.5; cells of ``cell_px``, wider by ``stretch``."""
    cells_y, cells_x = h / cell_px, w / (cell_px * stretch)
    small = rng.standard_normal((math.ceil(cells_y) + 2, math.ceil(cells_x) + 2), dtype=np.float32)
    box = (0.5, 0.5, 0.5 + cells_x, 0.5 + cells_y)
    return np.asarray(Image.fromarray(small).resize((w, h), Image.Resampling.BICUBIC, box=box))


def fractal(rng: Rng, h: int, w: int, cell_px: float, octaves: int, gain: float = 0.55, stretch: float = 1.0) -> Array:
    """The sum of ``octaves`` noises, each with cells half as wide and ``gain`` times as high as the last."""
    total = np.zeros((h, w), dtype=np.float32)
    for octave in range(octaves):
        total += np.float32(gain**octave) * noise(rng, h, w, max(cell_px / 2**octave, 1.0), stretch)
    return total


def relief(height: Array, light: Array, strength: float) -> Array:
    """Brightness of a height field under a light from ``light`` (x right, y down): 1 where it is flat."""
    slope = np.zeros_like(height)
    slope[:, 1:-1] = (height[:, :-2] - height[:, 2:]) * light[0]
    slope[1:-1] += (height[:-2] - height[2:]) * light[1]
    slope *= strength
    slope += 1
    return np.minimum(np.maximum(slope, 0.25, out=slope), 1.9, out=slope)


def ramp(low: Array, high: Array, share: Array) -> Array:
    """From ``low`` to ``high`` (3,) by ``share`` (h, w), clipped to 0..1."""
    return low[:, None, None] + (high - low)[:, None, None] * np.minimum(np.maximum(share, 0), 1)


def _clipped(values: Array) -> Array:
    """To 0..255, in place."""
    return np.minimum(np.maximum(values, 0, out=values), 255, out=values)


def to_image(picture: Array) -> Image.Image:
    """A picture (3, H, W) of 0..1 as 8-bit RGB, clipped."""
    return Image.merge("RGB", [Image.fromarray(plane) for plane in (_clipped(picture * 255)).astype(np.uint8)])


def from_image(image: Image.Image) -> Array:
    """An RGB image as a picture (3, H, W), 0..1."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1), dtype=np.float32) / 255


def _granular(rng: Rng, h: int, w: int, light: Array, colours: tuple[Rgb, ...], grain_px: float, rough: float) -> Array:
    base = pick(rng, colours)
    height = fractal(rng, h, w, grain_px * 12, 3, 0.6)
    grains = noise(rng, h, w, grain_px) + 0.6 * noise(rng, h, w, max(grain_px / 2, 1))
    picture = ramp(base * 0.65, base * 1.2, 0.5 + 0.25 * height + 0.12 * grains)
    picture *= relief(height + 0.35 * grains, light, rough)
    odd = np.clip(np.abs(noise(rng, h, w, grain_px * 1.5)) * 3 - 3.6, 0, 0.6)
    return picture + (pick(rng, SANDS)[:, None, None] - picture) * odd


def soil(rng: Rng, h: int, w: int, light: Array) -> Array:
    """Dark crumbly earth."""
    return _granular(rng, h, w, light, EARTHS, float(rng.uniform(3, 7)), 0.45)


def sand(rng: Rng, h: int, w: int, light: Array) -> Array:
    """Pale fine grains."""
    return _granular(rng, h, w, light, SANDS, float(rng.uniform(1.6, 3)), 0.22)


def stone(rng: Rng, h: int, w: int, light: Array) -> Array:
    """Grey rock with lichen."""
    base = pick(rng, ((0.5, 0.49, 0.47), (0.62, 0.6, 0.56), (0.38, 0.37, 0.37), (0.55, 0.46, 0.4)))
    height = fractal(rng, h, w, 90, 6, 0.6)
    picture = ramp(base * 0.7, base * 1.2, 0.5 + 0.3 * height) * relief(height, light, 0.6)
    lichen = np.clip(height[::-1, ::-1] * 0.8 + 0.4 * height - 0.7, 0, 0.6)
    return (
        picture
        + (pick(rng, ((0.42, 0.46, 0.28), (0.66, 0.55, 0.24), (0.7, 0.72, 0.62)))[:, None, None] - picture) * lichen
    )


def bark(rng: Rng, h: int, w: int, light: Array) -> Array:
    """Ridges and cracks along or across the picture."""
    base = pick(rng, ((0.48, 0.37, 0.27), (0.58, 0.52, 0.46), (0.4, 0.34, 0.29), (0.62, 0.47, 0.34)))
    upright = bool(rng.integers(2))
    rows, columns = (w, h) if upright else (h, w)
    ridges = 1 - np.abs(fractal(rng, rows, columns, float(rng.uniform(22, 45)), 4, 0.6, stretch=5.0))
    ridges = ridges.T if upright else ridges
    height = ridges + 0.3 * fractal(rng, h, w, 12, 3)
    return ramp(base * 0.25, base * 1.15, 0.55 + 0.45 * height) * relief(height, light, 0.55)


def wood(rng: Rng, h: int, w: int, light: Array) -> Array:
    """A weathered plank: grain lines, fine fibres."""
    base = pick(rng, ((0.6, 0.45, 0.3), (0.56, 0.53, 0.5), (0.72, 0.58, 0.4), (0.5, 0.38, 0.29)))
    bend = noise(rng, h, w, 110, 3.0) * 14
    lines = np.sin((np.arange(h, dtype=np.float32)[:, None] + bend) * np.float32(2 * math.pi / rng.uniform(9, 20)))
    fibre = noise(rng, h, w, 1.5, 30.0)
    picture = ramp(base * 0.6, base * 1.12, 0.6 + 0.2 * lines + 0.18 * fibre)
    return picture * relief(lines * 0.4 + fibre * 0.5, light, 0.25)


def moss(rng: Rng, h: int, w: int, light: Array) -> Array:
    """Cushions of green with brown between."""
    height = fractal(rng, h, w, 46, 4, 0.65)
    tufts = noise(rng, h, w, 2.2) + noise(rng, h, w, 4)
    picture = ramp(pick(rng, EARTHS) * 0.5, pick(rng, GREENS) * 1.3, 0.55 + 0.3 * height + 0.15 * tufts)
    return picture * relief(height + 0.4 * tufts, light, 0.4)


def leaf(rng: Rng, h: int, w: int, light: Array) -> Array:
    """One big leaf: a midrib, side veins, fine cells; its edge may show, with blurred greenery beyond."""
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.arange(h, dtype=np.float32)[:, None], np.arange(w, dtype=np.float32)[None, :]
    cx, cy = w * float(rng.uniform(0.2, 0.8)), h * float(rng.uniform(0.2, 0.8))
    wobble = noise(rng, h, w, 70) * 6
    across = (x - cx) * np.float32(math.sin(angle)) - (y - cy) * np.float32(math.cos(angle)) + wobble
    along = (x - cx) * np.float32(math.cos(angle)) + (y - cy) * np.float32(math.sin(angle))
    gap = float(rng.uniform(32, 75))
    side = np.abs(((along - np.abs(across) * float(rng.uniform(0.5, 1.2))) / gap) % 1 - 0.5) * gap
    vein = np.maximum(np.exp(-((across / 3.2) ** 2)), 0.75 * np.exp(-((side / 1.7) ** 2)))
    base = pick(rng, (*GREENS, GREENS[1], (0.5, 0.42, 0.12), (0.5, 0.2, 0.14)))
    height = 0.8 * np.minimum(side / gap * 3, 1) - vein
    cells = fractal(rng, h, w, 6, 2)
    picture = ramp(base * 0.8, base * 1.25, 0.5 + 0.22 * fractal(rng, h, w, 120, 2) + 0.08 * cells)
    picture = picture * relief(height + 0.12 * cells, light, 0.35)
    picture += (np.minimum(base * 1.5 + 0.12, 1)[:, None, None] - picture) * (0.45 * vein)
    width = float(rng.uniform(0.25, 1.2)) * min(h, w)
    edge = np.clip(width - np.abs(across) - 0.0006 * along**2, -1, 1) * 0.5 + 0.5
    return picture if edge.min() > 0.99 else picture * edge + greenery(rng, h, w, light) * (1 - edge)


def flower(rng: Rng, h: int, w: int, light: Array) -> Array:
    """One big flower seen from above: two whorls of petals round a stippled disc, greenery beyond."""
    petals = int(rng.integers(5, 17))
    reach = min(h, w) * float(rng.uniform(0.5, 1.1))
    y = np.arange(h, dtype=np.float32)[:, None] - h * float(rng.uniform(0.3, 0.7))
    x = np.arange(w, dtype=np.float32)[None, :] - w * float(rng.uniform(0.3, 0.7))
    radius, angle = np.sqrt(x * x + y * y), np.arctan2(y, x) * np.float32(petals / (2 * math.pi))
    outer, inner = pick(rng, PETALS), pick(rng, (*PETALS, (0.55, 0.6, 0.25)))
    streaks = rng.standard_normal(720).astype(np.float32)
    picture = greenery(rng, h, w, light)
    for whorl in (0.5, 0.0):
        spin = angle + np.float32(whorl + petals)
        side = (spin - np.floor(spin)) * 2 - 1
        streak = streaks[(spin * (720 / petals)).astype(np.int32) % 720]
        tip = reach * (1 - 0.1 * whorl) * (1 - 0.32 * side * side)
        cover = np.clip((tip - radius) / 1.5, 0, 1)
        share = radius / reach * 1.3 + 0.05
        tone = 1.02 - 0.28 * side * side + 0.05 * streak - 0.2 * whorl + 0.12 * side * light[0]
        picture += (ramp(inner, outer, share) * tone - picture) * cover
    disc = reach * float(rng.uniform(0.1, 0.34))
    bumps = noise(rng, h, w, 3.5)
    core = pick(rng, ((0.85, 0.62, 0.1), (0.45, 0.28, 0.1), (0.6, 0.6, 0.2)))
    middle = ramp(core * 0.45, core * 1.15, 0.5 + 0.3 * bumps + 0.3 * radius / disc)
    middle *= relief(bumps, light, 0.3)
    picture += (middle - picture) * np.clip((disc - radius) / 3 + bumps, 0, 1)
    return picture


def _strokes(rng: Rng, h: int, w: int, count: int, colours: list[Array], ends: Array, width_px: int) -> Array:
    """Straight strokes, ``ends`` (count, 4) as x0, y0, x1, y1, on a dark ground, a little soft."""
    picture = Image.new("RGB", (w, h), tuple((colours[0] * 90).astype(int).tolist()))
    draw = ImageDraw.Draw(picture)
    tones = rng.uniform(0.45, 1.2, count)
    which = rng.integers(len(colours), size=count)
    for line, tone, one in zip(ends.tolist(), np.sort(tones), which, strict=True):
        draw.line(line, fill=tuple((np.clip(colours[one] * tone, 0, 1) * 255).astype(int).tolist()), width=width_px)
    return from_image(picture.filter(ImageFilter.BoxBlur(0.8)))


def thistle(rng: Rng, h: int, w: int, light: Array) -> Array:
    """A head of many thin florets that point outwards."""
    del light
    count = 700
    centre = np.array([w * rng.uniform(0.35, 0.65), h * rng.uniform(0.45, 0.8)])
    angle, out = rng.uniform(0, 2 * math.pi, count), rng.uniform(0.15, 1.0, count) * 0.75 * max(h, w)
    order = np.argsort(-out)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    start = centre + direction * (out * 0.55)[:, None]
    end = centre + direction * out[:, None] + rng.standard_normal((count, 2)) * 8
    colours = [pick(rng, PETALS, 0.1)]
    colours.append(np.minimum(colours[0] * 1.15 + 0.06, 1))
    return _strokes(rng, h, w, count, colours, np.concatenate([start, end], axis=1)[order], 5)


def grass(rng: Rng, h: int, w: int, light: Array) -> Array:
    """Blades of grass, green and dry."""
    del light
    count = 320
    x, y = rng.uniform(-0.1, 1.1, count) * w, rng.uniform(0.1, 1.4, count) * h
    lean = rng.standard_normal(count) * 0.35
    length = rng.uniform(0.3, 0.9, count) * h
    ends = np.stack([x, y, x + lean * length, y - length], axis=1)
    return _strokes(
        rng,
        h,
        w,
        count,
        [pick(rng, GREENS), pick(rng, GREENS), pick(rng, SANDS)],
        ends,
        int(rng.integers(3, 8)),
    )


def greenery(rng: Rng, h: int, w: int, light: Array) -> Array:
    """Far out of focus: soft patches of leaves, sky and flowers with discs of light."""
    del light
    small_h, small_w = h // 8 + 2, w // 8 + 2
    dark, bright = (
        pick(rng, GREENS) * float(rng.uniform(0.3, 1.0)),
        pick(rng, (*GREENS, (0.6, 0.72, 0.85), *SANDS)),
    )
    picture = ramp(dark, bright, 0.4 + 0.35 * fractal(rng, small_h, small_w, 14, 2))
    image = to_image(picture)
    draw = ImageDraw.Draw(image, "RGBA")
    spots = pick(rng, (*PETALS, *GREENS, *SANDS))
    for _ in range(int(rng.integers(0, 14))):
        x, y, r = rng.uniform(0, small_w), rng.uniform(0, small_h), rng.uniform(1, small_w / 9)
        tone = np.clip(spots * rng.uniform(0.7, 1.2), 0, 1) * 255
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(*tone.astype(int).tolist(), int(rng.integers(50, 170))))
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.6, 1.6))))
    return from_image(image.resize((w, h), Image.Resampling.BICUBIC))


GROUNDS: dict[str, Ground] = {
    "soil": soil, "sand": sand, "stone": stone, "bark": bark, "wood": wood, "moss": moss, "leaf": leaf,
    "flower": flower, "thistle": thistle, "grass": grass, "greenery": greenery,
}  # fmt: skip
