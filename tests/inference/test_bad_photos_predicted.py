"""``predict`` on files of all kinds: a row each, in order, with what is on it or why it could not be read."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from bad_photos import KINDS, Kind, Loaded, encoded, filled, write
from petiole import api
from petiole.data.layout import text_of
from petiole.deploy.runtime import Array, Layers, Runtime
from petiole.deployed import Deployed
from petiole.errors import UserError
from petiole.inference.predict import named_files, predict
from petiole.inference_records import Prediction
from petiole.preprocessing import Preprocessing

COLOURS = ("red", "green", "blue")
PIXELS = Preprocessing(size_px=8, resize_px=8, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
CALLED_RED = cast(Deployed, SimpleNamespace(card=SimpleNamespace(preprocessing=PIXELS, classes=COLOURS)))


class Strongest(Runtime):
    """Stands in for a network: its logits are the means of the colours. ``seen`` are the photos of each call."""

    name, threads = "strongest", 1

    def __init__(self) -> None:
        self.seen: list[int] = []

    def run(self, inputs: Array) -> Array:
        self.seen.append(len(inputs))
        means: Array = 9 * inputs.mean((2, 3))
        return means

    def layers(self) -> Layers:
        return Layers(int8=(), floating=())


def rows(*images: str | Path, batch: int = 1) -> list[Prediction]:
    return list(predict(CALLED_RED, Strongest(), [str(each) for each in images], threads=2, batch=batch))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_file_of_any_kind_is_one_row(kind: Kind, tmp_path: Path) -> None:
    path = write(kind, tmp_path)
    (row,) = rows(path)
    assert row.path == text_of(path)
    if isinstance(kind.becomes, Loaded):
        assert row.why is None
        colours = set(kind.becomes.corners)
        if len(colours) == 1 and len(set(*colours)) > 1:
            (colour,) = colours
            assert row.label == COLOURS[int(np.argmax(colour))] or colour.count(max(colour)) > 1
    elif not kind.becomes.endswith("its name says that the image was not found"):  # whoever names it wants to know
        assert row.label is None
        assert (row.why or "").startswith(kind.becomes)


def colours(folder: Path, *names: str) -> None:
    """One photo of one colour for each name: ``red/2.png``."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rgb = [255 * (colour in path.stem) for colour in COLOURS]
        path.write_bytes(encoded(filled("RGB", tuple(rgb))))


def told(*images: str | Path, batch: int = 1) -> list[tuple[str, str | None]]:
    """File names, and what is said of each."""
    return [(Path(row.path).name, row.label or row.why) for row in rows(*images, batch=batch)]


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_batches_change_nothing_and_lose_nothing(batch: int, tmp_path: Path) -> None:
    """Eight photos, two of them bad: the same rows in the same order, however many the network sees together."""
    names = ["0 red", "1 blue", "2 bad", "3 green", "4 red", "5 bad", "6 blue", "7 green"]
    colours(tmp_path, *(f"{name}.png" for name in names))
    for name in ("2 bad", "5 bad"):
        (tmp_path / f"{name}.png").write_bytes(b"")
    said = ["red", "blue", "empty file", "green", "red", "empty file", "blue", "green"]
    assert told(tmp_path, batch=batch) == list(zip([f"{name}.png" for name in names], said, strict=True))


def test_the_network_sees_as_many_together_as_asked_for(tmp_path: Path) -> None:
    colours(tmp_path, *(f"{at} red.png" for at in range(7)))
    (tmp_path / "1 red.png").write_bytes(b"")
    runtime = Strongest()
    assert len(list(predict(CALLED_RED, runtime, [str(tmp_path)], threads=1, batch=3))) == 7
    assert runtime.seen == [2, 3, 1]


def test_a_batch_of_bad_ones_only(tmp_path: Path) -> None:
    assert told(tmp_path / "a", tmp_path / "b", batch=2) == [("a", "no such file"), ("b", "no such file")]


def test_folders_are_searched_as_check_does(tmp_path: Path) -> None:
    colours(tmp_path, "a/red.png", "a/b/blue.PNG", ".hidden/red.png", "__MACOSX/red.png", "a/._red.png", "a/green.jfif")
    (tmp_path / "a/notes.txt").write_text("none")
    (tmp_path / "a/c").symlink_to(tmp_path)
    (tmp_path / "a/photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    assert told(tmp_path) == [
        ("blue.PNG", "blue"),
        ("c", "a link to a folder"),
        ("green.jfif", "green"),
        ("photo.heic", "a HEIC photo, which cannot be read: convert it to JPEG"),
        ("red.png", "red"),
    ]


def test_patterns_do_not_go_round_in_circles(tmp_path: Path) -> None:
    """Two links to the folder itself: whoever follows them finds 2 to the power of 40 paths."""
    colours(tmp_path, "a/red.png", "a/b/blue.png", "a/.hidden/red.png", "a/.red.png")
    for name in ("one", "two"):
        (tmp_path / "a" / name).symlink_to(tmp_path / "a")
    assert told(tmp_path / "**/*.png") == [("blue.png", "blue"), ("red.png", "red")]
    assert told(tmp_path / "a/*.png") == [("red.png", "red")]
    assert told(tmp_path / "a/.*.png") == [(".red.png", "red")]


def test_a_folder_that_a_pattern_matches_is_searched_once(tmp_path: Path) -> None:
    colours(tmp_path, "a/red.png", "a/b/blue.png")
    assert told(tmp_path / "**") == [("blue.png", "blue"), ("red.png", "red")]


def test_relative_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colours(tmp_path, "a/red.png", "blue.png")
    monkeypatch.chdir(tmp_path / "a")
    assert [row.path for row in rows("*.png", "../*.png", "?.png")] == ["red.png", "../blue.png", "?.png"]


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("gone.png", "no such file"),
        ("a" * 300, "cannot be read (File name too long)"),
        ("a.png/b.png", "no such file"),
        (os.devnull, "not a file (a broken link, or a device)"),
    ],
)
def test_what_is_named_and_is_no_photo_is_a_row(image: str, why: str) -> None:
    (row,) = rows(image)
    assert row.why == why


def test_a_pattern_that_is_none_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"stands alone between slashes"):
        list(named_files([str(tmp_path / "a**.png")]))


def test_an_empty_name_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the name of a photo is empty"):
        list(named_files(["", str(tmp_path)]))


def test_an_empty_folder_beside_a_photo_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    photo = tmp_path / "a.png"
    photo.touch()
    named = [(str(path), why) for path, why in named_files([str(tmp_path / "empty"), str(photo)])]
    assert named == [(str(photo), ""), (str(tmp_path / "empty"), "no pictures in this folder")]


def test_a_folder_with_nothing_to_predict_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(UserError, match="no pictures in"):
        rows(tmp_path)


def test_memory_holds_no_more_than_is_ahead(tmp_path: Path) -> None:
    """Of many photos no more are decoded than the network's batch and what waits: told by when a file is opened."""
    colours(tmp_path, *(f"{at:03} red.png" for at in range(100)))
    stream = predict(CALLED_RED, Strongest(), [str(tmp_path)], threads=1, batch=4)
    next(stream)
    late = sorted(tmp_path.iterdir())[40]
    late.unlink()  # not read yet
    said: dict[str, Any] = {Path(row.path).name: row.why for row in stream}
    assert said[late.name] == "no such file"
    assert len(said) == 99


def test_photos_of_a_dynamic_network_stay_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its scales are those of all photos in the call: together they would say something else."""
    card: Any = SimpleNamespace(plan={"quantization": {"how": "dynamic"}})
    dynamic = Deployed(directory=Path("int8"), card=card, warnings=())
    dynamic.require_batch(1)
    with pytest.raises(UserError, match=r"^int8 is quantized dynamically, .*: use --batch 1$"):
        dynamic.require_batch(2)
    monkeypatch.setattr("petiole.inference.bench.read", lambda directory: dynamic)
    with pytest.raises(UserError, match=r"^int8 is quantized dynamically"):
        api.bench([Path("int8")], batch=2, say=lambda _: None)
