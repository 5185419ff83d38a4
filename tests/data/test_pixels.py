"""Decoding: upright, RGB, resized, from every mode that a photo may have; and why a file is refused."""

import io
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from petiole.data import pixels
from petiole.data.pixels import Pixels, UnusableError, decode, harmless_warnings, is_placeholder_name, read_file
from petiole.errors import UserError


def _file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((64, 48), (32, 43, 3)),  # 64 * 32 / 48 = 42.67
        ((48, 64), (43, 32, 3)),
        ((16, 16), (32, 32, 3)),  # small ones are enlarged
        ((320, 20), (32, 128, 3)),  # cropped to 80 x 20 first
        ((20, 320), (128, 32, 3)),
        ((1, 1), (32, 32, 3)),
    ],
)
def test_the_shorter_side_is_made_equal(size: tuple[int, int], shape: tuple[int, int, int]) -> None:
    assert decode(_file(_noise(*size)), short_side=32).shape == shape


def test_pixels_stay_as_they_are_where_the_size_fits() -> None:
    image = _noise(40, 32)
    assert np.array_equal(decode(_file(image), short_side=32), np.asarray(image))


def test_what_is_very_long_is_cropped_at_its_centre() -> None:
    image = Image.new("RGB", (100, 10), "red")
    image.paste("blue", (30, 0, 70, 10))  # exactly the 4 x 10 columns in the middle
    assert np.array_equal(decode(_file(image), short_side=10), np.full((10, 40, 3), (0, 0, 255), np.uint8))


def test_resizing_is_antialiased() -> None:
    columns = np.zeros((256, 256, 3), np.uint8)
    columns[:, ::2] = 255  # every second column white: grey from afar
    small = decode(_file(Image.fromarray(columns)), short_side=32)[:, 2:-2]
    assert abs(small.astype(int) - 127).max() <= 2


@pytest.mark.parametrize("size", [(2048, 1536), (1536, 2048)])
def test_large_jpegs_are_reduced_while_decoding(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Image.linear_gradient("L").resize(size).convert("RGB")
    content = _file(drawn, "JPEG", quality=95)
    seen = []
    upright = pixels._upright

    def watched(image: Image.Image) -> Image.Image:
        seen.append(image.size)
        return upright(image)

    monkeypatch.setattr(pixels, "_upright", watched)
    decoded = decode(content, short_side=96)
    assert seen == [(size[0] // 8, size[1] // 8)]
    expected = np.asarray(drawn.resize((128, 96) if size[0] > size[1] else (96, 128), Image.Resampling.BICUBIC))
    assert abs(decoded.astype(int) - expected).max() <= 4


def test_exif_orientation_is_followed() -> None:
    image = Image.new("RGB", (32, 16), "black")
    image.paste("white", (0, 0, 16, 16))  # left half
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by 90 degrees: what was left is at the top
    decoded = decode(_file(image, "JPEG", exif=exif, quality=100, subsampling=0), short_side=16)
    assert decoded.shape == (32, 16, 3)
    assert decoded[:15].min() > 240
    assert decoded[17:].max() < 15


def _modes() -> dict[str, tuple[bytes, tuple[int, int, int]]]:
    """Files of one colour in many modes, and the RGB that they show."""
    grey16 = Image.fromarray(np.full((4, 4), 0x8080, np.uint16))
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    two = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    return {
        "grey": (_file(Image.new("L", (4, 4), 77)), (77, 77, 77)),
        "bits": (_file(Image.new("1", (4, 4), 1)), (255, 255, 255)),
        "16-bit grey": (_file(grey16), (128, 128, 128)),
        "grey, half transparent": (_file(Image.new("LA", (4, 4), (0, 127))), (128, 128, 128)),
        "transparent": (_file(Image.new("RGBA", (4, 4), (9, 9, 9, 0))), (255, 255, 255)),
        "opaque": (_file(Image.new("RGBA", (4, 4), (9, 8, 7, 255))), (9, 8, 7)),
        "palette": (_file(palette), (10, 20, 30)),
        "palette, transparent": (_file(palette, transparency=1), (255, 255, 255)),
        "palette, transparency bytes": (_file(palette, transparency=b"\xff\x00"), (255, 255, 255)),
        "inks": (_file(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF"), (255, 0, 0)),
        "bitmap": (_file(Image.new("RGB", (4, 4), (1, 2, 3)), "BMP"), (1, 2, 3)),
        "webp": (_file(Image.new("RGB", (4, 4), (200, 100, 50)), "WEBP", lossless=True), (200, 100, 50)),
        "animation": (_file(two[0], "GIF", save_all=True, append_images=two[1:]), (255, 0, 0)),
        "animated png": (_file(two[1], "PNG", save_all=True, append_images=two[:1]), (0, 0, 255)),
    }


@pytest.mark.parametrize("mode", _modes())
def test_every_mode_becomes_rgb(mode: str) -> None:
    content, colour = _modes()[mode]
    assert np.array_equal(decode(content, short_side=4), np.full((4, 4, 3), colour, np.uint8))


def test_cmyk_jpeg() -> None:
    content = _file(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100)
    assert abs(decode(content, short_side=16).astype(int) - (255, 0, 0)).max() <= 3


def _bomb() -> bytes:
    """A PNG of a few kilobytes that says it has 20,000 x 20,000 pixels."""
    content = bytearray(_file(Image.new("L", (8, 8))))
    content[16:24] = (20_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


JPEG = _file(_noise(64, 64), "JPEG")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty file"),
        (b"not a picture at all", "not a picture"),
        (b"%PDF-1.4 ...", "not a picture"),
        (JPEG[: len(JPEG) // 2], "broken picture"),
        (_file(_noise(64, 64))[:-3000], "broken picture"),
        (_bomb(), "decompression bomb"),
        (_file(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), "no known range"),
    ],
    ids=["empty", "text", "pdf", "cut-jpeg", "cut-png", "bomb", "float"],
)
def test_what_cannot_be_used_says_why(content: bytes, why: str) -> None:
    with pytest.raises(UnusableError, match=why):
        decode(content, short_side=16)


@pytest.mark.skipif(not Path("/proc/version").is_file(), reason="the system has no such files")
def test_files_of_the_system_that_seem_empty_are_not_read() -> None:
    """They may answer for ever, or never."""
    assert Path("/proc/version").read_bytes()
    assert read_file(Path("/proc/version")) == b""


def test_too_many_pixels_are_refused_unless_the_jpeg_decoder_reduces_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pixels, "MAX_DECODED_PIXELS", 1000)
    with pytest.raises(UnusableError, match="64 x 64"):
        decode(_file(_noise(64, 64)), short_side=16)
    assert decode(JPEG, short_side=16).shape == (16, 16, 3)


def test_broken_files_never_raise_anything_else() -> None:
    random = np.random.default_rng(0)
    outcomes: set[int | str] = set()
    for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"):
        sound = np.frombuffer(_file(_noise(24, 24), kind), np.uint8)
        for _ in range(60):
            content = sound.copy()
            places = random.integers(0, len(content), 8)
            places[:4] %= 64  # the header
            content[places] = random.integers(0, 256, 8)
            try:
                with harmless_warnings(), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    outcomes.add(decode(content.tobytes(), short_side=8).ndim)
            except UnusableError as error:
                outcomes.add(str(error)[:6])
    assert {3, "broken", "not a "} <= outcomes


def test_metadata_that_cannot_be_read_costs_no_photo() -> None:
    content = _file(_noise(16, 16), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 40)
    with harmless_warnings():
        assert decode(content, short_side=16).shape == (16, 16, 3)


def _words_on(colour: str, share: float) -> Image.Image:
    image = Image.new("RGB", (100, 100), colour)
    image.paste("black", (0, 0, 100, round(100 * (1 - share))))
    return image


def test_placeholders_are_told_by_format_and_flatness() -> None:
    with pytest.raises(UnusableError, match="placeholder"):
        decode(_file(_words_on("white", 0.94), "GIF"), short_side=100)
    assert decode(_file(_words_on("white", 0.89), "GIF"), short_side=100).shape == (100, 100, 3)
    assert decode(_file(_words_on("white", 0.94), "PNG"), short_side=100).shape == (100, 100, 3)
    frames = [_words_on("white", 0.94), _words_on("white", 0.99)]
    animation = _file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(animation, short_side=100).shape == (100, 100, 3)


@pytest.mark.parametrize(
    ("stem", "is_one"),
    [
        ("imageNotFound", True),
        ("image_not_found", True),
        ("photo-unavailable", True),
        ("No Image", True),
        ("ant", False),
        ("found_in_the_garden", False),
    ],
)
def test_placeholder_names(stem: str, is_one: bool) -> None:
    assert is_placeholder_name(stem) is is_one


def test_pixels_are_views_into_one_buffer() -> None:
    first = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    second = np.arange(100, 100 + 4 * 1 * 3, dtype=np.uint8).reshape(4, 1, 3)
    packed = Pixels.pack([first, second])
    assert len(packed) == 2
    assert packed.sizes == ((2, 3), (4, 1))
    assert packed.offsets == (0, 18)
    assert packed.buffer.tolist() == [*range(18), *range(100, 112)]
    assert packed[0].tolist() == first.transpose(2, 0, 1).tolist()
    assert packed[1].tolist() == second.transpose(2, 0, 1).tolist()
    assert packed[1].dtype == torch.uint8
    packed.buffer[18] = 7
    assert packed[1][0, 0, 0] == 7
    with pytest.raises(IndexError):
        packed[2]


def test_many_pictures_lie_in_a_file_and_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETIOLE_CACHE", str(tmp_path))
    pictures = [np.full((2, 3 + at, 3), at, np.uint8) for at in range(5)]
    in_memory, in_file = Pixels.pack(pictures), Pixels.pack(iter(pictures), memory_bytes=40)
    assert in_file.buffer.tolist() == in_memory.buffer.tolist()
    assert (in_file.offsets, in_file.sizes) == (in_memory.offsets, in_memory.sizes)
    assert list(tmp_path.iterdir()) == [], "it has no name, and leaves nothing behind"


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PETIOLE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match="set PETIOLE_CACHE"):
        Pixels.pack([np.zeros((2, 3, 3), np.uint8)] * 5, memory_bytes=40)


def test_some_pictures_share_the_buffer() -> None:
    packed = Pixels.pack([np.full((1, 1, 3), at, np.uint8) for at in range(4)])
    some = packed.subset([3, 1])
    assert [some[at][0, 0, 0].item() for at in range(len(some))] == [3, 1]
    assert some.buffer is packed.buffer


def test_no_pictures() -> None:
    assert len(Pixels.pack([])) == 0
