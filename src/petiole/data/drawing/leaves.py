"""The outline and the veins of wings, petals and leaves, as small tables that blades are painted from."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from petiole.data.drawing.solids import Array


@lru_cache(maxsize=3)
def outline(kind: str) -> tuple[Array, Array]:
    """Half-width of a blade at 129 places from root to tip (0..1), and its veins (65, 129), 0..1."""
    u = np.linspace(0, 1, 129, dtype=np.float32)
    powers = {"wing": (0.75, 2.6), "petal": (0.8, 3.0), "leaf": (0.75, 1.1)}
    rise, fall = powers[kind]
    width = np.minimum(u * 2.2, 1) ** rise * (1 - u**fall) ** 0.6
    picture = Image.new("L", (258, 130))
    draw = ImageDraw.Draw(picture)
    if kind == "wing":
        rays: tuple[tuple[float, float], ...] = ((-0.85, -0.9), (-0.5, -0.35), (-0.1, 0.15), (0.3, 0.75))
        for near, far in rays:
            draw.line([(4, 65 + 20 * near), (110, 65 + 50 * near), (235, 65 + 55 * far)], fill=255, width=4)
        draw.line([(105, 40), (120, 64), (105, 95)], fill=220, width=3)
        draw.line([(175, 25), (165, 55), (185, 80), (170, 110)], fill=200, width=3)
    else:
        draw.line([(0, 65), (258, 65)], fill=255, width=5)
        for x in range(20, 240, 26):
            draw.line([(x + 45, 5), (x, 65), (x + 45, 125)], fill=120 if kind == "leaf" else 50, width=3)
    veins = picture.filter(ImageFilter.GaussianBlur(1)).resize((129, 65), Image.Resampling.BOX)
    return width.astype(np.float32), np.asarray(veins, dtype=np.float32) / 255
