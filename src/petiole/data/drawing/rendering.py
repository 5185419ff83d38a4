"""Solids in light and shadow, painted on a picture of float32, shape ``(3, H, W)``, 0..1.

Projection is orthographic, so each silhouette has a closed form: that of an ellipsoid with shape matrix ``B`` (unit
sphere -> view) is the ellipse whose covariance is the upper left 2x2 block of ``B B^T``; the normal at a point ``p`` of
the unit sphere is ``B^-T p``. Parts are painted from far to near.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from petiole.data.drawing.leaves import outline
from petiole.data.drawing.solids import Array, Blade, Coat, Ellipsoid, Light, Limb, Part, View, axes

Place = tuple[slice, slice] | tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


class _Window(NamedTuple):
    """A rectangle of a picture, and its pixels' offsets from a centre: ``dx`` (1, w), ``dy`` (h, 1)."""

    rows: slice
    columns: slice
    dx: Array
    dy: Array


def _window(shape: tuple[int, ...], centre: Sequence[float], half: Sequence[float]) -> _Window | None:
    """The pixels within ``half`` (x, y) of ``centre``, or None when they are all outside it."""
    x0, x1 = max(math.floor(centre[0] - half[0]), 0), min(math.ceil(centre[0] + half[0]) + 1, shape[2])
    y0, y1 = max(math.floor(centre[1] - half[1]), 0), min(math.ceil(centre[1] + half[1]) + 1, shape[1])
    if x0 >= x1 or y0 >= y1:
        return None
    dx = np.arange(x0, x1, dtype=np.float32)[None, :] - np.float32(centre[0])
    dy = np.arange(y0, y1, dtype=np.float32)[:, None] - np.float32(centre[1])
    return _Window(slice(y0, y1), slice(x0, x1), dx, dy)


def _unit(values: Array) -> Array:
    """Clipped to 0..1 (``np.clip`` takes twice as long on parts of this size)."""
    return np.minimum(np.maximum(values, 0), 1)


def _over(picture: Array, place: Place, rgb: Array, alpha: Array) -> None:
    """Paint ``rgb`` (3, ...) with coverage ``alpha`` over the picture's pixels at ``place``, in place."""
    old = picture[(slice(None), *place)]
    picture[(slice(None), *place)] = old + alpha * (rgb - old)


def _colour(colour: Sequence[float] | Array, like: Array) -> Array:
    """A colour (3,) shaped for arithmetic with values of the shape of ``like``."""
    return np.asarray(colour, dtype=np.float32).reshape(3, *(1,) * like.ndim)


def _shade(albedo: Array, normal: tuple[Array, Array, Array], light: Light, gloss: float) -> Array:
    """Colour of a lit surface: sky from above, wrapped sun, a soft and a sharp highlight. Unit normals."""
    nx, ny, nz = normal
    lx, ly, lz = light.direction.tolist()
    sun = nx * lx + ny * ly + nz * lz
    spread = np.maximum((sun + nz) / math.sqrt(2 + 2 * lz), 0)
    spread = np.square(np.square(np.square(spread)))
    shine = gloss * (0.22 * spread + 0.75 * np.square(np.square(spread)))
    sky = 0.55 + 0.25 * (nz - ny)
    sun = np.maximum(0.82 * sun + 0.18, 0)
    lit: Array = albedo * (_colour(light.sky, sky) * sky + _colour(light.sun, sun) * sun) + shine
    return lit


def _albedo(coat: Coat, along: Array, grain: Array) -> Array:
    """Colour at each pixel: rings at ``along`` (-1..1 on the part's first axis), mottled by ``grain``."""
    base = _colour(coat.base, along)
    mottle = 1 + 0.07 * grain
    if coat.second is None:
        return base * mottle
    phase = (along * 0.5 + 0.5) * coat.bands + 0.05 * grain
    wave = np.abs(phase - np.floor(phase) - 0.5) * 2
    share = _unit((wave - (1 - coat.band_share)) * 6 + 0.5)
    return (base + (_colour(coat.second, along) - base) * share) * mottle


def _paint_ellipsoid(picture: Array, part: Ellipsoid, view: View, light: Light, grain: Array) -> None:
    turned = axes(part.yaw_deg, part.pitch_deg)
    shape = view.rotation @ turned * np.asarray(part.radii, dtype=np.float32) * view.scale_px
    covariance = shape @ shape.T
    centre = view.rotation @ np.asarray(part.centre, dtype=np.float32) * view.scale_px
    half = (math.sqrt(covariance[0, 0]) + 1, math.sqrt(covariance[1, 1]) + 1)
    window = _window(picture.shape, (centre[0] + view.origin_px[0], centre[1] + view.origin_px[1]), half)
    if window is None:
        return
    dx, dy = window.dx, window.dy
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = covariance.tolist()
    size = xx * yy - xy * xy
    gx, gy = (yy * dx - xy * dy) / size, (xx * dy - xy * dx) / size
    inside = 1 - (gx * dx + gy * dy)
    alpha = _unit(inside / (2 * np.sqrt(gx * gx + gy * gy) + 1e-6) + 0.5)
    depth = zz - (yy * xz * xz - 2 * xy * xz * yz + xx * yz * yz) / size
    z = xz * gx + yz * gy + np.sqrt(np.maximum(inside, 0) * max(depth, 0.0))
    back = (shape / (shape * shape).sum(axis=0)).T
    unit = [row[0] * dx + row[1] * dy + row[2] * z for row in back]
    nx, ny, nz = (back[0, j] * unit[0] + back[1, j] * unit[1] + back[2, j] * unit[2] for j in range(3))
    norm = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-6
    place = (window.rows, window.columns)
    albedo = _albedo(part.coat, unit[0], grain[place])
    _over(picture, place, _shade(albedo, (nx / norm, ny / norm, nz / norm), light, part.coat.gloss), alpha)
    if part.coat.fur:
        _paint_fur(picture, part, shape, centre + np.array([*view.origin_px, 0], dtype=np.float32), light)


@lru_cache(maxsize=1)
def _directions() -> Array:
    """900 unit vectors spread over a sphere without a pattern, and a random number for each: (900, 4)."""
    rng = np.random.default_rng(1)
    points = rng.standard_normal((900, 4)).astype(np.float32)
    points[:, :3] /= np.linalg.norm(points[:, :3], axis=1, keepdims=True)
    points[:, 3] = rng.random(900)
    return points


def _paint_fur(picture: Array, part: Ellipsoid, shape: Array, centre: Array, light: Light) -> None:
    """Hairs as short strokes that stand on an ellipsoid, drawn at twice the size."""
    mean_radius = math.prod(part.radii) ** (1 / 3) * math.sqrt(
        float((shape * shape).sum()) / sum(r * r for r in part.radii)
    )
    if mean_radius < 3:
        return
    length = part.coat.fur * mean_radius
    points = _directions()[: int(min(900, 60 + 13 * mean_radius))]
    normals = points[:, :3] @ (shape / (shape * shape).sum(axis=0)).T
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    roots = points[:, :3] @ shape.T
    seen = normals[:, 2] > -0.15
    roots, normals, chance = roots[seen], normals[seen], points[seen, 3]
    half = np.sqrt((shape[:2] ** 2).sum(axis=1)) + length + 2
    window = _window(picture.shape, (centre[0], centre[1]), (half[0], half[1]))
    if window is None:
        return
    w, h = window.dx.size, window.dy.size
    start = (roots[:, :2] - np.array([window.dx[0, 0], window.dy[0, 0]])) * 2
    tip = start + (normals[:, :2] + (chance[:, None] - 0.5) * 0.5) * (2 * length * (0.6 + 0.7 * chance[:, None]))
    coat = part.coat
    along = points[seen, 0]
    albedo = _albedo(coat, along, chance * 2 - 1) if coat.fur_colour is None else _colour(coat.fur_colour, along)
    lit = 0.52 + 0.4 * np.maximum(normals @ light.direction, 0) + 0.4 * (chance - 0.5)
    tones = albedo * _colour(light.sky + light.sun, lit) * (lit * 255)
    colours = np.clip(tones, 0, 255).astype(int).T.tolist()
    hairs = Image.new("RGBA", (2 * w, 2 * h))
    draw = ImageDraw.Draw(hairs)
    width = 2 if mean_radius > 24 else 1
    for (x0, y0), (x1, y1), colour in zip(start.tolist(), tip.tolist(), colours, strict=True):
        draw.line((x0, y0, x1, y1), fill=(*colour, 200), width=width)
    small = np.asarray(hairs.resize((w, h), Image.Resampling.BOX), dtype=np.float32).transpose(2, 0, 1) / 255
    _over(picture, (window.rows, window.columns), small[:3], small[3])


def _paint_limb(picture: Array, part: Limb, view: View, light: Light, grain: Array) -> None:
    a, b = (view.rotation @ np.asarray(p, dtype=np.float32) * view.scale_px for p in (part.start, part.end))
    r0, r1 = part.radii[0] * view.scale_px, part.radii[1] * view.scale_px
    ex, ey = float(b[0] - a[0]), float(b[1] - a[1])
    length = math.hypot(ex, ey) + 1e-3
    reach = max(r0, r1) + 1
    middle = ((a[0] + b[0]) / 2 + view.origin_px[0], (a[1] + b[1]) / 2 + view.origin_px[1])
    window = _window(picture.shape, middle, (abs(ex) / 2 + reach, abs(ey) / 2 + reach))
    if window is None:
        return
    ux, uy = ex / length, ey / length
    along = (window.dx * ux + window.dy * uy) + length / 2
    across = window.dy * ux - window.dx * uy
    rows, columns = np.nonzero((np.abs(across) < reach) & (np.abs(along - length / 2) < length / 2 + reach))
    along, across = along[rows, columns], across[rows, columns]
    over = along - np.minimum(np.maximum(along, 0), length)
    radius = np.float32(r0) + _unit(along / length) * np.float32(r1 - r0)
    thick = np.maximum(radius, 0.45)
    alpha = _unit(thick - np.sqrt(over * over + across * across) + 0.5) * np.minimum(radius / 0.45, 1)
    side = np.maximum(np.minimum(across / thick, 1), -1)
    normal = (-side * np.float32(uy), side * np.float32(ux), np.sqrt(1 - side * side))
    place = (rows + window.rows.start, columns + window.columns.start)
    albedo = _albedo(part.coat, along / length * 2 - 1, grain[place])
    _over(picture, place, _shade(albedo, normal, light, part.coat.gloss), alpha)


def _paint_blade(picture: Array, part: Blade, view: View, light: Light, grain: Array) -> None:
    root, along, across = (
        view.rotation @ np.asarray(p, dtype=np.float32) * view.scale_px for p in (part.root, part.along, part.across)
    )
    size = float(along[0] * across[1] - along[1] * across[0])
    long, wide = math.hypot(along[0], along[1]), math.hypot(across[0], across[1])
    if abs(size) < 1.5 * max(long, wide, 1):
        return
    half = (abs(along[0]) / 2 + abs(across[0]) + 1, abs(along[1]) / 2 + abs(across[1]) + 1)
    middle = root + along / 2
    window = _window(picture.shape, (middle[0] + view.origin_px[0], middle[1] + view.origin_px[1]), half)
    if window is None:
        return
    u = (window.dx * across[1] - window.dy * across[0]) / size + 0.5
    v = (window.dy * along[0] - window.dx * along[1]) / size
    rows, columns = np.nonzero((u >= 0) & (u <= 1) & (np.abs(v) <= 1))
    u, v = u[rows, columns], v[rows, columns]
    place = (rows + window.rows.start, columns + window.columns.start)
    widths, veins = outline(part.outline)
    column = (u * 128).astype(np.intp)
    vein = veins[(v * 32 + 32).astype(np.intp), column]
    alpha = _unit((widths[column] - np.abs(v)) * (abs(size) / long) / part.soft_px + 0.5)
    facing = np.cross(along, across)
    tone = abs(float(facing @ light.direction)) / float(np.linalg.norm(facing)) * (1 - 0.18 * np.abs(v) + 0.1 * u)
    albedo = _albedo(part.coat, v, grain[place]) * (_colour(light.sky, u) + _colour(light.sun, u) * tone)
    if part.outline == "wing":
        alpha = alpha * _unit(part.opacity + 0.75 * vein)
        sheen = 0.25 * part.coat.gloss * np.maximum(np.sin(6 * u + 3 * v), 0)
        _over(picture, place, albedo * (1 - 0.8 * vein) + sheen, alpha)
    else:
        _over(picture, place, albedo * (0.85 + 0.25 * vein), alpha * part.opacity)


def _middle(part: Part) -> Array:
    """The point by whose depth a part is put before or behind another."""
    if isinstance(part, Ellipsoid):
        return np.asarray(part.centre, dtype=np.float32)
    if isinstance(part, Limb):
        return (np.asarray(part.start, dtype=np.float32) + np.asarray(part.end, dtype=np.float32)) / 2
    return np.asarray(part.root, dtype=np.float32) + np.asarray(part.along, dtype=np.float32) / 2


def paint(picture: Array, parts: Sequence[Part], view: View, light: Light, grain: Array) -> None:
    """Paint ``parts`` on ``picture`` (3, H, W), far ones first; ``grain`` (H, W), about -1..1, mottles them."""
    for part in sorted(parts, key=lambda one: float(view.rotation[2] @ _middle(one))):
        if isinstance(part, Ellipsoid):
            _paint_ellipsoid(picture, part, view, light, grain)
        elif isinstance(part, Limb):
            _paint_limb(picture, part, view, light, grain)
        else:
            _paint_blade(picture, part, view, light, grain)


def _outlines(parts: Sequence[Part], flat: Array) -> list[tuple[Array, float]]:
    """What ``parts`` look like under the map ``flat`` (2, 3): polygons (n, 2), or lines (2, 2) with a width."""
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    scale = float(np.linalg.norm(flat[:, 0]))
    shapes: list[tuple[Array, float]] = []
    for part in parts:
        if isinstance(part, Ellipsoid):
            shape = flat @ axes(part.yaw_deg, part.pitch_deg) * np.asarray(part.radii, dtype=np.float32)
            root = np.linalg.cholesky(shape @ shape.T + 1e-3 * np.eye(2, dtype=np.float32))
            shapes.append(((root @ ring).T + flat @ np.asarray(part.centre, dtype=np.float32), 0.0))
        elif isinstance(part, Limb):
            ends = np.asarray([part.start, part.end], dtype=np.float32)
            shapes.append((ends @ flat.T, max(1.0, scale * sum(part.radii))))
        elif part.opacity > 0.9:
            a, b = np.asarray(part.along, dtype=np.float32), np.asarray(part.across, dtype=np.float32)
            corners = np.asarray(part.root, dtype=np.float32) + np.stack([a * 0, a / 2 + b, a, a / 2 - b])
            shapes.append((corners @ flat.T, 0.0))
    return shapes


def cast_shadow(
    picture: Array, parts: Sequence[Part], view: View, light: Light, *, depth: float, soft_px: float
) -> None:
    """Darken ``picture`` (3, H, W) by ``depth`` (0..1) where ``parts`` keep the sun from the ground z = 0."""
    sun = view.rotation.T @ light.direction
    fall = np.eye(3, dtype=np.float32)
    fall[:, 2] -= sun / max(float(sun[2]), 0.35)
    shapes = _outlines(parts, (view.rotation @ fall)[:2] * view.scale_px)
    if not shapes:
        return
    every = np.concatenate([points for points, _ in shapes]) + np.asarray(view.origin_px, dtype=np.float32)
    low, high = every.min(axis=0) - 3 * soft_px, every.max(axis=0) + 3 * soft_px
    window = _window(picture.shape, ((low + high) / 2).tolist(), ((high - low) / 2).tolist())
    if window is None:
        return
    mask = Image.new("L", (window.dx.size, window.dy.size))
    draw = ImageDraw.Draw(mask)
    corner = np.array([view.origin_px[0] - window.columns.start, view.origin_px[1] - window.rows.start])
    for points, width in shapes:
        places = [(x, y) for x, y in (points + corner).tolist()]
        if width:
            draw.line(places, fill=255, width=round(width))
        else:
            draw.polygon(places, fill=255)
    dark = np.asarray(mask.filter(ImageFilter.BoxBlur(soft_px)), dtype=np.float32) * np.float32(-depth / 255)
    picture[:, window.rows, window.columns] *= dark + 1
