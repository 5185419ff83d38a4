"""Folders unlike hymenoptera: many unequal classes, few photos, grey, tiny and elongated pictures, train/ and test/."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from petiole.chain.config import ChainConfig, ChainEffort
from petiole.errors import UserError
from petiole.search.config import SearchConfig
from petiole.search.look import look
from petiole.search.recipe import Recipe
from petiole.search.setup import set_up

BRIEF = ChainConfig(effort=ChainEffort(probe_epochs=15, probe_views=1, calibration_images=8, refit_photos=16))
SIZES = [(9, 7), (80, 60), (64, 64), (900, 90)]
TRAIN = {"blue": 30, "green": 12, "grey": 6, "red": 3, "white": 3}
COLOURS = {"blue": (20, 40, 220), "green": (20, 200, 40), "grey": (120, 120, 120), "red": (220, 30, 30),
           "white": (245, 245, 245)}  # fmt: skip


def picture(label: str, at: int, random: np.random.Generator) -> Image.Image:
    width, height = SIZES[at % len(SIZES)]
    noise = random.integers(-12, 13, (height, width, 3))
    image = Image.fromarray(np.clip(np.array(COLOURS[label]) + noise, 0, 255).astype(np.uint8))
    return image.convert("L") if label == "grey" else image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, random = tmp_path_factory.mktemp("any") / "colours", np.random.default_rng(0)
    for side, counts in (("train", TRAIN), ("test", dict.fromkeys(TRAIN, 4))):
        for label, count in counts.items():
            (root / side / label).mkdir(parents=True)
            for at in range(count):
                name = f"{at}.{('png', 'JPG', 'webp')[at % 3]}"
                picture(label, at, random).save(root / side / label / name)
    return root


def config(folder: Path, out: Path, **changes: object) -> SearchConfig:
    return SearchConfig.model_validate({
        "data": folder, "out": out, "offline": True, "backbones": ("efficientnet_lite0",), "sizes": (64,),
        "chain": BRIEF, "final": BRIEF, **changes,
    })  # fmt: skip


def test_a_folder_of_unequal_classes_is_searched(folder: Path, tmp_path: Path) -> None:
    with set_up(config(folder, tmp_path), lambda _: None, progress=False) as search:
        assert search.photos.record.train_by_class == TRAIN
        assert len(search.second) == 3, "few photos: each is held out once"
        reference = Recipe(backbone="efficientnet_lite0", size_px=64, quantization="none")
        found = look([search.first], Recipe(backbone="efficientnet_lite0", size_px=64), reference)
        assert set(found.accuracy.by_class) == set(TRAIN)
        assert found.accuracy.total == search.first.photos.record.test == 18
    assert found.accuracy.value >= 0.8, "colours are easily told apart"
    assert found.versus is not None


def test_a_size_that_a_backbone_cannot_take_is_told_and_left_out(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    wanted = config(folder, tmp_path, backbones=("vit_tiny_patch16_224",), sizes=(224, 160), weights="random")
    with set_up(wanted, said.append, progress=False) as search:
        assert search.sizes == (224,)
    assert "vit_tiny_patch16_224 cannot take in pictures of 160 pixels: that size is not tried" in said
    impossible = set_up(wanted.model_copy(update={"sizes": (160,)}), said.append, progress=False)
    with pytest.raises(UserError, match="none of the sizes"), impossible:
        pass


def test_results_do_not_go_among_the_photos(folder: Path) -> None:
    among = set_up(config(folder, folder / "runs"), lambda _: None, progress=False)
    with pytest.raises(UserError, match="lies among the photos"), among:
        pass
    assert not (folder / "runs").exists()
