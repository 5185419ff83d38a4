"""Photo files of all kinds in a folder: each is decoded rightly, or skipped with a sentence, and the others stay."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bad_photos import KINDS, PICTURES, Kind, Loaded, encoded, noise, write
from petiole import api
from petiole.data.folder import open_photos
from petiole.data.layout import text_of


def folder_with(kind: Kind, root: Path) -> str:
    """Two classes of three photos, and one of that kind; its name in the records."""
    for at, label in enumerate(("ants", "bees")):
        (root / label).mkdir(parents=True)
        for number in range(3):
            content = encoded(Image.new("RGB", (8, 8), (at * 100, number, 7)))
            (root / label / f"sound-{number}.png").write_bytes(content)
    return text_of(write(kind, root / "ants").relative_to(root))


def named(kind: Kind) -> str:
    return kind.name


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_it_is_decoded_rightly_or_skipped_with_a_sentence(kind: Kind, tmp_path: Path) -> None:
    """Any warning of Pillow's would be an error here."""
    name = folder_with(kind, tmp_path / "photos")
    data = open_photos(tmp_path / "photos", source="", synthetic=False, seed=0, short_side=8)
    if isinstance(kind.becomes, str):
        (skip,) = data.record.skipped
        assert skip.path == name
        assert skip.why.startswith(kind.becomes)
        assert kind.becomes.endswith("(") or skip.why == kind.becomes
        assert data.record.train + data.record.test == 6
        return
    assert data.record.skipped == []
    (split,) = (each for each in (data.train, data.test) if name in each.paths)
    pixels = split.pixels[split.paths.index(name)].permute(1, 2, 0).numpy().astype(int)
    assert pixels.shape == (*kind.becomes.shape, 3)
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert np.abs(corners - kind.becomes.corners).max() <= kind.becomes.tolerance, corners


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_check_counts_it_or_names_it(kind: Kind, tmp_path: Path) -> None:
    name = folder_with(kind, tmp_path / "photos")
    record = api.check(tmp_path / "photos")
    sound = isinstance(kind.becomes, Loaded)
    assert record.train + record.test == 6 + sound
    assert [skip.path for skip in record.skipped] == ([] if sound else [name])


def test_16_bit_greys_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    """0x8080 is 128.5/257 of the way: 128, as 65535 is 255."""
    for name in ("16-bit grey PNG", "16-bit greymap", "16-bit grey TIFF, big-endian"):
        (kind,) = (each for each in PICTURES if each.name == name)
        folder_with(kind, tmp_path / name)
        data = open_photos(tmp_path / name, source="", synthetic=False, seed=0, short_side=8)
        (split,) = (each for each in (data.train, data.test) if f"ants/{kind.file}" in each.paths)
        row = split.pixels[split.paths.index(f"ants/{kind.file}")][0, 0]
        assert row.tolist() == [0] * 4 + [128] * 4 + [255] * 8


def test_all_kinds_together_and_the_run_goes_on(tmp_path: Path) -> None:
    """One folder with everything in it: as many photos as are sound, as many sentences as are not."""
    for at, label in enumerate(("ants", "bees")):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "other.png").write_bytes(encoded(noise(8 + at)))
    for number, kind in enumerate(KINDS):
        for label in ("ants", "bees"):
            folder = tmp_path / "photos" / label / str(number)
            folder.mkdir()
            write(kind, folder)
    record = api.check(tmp_path / "photos")
    assert record.train + record.test == 2 * len(PICTURES) + 2
    assert len(record.skipped) == 2 * (len(KINDS) - len(PICTURES))
