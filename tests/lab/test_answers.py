"""The answers change when the numbers say otherwise; all runs here are made up."""

import re
from typing import Any

import pytest

from fabricated import accuracy, latency, replaced, results, train, variant, variants, versus
from petiole.lab.answers import answer
from petiole.records import Answer, Results

IDS = ["3.1", "3.2", "3.3", "3.4.2-demos", "3.4.2", "3.4.3"]


def ask(name: str, run: Results) -> Answer:
    (found,) = [each for each in answer(run) if each.id == name]
    return found


def told(name: str, rows: Any = None, **changes: Any) -> str:
    return ask(name, results(rows, **changes)).answer


def scratch(correct: int, **changes: Any) -> str:
    return told("3.1", replaced("CNNScratch", accuracy=accuracy(correct, 100), **changes))


def test_every_question_is_answered_by_a_few_sentences_with_their_evidence() -> None:
    answers = answer(results())
    assert [each.id for each in answers] == IDS
    names = {row.name for row in variants()}
    for each in answers:
        assert each.question.endswith("?")
        assert 3 <= len(re.findall(r"[.:]\s+[A-Z]|\.$", each.answer)) <= 12, each.answer
        assert set(each.evidence) <= names
        assert len(each.evidence) == len(set(each.evidence))
    assert answers[0].evidence == ["CNNScratch", "CNNOptimized"]
    assert "CNNOptimized-fused" in answers[4].evidence
    assert answers[5].evidence == ["LeNet", "LeNet-dynamic-int8", "LeNet-static-int8"]


def test_answers_are_the_same_for_the_same_records() -> None:
    assert answer(results()) == answer(results())


# 3.1


@pytest.mark.parametrize(
    ("correct", "start"),
    [(70, "No:"), (90, "Not on these photos"), (88, "Not on these photos"), (92, "On these photos yes"), (99, "Yes:")],
)
def test_above_90_percent_or_not(correct: int, start: str) -> None:
    assert scratch(correct).startswith(start)


def test_why_uses_photos_parameters_and_classes_of_the_run() -> None:
    text = told("3.1")
    assert "500 parameters" in text
    assert "200 training photos" in text
    assert "25.0% of the ants and 75.0% of the bees" in text


def test_overfitting_underfitting_and_neither() -> None:
    # Newcombe's interval of 198 of 200 against 70 of 100, by statsmodels (confint_proportions_2indep, "newcomb")
    assert "+29.0 points against the test photos (95% interval +20.5 to +38.6): it overfits" in scratch(
        70, train=train(accuracy=0.99)
    )
    assert "it overfits" not in scratch(90, train=train(accuracy=0.95)), "the interval of the difference includes none"
    assert "underfits" not in scratch(70, train=train(accuracy=0.99))
    assert "it also underfits" in scratch(70, train=train(accuracy=0.85))
    assert "overfitting is not shown; it underfits" in scratch(70, train=train(accuracy=0.72))
    assert "): overfitting is not shown." in scratch(97, train=train(accuracy=0.98))


def test_where_the_loss_ended_is_told_and_nothing_concluded() -> None:
    text = scratch(70, train=train(epochs=10, converged=7))
    assert "(exact, of one training); from epoch 7 on it stayed within 5%" in text


def test_the_training_accuracy_has_its_interval() -> None:
    text = scratch(70, train=train(accuracy=0.85))
    assert "classified 85.0% of the training photos correctly" in text
    assert "the 95% interval that 200 of them allow is 79.4-89.3%" in text  # Wilson's of 170, by statsmodels


def test_pretraining_is_the_cause_only_if_it_is_shown() -> None:
    assert "a larger network that sees larger photos, and is pretrained, does it." in scratch(70)
    assert "missing pretraining is not shown to be the cause" in scratch(93)
    assert "pretrain" not in told("3.1", run_weights="random")


# 3.2


def test_transfer_is_better_only_if_intervals_are_apart() -> None:
    assert "higher accuracy from the same training photos (both transferred networks)" in told("3.2")
    rows = replaced("CNNAdapted", accuracy=accuracy(75, 100))
    text = told("3.2", rows)
    assert "higher accuracy from the same training photos (CNNOptimized)" in text
    assert "overlap, this run cannot call it a difference" in text


def test_transfer_may_be_worse_or_bring_nothing() -> None:
    rows = [
        variant("CNNScratch", 95, train=train(seconds=10.0)),
        variant("CNNOptimized", 60, train=train(seconds=30.0)),
    ]
    text = told("3.2", rows)
    assert text.startswith("This run shows no benefit of transfer learning")
    assert "-35.0 points, a loss beyond chance" in text
    assert "one training each, so that no verdict is passed on them" in text


@pytest.mark.parametrize(("seconds", "words"), [(5.0, "shorter"), (95.0, "about the same"), (200.0, "longer")])
def test_training_time_is_judged_by_more_than_a_tenth(seconds: float, words: str) -> None:
    rows = replaced("CNNAdapted", train=train(seconds=seconds))
    text = told("3.2", rows)
    assert words not in text  # one seed has no spread
    text = told("3.2", [*rows, *(row.model_copy(update={"seed": 1}) for row in rows)])
    assert f"{words} for CNNAdapted" in text
    assert ("a shorter training (" in text) == (words == "shorter")


def test_trained_parameters_come_from_the_gate_where_there_is_one() -> None:
    assert "only its new output layer, out of 2,000 parameters" in told("3.2")
    rows = replaced("CNNAdapted", gates={"trained_parameters": 34})
    assert "only 34 parameters, those of its new output layer" in told("3.2", rows)


def test_random_weights_show_nothing_about_transfer() -> None:
    text = told("3.2", run_weights="random")
    assert text.startswith("This run cannot tell")
    assert "brings" not in text


def test_retraining_is_a_gain_only_if_the_paired_test_says_so() -> None:
    assert "cannot tell from no difference (1 lost, 3 gained, p = 0.63)" in told("3.2")
    rows = replaced("CNNOptimized", versus_parent=versus(0, 6))
    assert "a gain that the paired test shows (0 lost, 6 gained, p = 0.031)" in told("3.2", rows)


# 3.3


def test_pruning_brings_a_smaller_file_and_no_time() -> None:
    text = told("3.3")
    assert "bring a smaller file where only nonzeros are stored (all 4 pruned networks); no higher accuracy and" in text
    assert "5.9 kB instead of 8.0 kB for CNNPrunedGO (73.8%)" in text
    assert "no measurable difference on OpenVINO (10.0 ms (9.90-10.1) and 10.0 ms (9.90-10.1))" in text
    assert "a mask only writes zeros" in text
    assert "the PyTorch profiler counts 30.0 ms of the calling thread's time, before 30.0 ms" in text
    assert "CNNPrunedGO at epoch 7 of 10" in text


def test_the_profiler_tells_a_difference_where_the_middle_halves_lie_apart() -> None:
    whole = replaced("CNNOptimized", profile_p25_ms=28.0, profile_p75_ms=31.0)
    for p25_ms, p75_ms, said in ((25.0, 35.0, "30.0 ms (25.0-35.0)"), (39.0, 41.0, "40.0 ms (39.0-41.0)")):
        spread = {"profile_p25_ms": p25_ms, "profile_ms": (p25_ms + p75_ms) / 2, "profile_p75_ms": p75_ms}
        rows = replaced("CNNPrunedGO", whole, **spread)
        (text,) = (each.answer for each in answer(results(rows)) if each.id == "3.3")
        verdict = ": no measurable difference" if p25_ms < 31 else ""
        end = "; a mask only writes zeros"
        assert f"{said} of the calling thread's time, before 30.0 ms (28.0-31.0){verdict}{end}" in text


def test_pruning_without_any_benefit() -> None:
    rows = [row.model_copy(update={"sparse_bytes": 8100}) if row.sparse_bytes else row for row in variants()]
    text = told("3.3", rows)
    assert text.startswith("This run shows no benefit of zeroed weights")
    assert "(101.2%, which is no saving)" in text


def test_a_shorter_time_beyond_the_spread_is_not_owed_to_zeros() -> None:
    quick = told("3.3", replaced("CNNPrunedGO", latency=[latency(5.0)]))
    assert "no higher accuracy was found; CNNPrunedGO took less time, which zeros do not explain (see below)" in quick
    assert "multiply-accumulates are still done, so that zeros explain no difference." in quick
    noisy = replaced("CNNPrunedGO", latency=[latency(5.0, half_ms=4.95)])
    assert "and no shorter time was found" in told("3.3", noisy)


def test_recovering_from_pruning_is_no_gain() -> None:
    assert "no higher accuracy and no shorter time was found" in told("3.3")
    rows = replaced("CNNPrunedFO", parent="CNNOptimized", versus_parent=versus(0, 8))
    assert "higher accuracy than unpruned, which was not retrained as long (CNNPrunedFO)" in told("3.3", rows)


def test_magnitude_is_better_only_if_intervals_are_apart() -> None:
    assert "here, the smallest weights matter less" in told("3.3")
    points = [point.model_copy(update={"correct": 50}) for point in results().curves]
    assert "does not tell the two apart" in told("3.3", curves=points)


def test_unfinished_retraining_is_said() -> None:
    rows = replaced("CNNPrunedGO", train=train(epochs=4, converged=4))
    assert "CNNPrunedGO not within its 4 epochs" in told("3.3", rows)
    rows = replaced("CNNPrunedGO", train=train(epochs=1, converged=1))
    assert "CNNPrunedGO cannot be judged by its one epoch" in told("3.3", rows)


# 3.4.2, demos


def test_the_layer_and_the_lstm_by_their_figures() -> None:
    text = told("3.4.2-demos")
    assert "the int8 codes -127, 50" in text
    assert "from 0.5000 to 0.4975, by 0.0025" in text
    assert "2.0 kB instead of 4.0 kB (50.0% of it)" in text
    assert "0.001 on average, 1.0% of their mean size 0.1" in text


# 3.4.2


def test_quantization_is_faster_and_smaller_and_not_told_apart_in_accuracy() -> None:
    text = told("3.4.2")
    assert "smaller than its float parent's for both quantized networks" in text
    assert "for both quantized networks the paired test sees no difference" in text
    assert "one picture at a time, int8 is faster on OpenVINO for both quantized networks" in text
    assert "2.00 ms (1.90-2.10) instead of 10.0 ms (9.90-10.1), 5.00x as fast by the medians, without" in text
    assert "(1.90-2.10) on OpenVINO against 20.0 ms (19.9-20.1) for CNNOptimized in eager-mode PyTorch, 10.00x" in text


def test_a_loss_is_called_a_loss() -> None:
    rows = replaced("CNNOptimized-static-int8", accuracy=accuracy(50, 100), versus_parent=versus(46, 0))
    text = told("3.4.2", rows)
    assert "the paired test shows a loss for CNNOptimized-static-int8 (pt2e)" in text
    assert "QAT is more accurate than static quantization (96.0% (90.2-98.4%) against 50.0% (40.4-59.6%), " in text


def test_no_speed_is_claimed_within_the_spread() -> None:
    rows = variants()
    for name in ("CNNOptimized-static-int8", "CNNOptimized-qat-int8"):
        rows = replaced(name, rows, latency=[latency(9.95)])
    text = told("3.4.2", rows)
    assert "int8 overlaps with float in the middle half of its calls on OpenVINO for both quantized networks" in text
    assert "faster on OpenVINO" not in text


def test_a_gain_of_qat_is_not_credited_to_int8() -> None:
    assert "need not come from int8" not in told("3.4.2")
    rows = replaced("CNNOptimized-qat-int8", versus_parent=versus(0, 6))
    text = told("3.4.2", rows)
    assert "the paired test shows a gain for CNNOptimized-qat-int8 (pt2e), while for " in text
    assert "The gain of CNNOptimized-qat-int8 (pt2e) need not come from int8" in text


def test_a_file_that_is_not_smaller_is_no_achievement() -> None:
    rows = replaced("CNNOptimized-qat-int8", file_bytes=9000)
    text = told("3.4.2", rows)
    assert "smaller than its float parent's for CNNOptimized-static-int8 (pt2e)." in text
    assert "a file that is no smaller (9.0 kB, before 8.0 kB)" in text


def test_each_engine_is_told() -> None:
    extra = variant("CNNOptimized-qat-int8", 95, engine="eager", parent="CNNOptimized", versus_parent=versus(1, 0))
    text = told("3.4.2", [*variants(), extra])
    assert "CNNOptimized-qat-int8 (eager) has 95.0%" in text
    assert "CNNOptimized-qat-int8 (pt2e) has 96.0%" in text


# 3.4.3


def test_lenet_is_not_faster_and_the_overhead_is_why() -> None:
    text = told("3.4.3")
    assert "int8 overlaps with float in the middle half of its calls on" in text
    assert "int8 is faster" not in text
    assert "Why no time is saved" in text
    assert "Dynamic quantization touches the linear layers only" in text


def test_overhead_is_not_blamed_where_int8_is_faster() -> None:
    rows = replaced("LeNet-dynamic-int8", latency=[latency(0.02, runtime="torch", half_ms=0.001)])
    rows = replaced("LeNet-static-int8", rows, latency=[latency(0.01, half_ms=0.001)])
    text = told("3.4.3", rows)
    assert "Why no time is saved" not in text
    assert "int8 pays even here" in text


def test_slower_is_called_slower() -> None:
    rows = replaced("LeNet-dynamic-int8", latency=[latency(0.9, runtime="torch", half_ms=0.01)])
    text = told("3.4.3", rows)
    assert "int8 is slower on eager-mode PyTorch for LeNet-dynamic-int8 (eager)" in text
    assert "slower on eager-mode PyTorch (0.900 ms (0.890-0.910) instead of 0.0900 ms (" in text


def test_without_timings_no_reason_is_given() -> None:
    rows = [row.model_copy(update={"latency": []}) for row in variants()]
    assert "Why the time is as it is cannot be said" in told("3.4.3", rows)
