"""Recipes as files and names."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import FUZZ, damaged
from petiole.errors import UserError
from petiole.search.limits import Limits
from petiole.search.recipe import QUANTIZATIONS, Recipe, RecipeFile, RecipeLimits, read_recipe

HEAD = "seed = 0\nweights = 'w'\nweights_sha256 = 'd'\nreference = 'resnet18'\n"
NET = "[recipe]\nbackbone = 'resnet18'\nsize_px = 224\n"


def test_a_recipe_comes_back_from_its_file(tmp_path: Path) -> None:
    file = RecipeFile(
        recipe=Recipe(backbone="efficientnet_lite0", size_px=192, macs=0.5, quantization="qat"), seed=3,
        weights='file "x".pth', weights_sha256="ab", reference="resnet18",
        limits=RecipeLimits(**Limits(objective="size", max_drop=0.02, max_bytes=2_000_000).told()),
    )  # fmt: skip
    file.write(tmp_path / "chosen.toml")
    assert read_recipe(tmp_path / "chosen.toml") == file
    assert Limits(**file.limits.model_dump()) == Limits(objective="size", max_drop=0.02, max_bytes=2_000_000)


@given(data=st.data())
@settings(FUZZ, max_examples=150)
def test_any_recipe_comes_back_from_its_file(data: st.DataObject) -> None:
    """Names of files hold what they like: quotes, line ends, signs beyond the basic plane."""
    file = RecipeFile(
        recipe=Recipe(
            backbone=data.draw(st.text()), size_px=data.draw(st.integers(32, 1024)),
            macs=data.draw(st.floats(0, 1, exclude_min=True)), amount=data.draw(st.floats(0, 1, exclude_max=True)),
            quantization=data.draw(st.sampled_from(QUANTIZATIONS)),
        ),
        seed=data.draw(st.integers(0, 2**31)), weights=data.draw(st.text()), weights_sha256=data.draw(st.text()),
        reference=data.draw(st.text()),
        limits=RecipeLimits(
            max_drop=data.draw(st.floats(0, 1)), objective=data.draw(st.sampled_from(["latency", "size", "macs"]))
        ),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        file.write(Path(folder) / "chosen.toml")
        assert read_recipe(Path(folder) / "chosen.toml") == file


@given(data=st.data())
@settings(FUZZ, max_examples=100)
def test_a_damaged_recipe_is_read_or_refused_by_name(data: st.DataObject) -> None:
    text = f"{HEAD}[recipe]\nbackbone = 'resnet18'\nsize_px = 224\nmacs = 0.5\n[limits]\nmax_drop = 0.01\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chosen.toml"
        path.write_bytes(data.draw(damaged(text.encode()) | st.binary() | st.just(b"a = " + b"[" * 9999)))
        try:
            read_recipe(path)
        except UserError as error:
            message = str(error)
            assert str(path) in message


def test_zeros_and_quantization_aware_training_do_not_go_together() -> None:
    assert not Recipe(backbone="resnet18", size_px=224, amount=0.5, quantization="qat").is_possible
    assert Recipe(backbone="resnet18", size_px=224, amount=0.5, quantization="mixed").is_possible


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEAD}[recipe]\nbackbone = 'resnet18'\nsize_px = 224\nmacs = 2.0\n", r"recipe\.macs"),
        (f"{HEAD}[recipe]\nbackbone = 'resnet18'\nsize_px = 224\nextra = 1\n", r"recipe\.extra"),
        (f"{HEAD}[recipe]\nsize_px = 224\n", r"recipe\.backbone"),
        (f"{HEAD}[recipe]\nbackbone = 'resnet18'\nsize_px = 224\nmacs = true\n", r"recipe\.macs"),
        ("[recipe]\nbackbone = 'resnet18'\nsize_px = 224\n", "seed"),
        ("not toml", "is not a recipe"),
        (f"{HEAD}{NET}[limits]\nmax_dorp = 0.01\n", r"limits\.max_dorp"),
        (f"{HEAD}{NET}[limits]\nmax_drop = 'much'\n", r"limits\.max_drop"),
        (f"{HEAD.replace('seed = 0', f'seed = {10**23}')}{NET}", "seed"),
    ],
)
def test_what_is_no_recipe_is_told_with_the_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_recipe(tmp_path / "r.toml")


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such recipe"):
        read_recipe(tmp_path / "r.toml")
