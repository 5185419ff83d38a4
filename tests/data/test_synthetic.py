"""The drawn photos: the body plans are told apart by number and proportion, the sets are reproducible and complete."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from petiole.data import synthetic
from petiole.data.drawing import insects, rendering
from petiole.data.drawing.backgrounds import GROUNDS, fractal, noise, ramp, relief
from petiole.data.drawing.scenery import CLUTTER
from petiole.data.drawing.solids import Blade, Coat, Ellipsoid, Light, Limb, Part, View, axes
from petiole.errors import UserError

FROM_ABOVE = np.diag([1.0, -1.0, 1.0]).astype(np.float32)
GREY_LIGHT = Light(
    direction=np.array([0, 0, 1], dtype=np.float32),
    sun=np.full(3, 0.5, dtype=np.float32),
    sky=np.full(3, 0.5, dtype=np.float32),
)
RED = Coat(base=(0.8, 0.1, 0.1), gloss=0.0)


def named(parts: list[Part], name: str) -> Ellipsoid:
    (part,) = (part for part in parts if part.name == name)
    assert isinstance(part, Ellipsoid)
    return part


def painted(parts: list[Part], *, scale_px: float = 10.0, size_px: int = 41) -> npt.NDArray[np.bool_]:
    """Where ``parts`` cover a black square, seen from above with the origin in its middle: (H, W) of bool."""
    picture = np.zeros((3, size_px, size_px), dtype=np.float32)
    view = View(FROM_ABOVE, scale_px, (size_px // 2, size_px // 2))
    rendering.paint(picture, parts, view, GREY_LIGHT, np.zeros((size_px, size_px), dtype=np.float32))
    covered: npt.NDArray[np.bool_] = picture.max(axis=0) > 0.05
    return covered


@pytest.mark.parametrize("number", range(20))
def test_an_ant_has_a_narrow_waist_and_no_wings(number: int) -> None:
    parts = insects.ant(np.random.default_rng(number))
    petiole, gaster = named(parts, "petiole"), named(parts, "gaster")
    head, mesosoma = named(parts, "head"), named(parts, "mesosoma")
    assert petiole.radii[1] < 0.4 * gaster.radii[1]
    assert petiole.radii[1] < 0.5 * mesosoma.radii[1]
    assert gaster.centre[0] < petiole.centre[0] < mesosoma.centre[0] < head.centre[0]
    assert not any(isinstance(part, Blade) for part in parts)
    assert legs(parts) == {f"{side} leg {pair}" for side in ("left", "right") for pair in (1, 2, 3)}


@pytest.mark.parametrize("number", range(20))
def test_a_bee_has_two_pairs_of_wings_and_no_waist(number: int) -> None:
    parts = insects.bee(np.random.default_rng(number))
    wings = Counter(part.name for part in parts if isinstance(part, Blade))
    assert wings == {"left fore wing": 1, "right fore wing": 1, "left hind wing": 1, "right hind wing": 1}
    thorax, abdomen = named(parts, "thorax"), named(parts, "abdomen")
    assert abdomen.radii[1] > 0.9 * thorax.radii[1]
    gap = thorax.centre[0] - abdomen.centre[0]
    assert gap < thorax.radii[0] + abdomen.radii[0], "thorax and abdomen touch"
    assert thorax.coat.fur > 0
    assert abdomen.coat.bands > 3
    assert abdomen.coat.second is not None
    assert legs(parts) == {f"{side} leg {pair}" for side in ("left", "right") for pair in (1, 2, 3)}


def legs(parts: list[Part]) -> set[str]:
    return {part.name.removesuffix(" femur") for part in parts if part.name.endswith(" femur")}


def antenna_bend_deg(parts: list[Part]) -> float:
    scape, funiculus = (next(part for part in parts if part.name == name) for name in ("left scape", "left funiculus"))
    assert isinstance(scape, Limb)
    assert isinstance(funiculus, Limb)
    assert scape.end == funiculus.start
    a, b = (np.subtract(limb.end, limb.start) for limb in (scape, funiculus))
    return float(np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))))


def test_antennae_are_elbowed_and_the_ants_are_longer() -> None:
    ants = [insects.ant(np.random.default_rng(number)) for number in range(40)]
    bees = [insects.bee(np.random.default_rng(number)) for number in range(40)]
    assert np.median([antenna_bend_deg(parts) for parts in ants]) > 40

    def length(parts: list[Part]) -> float:
        (scape,) = (part for part in parts if part.name == "left scape")
        assert isinstance(scape, Limb)
        return float(np.linalg.norm(np.subtract(scape.end, scape.start)))

    assert min(map(length, ants)) > 1.5 * max(map(length, bees))


def test_colour_alone_does_not_tell_the_classes_apart() -> None:
    ants = sorted(sum(palette.hind) for palette in insects.ANTS)
    bees = sorted(sum(palette.hind) for palette in insects.BEES)
    assert ants[0] < bees[-1]
    assert bees[0] < ants[-1]


def test_a_ball_covers_the_area_of_its_disc() -> None:
    ball = Ellipsoid(name="ball", centre=(0, 0, 0), radii=(1.5, 1.5, 1.5), coat=RED)
    assert painted([ball]).sum() == pytest.approx(np.pi * 15**2, rel=0.1)


def test_a_turned_ellipsoid_covers_the_turned_ellipse() -> None:
    """Yaw 90 degrees: the long axis points along y, which is up in the picture; pitch 90: towards us."""
    long = Ellipsoid(name="long", centre=(0, 0, 0), radii=(1.5, 0.5, 0.5), coat=RED, yaw_deg=90)
    mask = painted([long])
    assert (mask.any(axis=1).sum(), mask.any(axis=0).sum()) == (31, 11)
    upright = Ellipsoid(name="upright", centre=(0, 0, 0), radii=(1.5, 0.5, 0.5), coat=RED, pitch_deg=90)
    mask = painted([upright])
    assert (mask.any(axis=1).sum(), mask.any(axis=0).sum()) == (11, 11)


def test_the_nearer_part_hides_the_farther_one_in_any_order() -> None:
    low = Ellipsoid(name="low", centre=(0, 0, 0), radii=(1, 1, 1), coat=Coat(base=(0, 0, 0.9), gloss=0))
    high = Ellipsoid(name="high", centre=(0, 0, 3), radii=(1, 1, 1), coat=RED)
    view = View(FROM_ABOVE, 10.0, (20, 20))
    pictures = []
    for parts in ([low, high], [high, low]):
        picture = np.zeros((3, 41, 41), dtype=np.float32)
        rendering.paint(picture, parts, view, GREY_LIGHT, np.zeros((41, 41), dtype=np.float32))
        pictures.append(picture)
    np.testing.assert_array_equal(pictures[0], pictures[1])
    red, _, blue = pictures[0][:, 20, 20]
    assert red > 4 * blue


def test_a_limb_is_a_rod_with_round_ends() -> None:
    limb = Limb(name="rod", start=(-1, 0, 0), end=(1, 0, 0), radii=(0.3, 0.3), coat=RED)
    y, x = np.mgrid[-20:21, -20:21]
    distance = np.hypot(x - np.clip(x, -10, 10), y)
    np.testing.assert_array_equal(painted([limb]), distance < 3.45)


def test_a_shadow_falls_away_from_the_sun() -> None:
    """The sun stands 45 degrees high in the left: a ball 1 above the ground shades the place 1 to the right of it."""
    picture = np.ones((3, 41, 41), dtype=np.float32)
    sun = Light(np.array([-1, 0, 1], dtype=np.float32) / np.float32(2**0.5), GREY_LIGHT.sun, GREY_LIGHT.sky)
    ball = Ellipsoid(name="ball", centre=(0, 0, 1), radii=(0.3, 0.3, 0.3), coat=RED)
    view = View(FROM_ABOVE, 10.0, (20, 20))
    rendering.cast_shadow(picture, [ball], view, sun, depth=0.5, soft_px=0.0)
    _, rows, columns = np.nonzero(picture < 0.9)
    assert (rows.mean(), columns.mean()) == (pytest.approx(20, abs=0.6), pytest.approx(30, abs=0.6))
    assert picture.min() == pytest.approx(0.5)


def test_axes_turn_by_yaw_then_pitch() -> None:
    turned = axes(90.0, 90.0)
    np.testing.assert_allclose(turned[:, 0], [0.0, 0.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-6)


@pytest.mark.parametrize("name", GROUNDS)
def test_every_ground_fills_the_picture(name: str) -> None:
    picture = GROUNDS[name](np.random.default_rng(0), 60, 90, GREY_LIGHT.direction)
    assert picture.shape == (3, 60, 90)
    assert np.isfinite(picture).all()
    assert picture.std() > 0.01
    assert 0.05 < picture.mean() < 0.95


def test_relief_is_bright_on_slopes_that_face_the_light() -> None:
    rising = np.tile(np.arange(5, dtype=np.float32), (5, 1))
    from_left = np.array([-0.5, 0, 0.8], dtype=np.float32)
    shade = relief(rising, from_left, 0.5)
    assert shade[2, 2] == pytest.approx(1.5), "1 + 0.5 * (h[x-1] - h[x+1]) * light_x = 1 + 0.5 * -2 * -0.5"
    assert relief(rising[:, ::-1], from_left, 0.5)[2, 2] == pytest.approx(0.5)


def test_noise_has_the_wanted_size_and_detail() -> None:
    fine, coarse = (noise(np.random.default_rng(3), 64, 96, cell_px) for cell_px in (2.0, 32.0))
    assert fine.shape == coarse.shape == (64, 96)
    assert np.abs(np.diff(fine)).mean() > 5 * np.abs(np.diff(coarse)).mean()
    assert fractal(np.random.default_rng(3), 10, 12, 8, 2).shape == (10, 12)


def test_ramp_goes_from_low_to_high() -> None:
    low, high = np.zeros(3, dtype=np.float32), np.array([1, 0.5, 0], dtype=np.float32)
    picture = ramp(low, high, np.array([[-1.0, 0.5, 2.0]], dtype=np.float32))
    np.testing.assert_allclose(picture[:, 0], [[0.0, 0.5, 1.0], [0.0, 0.25, 0.5], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize("make", [make for make, _ in CLUTTER])
def test_clutter_is_not_of_the_two_classes(make: insects.BodyPlan) -> None:
    """Flies have one pair of wings, beetles none; nothing that lies about has a petiole."""
    for number in range(10):
        parts = make(np.random.default_rng(number))
        assert parts
        assert sum("wing" in part.name for part in parts) in (0, 2)
        assert not any("petiole" in part.name for part in parts)


def digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*.jpg")
    }


def test_the_same_seed_gives_the_same_files_and_a_larger_set_begins_with_the_smaller(tmp_path: Path) -> None:
    synthetic.generate(tmp_path / "a", seed=3, train_images=6, test_images=4)
    synthetic.generate(tmp_path / "b", seed=3, train_images=10, test_images=4)
    synthetic.generate(tmp_path / "c", seed=4, train_images=6, test_images=4)
    a, b, c = (digests(tmp_path / name) for name in "abc")
    assert (len(a), len(b), len(c)) == (10, 14, 10)
    assert a.items() <= b.items()
    assert len({*a.values(), *c.values()}) == 20, "no photo twice: not in a split, a class or another seed"


def test_layout_and_counts(tmp_path: Path) -> None:
    synthetic.generate(tmp_path, seed=0, train_images=5, test_images=3)
    found = Counter(path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg"))
    assert found == {"train/ants": 3, "train/bees": 2, "val/ants": 1, "val/bees": 2}
    for path in tmp_path.rglob("*.jpg"):
        with Image.open(path) as photo:
            assert (photo.format, photo.mode) == ("JPEG", "RGB")


def test_the_balance_is_that_of_the_archive() -> None:
    assert synthetic.counts("train", 245) == {"ants": 124, "bees": 121}
    assert synthetic.counts("val", 153) == {"ants": 70, "bees": 83}
    assert synthetic.counts("val", 2) == {"ants": 1, "bees": 1}
    for split in synthetic.SPLITS:
        for images in range(2, 300):
            now, more = synthetic.counts(split, images), synthetic.counts(split, images + 1)
            assert sum(now.values()) == images
            assert all(1 <= now[kind] <= more[kind] for kind in synthetic.KINDS), "a prefix of the larger set"


def test_photos_have_the_sizes_of_photos_and_do_not_look_alike() -> None:
    photos = [synthetic.draw("bees", seed=1, index=index, split="val") for index in range(12)]
    assert all(320 <= max(photo.size) <= 500 for photo in photos)
    assert all(min(photo.size) >= 240 for photo in photos)
    assert len({photo.size for photo in photos}) > 6
    means = [np.asarray(photo).mean() for photo in photos]
    assert all(np.asarray(photo).std() > 8 for photo in photos)
    assert max(means) - min(means) > 20


def test_each_photo_depends_on_all_of_seed_split_class_and_index() -> None:
    same = [synthetic.draw("ants", seed=1, index=0, split="train").tobytes() for _ in range(2)]
    assert same[0] == same[1]
    others = [
        synthetic.draw(kind, seed=seed, index=index, split=split).tobytes()
        for kind, seed, index, split in (
            ("bees", 1, 0, "train"),
            ("ants", 2, 0, "train"),
            ("ants", 1, 1, "train"),
            ("ants", 1, 0, "val"),
        )
    ]
    assert len({same[0], *others}) == 5


def test_what_a_user_can_get_wrong(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="choose from ants, bees"):
        synthetic.draw("wasps", seed=0, index=0, split="train")
    with pytest.raises(UserError, match="choose from train, val"):
        synthetic.draw("ants", seed=0, index=0, split="test")
    with pytest.raises(UserError, match="seed -1 is negative"):
        synthetic.draw("ants", seed=-1, index=0, split="train")
    with pytest.raises(UserError, match="2 or more"):
        synthetic.generate(tmp_path / "none", train_images=1)
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UserError, match="cannot write"):
        synthetic.generate(tmp_path / "file", train_images=2, test_images=2)


def test_progress_is_shown_only_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    synthetic.generate(tmp_path, train_images=2, test_images=2)
    assert capsys.readouterr() == ("", "")
    synthetic.generate(tmp_path, train_images=2, test_images=2, progress=True)
    out, err = capsys.readouterr()
    assert out == "", "standard output is for results"
    assert "drawing photos" in err


def test_the_fingerprint_is_short_hex() -> None:
    assert re.fullmatch("[0-9a-f]{8}", synthetic.fingerprint())
