"""What tables and lines say of what they leave out; all runs are made up."""

from fabricated import latency, replaced, results, train, variant, variants, versus
from petiole.evidence import groups
from petiole.lab.answers import answer
from petiole.records import CurvePoint, Operator, Results, Stage, Variant
from petiole.report import chapters, charts, details, gates, overview, pruning, summary, tables, timings
from petiole.report.blocks import Picture, Steps, Table


def rows_of(table: Table, name: str) -> list[str]:
    return [str(cell) for row in table.rows if str(row[0]).startswith(name) for cell in row]


def test_a_runtime_that_was_refused_is_no_gap() -> None:
    rows = replaced("CNNOptimized-qat-int8", gates={"refused_torch": "it calls other pictures"})
    table = tables.variants(results(rows), groups(rows), "All")
    assert rows_of(table, "CNNOptimized-qat-int8")[-1] == "refused"
    assert "refused: not used on that runtime" in table.caption
    (said,) = [each.answer for each in answer(results(rows)) if each.id == "3.4.2"]
    assert "and refused on eager-mode PyTorch (see the gates)." in said
    without = tables.variants(results(variants()), groups(variants()), "All")
    assert rows_of(without, "CNNOptimized-qat-int8")[-1] == "–"
    assert "refused" not in without.caption


def test_two_speeds_and_too_few_calls_are_told() -> None:
    wide = latency(10.0, half_ms=1.0)  # p75 over p25: 11 over 9
    few = latency(10.0).model_copy(update={"batch": 32, "samples": 6})
    table = timings.latencies(groups([variant("LeNet", 990, dataset="digits", latency=[wide, few])]))
    assert table is not None
    assert "–: fewer than 10 timed calls, too few to show a 90th percentile." in table.caption
    assert "In 1 of 2 rows p75 is more than 1.15 times p25" in table.caption
    plain = timings.latencies(groups([variant("LeNet", 990, dataset="digits", latency=[latency(10.0)])]))
    assert plain is not None
    assert plain.caption == "Time of one call: exact percentiles of this run's calls."


def test_convergence_within_one_epoch_is_not_judged() -> None:
    told = [tables.convergence(train(epochs=each, converged=at)) for each, at in ((1, 1), (10, 10), (10, 7))]
    assert told == ["one epoch cannot tell", "not within 10", "7"]
    picture = charts.training(groups([variant("LeNet-qat-int8", 99, train=train(epochs=1, converged=1))]), "c")
    assert picture is not None
    assert picture.alt == "Training loss: LeNet-qat-int8 1 in its only epoch."


def test_a_loss_that_rose_is_told() -> None:
    risen = train(epochs=2, converged=2)
    first, last = risen.history[0], risen.history[-1]
    history = [first.model_copy(update={"loss": 0.1}), last.model_copy(update={"loss": 0.2})]
    risen = risen.model_copy(update={"history": history})
    assert tables.convergence(risen) == "the loss did not fall"


def test_what_is_computed_in_float_is_drawn_hollow_where_its_time_is() -> None:
    dynamic = [row for row in variants() if row.name in {"LeNet", "LeNet-dynamic-int8"}]
    (group,) = [each for each in groups(dynamic) if each.name == "LeNet-dynamic-int8"]
    point = overview._Point(group=group, x=1.0, text="1 ms")
    assert point.is_int8
    in_float = group.first.model_copy(update={"gates": {"int8_compiled": "0/5", "int8_compiled_onnxruntime": "0/5"}})
    (changed,) = groups([in_float])
    assert not overview._Point(group=changed, x=1.0, text="1 ms", runtime="onnxruntime").is_int8
    assert overview._Point(group=changed, x=1.0, text="1 ms").is_int8


def test_steps_of_pruning_are_one_curve() -> None:
    steps = "Where a network was pruned in several steps, their epochs follow each other"
    pruned = tables.training(groups([variant("LeNet-structured", 99, train=train(), gates={"macs_left": 0.5})]))
    whole = tables.training(groups([variant("LeNet", 99, train=train())]))
    assert pruned is not None
    assert whole is not None
    assert steps in pruned.caption
    assert steps not in whole.caption


def noted(run: Results, note: str) -> Results:
    assert run.data.digits is not None
    digits = run.data.digits.model_copy(update={"note": note})
    return run.model_copy(update={"data": run.data.model_copy(update={"digits": digits})})


def test_the_first_lines_are_short_and_say_what_intervals_mean() -> None:
    run = noted(results(), "a part of MNIST (it cannot be had: nobody answers)")
    facts = dict(summary.facts(run))
    assert facts["Digits"].endswith("for testing; a part of MNIST")
    assert "each network was trained once (--seeds 3 shows" in facts["Numbers"]
    three = run.model_copy(update={"run": run.run.model_copy(update={"seeds": [0, 1, 2]})})
    assert "and 3 trainings of each network" in dict(summary.facts(three))["Numbers"]


def test_the_best_is_not_told_without_those_beside_it() -> None:
    # Wilson's interval of 96 in 100 begins at 90.2%: of 94, 70 and 91 two are within it
    rows = [variant(name, correct) for name, correct in (("a", 96), ("b", 94), ("c", 70), ("d", 91))]
    (best, *_) = summary.findings(results(rows))
    assert "a, 96.0% (90.2-98.4%); of the others, 2 of 3 lie within its interval; the best of several on" in best


def test_tests_that_show_something_by_chance_are_an_expectation() -> None:
    rows = [variant(f"n{at}", 60, parent="m", versus_parent=versus(20 if at else 0, 0)) for at in range(40)]
    told = " ".join(summary.findings(results(rows)))
    assert (
        "If no network differed from its parent, at most 2 of 40 such tests, on average, would show one by chance"
        in told
    )


def test_a_recipe_is_told_once() -> None:
    how = {
        "CNNPrunedF": "30% of the weights of the first convolution set to zero.",
        "CNNPrunedFO": "CNNPrunedF retrained, step by step.",
        "CNNPrunedG": "30% of the weights of all layers set to zero.",
        "CNNPrunedGO": "CNNPrunedG retrained, step by step.",
    }
    rows = [row.model_copy(update={"how": how.get(row.name, row.how)}) for row in variants()]
    (chapter,) = [each for each in chapters.page(results(rows)).chapters if each.anchor == "3.3"]
    (steps,) = [block for block in chapter.blocks if isinstance(block, Steps)]
    assert dict(steps.steps) == {**how, "CNNPrunedGO": "Made as CNNPrunedFO, with CNNPrunedG in place of CNNPrunedF."}


def test_time_is_drawn_on_the_runtime_that_is_fastest() -> None:
    def lenet(name: str, **ms: float) -> Variant:
        timings = [latency(each, runtime=runtime) for runtime, each in ms.items()]
        return variant(name, 990, dataset="digits", latency=timings)

    both = [lenet("LeNet", openvino=1.0, onnxruntime=0.5, torch=0.2), lenet("a", openvino=0.9, onnxruntime=0.6)]
    assert overview.fastest_runtime(groups(both)) == "onnxruntime"
    assert overview.fastest_runtime(groups([*both, lenet("refused there", openvino=2.0)])) == "openvino"
    titles = [picture.caption for picture in overview.overview(groups(both), "c")]
    assert "the intervals or the spread" not in "".join(titles), "without a step there is no front"
    assert overview.fastest_runtime(groups([variant("LeNet", 990, dataset="digits")])) == "openvino"


def test_what_calling_everything_by_one_name_reaches_is_told() -> None:
    halves = variant("CNNOptimized", 90)
    uneven = halves.accuracy.model_copy(update={"confusion": [[60, 0], [10, 30]]})
    three = halves.accuracy.model_copy(update={"confusion": [[20, 0, 0], [0, 20, 0], [0, 0, 60]]})
    point = CurvePoint(method="random", scope="global", seed=0, amount=0.5, sparsity=0.5, correct=20, total=100)
    for accuracy, told in ((uneven, "40.0% or 60.0%"), (three, "20.0% or 60.0%")):
        picture, _ = pruning.curves([point], [halves.model_copy(update={"accuracy": accuracy})], "c")
        assert isinstance(picture, Picture)
        assert f"Who calls every picture by one name reaches {told}." in picture.caption
        assert picture.caption.endswith("petiole lab --stages pruning --study draws it after retraining as well.")
    after = point.model_copy(update={"retrained": True})
    pictures = [block for block in pruning.curves([point, after], [], "c") if isinstance(block, Picture)]
    assert [picture for picture in pictures if "--study" in picture.caption] == []


def test_the_time_between_stages_is_told() -> None:
    stages = [Stage(name="scratch", seed=0, seconds=60.0), Stage(name="transfer", seed=0, seconds=20.0)]
    run = results().run.model_copy(update={"stages": stages, "seconds": 100.0})
    *_, table = details.run(results().model_copy(update={"run": run}))
    assert [row[3] for row in table.rows] == ["60.0%", "20.0%", "20.0%"]
    assert table.rows[-1][0] == "between them, and the report"
    *_, table = details.run(results().model_copy(update={"run": run.model_copy(update={"seconds": 80.0})}))
    assert [row[3] for row in table.rows] == ["75.0%", "25.0%"]


def test_what_embedded_weights_had_seen_is_told_and_ants_only_where_there_are_some() -> None:
    ours = dict(summary.facts(results(run_weights="embedded EfficientNet-Lite0")))["Network"]
    assert ours.endswith(
        "pretrained on ImageNet, where ants and bees are two of 1,000 classes (it may have seen some of the test "
        "photos: see 3.2)"
    )
    others = results(run_weights="embedded EfficientNet-Lite0", photos_classes=["cats", "dogs"])
    assert dict(summary.facts(others))["Network"].endswith("EfficientNet-Lite0, pretrained on ImageNet")
    assert "ImageNet" not in dict(summary.facts(results()))["Network"]


def test_the_profiler_table_adds_up_to_the_median_call() -> None:
    def profiled(name: str, conv_ms: float, other: str, whole_ms: float) -> Variant:
        operators = [
            Operator(name="conv", calls=2, self_cpu_ms=conv_ms),
            Operator(name=other, calls=1, self_cpu_ms=1.0),
        ]
        spread = {"profile_calls": 15, "profile_p25_ms": whole_ms - 1, "profile_p75_ms": whole_ms + 1}
        return variant(name, 90, profile=operators, profile_ms=whole_ms, **spread)

    rows = [profiled("CNNOptimized", 10.0, "relu", 12.5), profiled("CNNPrunedG", 6.0, "add", 7.0)]
    table = tables.profiles(groups(rows))
    assert table is not None
    assert [tuple(map(str, row)) for row in table.rows] == [
        ("conv", "10.0 ms", "6.00 ms"),
        ("relu", "1.00 ms", "–"),
        ("add", "–", "1.00 ms"),
        ("Other operators", "1.50 ms", "0.00 ms"),
        ("All operators", "12.5 ms (11.5-13.5)", "7.00 ms (6.00-8.00)"),
    ]
    assert table.totals == 2, "they stay below, however the operators are sorted"
    assert "the median of 15 calls; they add up to it" in table.caption
    assert "pt2e" not in table.caption
    assert tables.profiles(groups(rows[:1])) is None, "nothing to compare"


def test_a_file_that_is_hardly_larger_than_the_smallest_is_named() -> None:
    rows = [variant("A", 90, file_bytes=1_000_000), variant("B", 80, file_bytes=1_000_539)]
    rows.append(variant("C", 70, file_bytes=1_010_000))
    (told,) = (text for text in summary.findings(results(rows)) if text.startswith("Smallest"))
    assert told.endswith("A, 1.0 MB, with an accuracy of 90.0% (82.6-94.5%); B has 539 bytes more.")


def test_gates_of_the_stored_artifact_are_shown_where_they_were_recorded() -> None:
    found = {"class_order": True, "checksums": "3/3", "sparsity": 0.3}
    table = gates.table(groups([variant("CNNPrunedF", 90, gates=found)]))
    assert table is not None
    assert table.header == (
        "Variant", "Zeros of the pruned layers", "Checksums right",
        "Class order kept",
    )  # fmt: skip
    assert table.rows[0][1:] == ("30.0%", "3/3", "yes")
    earlier = gates.table(groups([variant("CNNPrunedF", 90, gates={"sparsity": 0.3})]))
    assert earlier is not None
    assert earlier.header == ("Variant", "Zeros of the pruned layers")
