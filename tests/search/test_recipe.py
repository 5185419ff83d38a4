"""Recipes as files and names."""

from pathlib import Path

import pytest

from petiole.errors import UserError
from petiole.search.recipe import Recipe, read_recipe


def test_a_recipe_comes_back_from_its_file(tmp_path: Path) -> None:
    recipe = Recipe(backbone="efficientnet_lite0", size_px=192, macs=0.5, amount=0.25, quantization="qat")
    recipe.write(tmp_path / "chosen.toml", seed=3, weights='file "x".pth')
    assert read_recipe(tmp_path / "chosen.toml") == recipe


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"quantization": "none"}, "resnet18-224px-float"),
        ({"macs": 0.35}, "resnet18-224px-macs35-static"),
        ({"amount": 0.5, "quantization": "mixed"}, "resnet18-224px-zeros50-mixed"),
    ],
)
def test_names_tell_what_was_done(changes: dict[str, object], name: str) -> None:
    recipe = Recipe.model_validate({"backbone": "resnet18", "size_px": 224, **changes})
    assert recipe.name == name
    assert recipe.is_whole == (name == "resnet18-224px-float")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("backbone = 'resnet18'\nsize_px = 224\nmacs = 2.0\n", "macs"),
        ("backbone = 'resnet18'\nsize_px = 224\nextra = 1\n", "extra"),
        ("size_px = 224\n", "backbone"),
        ("not toml", "is not a recipe"),
    ],
)
def test_what_is_no_recipe_is_told_with_the_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_recipe(tmp_path / "r.toml")


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such recipe"):
        read_recipe(tmp_path / "r.toml")
