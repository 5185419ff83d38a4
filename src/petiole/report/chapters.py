"""The chapters of the report in the handout's order: how it was done, the table, the picture, the answer."""

from collections.abc import Callable, Iterator, Sequence

from petiole.evidence import Group, groups
from petiole.records import Results
from petiole.report import (
    charts,
    details,
    flips,
    gates,
    inside,
    overview,
    provenance,
    pruning,
    summary,
    tables,
    timings,
)
from petiole.report.blocks import Block, Chapter, Failed, Page, Picture, Question, Steps, Text
from petiole.report.headline import headline

PRUNED = (
    "CNNPrunedF", "CNNPrunedFO", "CNNPrunedG", "CNNPrunedGO", "CNNPrunedF-magnitude", "CNNPrunedFO-magnitude",
    "CNNPrunedG-magnitude", "CNNPrunedGO-magnitude",
)  # fmt: skip
INT8 = ("CNNOptimized-fused", "CNNOptimized-static-int8", "CNNOptimized-qat-int8")
LENET = ("LeNet", "LeNet-structured", "LeNet-dynamic-int8", "LeNet-static-int8", "LeNet-qat-int8")
EVERYTHING = provenance.command_anchor(provenance.WHOLE)

MEASURED = (
    "Accuracy: every network is judged on the same test pictures, as it is deployed (those of a curve, which are not "
    "deployed, in torch); this run chose no network, recipe or setting on them (only a runtime that gives other "
    "answers than the network, or leaves in float "
    "what should be int8, is refused for it: see parity below). "
    "(The recipes came with Petiole. They were worked out on the hymenoptera photos and MNIST, mostly by "
    "cross-validation of the training photos; the test accuracy of earlier recipes was known meanwhile (docs/log.md in "
    "Petiole's source tells what was tried), so that the recipes are not wholly independent of the test photos.) The "
    "interval of one seed is Wilson's; that of several seeds covers Wilson's of their mean "
    "and Student's t over them. Lost and gained are the test pictures that only the parent, and only the network "
    "itself, classified correctly; the interval of a paired difference is Tango's (1998), with several seeds it covers "
    "Student's t too, and p is the exact McNemar test of these, for several seeds of their means, since the seeds "
    "share their pictures: the stricter of the two, so that the interval may leave out 0 where p is above 0.05. Below "
    "0.05 it tells the two apart; above, it proves neither that they differ nor that they are equal.",
    "Time: all networks of the run are timed together in interleaved rounds after a warm-up, so that a drift of "
    "the machine hits all alike (batches of 32: the networks for digits likewise, those for photos one after the "
    "other, to need less memory; a dynamically quantized network takes its scales from all "
    "pictures of a call, so that its answers there are not those that were judged). Where the machine changes between "
    "two speeds, the median of one network may still fall into one, and that of another into the other. "
    "Eager PyTorch is timed, one picture at a time, where it is a reference: CNNOptimized, its fused "
    "form, three networks that were pruned and not retrained (CNNPrunedF, CNNPrunedG, CNNPrunedG-structured), LeNet, "
    "and int8 networks of its own engine; pt2e graphs have no int8 kernels there. "
    "A difference counts only if the boxes from the 25th to the 75th percentile lie apart (of batches of 32 the "
    "networks for photos, timed one after the other, are not compared); else there is no measurable "
    "difference, however well the ratio of the medians is known: it is less than what one call differs from the next "
    "(the answers give the ratio, where its interval leaves out 1 to two digits). How many times as fast: that ratio; "
    "its 95% interval is a bootstrap of consecutive parts of both series, since neighbouring timings "
    "resemble each other (of several seeds the median of their ratios, and the outermost ends of their intervals).",
    "Size: bytes of the file that is deployed. MACs: multiply-accumulates of one input; zeroed weights count, for "
    "a dense network multiplies by them too. Gates: what was checked so that a step which did nothing cannot pass. "
    "Parity compares the deployed file with the network in torch on every test picture: the pictures called "
    "differently, and the mean distance of the logits in units of their spread, of which 0.001 is allowed for float "
    "and 0.1 for int8 (rounding half-way values differs between runtimes). One picture of some hundred, "
    "or ten of some thousand, may be right more or less, and of pictures whose two highest logits lie further apart "
    "than twice that, one (of "
    "more than 1,000: one in 1,000) may be called differently. Without a runtime's name the figure is of "
    "OpenVINO, whose accuracy is reported; a runtime on which more of a network's pictures change is refused for it.",
)


def page(results: Results) -> Page:
    """The whole report, ready to be rendered."""
    every = groups(results.variants)
    further = summary.findings(results)
    first = headline(results) or further[:3]
    main = [
        tables.variants(results, here, f"All variants on the {here[0].total:,} {summary.SETS.get(name, name)}")
        for name in dict.fromkeys(group.first.dataset for group in every)
        if (here := [group for group in every if group.first.dataset == name])
    ]
    return Page(
        title=summary.TITLE,
        byline=f"Team: {summary.authors(results)}",
        facts=tuple(summary.facts(results)),
        banners=tuple(summary.banners(results)),
        failures=tuple(summary.failures(results)),
        findings=tuple(first),
        pictures=tuple(_overview(every)),
        further=tuple(text for text in further if text not in first),
        tables=tuple(main),
        chapters=tuple(_chapters(results, every)),
        places=provenance.places(every),
    )


def _overview(every: Sequence[Group]) -> list[Picture]:
    """Of the photos; of the digits, where there is nothing else."""
    photos = [group for group in every if group.first.dataset == "photos"]
    return overview.overview(photos or every, "overview")


def _chapters(results: Results, every: Sequence[Group]) -> list[Chapter]:
    def named(*names: str) -> list[Group]:
        return [group for name in names for group in every if group.name == name]

    structured = [group for group in every if "-structured" in group.name and group.name not in LENET]
    pruned = [*named(*PRUNED), *structured]
    known = {"CNNScratch", "CNNAdapted", "CNNOptimized", *PRUNED, *INT8, *LENET}
    others = [group for group in every if group.name not in known and group not in pruned]
    scratch, adapted = named("CNNScratch"), named("CNNAdapted", "CNNOptimized")
    chapters = [
        *_data(results),
        _chapter(results, "3.1", "3.1 Training a CNN from scratch", "3.1", scratch, scratch, _training),
        _chapter(results, "3.2", "3.2 Transfer learning", "3.2", adapted, [*scratch, *adapted], _transfer),
        _chapter(results, "3.3", "3.3 Network pruning", "3.3", pruned, [*named("CNNOptimized"), *pruned], _pruning),
        _demos(results),
        _chapter(
            results, "3.4.2", "3.4.2 Static quantization and quantization-aware training", "3.4.2", named(*INT8),
            [*named("CNNOptimized"), *named(*INT8)], _quantization,
        ),
        _chapter(results, "3.4.3", "3.4.3 LeNet on MNIST", "3.4.3", named(*LENET), named(*LENET), _quantization),
    ]  # fmt: skip
    if others:
        chapters.append(_chapter(results, "other", "Other networks", "", others, others, _quantization))
    return [*chapters, _appendix(results, every), provenance.chapter(results, every)]


def _data(results: Results) -> list[Chapter]:
    """Samples of the photos, how many there are, and what was skipped; nothing, where no photos were needed."""
    photos, digits = results.data.photos, results.data.digits
    if photos is None:
        return []
    notes = [
        Text(text=f"{what}: {data.note}.")
        for what, data in (("Photos", photos), ("Digits", digits))
        if data is not None and data.note
    ]
    if not (photos.skipped or photos.duplicates or photos.contradictions):
        notes.append(Text(text="No file was skipped, and no photo was found in both splits or under several labels."))
    blocks = (*notes, *flips.samples(results), *details.photos(photos))
    return [Chapter(anchor="data", title="The photos", blocks=blocks, source=EVERYTHING)]


def _chapter(results: Results, anchor: str, title: str, question: str, made: Sequence[Group],
             shown: Sequence[Group], pictures: Callable[[Results, str, Sequence[Group], Sequence[Group]], list[Block]],
             ) -> Chapter:  # fmt: skip
    """One section: failures, how each network of ``made`` came about, tables and pictures of ``shown``, answers."""
    blocks = _failed(results, anchor)
    if made:
        blocks.append(Steps(steps=tuple(_made(made))))
        blocks.append(tables.variants(results, shown, "What was measured"))
        blocks += _there(tables.baselines(shown))
        name = f"c{anchor.replace('.', '-')}"
        if shown[0].first.dataset == "photos":
            blocks += _there(tables.by_class(shown))
        blocks += pictures(results, name, made, shown)
        blocks += _there(inside.confusions(shown, f"{name}-confusion"))
        blocks += flips.flips(results, made)
        blocks += _there(gates.table(made))
    else:
        blocks.append(Text(text="This run holds no network of this section: its stage was not run, or did not end."))
    blocks += _answers(results, question)
    return Chapter(anchor=anchor, title=title, blocks=tuple(blocks), source=provenance.command_of(results, anchor))


def _made(groups: Sequence[Group]) -> Iterator[tuple[str, str]]:
    """How each came about; a recipe that differs from an earlier one's only in its parent is told once."""
    told: dict[str, tuple[str, str]] = {}
    for group in groups:
        how, parent = group.first.how or "not recorded", group.first.parent
        if parent and parent in how:
            earlier, its_parent = told.setdefault(how.replace(parent, ""), (group.label, parent))
            if its_parent != parent:
                how = f"Made as {earlier}, with {parent} in place of {its_parent}."
        yield group.label, how


def _failed(results: Results, anchor: str) -> list[Block]:
    """The failures that belong to a section, by stage or by variant."""
    rows = [
        shown
        for row, shown in zip(results.failures, summary.failures(results), strict=True)
        if provenance.SECTION_OF.get(row.stage or row.variant, _section_of_name(row.variant)) == anchor
    ]
    return [Failed(failures=tuple(rows))] if rows else []


def _section_of_name(name: str) -> str:
    return provenance.SECTION_OF.get(provenance.stage(name), "other")


def _answers(results: Results, name: str) -> list[Block]:
    return [
        Question(question=row.question, answer=row.answer, evidence=tuple(row.evidence))
        for row in results.answers
        if row.id == name
    ]


def _there(*found: Block | None) -> list[Block]:
    """Those of them that there is something for."""
    return [block for block in found if block is not None]


def _training(results: Results, name: str, made: Sequence[Group], shown: Sequence[Group]) -> list[Block]:
    return _there(tables.training(made), charts.training(made, f"{name}-training"))


def _transfer(results: Results, name: str, made: Sequence[Group], shown: Sequence[Group]) -> list[Block]:
    trained = _there(tables.training(shown), charts.training(shown, f"{name}-training"))
    return [charts.accuracy(shown, f"{name}-accuracy"), *trained]


def _pruning(results: Results, name: str, made: Sequence[Group], shown: Sequence[Group]) -> list[Block]:
    blocks: list[Block] = [charts.accuracy(shown, f"{name}-accuracy")]
    unpruned = [row for row in results.variants if row.name == "CNNOptimized"]
    blocks += pruning.curves(results.curves, unpruned, name, results.unreached)
    blocks += pruning.sensitivities(results.sensitivities, name)
    blocks += [tables.sizes(shown), charts.sizes(shown, f"{name}-size")]
    return blocks + _there(
        charts.latency(shown, f"{name}-time"), tables.profiles(shown), inside.weights(shown, f"{name}-weights"),
        *inside.layer_errors(results, shown, name), tables.training(made), charts.training(made, f"{name}-training"),
    )  # fmt: skip


def _quantization(results: Results, name: str, made: Sequence[Group], shown: Sequence[Group]) -> list[Block]:
    digits = shown[0].first.dataset == "digits"
    return [
        *(overview.overview(shown, f"{name}-overview") if digits else []),
        charts.accuracy(shown, f"{name}-accuracy"), charts.sizes(shown, f"{name}-size"),
        *_there(
            charts.latency(shown, f"{name}-time"), tables.profiles(shown), inside.weights(shown, f"{name}-weights"),
        ),
        *inside.layer_errors(results, shown, name),
        *_there(tables.training(made), charts.training(made, f"{name}-training")),
    ]  # fmt: skip


def _demos(results: Results) -> Chapter:
    blocks = _failed(results, "3.4.2-demos")
    made: list[Block] = []
    dtype, lstm = (results.demos.get(name, {}) for name in ("dtype", "lstm"))
    if dtype.keys() >= details.DTYPE:
        made += [details.dtype(dtype), details.dtype_picture(dtype, "c3-4-2-dtype")]
    if lstm.keys() >= details.LSTM:
        made.append(details.lstm(lstm))
    if made:
        text = (
            "Both are quantized dynamically: weights become int8 before the run, activations are quantized in each "
            "call. The layer is the handout's, the LSTM that of PyTorch's dynamic quantization recipe."
        )
        blocks += [Text(text=text), *made]
    else:
        blocks.append(Text(text="This run holds no demos: their stage was not run, or did not end."))
    blocks += _answers(results, "3.4.2-demos")
    return Chapter(
        anchor="3.4.2-demos", title="3.4.2 What quantization does: two demos", blocks=tuple(blocks),
        source=provenance.command_of(results, "3.4.2-demos"),
    )  # fmt: skip


def _appendix(results: Results, every: Sequence[Group]) -> Chapter:
    blocks: list[Block] = [Text(text=text) for text in MEASURED]
    blocks += details.run(results)
    times = timings.latencies(every)
    if times is not None:
        blocks.append(times)
    return Chapter(anchor="appendix", title="How everything was measured", blocks=tuple(blocks), source=EVERYTHING)
