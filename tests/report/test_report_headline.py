"""The three findings of the first page, from made-up runs."""

from typing import Any

from fabricated import latency, replaced, results, variant, variants, versus
from petiole.report.headline import headline


def test_the_headline_is_transfer_int8_and_pruning_with_their_intervals() -> None:
    rows = [row for row in variants() if row.name != "CNNOptimized-qat-int8"]
    rows = replaced("CNNPrunedGO", rows, baseline="CNNOptimized", versus_baseline=versus(3, 1))
    rows.append(
        variant("CNNPrunedGO-structured", 95, macs=2500, latency=rows[0].latency, baseline="CNNOptimized",
                versus_baseline=versus(2, 1))
    )  # fmt: skip
    transfer, int8, pruning = headline(results(rows))
    # Wilson's intervals of 96 and 70 in 100
    assert "CNNOptimized classifies 96.0% (90.2-98.4%) of the 100 test photos correctly" in transfer
    assert "from scratch 70.0% (60.4-78.1%). The intervals lie apart." in transfer
    assert "CNNOptimized-static-int8 (pt2e) takes 2.00 ms (1.90-2.10) on" in int8
    assert (
        "10.0 ms (9.90-10.1) for CNNOptimized there (5.00x as fast by the medians, without an interval) and 20.0 ms "
        "(19.9-20.1) for CNNOptimized in" in int8
    )
    assert "-1.0 points (95% interval " in int8
    assert "; exact test p = 1.0: no difference shown) against CNNOptimized" in int8
    first, zeros, channels = pruning.split("\n")
    assert first == "Pruning: after retraining, against CNNOptimized (10.0 ms (9.90-10.1) on OpenVINO, 8.0 kB)"
    same = "(CNNPrunedGO): 10.0 ms (9.90-10.1), no measurable difference, 8.0 kB, accuracy -2.0 points (95% interval "
    assert zeros.startswith(f"30% of the weights set to zero at random {same}")
    same = "10.0 ms (9.90-10.1), no measurable difference, 8.0 kB, accuracy -1.0 points (95% interval "
    assert channels.startswith(f"50% of the MACs removed as channels (CNNPrunedGO-structured): {same}")


def test_channels_removed_and_int8_together_are_a_finding() -> None:
    rows = replaced("CNNPrunedGO", variants(), baseline="CNNOptimized", versus_baseline=versus(3, 1))
    channels: dict[str, Any] = {"macs": 2500, "baseline": "CNNOptimized", "latency": rows[0].latency}
    rows.append(variant("CNNPrunedGO-structured", 95, versus_baseline=versus(2, 1), **channels))
    int8: dict[str, Any] = {
        "engine": "pt2e", "parent": "CNNPrunedGO-structured", "file_bytes": 1000, "latency": [latency(1.0)],
        "baseline": "CNNOptimized", "gates": {"int8_compiled": "20/20"},
    }  # fmt: skip
    rows.append(
        variant(
            "CNNPrunedGO-structured-static-int8", 94, versus_parent=versus(1, 0), versus_baseline=versus(3, 1), **int8
        )
    )
    rows.append(
        variant("CNNPrunedGO-structured-qat-int8", 93, versus_parent=versus(2, 0), versus_baseline=versus(4, 1), **int8)
    )
    *_, pruning = headline(results(rows))
    said = (
        "Channels and int8 together (CNNPrunedGO-structured-static-int8 (pt2e)): 1.00 ms (0.900-1.10), 10.00x as fast"
    )
    assert pruning.split("\n")[-1].startswith(
        f"{said} by the medians, without an interval, 1.0 kB, accuracy -2.0 points (95% interval "
    )


def test_interval_and_exact_test_may_disagree_and_it_is_the_test_that_is_named() -> None:
    rows = [row for row in variants() if row.name != "CNNOptimized-qat-int8"]
    rows = replaced("CNNOptimized-static-int8", rows, versus_parent=versus(5, 0))
    (_, int8, *_) = headline(results(rows))
    # 5 lost, none gained of 100. Tango's interval is Wilson's of 5 in 100 then (2.2 to 11.2), and leaves out 0; the
    # exact test, 2 * 0.5^5 = 0.0625, does not show a difference.
    assert "-5.0 points (95% interval -11.2 to " in int8
    assert "exact test p = 0.063: no difference shown by this stricter test)" in int8


def test_several_seeds_must_show_it_with_the_intervals_that_are_printed() -> None:
    rows = [
        *(variant("CNNOptimized", correct, seed=seed) for seed, correct in enumerate((96, 96))),
        *(variant("CNNScratch", correct, seed=seed) for seed, correct in enumerate((60, 72))),
    ]
    (transfer, *_) = headline(results(rows, run_seeds=[0, 1]))
    # Student's t over 60% and 72%: 66 +- 12.706 * 6 points, all of 0..100%
    assert "from scratch 66.0% (0.0-100.0%). The intervals overlap" in transfer


def test_the_headline_does_not_call_overlapping_intervals_a_gain() -> None:
    (transfer, *_) = headline(results(replaced("CNNScratch", accuracy=variant("CNNScratch", 92).accuracy)))
    assert "overlap: these pictures do not tell the two apart" in transfer


def test_of_int8_networks_as_fast_as_each_other_the_test_split_chooses_none() -> None:
    _, int8, *_ = headline(results())
    assert int8.startswith("Quantization: CNNOptimized-static-int8 (pt2e) takes 2.00 ms"), "95 right, QAT 96"


def test_a_file_that_is_computed_in_float_is_no_int8_finding() -> None:
    rows = [row for row in variants() if row.name != "CNNOptimized-qat-int8"]
    rows = replaced("CNNOptimized-static-int8", rows, gates={"int8_compiled": "0/50"})
    assert not any(text.startswith("Quantization: CNNOptimized") for text in headline(results(rows)))


def test_the_headline_of_digits_alone_is_of_digits() -> None:
    rows = [row for row in variants() if row.dataset == "digits"]
    (int8,) = headline(results(rows))
    assert int8.startswith("Quantization: LeNet-static-int8 (pt2e) takes 0.0500 ms")
    assert "no measurable difference" in int8
