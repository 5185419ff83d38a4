"""A small copy of a picture."""

import io

import torch
from PIL import Image

LONGEST_PX = 128
"""Of the longer side; a smaller picture stays as it is."""
QUALITY = 82


def encode(picture: torch.Tensor) -> bytes:
    """A picture, uint8 ``(3, H, W)`` or ``(1, H, W)``, as a small JPEG."""
    array = picture.permute(1, 2, 0).contiguous().numpy()
    image = Image.fromarray(array if array.shape[2] == 3 else array[:, :, 0])
    image.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY, optimize=True)
    return stream.getvalue()
