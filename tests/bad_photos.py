"""Photo files as they really come, each made here: what they are called, what is in them, and what must become of them.

Most are 16 x 8 pixels: ``QUARTERS`` has red at the top left, green at the top right, blue at the bottom left, white at
the bottom right.
"""

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

RGB = tuple[int, int, int]
RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Made 8 pixels on its shorter side it is of ``shape`` ``(H, W)``, and has these colours in its corners: top left,
    top right, bottom left, bottom right."""

    shape: tuple[int, int] = (8, 16)
    corners: tuple[RGB, RGB, RGB, RGB] = (RED, GREEN, BLUE, WHITE)
    tolerance: int = 0


class Kind(NamedTuple):
    """``make`` writes the file at a path, or gives its content; ``becomes`` is a picture, or why there is none."""

    name: str
    make: Callable[[Path], bytes | None]
    becomes: Loaded | str
    file: str = "photo.jpg"


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The content of a picture file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def quarters() -> Image.Image:
    """The picture that most kinds show."""
    image = Image.new("RGB", (16, 8), WHITE)
    for colour, box in ((RED, (0, 0, 8, 4)), (GREEN, (8, 0, 16, 4)), (BLUE, (0, 4, 8, 8))):
        image.paste(colour, box)
    return image


def noise(size: int = 64) -> Image.Image:
    """A picture that does not compress."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8))


def exif(*entries: tuple[int, int, int, int]) -> bytes:
    """An EXIF block written by hand: tag, type, count, and value or offset of each entry."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4)


def turned(orientation: int) -> bytes:
    """``QUARTERS`` with an EXIF orientation, without loss."""
    return encoded(quarters(), exif=exif((0x0112, 3, 1, orientation)))


def bomb() -> bytes:
    """A PNG of some bytes that says it has 20,000 x 20,000 pixels."""
    content = bytearray(encoded(Image.new("L", (8, 8))))
    content[16:24] = (20_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


def of(content: bytes) -> Callable[[Path], bytes]:
    """Just these bytes."""
    return lambda path: content


def cut(kind: str) -> Callable[[Path], bytes]:
    """A picture whose second half is missing."""
    content = encoded(noise(), kind)
    return of(content[: len(content) // 2])


def plain(colour: RGB, tolerance: int = 0) -> Loaded:
    """A picture of one colour."""
    return Loaded(corners=(colour,) * 4, tolerance=tolerance)


def filled(mode: str, colour: Any) -> Image.Image:
    """A picture of one colour, in any mode."""
    return Image.new(mode, (16, 8), colour)


def greys(dtype: str = "<u2") -> np.ndarray[Any, Any]:
    """16-bit greys from left to right: 0, 0x8080, 65535, 65535."""
    return np.repeat(np.repeat(np.array([[0, 0x8080, 65535, 65535]], dtype), 4, axis=1), 8, axis=0)


def palette() -> Image.Image:
    """Left: a transparent colour. Right: blue."""
    image = Image.new("P", (16, 8), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (8, 0, 16, 8))
    return image


def striped(size: tuple[int, int], middle: tuple[int, int, int, int]) -> Image.Image:
    """Red with a blue middle."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, middle)
    return image


def animated(kind: str, **options: Any) -> bytes:
    """First ``QUARTERS``, then black."""
    return encoded(quarters(), kind, save_all=True, append_images=[filled("RGB", BLACK)], **options)


def broken_checksum() -> bytes:
    """A PNG in whose pixels one byte has changed."""
    content = bytearray(encoded(noise()))
    content[len(content) // 2] ^= 1
    return bytes(content)


def linked(path: Path, target: str | Path) -> None:
    """A link."""
    path.symlink_to(target)


def link_elsewhere(path: Path) -> None:
    """A link to a photo outside of the class."""
    target = path.parents[1] / ".elsewhere.png"
    target.write_bytes(encoded(quarters()))
    path.symlink_to(target)


def huge(path: Path) -> None:
    """600 MB, none of them on the disk."""
    with path.open("wb") as file:
        file.truncate(600_000_000)


GREYS = Loaded(corners=(BLACK, WHITE, BLACK, WHITE))
QUARTERS = Loaded()
LOSSY = Loaded(tolerance=12)
JPEG = {"quality": 100, "subsampling": 0}

PICTURES = [
    Kind("PNG named as JPEG", of(encoded(quarters())), QUARTERS),
    Kind("JPEG named as text", of(encoded(quarters(), "JPEG", **JPEG)), LOSSY, "photo.txt.png"),
    Kind("upper-case extension", of(encoded(quarters())), QUARTERS, "PHOTO.PNG"),
    Kind("progressive JPEG", of(encoded(quarters(), "JPEG", progressive=True, **JPEG)), LOSSY),
    Kind("two photos in one (MPO)", of(animated("MPO", **JPEG)), LOSSY),
    Kind("bytes after the end", of(encoded(quarters()) + bytes(999)), QUARTERS),
    Kind("CMYK JPEG", of(encoded(filled("CMYK", (0, 255, 255, 0)), "JPEG", quality=100)), plain(RED, 3)),
    Kind("CMYK TIFF", of(encoded(filled("CMYK", (255, 255, 0, 0)), "TIFF")), plain(BLUE)),
    Kind("LAB TIFF", of(encoded(filled("LAB", (0, 128, 128)), "TIFF")), plain(BLACK, 1)),
    Kind("16-bit grey PNG", of(encoded(Image.fromarray(greys()))), GREYS),
    Kind("16-bit greymap", of(b"P5 16 8 65535\n" + greys(">u2").tobytes()), GREYS),
    Kind("greymap up to 1000", of(b"P5 16 8 1000\n" + b"\x01\xf4" * 128), plain((128, 128, 128))),
    Kind(
        "16-bit grey TIFF, big-endian",
        of(encoded(Image.frombytes("I;16B", (16, 8), greys(">u2").tobytes()), "TIFF")),
        GREYS,
    ),
    Kind("16-bit colours", of(b"P6 16 8 65535\n" + b"\xff\xff\x80\x80\0\0" * 128), plain((255, 128, 0))),
    Kind("16-bit grey, black transparent", of(encoded(Image.fromarray(greys()), transparency=0)), plain(WHITE)),
    Kind("1-bit", of(encoded(filled("1", 1))), plain(WHITE)),
    Kind(
        "palette with transparency", of(encoded(palette(), transparency=0)), Loaded(corners=(WHITE, BLUE, WHITE, BLUE))
    ),
    Kind(
        "palette, half transparent",
        of(encoded(palette(), transparency=b"\x80\xff")),
        Loaded(corners=((255, 127, 127), BLUE) * 2),
    ),
    Kind("half transparent", of(encoded(filled("RGBA", (0, 255, 0, 128)))), plain((127, 255, 127))),
    Kind("transparent grey", of(encoded(filled("LA", (9, 0)))), plain(WHITE)),
    Kind("animated GIF", of(animated("GIF")), QUARTERS),
    Kind("animated WebP", of(animated("WEBP", lossless=True)), QUARTERS),
    Kind("animated PNG", of(animated("PNG")), QUARTERS),
    Kind("1 x 1", of(encoded(Image.new("RGB", (1, 1), BLUE))), Loaded(shape=(8, 8), corners=(BLUE,) * 4)),
    Kind(
        "20,000 x 20: its middle",
        of(encoded(striped((20_000, 20), (9_960, 0, 10_040, 20)))),
        Loaded(shape=(8, 32), corners=(BLUE,) * 4),
    ),
    Kind(
        "20 x 20,000: its middle",
        of(encoded(striped((20, 20_000), (0, 9_960, 20, 10_040)))),
        Loaded(shape=(32, 8), corners=(BLUE,) * 4),
    ),
    Kind("EXIF 1, upright", of(turned(1)), QUARTERS),
    Kind("EXIF 2, mirrored", of(turned(2)), Loaded(corners=(GREEN, RED, WHITE, BLUE))),
    Kind("EXIF 3, upside down", of(turned(3)), Loaded(corners=(WHITE, BLUE, GREEN, RED))),
    Kind("EXIF 4, mirrored upside down", of(turned(4)), Loaded(corners=(BLUE, WHITE, RED, GREEN))),
    Kind("EXIF 5, transposed", of(turned(5)), Loaded(shape=(16, 8), corners=(RED, BLUE, GREEN, WHITE))),
    Kind("EXIF 6, a quarter clockwise", of(turned(6)), Loaded(shape=(16, 8), corners=(BLUE, RED, WHITE, GREEN))),
    Kind("EXIF 7, transversed", of(turned(7)), Loaded(shape=(16, 8), corners=(WHITE, GREEN, BLUE, RED))),
    Kind("EXIF 8, a quarter back", of(turned(8)), Loaded(shape=(16, 8), corners=(GREEN, WHITE, RED, BLUE))),
    Kind("EXIF 9, which is none", of(turned(9)), QUARTERS),
    Kind("EXIF orientation in words", of(encoded(quarters(), exif=exif((0x0112, 2, 2, 54)))), QUARTERS),
    Kind(
        "EXIF 6 beside a tag that leads outside",
        of(encoded(quarters(), exif=exif((0x010F, 2, 50, 9999), (0x0112, 3, 1, 6)))),
        Loaded(shape=(16, 8), corners=(BLUE, RED, WHITE, GREEN)),
    ),
    Kind(
        "EXIF 6 beside a tag of a wrong type",
        of(encoded(quarters(), exif=exif((0x010F, 5, 1, 8), (0x0112, 3, 1, 6), (0x8769, 2, 3, 65)))),
        Loaded(shape=(16, 8), corners=(BLUE, RED, WHITE, GREEN)),
    ),
    Kind(
        "EXIF of nonsense",
        of(encoded(quarters(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 40, **JPEG)),
        LOSSY,
    ),
    Kind(
        "ICC profile of nonsense, JPEG", of(encoded(quarters(), "JPEG", icc_profile=b"no profile" * 9, **JPEG)), LOSSY
    ),
    Kind("ICC profile of nonsense, PNG", of(encoded(quarters(), icc_profile=b"no profile" * 9)), QUARTERS),
    Kind("unicode name", of(encoded(quarters())), QUARTERS, "ameise-Ä-蟻-🐜.png"),
    Kind("very long name", of(encoded(quarters())), QUARTERS, "a" * 251 + ".png"),
    Kind("spaces and a line break in the name", of(encoded(quarters())), QUARTERS, " - an ant\nat noon .png"),
    Kind("pattern signs in the name", of(encoded(quarters())), QUARTERS, "[a]*?.png"),
    Kind("name that is no UTF-8", of(encoded(quarters())), QUARTERS, os.fsdecode(b"\xff\xfe.png")),
    Kind("link to a photo", link_elsewhere, QUARTERS, "link.png"),
]

SKIPPED = [
    Kind("JPEG cut short", cut("JPEG"), "broken picture ("),
    Kind("PNG cut short", cut("PNG"), "broken picture ("),
    Kind("WebP cut short", cut("WEBP"), "broken picture ("),
    Kind("GIF cut short", cut("GIF"), "broken picture ("),
    Kind("TIFF cut short", cut("TIFF"), "broken picture ("),
    Kind("AVIF cut short", cut("AVIF"), "not a picture that can be read"),
    Kind("PNG with one byte changed", of(broken_checksum()), "broken picture ("),
    Kind("beginning of a JPEG", of(b"\xff\xd8\xff\xe0"), "not a picture that can be read"),
    Kind("empty", of(b""), "empty file"),
    Kind("text renamed", of(b"seen on Monday"), "not a picture that can be read"),
    Kind("web page renamed", of(b"<!DOCTYPE html><title>404</title>"), "not a picture that can be read"),
    Kind("PDF renamed", of(b"%PDF-1.4\n%"), "not a picture that can be read"),
    Kind("SVG", of(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not a picture that can be read"),
    Kind("zeros", of(bytes(5000)), "not a picture that can be read"),
    Kind(
        "HEIC",
        of(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)),
        "a HEIC photo, which cannot be read: convert it to JPEG",
        "IMG_0001.HEIC",
    ),
    Kind("decompression bomb", of(bomb()), "too large: a decompression bomb"),
    Kind(
        "more pixels than are decoded",
        lambda path: encoded(Image.new("1", (9500, 9500))),
        "too large: 9500 x 9500 pixels",
    ),
    Kind("600 MB", huge, "too large for a picture file"),
    Kind("32-bit floats", of(encoded(filled("F", 0.5), "TIFF")), "32-bit pixels (mode F) have no known range"),
    Kind("32-bit integers", of(encoded(filled("I", 70_000), "TIFF")), "32-bit pixels (mode I) have no known range"),
    Kind(
        "placeholder",
        of(encoded(filled("L", 255), "GIF")),
        "a placeholder, not a photo: a still GIF that is nearly all of one colour",
    ),
    Kind(
        "placeholder by its name",
        of(encoded(quarters())),
        "a placeholder, not a photo: its name says that the image was not found",
        "imageNotFound.png",
    ),
    Kind("dangling link", lambda path: linked(path, "nowhere.png"), "not a file (a broken link, or a device)"),
    Kind("link to itself", lambda path: linked(path, path.name), "not a file (a broken link, or a device)"),
    Kind("pipe", lambda path: os.mkfifo(path), "not a file (a broken link, or a device)"),
    Kind("link to a device", lambda path: linked(path, os.devnull), "not a file (a broken link, or a device)"),
]

KINDS = PICTURES + SKIPPED


def write(kind: Kind, folder: Path) -> Path:
    """Make a file of that kind in a folder."""
    path = folder / kind.file
    content = kind.make(path)
    if content is not None:
        path.write_bytes(content)
    return path
