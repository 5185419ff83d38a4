"""Options of the lab, whatever they are: a configuration within its ranges, or one sentence that names the option."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import FUZZ
from petiole.errors import UserError
from petiole.lab.config import STAGES, LabConfig

numbers = st.floats() | st.sampled_from([0.0, 1.0, 0.3, 100.0])
counts = st.integers(-3, 30) | st.sampled_from([2**31 - 1, 2**31])
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "amount": numbers,
    "macs": numbers,
    "channels": st.none() | numbers,
    "max_drop": numbers,
    "seeds": counts,
    "seed": counts,
    "demo_seed": counts,
    "count": st.none() | counts,
    "prune_steps": st.none() | counts,
    "schedule": st.sampled_from(["cubic", "linear", "one-shot", "x"]),
    "importance": st.sampled_from(["contribution", "taylor", "l1", "fame"]),
    "spread": st.sampled_from(["global", "uniform", ""]),
    "stages": st.lists(st.sampled_from([*STAGES, "prune"]), max_size=4).map(tuple),
}


def valid(option: str, value: Any) -> bool:
    """The ranges as the README gives them."""
    if option == "channels" and value is None:
        return True
    if option in ("amount", "macs", "channels"):
        return math.isfinite(value) and 0 < value < 1
    if option == "max_drop":
        return math.isfinite(value) and 0 <= value <= 100
    if option in ("seed", "demo_seed"):
        return bool(0 <= value < 2**31)
    if option == "seeds":
        return bool(1 <= value <= 1000)
    if option == "prune_steps":
        return value is None or 1 <= value <= 20
    if option == "count":
        return value is None or value >= 20
    if option == "stages":
        return set(value) <= set(STAGES)
    return value not in ("x", "fame", "")


@pytest.mark.parametrize("option", OPTIONS)
@given(data=st.data())
@settings(FUZZ, max_examples=60)
def test_an_option_is_in_its_range_or_named(option: str, data: st.DataObject) -> None:
    value = data.draw(OPTIONS[option])
    config = LabConfig(**{option: value})
    if valid(option, value):
        checked = config.checked()
        assert option == "stages" or getattr(checked, option) == value
        assert [stage for stage in STAGES if stage in checked.stages] == list(checked.stages)
        assert {"pruning", "structured", "quantization"}.isdisjoint(checked.stages) or "transfer" in checked.stages
    else:
        named = option.removesuffix("s") if option == "stages" else option.replace("_", "-")
        with pytest.raises(UserError, match=named):
            config.checked()


def test_one_shot_has_one_step() -> None:
    with pytest.raises(UserError, match="--prune-steps 5 does not go with --schedule one-shot"):
        LabConfig(schedule="one-shot", prune_steps=5).checked()
    assert LabConfig(schedule="one-shot", prune_steps=1).checked().prune_steps == 1


@given(data=st.data())
@settings(FUZZ, max_examples=200)
def test_all_options_together(data: st.DataObject) -> None:
    values = {option: data.draw(strategy) for option, strategy in OPTIONS.items()}
    config = LabConfig(**values)
    agree = values["schedule"] != "one-shot" or values["prune_steps"] in (None, 1)
    if data.draw(st.booleans()):
        values.pop("macs")
        config = LabConfig(**values)
    agree = agree and (values["channels"] is None or "macs" not in values)
    if agree and all(valid(option, value) for option, value in values.items()):
        assert config.checked().checked() == config.checked()
    else:
        with pytest.raises(UserError):
            config.checked()


def test_a_study_needs_the_stage_that_makes_it() -> None:
    with pytest.raises(UserError, match=r"--study belongs to the stage pruning: give --stages pruning,structured, or"):
        LabConfig(stages=("structured",), study=True).checked()
    assert LabConfig(stages=("pruning",), study=True).checked().stages == ("transfer", "pruning")


def test_a_share_of_channels_is_not_spread_by_what_multiply_accumulates_do() -> None:
    with pytest.raises(UserError, match="--channels does not go with --spread sensitivity"):
        LabConfig(channels=0.5, spread="sensitivity").checked()


@pytest.mark.parametrize("macs", [0.3, 0.45])
def test_two_shares_of_the_same_channels_do_not_go_together(macs: float) -> None:
    """Also where the second one is what it would have been without the option."""
    with pytest.raises(UserError, match=f"--channels 0.5 and --macs {macs:g} both say how many channels leave"):
        LabConfig(channels=0.5, macs=macs).checked()
    assert LabConfig(channels=0.5).checked().checked().macs == LabConfig().checked().macs == 0.45
