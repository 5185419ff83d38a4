"""Options of a search, whatever they are: a configuration within its ranges, or one sentence that names the option."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import FUZZ
from petiole.errors import UserError
from petiole.search.config import SearchConfig
from petiole.search.limits import Limits
from petiole.search.recipe import QUANTIZATIONS

shares = st.lists(st.floats() | st.sampled_from([0.0, 0.5, 0.99, 1.0]), max_size=3).map(tuple)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "budget_s": st.floats() | st.sampled_from([0.0, 900.0]),
    "seed": st.integers(-2, 2) | st.sampled_from([2**31 - 1, 2**31]),
    "sizes": st.lists(st.integers(0, 1100), max_size=3).map(tuple),
    "macs": shares,
    "amounts": shares,
    "quantizations": st.lists(st.sampled_from([*QUANTIZATIONS, "int4"]), max_size=3).map(tuple),
    "finalists": st.integers(-2, 3),
}
NAMED = {"budget_s": "--budget", "sizes": "--size", "amounts": "--amount", "quantizations": "quantization"}


def valid(option: str, value: Any) -> bool:
    """The ranges as the command's help gives them."""
    if option in ("budget_s", "finalists"):
        return bool(value > 0)
    if option == "seed":
        return bool(0 <= value < 2**31)
    if option == "sizes":
        return all(32 <= each <= 1024 for each in value)
    if option == "quantizations":
        return len(value) > 0 and set(value) <= set(QUANTIZATIONS)
    least, most = {"macs": (5e-324, 1.0), "amounts": (0.0, 0.99)}[option]
    return len(value) > 0 and all(least <= each <= most for each in value)


@pytest.mark.parametrize("option", OPTIONS)
@given(data=st.data())
@settings(FUZZ, max_examples=60)
def test_an_option_is_in_its_range_or_named(option: str, data: st.DataObject) -> None:
    value = data.draw(OPTIONS[option])
    config = SearchConfig(data=Path("photos"), **{option: value})
    if valid(option, value):
        assert getattr(config.checked(), option) == value
    else:
        with pytest.raises(UserError, match=NAMED.get(option, f"--{option}")):
            config.checked()


@pytest.mark.parametrize("limit", ["max_drop", "min_accuracy"])
@given(value=st.floats() | st.sampled_from([0.0, 0.01, 1.0]))
@settings(FUZZ, max_examples=60)
def test_a_limit_is_a_share_or_named(limit: str, value: float) -> None:
    changes: dict[str, Any] = {limit: value}
    config = SearchConfig(data=Path("photos"), limits=Limits(**changes))
    if math.isfinite(value) and 0 <= value <= 1:
        checked = config.checked()
        assert checked.chain.max_drop == pytest.approx(100 * value if limit == "max_drop" else 1.0)
    else:
        with pytest.raises(UserError, match=f"--{limit.replace('_', '-')}"):
            config.checked()


@pytest.mark.parametrize("study", ["", " ", "sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_study_that_keeps_nothing_is_refused(study: str) -> None:
    with pytest.raises(UserError, match="keeps nothing: give the URL of a database"):
        SearchConfig(data=Path("photos"), study=study).checked()
