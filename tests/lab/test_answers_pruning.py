"""What the answer to 3.3 says of magnitude pruning and of the control, on made-up runs."""

from typing import Any

from fabricated import results, variant, variants, versus
from petiole.lab.answers import answer
from petiole.records import CurvePoint


def told(**changes: Any) -> str:
    (found,) = [each for each in answer(results(**changes)) if each.id == "3.3"]
    return found.answer


def test_magnitude_after_retraining_stands_beside_random() -> None:
    assert "instead of random ones, and retrained alike" not in told()
    near = [*variants(), variant("CNNPrunedGO-magnitude", 94, parent="CNNPrunedG-magnitude")]
    text = told(rows=near)
    assert "CNNPrunedGO-magnitude reaches 94.0%" in text
    assert ": their intervals overlap" in text
    rows = [row for row in variants() if row.name != "CNNPrunedGO"]
    apart = [*rows, variant("CNNPrunedGO", 60), variant("CNNPrunedGO-magnitude", 95)]
    assert ": the interval of CNNPrunedGO-magnitude lies wholly above" in told(rows=apart)


def test_the_control_is_told_where_it_was_run() -> None:
    assert "The control" not in told()
    control = CurvePoint(
        method="control", scope="global", seed=0, amount=0.0, sparsity=0.0, correct=95, total=100, retrained=True
    )
    text = told(curves=[*results().curves, control])
    assert "The control, CNNOptimized retrained as long as the study's networks but not pruned (from the labels" in text
    assert "reaches 95.0% (88.8-97.8%)" in text


def test_points_of_channels_do_not_hide_the_comparison_of_masks() -> None:
    """The study has channels at exactly the run's amount, and masks nearby."""
    kept = [point for point in results().curves if point.amount != results().run.amount]
    channels = CurvePoint(
        method="structured", scope="global", seed=0, amount=results().run.amount, sparsity=0.3, correct=90, total=100
    )
    assert "Which weights go" in told(curves=[*kept, channels])


def test_a_smaller_lenet_stands_beside_the_smaller_photo_network() -> None:
    assert "Of LeNet" not in told()
    smaller = variant(
        "LeNet-structured", 989, dataset="digits", parent="LeNet", versus_parent=versus(3, 2), parameters=500,
        file_bytes=2400,
    )  # fmt: skip
    text = told(rows=[*variants(), smaller])
    assert "Of LeNet, with 25.0% of its parameters left, LeNet-structured reaches 98.9% (989 of 1,000; " in text


def test_the_curve_has_the_interval_of_the_mean_over_seeds() -> None:
    """Magnitude: 95 and 55 of 100; mean 75, half-width 12.7 x 28.3 / sqrt(2) points, far more than Wilson's 8."""
    other = {"random": 50, "magnitude": 55}
    points = [point for point in results().curves if point.amount == 0.3]
    again = [point.model_copy(update={"seed": 1, "correct": other[point.method]}) for point in points]
    text = told(curves=[*points, *again])
    assert "leaves 75.0% (0.0-100.0%), removing random ones 50.0% (40.4-59.6%); the intervals overlap" in text
