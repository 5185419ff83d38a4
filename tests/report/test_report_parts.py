"""The parts of the report that say or draw something of their own: overview, flips, comparison, bundle."""

import json
import shutil
import zipfile
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from fabricated import replaced, results, variant, variants
from petiole import api, units
from petiole.errors import UserError
from petiole.evidence import groups
from petiole.figure_records import Flip, LayerError, Thumbnail
from petiole.records import Machine, Results, to_json
from petiole.report import bundle, compare, flips, inside, labels, overview, provenance
from petiole.report.blocks import Linked, Strip
from petiole.report.pairs import Side


def test_labels_keep_their_distance_and_their_order() -> None:
    wanted = [0.0, 1.0, 2.0, 50.0, 99.0, 100.0]
    places = labels.spread_out(wanted, 15.0, 100.0)
    assert places == [0.0, 15.0, 30.0, 50.0, 85.0, 100.0]
    gaps = [after - before for before, after in pairwise(places)]
    assert min(gaps) >= 15.0


def test_lines_to_labels_do_not_cross() -> None:
    """Far left and low, near and high: by their heights alone the labels' lines would cross."""
    spots = [(0.0, 40.0), (95.0, 35.0), (50.0, 37.0)]
    places = labels.without_crossings(spots, [20.0, 35.0, 50.0], across=100.0)
    assert sorted(places) == [20.0, 35.0, 50.0]
    for (one, its), (other, others) in combinations(zip(spots, places, strict=True), 2):
        start = max(one[0], other[0])  # from there to the labels both lines are drawn
        at_start = [y + (to - y) * (start - x) / (100.0 - x) for (x, y), to in ((one, its), (other, others))]
        assert (at_start[0] < at_start[1]) == (its < others)


def test_the_overview_labels_every_variant() -> None:
    photos = [group for group in groups(variants()) if group.first.dataset == "photos"]
    time, size = overview.overview(photos, "overview")
    for group in photos:
        assert f" {group.label}</text>" in time.svg
        assert f" {group.label}</text>" in size.svg
        kind = "weights zeroed" if "Pruned" in group.name else "whole network"
        kind = "trained from scratch" if group.name == "CNNScratch" else kind
        precision = "float32" if group.engine == "torch" else "int8"
        assert f"{group.label} ({kind}, {precision}) {units.percent(group.accuracy)}" in time.alt
    assert "time of one call on OpenVINO, batch 1, median" in time.caption
    assert "size of the deployed file" in size.caption
    assert ">float32 (hollow)</text>" in time.svg
    assert ">int8 (filled)</text>" in time.svg
    assert "hollow" in time.caption.lower()


def test_flips_show_the_photos_with_both_probabilities() -> None:
    flip = Flip(picture=3, truth="ants", before="ants", before_p=0.91, after="bees", after_p=0.6)
    rows = replaced("CNNPrunedF", flips=[flip, flip.model_copy(update={"picture": 4})])
    picture = Thumbnail(split="test", number=3, path="val/ants/x.jpg", label="ants", file="thumbnails/test-3.jpg")
    run = results(rows, thumbnails=[picture])
    (strip,) = flips.flips(run, groups(run.variants))
    assert isinstance(strip, Strip)
    assert "CNNPrunedF lost 36 and gained 0 test pictures against CNNOptimized" in strip.caption
    assert "1 of 36 are shown" in strip.caption
    (photo,) = strip.photos
    assert photo.lines == ("truly ants", "ants (91%) → bees (60%)")
    assert photo.mark == "lost"
    assert photo.file == "thumbnails/test-3.jpg"


def test_layers_are_shown_in_decibels_and_the_worst_is_named() -> None:
    errors = [
        LayerError(variant="CNNOptimized-static-int8", engine="pt2e", seed=0, layer=layer, error=error)
        for layer, error in (("stem", 0.001), ("head", 0.1))
    ]
    run = results(layer_errors=errors)
    (picture,) = inside.layer_errors(run, groups(run.variants), "x")
    assert "the worst is head with 10.0 dB" in picture.alt  # 10 log10(1 / 0.1)
    assert "16 at most" in picture.caption


def test_sources_lead_below_the_run_directory_only() -> None:
    for path in ("javascript:alert(1)", "/etc/passwd", "../other", "artifacts/../../x", "https://example.org/x"):
        (group,) = groups([variant("CNNScratch", 70, artifact=path, predictions=path)])
        assert isinstance(provenance.file_link(group), str)
        assert isinstance(provenance.accuracy_link(group, "70%"), str)
    (group,) = groups([variant("CNNScratch", 70, predictions="predictions/CNNScratch-seed0.json")])
    assert provenance.accuracy_link(group, "70%") == Linked(text="70%", href="predictions/CNNScratch-seed0.json")


@pytest.mark.parametrize(
    ("text", "value"),
    [(units.bytes(3_561_234), 3.6e6), (units.ms(0.0512), 0.0512), (units.count(412_000), 412_000.0),
     (units.percent(0.9542), 95.4), (units.points(-0.013), -1.3), (units.seconds(372), 372e3), ("1,234", 1234.0),
     (units.times(4.21), 4.2), ("–", None), ("p < 0.001", None)],
)  # fmt: skip
def test_tables_are_sorted_by_the_numbers_that_they_show(text: str, value: float | None) -> None:
    assert units.leading_number(text) == pytest.approx(value)


def stored(folder: Path, run: Results, wrong: dict[str, set[int]]) -> Path:
    """A run directory with predictions of 100 photos, of which those at ``wrong`` are called wrongly."""
    folder.mkdir()
    (folder / "predictions").mkdir()
    rows = []
    for row in run.variants:
        missed = wrong.get(row.name, set())
        predicted = [1 if at in missed else 0 for at in range(100)]
        name = f"predictions/{row.name}-seed0.json"
        (folder / name).write_text(json.dumps({"labels": [0] * 100, "predicted": predicted}), encoding="utf-8")
        judged = variant("x", 100 - len(missed)).accuracy
        rows.append(row.model_copy(update={"predictions": name, "accuracy": judged, "versus_parent": None}))
    run = run.model_copy(update={"variants": rows})
    (folder / "results.json").write_text(to_json(run), encoding="utf-8")
    return folder


def two_runs(tmp_path: Path, *, digest: str = "same", machine: str = "Made-up CPU") -> tuple[Path, Path]:
    names = ("CNNScratch", "CNNOptimized")
    first = results([row for row in variants() if row.name in names], photos_digest="same")
    second = results([row for row in variants() if row.name in (*names, "CNNPrunedF")], photos_digest=digest)
    machine_after = Machine(cpu=machine, isa=["avx_made_up"], cores=2, threads=2, versions={"torch": "0.1"})
    second = second.model_copy(update={"run": second.run.model_copy(update={"machine": machine_after})})
    return (
        stored(tmp_path / "first", first, {"CNNScratch": set(range(30)), "CNNOptimized": {1, 2}}),
        stored(tmp_path / "second", second, {"CNNScratch": set(range(10)), "CNNOptimized": {2, 3}}),
    )


def test_two_runs_are_compared_picture_by_picture(tmp_path: Path) -> None:
    first, second = two_runs(tmp_path)
    path = api.report(first, second)
    assert path == tmp_path / "first-and-second" / "report.html"
    text = (path.parent / "report.md").read_text(encoding="utf-8")
    # scratch: 20 pictures gained, none lost: p = 2 * 2^-20; optimized: one each
    assert "1 of 2 variants differ in accuracy between first and second" in text
    assert "CNNScratch: +20.0 points (p &lt; 0.001)" in text
    assert "0 / 20, p &lt; 0.001" in text
    assert "1 / 1, p = 1.0" in text
    assert "Only second holds CNNPrunedF" in text
    assert "TIMES CANNOT BE COMPARED" not in text


def test_other_pictures_are_not_paired_and_other_machines_not_compared(tmp_path: Path) -> None:
    first, second = two_runs(tmp_path, digest="another", machine="Another CPU")
    text = (api.report(first, second, out=tmp_path / "out").parent / "report.md").read_text(encoding="utf-8")
    assert "TIMES CANNOT BE COMPARED: processor Made-up CPU and Another CPU" in text
    assert "not paired: other data" in text
    assert "p &lt; 0.001" not in text
    # Newcombe's interval of 70 and 90 in 100, from Wilson's (60.4-78.1% and 82.6-94.5%):
    # 20 - sqrt((90 - 82.6)^2 + (78.1 - 70)^2) = 9.0, 20 + sqrt((94.5 - 90)^2 + (70 - 60.4)^2) = 30.6
    assert "CNNScratch: +20.0 points (+9.0 points to +30.6 points)" in text
    assert "[90.0% (82.6-94.5%)](<../second/report.html#source-CNNScratch-torch>)" in text


def test_a_comparison_names_what_cannot_be_compared(tmp_path: Path) -> None:
    first, second = two_runs(tmp_path)
    with pytest.raises(UserError, match="named twice"):
        api.report(first, first)
    with pytest.raises(UserError, match="is a run, whose report would be overwritten"):
        api.report(first, second, out=first)
    with pytest.raises(UserError, match="--out is for a comparison"):
        api.report(first, out=tmp_path / "out")
    with pytest.raises(UserError, match=r"no results\.json in"):
        api.report(first, tmp_path)


def test_runs_of_one_name_are_told_apart_and_a_run_may_be_compared_with_its_copy(tmp_path: Path) -> None:
    first, _ = two_runs(tmp_path)
    here, there = (Path(shutil.copytree(first, tmp_path / name / "runs" / "lab")) for name in ("here", "there"))
    text = (api.report(here, there, out=tmp_path / "out").parent / "report.md").read_text(encoding="utf-8")
    assert "# here/runs/lab and there/runs/lab compared" in text
    assert "0 of 2 variants differ in accuracy" in text
    assert text.count("0 / 0, p = 1.0") == 2


def test_damaged_or_missing_predictions_are_told(tmp_path: Path) -> None:
    first, second = two_runs(tmp_path)
    (first / "predictions/CNNScratch-seed0.json").unlink()
    text = (api.report(first, second, out=tmp_path / "out").parent / "report.md").read_text(encoding="utf-8")
    assert text.count("not paired: predictions not there") == 1
    (first / "predictions/CNNScratch-seed0.json").write_text("[", encoding="utf-8")
    with pytest.raises(UserError, match=r"CNNScratch-seed0\.json is damaged"):
        api.report(first, second, out=tmp_path / "out")


def test_seeds_are_averaged_and_not_added_up(tmp_path: Path) -> None:
    sides = []
    for name, wrongs in (("first", ({1, 2}, {1, 2})), ("second", ({1}, {1, 3}))):
        run = results([variant("CNNScratch", 98, seed=seed) for seed in (0, 1)], photos_digest="same")
        (tmp_path / name / "predictions").mkdir(parents=True)
        rows = []
        for row, wrong in zip(run.variants, wrongs, strict=True):
            path = f"predictions/{row.seed}.json"
            called = {"labels": [0] * 100, "predicted": [int(at in wrong) for at in range(100)]}
            (tmp_path / name / path).write_text(json.dumps(called), encoding="utf-8")
            rows.append(row.model_copy(update={"predictions": path}))
        sides.append(Side(name=name, folder=tmp_path / name, results=run.model_copy(update={"variants": rows})))
    (table,) = compare.page(sides[0], sides[1], tmp_path / "out").tables
    # gained: picture 2 with both seeds; lost: picture 3 with the second: +1 and 0 of 100, the mean is half a point
    assert str(table.rows[0][3]).startswith("+0.5 (")
    assert table.rows[0][4] == "1 / 2, p = 1.0"


def test_runs_without_a_common_variant_say_so(tmp_path: Path) -> None:
    sides = [Side(name=name, folder=tmp_path, results=results([variant(name, 90)])) for name in ("OddNet", "EvenNet")]
    page = compare.page(sides[0], sides[1], tmp_path / "out")
    assert page.findings == ("The two runs have no variant in common.",)
    assert page.pictures == ()


@pytest.mark.parametrize("weights", [False, True])
def test_the_hand_in_holds_report_records_and_source(tmp_path: Path, weights: bool) -> None:
    run, records = tmp_path / "first", results([variant("CNNScratch", 70, predictions="predictions/p.json")])
    for name in ("report.html", "results.json", "Readme.txt", "charts/a.svg", "predictions/p.json", "state/s.json",
                 "artifacts/CNNScratch/artifact.json", "artifacts/CNNScratch/model.onnx", ".hidden.tmp",
                 "predictions/of-an-earlier-run.json"):  # fmt: skip
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name, encoding="utf-8")
    path = bundle.write_bundle(run, records, weights=weights)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert archive.read("first/charts/a.svg") == b"charts/a.svg"
        assert archive.testzip() is None
    assert {"first/report.html", "first/results.json", "first/Readme.txt", "first/predictions/p.json"} <= set(names)
    assert {"first/source/src/petiole/cli.py", "first/source/src/petiole/report/report.html"} <= set(names)
    assert ("first/artifacts/CNNScratch/model.onnx" in names) is weights
    assert "first/artifacts/CNNScratch/artifact.json" in names
    unwanted = ("state/", "hidden", "__pycache__", "of-an-earlier-run")
    assert not [name for name in names if any(part in name for part in unwanted)]
    first = path.read_bytes()
    assert bundle.write_bundle(run, records, weights=weights).read_bytes() == first, "the same each time"


def test_photos_of_foreign_records_are_shown_from_the_run_directory_only() -> None:
    pictures = [
        Thumbnail(split="train", number=at, path="x", label="ants", file=file, sample=True)
        for at, file in enumerate(("thumbnails/train-0.jpg", "/etc/passwd", "../x.jpg", "x) <img src=x onerror=y>"))
    ]
    (strip,) = flips.samples(results(thumbnails=pictures))
    assert isinstance(strip, Strip)
    assert [photo.file for photo in strip.photos] == ["thumbnails/train-0.jpg"]
