"""What stands against channels that should leave is known before anything is trained."""

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from petiole import api
from petiole.errors import GateError, UserError
from petiole.lab import setup, structured
from petiole.lab.bench import Bench
from petiole.lab.config import LabConfig
from petiole.models import backbones
from petiole.pruning.unstructured import prunable
from petiole.recipes import PROFILES, quick
from petiole.rundir import RunDir


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return api.draw(tmp_path_factory.mktemp("photos") / "drawn", count=24)


def set_up(photos: Path, out: Path, **options: Any) -> tuple[Bench, list[str]]:
    said: list[str] = []
    config = LabConfig(
        **{
            "data": photos,
            "out": out,
            "stages": ("transfer", "structured"),
            "weights": "random",
            "offline": True,
            **options,
        }
    )
    return setup.set_up(config, RunDir(out), said.append, progress=False), said


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"backbone": "efficientnet_lite0", "macs": 0.01}, r"--macs 0\.01 cannot be reached: with the fewest channels"),
        ({"backbone": "efficientnet_lite0", "channels": 0.0001}, r"--channels 0\.0001 removes none .* or more"),
        ({"backbone": "alexnet", "importance": "bn_scale"}, "--importance bn_scale says nothing about this network"),
    ],
)
def test_options_that_cannot_be_met_end_the_run_before_it_trains(
    photos: Path, tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        set_up(photos, tmp_path, **options)
    set_up(photos, tmp_path / "other stages", **options, stages=("transfer", "pruning"))


def test_an_amount_too_small_for_the_first_convolution_ends_the_run_before_it_trains(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10% of the 32 channels are 3, and the nearest multiple of 8 is 0; 15% are 5, to which 8 is nearer."""

    def none(*_: Any, **__: Any) -> None:
        raise GateError("inner channels take seconds, and are not asked about here")

    monkeypatch.setattr(setup, "inner_pruner", none)
    options: dict[str, Any] = {"backbone": "efficientnet_lite0", "amount": 0.1}
    with pytest.raises(UserError, match=r"^--amount 0\.1 removes none of the 32 channels .*: give 0\.15 or more$"):
        set_up(photos, tmp_path / "both", **options)
    set_up(photos, tmp_path / "study", **options, stages=("transfer", "pruning"), study=True)
    set_up(photos, tmp_path / "inner channels alone", **options, effort=quick())
    _, said = set_up(photos, tmp_path / "more", **{**options, "amount": 0.15})
    assert not any("of the first convolution of" in line for line in said if "behind" not in line)


def test_what_sensitivity_will_not_reach_ends_the_run_before_it_trains(photos: Path, tmp_path: Path) -> None:
    """How far it will be measured is known; at most half of each layer's channels leave no half of what is computed."""
    options: dict[str, Any] = {"backbone": "efficientnet_lite0", "spread": "sensitivity"}
    half = quick().model_copy(update={"sensitivity_amounts": (0.25, 0.5)})
    with pytest.raises(UserError, match=r"--macs 0\.5 cannot be reached: .* 0\.51 is left .* or take --spread global"):
        set_up(photos, tmp_path / "half", **options, macs=0.5, effort=half)
    for profile, effort in PROFILES.items():
        _, said = set_up(photos, tmp_path / profile, **options, macs=0.5, effort=effort())
        assert not any("no channels" in line for line in said)
        with pytest.raises(UserError, match="or take --spread global"):
            set_up(photos, tmp_path / f"{profile} too far", **options, macs=0.1, effort=effort())


def test_a_study_alone_tries_channels_too_but_asks_for_no_share(photos: Path, tmp_path: Path) -> None:
    study = {"stages": ("transfer", "pruning"), "study": True}
    with pytest.raises(UserError, match="--importance bn_scale says nothing about this network"):
        set_up(photos, tmp_path / "importance", **study, backbone="alexnet", importance="bn_scale")
    options = {"backbone": "efficientnet_lite0", "macs": 0.01, "channels": 0.0001}
    _, said = set_up(photos, tmp_path / "share", **study, **options)
    assert not any("no channels" in line for line in said)
    _, said = set_up(photos, tmp_path / "none", **study, backbone="cs3darknet_focus_s")
    assert "no channels will leave behind the first convolution of cs3darknet_focus_s: " in said[-1]


def test_what_a_network_that_has_learned_nothing_cannot_say_ends_no_run(photos: Path, tmp_path: Path) -> None:
    """timm's ResNets begin with zeros in the last BatchNorm of each block, and so without gradients inside."""
    _, said = set_up(photos, tmp_path, backbone="resnet26", importance="taylor")
    assert not any("no channels" in line for line in said)


@pytest.mark.parametrize(
    ("backbone", "why"),
    [
        ("nf_resnet26", "no layer has channels that could leave and change nothing else"),
        ("cs3darknet_focus_s", "channels cannot be followed"),
    ],
)
def test_a_backbone_whose_channels_cannot_leave_is_told_and_the_rest_goes_on(
    photos: Path, tmp_path: Path, backbone: str, why: str
) -> None:
    _, said = set_up(photos, tmp_path, backbone=backbone)
    assert f"no channels will leave behind the first convolution of {backbone}: " in said[-1]
    assert why in said[-1]


def test_what_shares_the_first_convolutions_channels_is_named_without_it(photos: Path, tmp_path: Path) -> None:
    """EfficientNet's first block begins with a depthwise convolution, whose channels are those of the stem."""
    bench, _ = set_up(photos, tmp_path, backbone="efficientnet_lite0")
    network: nn.Module = backbones.adapt(bench.backbone, None, classes=2, seed=0).eval()
    assert structured.sharing(network, ("blocks.0.0.conv_dw", "conv_stem")) == " (shared by blocks.0.0.conv_dw)"
    assert structured.sharing(network, (prunable(network, "first")[0][0],)) == ""
