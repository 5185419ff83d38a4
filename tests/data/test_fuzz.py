"""Nonsense in, sentences out: changed picture files, random bytes and random trees of folders never break anything.

A warning of Pillow's is an error here too. The cases are the same each time.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bad_photos import animated, encoded, exif, filled, greys, noise, palette, quarters
from petiole import api
from petiole.data.layout import below, is_visible
from petiole.data.pixels import MAX_ELONGATION, UnusableError, decode, harmless_warnings
from petiole.errors import UserError
from petiole.inference.predict import named_files

TAGS = exif((0x010F, 2, 8, 62), (0x0112, 3, 1, 6), (0x8769, 4, 1, 8), (0x8825, 4, 1, 26))
SOUND = {
    "JPEG": encoded(quarters(), "JPEG", exif=TAGS, icc_profile=bytes(200)),
    "progressive JPEG": encoded(noise(16), "JPEG", progressive=True),
    "CMYK JPEG": encoded(filled("CMYK", (9, 99, 0, 0)), "JPEG"),
    "MPO": animated("MPO"),
    "PNG": encoded(quarters(), exif=TAGS),
    "animated PNG": animated("PNG"),
    "16-bit PNG": encoded(Image.fromarray(greys()), transparency=0),
    "palette PNG": encoded(palette(), transparency=b"\x80\xff"),
    "GIF": encoded(quarters(), "GIF"),
    "animated GIF": animated("GIF", transparency=0, disposal=2),
    "WebP": encoded(noise(16), "WEBP", exif=TAGS),
    "animated WebP": animated("WEBP", lossless=True),
    "AVIF": encoded(noise(16), "AVIF"),
    "TIFF": encoded(quarters(), "TIFF"),
    "BMP": encoded(palette(), "BMP"),
    "greymap": b"P5 16 8 65535\n" + greys().tobytes(),
}

Edits = list[tuple[str, float, bytes]]
edits = st.lists(
    st.tuples(
        st.sampled_from(["put", "insert", "remove", "cut"]), st.floats(0, 1, exclude_max=True), st.binary(max_size=8)
    ),
    min_size=1,
    max_size=8,
)


def changed(content: bytes, how: Edits) -> bytes:
    """Bytes put over others, inserted or removed, and all behind a place cut off; half of the places in the header."""
    for at, (what, place, some) in enumerate(how):
        start = int(place * (min(100, len(content)) if at % 2 else len(content)))
        end = {"put": start + len(some), "insert": start, "remove": start + len(some), "cut": len(content)}[what]
        content = content[:start] + (some if what in {"put", "insert"} else b"") + content[end:]
    return content


def decoded_or_refused(content: bytes) -> None:
    """Pixels of the right shape, or a reason on one line."""
    try:
        with harmless_warnings():
            pixels = decode(content, short_side=8)
    except UnusableError:
        return
    height, width, channels = pixels.shape
    assert pixels.dtype == np.uint8
    assert (min(height, width), channels) == (8, 3)
    assert max(height, width) <= 8 * MAX_ELONGATION


@pytest.mark.parametrize("kind", SOUND)
def test_sound_files_are_decoded(kind: str) -> None:
    with harmless_warnings():
        assert decode(SOUND[kind], short_side=8).ndim == 3


@pytest.mark.parametrize("kind", SOUND)
@settings(deadline=None, derandomize=True, max_examples=150)
@given(how=edits)
def test_changed_files_are_decoded_or_refused(kind: str, how: Edits) -> None:
    decoded_or_refused(changed(SOUND[kind], how))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF \0\0\0WEBPVP8 ", b"P6 9 9 "]),
    rest=st.binary(max_size=300),
)  # fmt: skip
def test_random_bytes_are_refused(start: bytes, rest: bytes) -> None:
    decoded_or_refused(start + rest)


# --- trees of folders

NAMES = [
    "train", "val", "test", "Training", "ants", "bees", "Ants", "a.png", "b.JPG", "c", ".d", ".ipynb_checkpoints",
    "Thumbs.db", "__MACOSX", " ", "-", "*[?]", "\n", "é", "e\u0301", "蟻",
    os.fsdecode(b"\xff.png"), "imageNotFound.gif", "x" * 255,
]  # fmt: skip
names = st.sampled_from(NAMES) | st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=9)
photos = st.integers(0, 40).map(lambda number: b"P6 1 1 255\n" + bytes([number, 0, 0]))
contents = photos | photos | st.sampled_from(sorted(SOUND.values())) | st.binary(max_size=20)
links = st.sampled_from([".", "..", "ants", "../val", "a.png", "nowhere"]).map(lambda to: ("link", to))
trees = st.recursive(contents | links, lambda inner: st.dictionaries(names, inner, max_size=5), max_leaves=15)
classes = st.fixed_dictionaries(
    {"ants": st.dictionaries(names, trees, max_size=6), "bees": st.dictionaries(names, trees, max_size=6)}
)
splits = st.fixed_dictionaries({"train": classes, "val": classes})
folders = st.dictionaries(names, trees, max_size=6) | classes | splits


def grow(folder: Path, tree: object) -> None:
    """Write a tree; what a name cannot be is left out."""
    assert isinstance(tree, dict)
    folder.mkdir(exist_ok=True)
    for name, inner in tree.items():
        path = folder / name
        if name in {".", ".."} or len(os.fsencode(name)) > 255:
            continue
        if isinstance(inner, bytes):
            path.write_bytes(inner)
        elif isinstance(inner, dict):
            grow(path, inner)
        else:
            path.symlink_to(inner[1])


def seen(folder: Path) -> Iterable[Path]:
    """All files that a person sees, told by another method: links to folders are not entered."""
    for at, inner, files in os.walk(folder):
        inner[:] = [name for name in inner if is_visible(name)]
        yield from (Path(at) / name for name in files if is_visible(name))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(tree=folders)
def test_any_tree_is_counted_or_refused_in_a_sentence(tree: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary, "photos")
        grow(root, tree)
        files = set(seen(root))
        assert {path for path, why in below(root) if not why} == files
        try:
            record = api.check(root)
        except UserError:
            return
        assert len(record.classes) >= 2
        assert record.train == sum(record.train_by_class.values())
        assert record.test == sum(record.test_by_class.values()) >= len(record.classes)
        assert record.train + record.test <= len(files)
        assert len({skip.path for skip in record.skipped}) == len(record.skipped)
        record.model_dump_json()


@settings(deadline=None, derandomize=True, max_examples=40)
@given(tree=folders, pattern=st.sampled_from(["", "*", "**", "**/*.png", "*/*", "**/ants/*", "[a-b]*", "../photos/*"]))
def test_prediction_finds_each_file_of_any_tree_once(tree: dict[str, object], pattern: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary, "photos")
        grow(root, tree)
        try:
            found = [path for path, _ in named_files([os.path.join(root, pattern) if pattern else str(root)])]
        except UserError:
            return
        assert len(found) == len(set(found))
