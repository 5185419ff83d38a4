"""Channel counts and MACs against sums done by hand."""

from functools import partial

import pytest
import torch

from petiole.errors import GateError, GoalError, UserError
from petiole.pruning.channels import keep_by_damage, keep_counts, least_important, remaining, within
from petiole.pruning.structured import ChannelGroup

A = ChannelGroup(name="a", channels=32, makers=("a",), users=("b",))
B = ChannelGroup(name="b", channels=16, makers=("b",), users=("c",))
SCORES = {"a": torch.arange(32.0), "b": torch.arange(16.0) + 16}
MACS = {"a": 32_000, "b": 64_000, "c": 4_000}


@pytest.mark.parametrize(
    ("level", "expected"), [(0.0, (32, 16)), (0.5, (16, 8)), (0.6, (16, 8)), (0.7, (8, 8)), (1.0, (8, 8))]
)
def test_uniform_counts_are_rounded_to_the_nearest_multiple(level: float, expected: tuple[int, int]) -> None:
    assert tuple(keep_counts([A, B], SCORES, level).values()) == expected


def test_global_counts_take_from_where_the_scores_are_low() -> None:
    """Half of 48 scores are below 20: 20 of a's (0..19) and 4 of b's (16..19)."""
    assert keep_counts([A, B], SCORES, 0.5, spread="global", multiple=1) == {"a": 12, "b": 12}


def test_small_groups_stay_whole() -> None:
    small = ChannelGroup(name="s", channels=6, makers=("s",), users=("t",))
    assert keep_counts([small], {}, 1.0) == {"s": 6}
    assert keep_counts([small], {}, 0.5, multiple=1) == {"s": 3}


def test_macs_fall_with_outputs_and_inputs() -> None:
    """a: 1/2; b: 1/2 of its inputs and 1/2 of its outputs; c: 1/2."""
    assert remaining([A, B], {"a": 16, "b": 8}, MACS) == 16_000 + 16_000 + 2_000


def test_a_group_may_hold_a_part_of_a_layer() -> None:
    """c takes in a's 4 and b's 4 channels; half of both gone leave half of c (not a quarter), half of a's, 3/4."""
    pair = [
        ChannelGroup(name=name, channels=4, makers=(name,), users=("c",), of_inputs={"c": 0.5}) for name in ("a", "b")
    ]
    costs = {"a": 10, "b": 10, "c": 100}
    assert remaining(pair, {"a": 2, "b": 2}, costs) == 5 + 5 + 50
    assert remaining(pair, {"a": 2, "b": 4}, costs) == 5 + 10 + 75


@pytest.mark.parametrize("channels", [17, 18, 19, 20, 30])
def test_nothing_leaves_at_level_0(channels: int) -> None:
    odd = ChannelGroup(name="a", channels=channels, makers=("a",), users=("b",))
    assert keep_counts([odd], {}, 0.0) == {"a": channels}
    assert keep_by_damage([odd], {}, 1.0) == {"a": channels}, "a group without figures stays whole"


def test_damage_that_is_a_gain_counts_as_none() -> None:
    """By chance the loss fell: what was measured may leave before all else, but no more of it than has to."""
    gain = {"a": [(0.5, -1.0)]}
    levels = {0.0: 32, 0.25: 24, 0.5: 16, 1.0: 16}
    assert {level: keep_by_damage([A], gain, level, multiple=1)["a"] for level in levels} == levels
    both = partial(keep_by_damage, [A, B], {**gain, "b": [(0.5, 4.0)]}, multiple=1)
    assert both(0.1) == {"a": 16, "b": 15}, "a tenth of the worst damage: 5% of b's 16"
    assert within([A, B], MACS, 0.9, both) == {"a": 28, "b": 16}, "28,000 + 56,000 + 4,000; of 29 it would be 91,000"


def test_the_largest_counts_within_the_target() -> None:
    """With 24 of a's and 8 of b's: 24,000 + 64,000 * 3/8 + 2,000 = 50,000 of 100,000."""
    assert within([A, B], MACS, 0.5, partial(keep_counts, [A, B], SCORES)) == {"a": 24, "b": 8}
    assert within([A, B], MACS, 0.999, partial(keep_counts, [A, B], SCORES, multiple=1)) == {"a": 31, "b": 16}


def test_targets_that_cannot_be_met_are_told() -> None:
    counts = partial(keep_counts, [A, B], SCORES)
    with pytest.raises(GoalError, match=r"--macs 0\.1 cannot be reached: with the fewest channels 0\.18"):
        within([A, B], MACS, 0.1, counts)
    with pytest.raises(UserError, match=r"--weights 1\.5 is not between 0 and 1"):
        within([A, B], MACS, 1.5, counts, option="--weights")
    with pytest.raises(UserError, match="spread"):
        keep_counts([A], SCORES, 0.5, spread="even")


def test_the_least_important_leave() -> None:
    assert least_important([A, B], SCORES, {"a": 30, "b": 16}) == {"a": [0, 1]}
    with pytest.raises(GateError, match="no channel would leave"):
        least_important([A, B], SCORES, {"a": 32, "b": 16})


def test_channels_leave_where_they_do_least_damage() -> None:
    """At a quarter of the worst damage (1 of 4): all of a's half may leave, an eighth of b's 16 (two channels)."""
    damage = {"a": [(0.25, 0.5), (0.5, 1.0)], "b": [(0.5, 4.0)]}
    assert keep_by_damage([A, B], damage, 0.25, multiple=1) == {"a": 16, "b": 14}
    assert keep_by_damage([A, B], damage, 1.0, multiple=1) == {"a": 16, "b": 8}
    assert keep_by_damage([A, B], {"a": [(0.5, 1.0)]}, 1.0) == {"a": 16, "b": 16}, "what was not measured stays"


def test_damage_never_falls_with_what_is_removed() -> None:
    """Removing half hurt less than removing a quarter: by chance, so a quarter counts as the worse."""
    assert keep_by_damage([A], {"a": [(0.25, 2.0), (0.5, 1.0)]}, 0.5, multiple=1) == {"a": 28}


def test_channels_that_matter_alike_leave_one_by_one() -> None:
    groups = [ChannelGroup(name=name, channels=8, makers=(name,), users=("z",)) for name in "ab"]
    scores = {"a": torch.zeros(8), "b": torch.arange(8.0)}
    kept = [keep_counts(groups, scores, gone / 16, spread="global", multiple=1) for gone in (0, 3, 8, 10)]
    assert kept == [{"a": 8, "b": 8}, {"a": 5, "b": 8}, {"a": 1, "b": 8}, {"a": 1, "b": 6}]


@pytest.mark.parametrize(
    ("channels", "tied", "level", "stay"),
    [
        (128, 32, 0.5, 64),  # in multiples of both 16 and 32
        (128, 32, 0.7, 32),  # 38.4 wanted
        (408, 17, 0.5, 204),  # of 68, the least of both 4 and 17: with 8 there were three counts, with 16 one
        (408, 17, 0.6, 136),  # 163 wanted
        (408, 17, 1.0, 17),
        (152, 19, 0.5, 76),  # 2 and 19 leave four counts
        (152, 19, 1.0, 19),
        (24, 3, 0.3, 18),  # 17 wanted
        (24, 3, 1.0, 18),  # 16 at least
        (24, 24, 0.9, 24),
        (12, 3, 0.9, 12),
    ],
)
def test_counts_of_tied_channels(channels: int, tied: int, level: float, stay: int) -> None:
    group = ChannelGroup(name="a", channels=channels, makers=("a",), users=("b",), tied=tied)
    assert keep_counts([group], {}, level, multiple=16) == {"a": stay}
    assert keep_by_damage([group], {"a": [(level, 1.0)]}, 1.0, multiple=16) == {"a": stay}


def test_tied_channels_leave_by_the_mean_of_their_scores() -> None:
    """0 and 3, 1 and 4, 2 and 5 are tied: means 5, 3, 4. Four of all eight leave: these of a's; six: both of b's too,
    of which one must stay."""
    group = ChannelGroup(name="a", channels=6, makers=("a",), users=("z",), tied=2)
    scores = {"a": torch.tensor([0.0, 6.0, 4.0, 10.0, 0.0, 4.0]), "b": torch.full((2,), 4.5)}
    assert least_important([group], scores, {"a": 4}) == {"a": [1, 4]}
    assert least_important([group], scores, {"a": 2}) == {"a": [1, 2, 4, 5]}
    both = [group, ChannelGroup(name="b", channels=2, makers=("b",), users=("z",))]
    assert keep_counts(both, scores, 0.5, spread="global", multiple=1) == {"a": 2, "b": 2}
    assert keep_counts(both, scores, 0.75, spread="global", multiple=1) == {"a": 2, "b": 1}
