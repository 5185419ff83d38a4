"""A picture file becomes uint8 pixels, once; a split keeps them all in one flat buffer.

Every picture is turned upright, made RGB and resized until its shorter side is ``short_side``. What cannot
be used raises :class:`UnusableError` with the reason.
"""

import io
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from petiole.cache import cache_errors, cache_path
from petiole.errors import PetioleError
from petiole.mapped import unnamed_file

Array = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
"""What is decoded. Pillow knows more formats; some of them start other programs or fetch further files."""

MAX_DECODED_PIXELS = 89_478_485
"""More pixels than this after the JPEG decoder's own reduction are refused (Pillow's own warning limit)."""

MAX_FILE_BYTES = 1 << 29
"""Larger files are not read: no photo is that large."""

MEMORY_BYTES = 1 << 27
"""Decoded pictures of more bytes lie in a file of the cache."""

MAX_ELONGATION = 4
"""The longer side is cropped, at the centre, to this many times the shorter one."""

PLACEHOLDER_NAMES = {"imagenotfound", "imagenotavailable", "imageunavailable", "photounavailable", "noimage"}
PLACEHOLDER_FLATNESS = 0.9

HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
"""How the files of many telephones begin, after four bytes of length and the word ``ftyp``."""

ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,  # counter-clockwise: a quarter clockwise
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its EXIF orientation (1, and what is not there: nothing)."""

_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, OverflowError, RuntimeError, struct.error,
    zlib.error,
)  # fmt: skip
"""What Pillow's decoders raise on broken files (``TypeError``: TIFF tags, ``RuntimeError``: AVIF): named, so that not
all of our own bugs are among them."""

_HARMLESS_WARNINGS = (
    # Each was understood: the pixels are right, and the only metadata used is the orientation.
    ("(?s).*EXIF", UserWarning),  # metadata that cannot be parsed
    ("Truncated File Read", UserWarning),  # the same, in TIFF tags
    ("Tag data larger than file", UserWarning),  # the same: that tag is left out
    ("Tag offset too large", UserWarning),  # the same
    ("Metadata Warning", UserWarning),  # a TIFF tag with too many values
    ("Image appears to be a malformed MPO", UserWarning),  # read as the JPEG that it also is
    ("Invalid APNG", UserWarning),  # the still picture is used
    (".*decompression bomb", Image.DecompressionBombWarning),  # judged below, after the JPEG reduction
)


class UnusableError(PetioleError):
    """A file that is no picture to learn from; the message is the reason."""


@contextmanager
def harmless_warnings() -> Iterator[None]:
    """Silence those of Pillow's warnings that change no pixel. Enter it once, around all threads."""
    with warnings.catch_warnings():
        for message, category in _HARMLESS_WARNINGS:
            warnings.filterwarnings("ignore", message=message, category=category)
        yield


def read_file(path: Path) -> bytes:
    """The content of a picture file.

    Raises:
        UnusableError: there is none, it is no regular file, larger than ``MAX_FILE_BYTES``, or cannot be read.
    """
    try:
        if not path.is_file():
            there = os.path.lexists(path)
            raise UnusableError("not a file (a broken link, or a device)" if there else "no such file")
        if (bytes_ := path.stat().st_size) > MAX_FILE_BYTES:
            raise UnusableError("too large for a picture file")
        return path.read_bytes() if bytes_ else b""  # files of the system that seem empty may answer for ever
    except OSError as error:
        raise UnusableError(f"cannot be read ({error.strerror})") from error


def decode(content: bytes, *, short_side: int) -> Array:
    """The pixels ``(H, W, 3)`` uint8 of a picture file's bytes; the shorter side is ``short_side``.

    The first frame of an animation; transparent parts on white; 16-bit greys scaled to 8 bits. JPEG files are
    reduced by 2, 4 or 8 while they are decoded (``draft``) where the result stays large enough.

    Raises:
        UnusableError: empty, not a picture, broken or truncated, too many pixels, or a placeholder.
    """
    if not content:
        raise UnusableError("empty file")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            image.draft(None, _at_least(image.size, short_side))
            if image.width * image.height > MAX_DECODED_PIXELS:
                raise UnusableError(f"too large: {image.width} x {image.height} pixels")
            rgb = _rgb(_upright(image), image.format)
            if _is_flat_gif(image, rgb):
                raise UnusableError("a placeholder, not a photo: a still GIF that is nearly all of one colour")
            return np.asarray(_resized(rgb, short_side))
    except UnidentifiedImageError as error:
        if content[4:8] == b"ftyp" and content[8:12] in HEIC_BRANDS:
            raise UnusableError("a HEIC photo, which cannot be read: convert it to JPEG") from error
        raise UnusableError("not a picture that can be read") from error
    except Image.DecompressionBombError as error:
        raise UnusableError("too large: a decompression bomb") from error
    except _BROKEN as error:
        raise UnusableError(f"broken picture ({error})") from error


def is_placeholder_name(stem: str) -> bool:
    """Whether a file's name says that the server had no picture, as ``imageNotFound`` does.

    >>> is_placeholder_name("imageNotFound"), is_placeholder_name("image_17")
    (True, False)
    """
    return re.sub(r"[^a-z]", "", stem.lower()) in PLACEHOLDER_NAMES


def _is_flat_gif(image: Image.Image, rgb: Image.Image) -> bool:
    """Whether this is the drawing that servers send for a lost photo, whatever its name.

    Such a drawing is a still GIF of a few words on one colour (hymenoptera's imageNotFound.gif: 94% of its
    pixels). Both conditions are needed: an ant on white paper has 83% of one colour, but it is a JPEG.
    """
    if image.format != "GIF" or getattr(image, "n_frames", 1) > 1:
        return False
    colours = rgb.getcolors(maxcolors=256)  # a GIF frame has no more; None otherwise
    most = max(count for count, _ in colours) if colours else 0
    return most >= PLACEHOLDER_FLATNESS * rgb.width * rgb.height


def _at_least(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """The size of the same aspect whose shorter side is ``short_side``: the least that ``draft`` may give."""
    scale = short_side / min(size)
    return (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation says; as it is if that cannot be read."""
    image.load()  # so that what fails below is the metadata, not the pixels
    try:
        turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    except _BROKEN:
        return image
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image, file_format: str | None) -> Image.Image:
    """The picture in RGB, 8 bits each."""
    if image.mode.startswith("I;16") or (image.mode == "I" and file_format == "PPM"):  # that one is scaled to 16 bits
        grey16 = np.asarray(image).astype(np.uint32)
        grey = ((grey16 + 128) // 257).astype(np.uint8)  # 65535 -> 255
        grey[grey16 == image.info.get("transparency", -1)] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("I", "F"):
        raise UnusableError(f"32-bit pixels (mode {image.mode}) have no known range")
    if image.has_transparency_data:
        drawn = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
    return image.convert("RGB")


def _resized(image: Image.Image, short_side: int) -> Image.Image:
    """Crop what is very elongated, then resize (bicubic, antialiased) to the shorter side."""
    width, height = image.size
    longest = MAX_ELONGATION * min(width, height)
    if max(width, height) > longest:
        left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
        image = image.crop((left, top, left + min(width, longest), top + min(height, longest)))
    if min(image.size) == short_side:
        return image
    return image.resize(_at_least(image.size, short_side), Image.Resampling.BICUBIC)


def _append(file: IO[bytes], pictures: Sequence[Array]) -> None:
    with cache_errors(cache_path()):
        for picture in pictures:
            file.write(picture.data)
        file.flush()


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Pictures of different sizes in one flat uint8 buffer, row by row, three bytes for each pixel.

    Picture ``i`` has ``sizes[i] = (H, W)`` and starts at byte ``offsets[i]``. Where there are many, the buffer is a
    memory-mapped file.
    """

    buffer: torch.Tensor
    offsets: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]

    @classmethod
    def pack(cls, pictures: Iterable[Array], *, memory_bytes: int = MEMORY_BYTES) -> "Pixels":
        """Put pictures ``(H, W, 3)`` into one buffer as they come: in memory, or in a file of the cache from
        ``memory_bytes`` on.

        Raises:
            UserError: the cache cannot be written, or has too little space.

        >>> Pixels.pack([np.zeros((2, 5, 3), np.uint8), np.ones((1, 1, 3), np.uint8)]).offsets
        (0, 30)
        """
        offsets, sizes, at, file = [], [], 0, None
        kept: list[Array] = []
        for picture in pictures:
            offsets.append(at)
            sizes.append((picture.shape[0], picture.shape[1]))
            at += picture.size
            kept.append(picture.reshape(-1))
            if at > memory_bytes:
                file = file or unnamed_file()
                _append(file, kept)
                kept = []
        if file is None:
            buffer = np.concatenate(kept) if kept else np.empty(0, np.uint8)
        else:
            buffer = np.memmap(file, np.uint8, mode="c", shape=(at,))
            file.close()  # the map goes on
        return cls(buffer=torch.from_numpy(buffer), offsets=tuple(offsets), sizes=tuple(sizes))

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Picture ``index`` as uint8 ``(3, H, W)``, a view into the buffer (channels last in memory)."""
        height, width = self.sizes[index]
        start = self.offsets[index]
        flat = self.buffer[start : start + height * width * 3]
        return flat.view(height, width, 3).permute(2, 0, 1)

    def subset(self, indices: Sequence[int]) -> "Pixels":
        """Some of the pictures, in this order, in the same buffer."""
        return Pixels(
            buffer=self.buffer,
            offsets=tuple(self.offsets[index] for index in indices),
            sizes=tuple(self.sizes[index] for index in indices),
        )


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split: pictures, class numbers ``(N,)`` int64, paths relative to the photo folder, and digests of the files,
    by which exact copies are known."""

    pixels: Pixels
    labels: torch.Tensor
    paths: tuple[str, ...]
    sha256: tuple[str, ...]

    def subset(self, indices: torch.Tensor) -> "Split":
        """Some of the pictures ``(n,)``, in this order."""
        chosen = indices.tolist()
        return Split(
            pixels=self.pixels.subset(chosen),
            labels=self.labels[indices],
            paths=tuple(self.paths[index] for index in chosen),
            sha256=tuple(self.sha256[index] for index in chosen),
        )
