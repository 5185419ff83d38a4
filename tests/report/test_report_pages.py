"""HTML and Markdown of a made-up run: complete, self-contained, escaped, and the same in both."""

import html
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from altair.utils import schemapi

from fabricated import replaced, results, train, variant, variants
from parsed import Page
from petiole.errors import UserError
from petiole.lab.answers import answer
from petiole.records import Failure, Results, read_results, to_json
from petiole.report.html import write_report
from petiole.report.markdown import escape


@pytest.fixture(autouse=True, scope="module")
def _charts_are_validated() -> Iterator[None]:
    """While they are tested, against their schema."""
    schemapi.enable_debug_mode()
    yield
    schemapi.disable_debug_mode()


HOSTILE = "<script>alert(1)</script> | *a* `b`"


def answered(run: Results) -> Results:
    return run.model_copy(update={"answers": answer(run)})


def written(directory: Path, **changes: Any) -> tuple[Page, str]:
    path = write_report(directory, answered(results(**changes)))
    assert path == directory / "report.html"
    return Page(path.read_text(encoding="utf-8")), (directory / "report.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str, Path]:
    directory = tmp_path_factory.mktemp("run")
    failures = [Failure(variant="quantization", why="a made-up layer stayed float", seed=7)]
    page, markdown = written(directory, failures=failures)
    return page, markdown, directory


def markdown_rows(text: str) -> Iterator[tuple[str, ...]]:
    for line in text.splitlines():
        if line.startswith("| ") and not re.fullmatch(r"[|\s:-]+", line):
            plain = re.sub(r'<a id="[\w-]+"></a>', "", re.sub(r"(?<!\\)\[(.*?)(?<!\\)\]\(<.*?>\)", r"\1", line))
            cells = re.split(r"(?<!\\)\|", plain)[1:-1]
            yield tuple(html.unescape(re.sub(r"\\(.)", r"\1", cell.strip())) for cell in cells)


def test_the_page_loads_nothing(pages: tuple[Page, str, Path]) -> None:
    page, _, directory = pages
    text = (directory / "report.html").read_text(encoding="utf-8")
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "iframe", "object", "base"})
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [{}, {}], "ours, inside the page"
    for tag, attributes in page.tags:
        for name in ("src", "xlink:href", "action", "data"):
            assert (attributes.get(name) or "#").startswith("data:image/jpeg;base64," if tag == "img" else "#")
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) <= {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
    }  # fmt: skip


def test_links_lead_somewhere_and_ids_are_unique(pages: tuple[Page, str, Path]) -> None:
    ids = [attributes["id"] for _, attributes in pages[0].tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {href for _, attributes in pages[0].tags if (href := attributes.get("href"))}
    inside = {href for href in targets if href.startswith("#")}
    assert inside == {f"#{name}" for name in ids if f"#{name}" in inside}
    assert targets - inside == {
        "results.json",
        *(f"artifacts/{row.name}/" for row in variants() if row.artifact),
        *(f"artifacts/{row.name}/model.onnx" for row in variants() if row.artifact),
    }
    assert {"#3.1", "#3.2", "#3.3", "#3.4.2-demos", "#3.4.2", "#3.4.3", "#appendix"} <= targets


def test_every_number_of_every_table_leads_to_where_it_comes_from(pages: tuple[Page, str, Path]) -> None:
    page, markdown, _ = pages
    assert page.unlinked == []
    # a number of a variant leads to its files, which lead to the command of its stage
    hrefs = [attributes.get("href") for tag, attributes in page.tags if tag == "a"]
    assert hrefs.count("#source-CNNPrunedF-torch") > 20
    assert "#command-pruning" in hrefs
    again = ("pruning", "petiole lab --stages pruning --out runs/again-pruning")
    assert again in page.rows
    assert '<a id="command-pruning"></a>' in markdown
    assert "[CNNPrunedF](<#source-CNNPrunedF-torch>)" in markdown


def test_names_in_the_prose_lead_to_their_files(pages: tuple[Page, str, Path]) -> None:
    text = (pages[2] / "report.html").read_text(encoding="utf-8")
    findings = text[text.index('id="findings"') : text.index('aria-label="Chapters"')]
    assert '<a href="#source-CNNOptimized-torch">CNNOptimized</a>' in findings


def test_both_schemes_print_and_phones_are_provided_for(pages: tuple[Page, str, Path]) -> None:
    text = (pages[2] / "report.html").read_text(encoding="utf-8")
    for part in ("prefers-color-scheme: dark", "@media print", "max-width: 40rem", 'name="viewport"'):
        assert part in text


def test_every_variant_has_its_row_with_all_its_numbers(pages: tuple[Page, str, Path]) -> None:
    first = {row[0]: row for row in reversed(pages[0].rows)}
    assert first["CNNPrunedF"] == (
        "CNNPrunedF", "60.0% (50.2-69.1%)", "CNNOptimized", "-36.0 (-45.8 to -27.3)", "36 / 0, p < 0.001", "2,000",
        "1,400", "5,000", "8.0 kB", "10.0 / 10.2", "20.0 / 20.2",
    )  # fmt: skip
    assert ("CNNPrunedF", "30.0%") in pages[0].rows, "its gate"
    labels = {row.name if row.engine == "torch" else f"{row.name} ({row.engine})" for row in variants()}
    assert labels <= set(first)


def test_markdown_has_the_same_tables(pages: tuple[Page, str, Path]) -> None:
    page, markdown, _ = pages
    assert list(markdown_rows(markdown)) == page.rows
    assert len(page.rows) > 60


def test_markdown_has_the_same_pictures_with_the_same_words(pages: tuple[Page, str, Path]) -> None:
    page, markdown, directory = pages
    svgs = [attributes for tag, attributes in page.tags if tag == "svg"]
    narrow = [at for at, (tag, attributes) in enumerate(page.tags) if attributes.get("class") == "narrow"]
    on_phones = [page.tags[at + 1][1] for at in narrow]  # the same again, for those
    alts = [attributes["aria-label"] for attributes in svgs if not any(attributes is each for each in on_phones)]
    assert len(alts) == len(svgs) - len(narrow)
    links = re.findall(r"^!\[(.+)\]\((charts/[\w-]+\.svg)\)$", markdown, re.MULTILINE)
    assert [escape(alt or "") for alt in alts] == [alt for alt, _ in links]
    assert len(alts) >= 10
    for _, link in links:
        root = ElementTree.fromstring((directory / link).read_text(encoding="utf-8"))
        assert root.tag.endswith("svg")
        assert "color:" in root.attrib["style"]
        assert root.attrib["aria-label"]


def test_questions_answers_and_how_it_was_done_are_in_both(pages: tuple[Page, str, Path]) -> None:
    page, markdown, _ = pages
    found = answer(results())
    assert len(found) == 6
    for each in found[:4]:
        assert each.answer in page.shown
        assert escape(each.answer) in " ".join(markdown.split("\n\n")), "in paragraphs"
    for text in ("how CNNScratch was made", "made-up recipe", "aten::madeup", "it is no photo", "Ada, Bo"):
        assert text in page.shown
        assert text in markdown


def test_failures_are_on_the_first_page_and_in_their_chapter(pages: tuple[Page, str, Path]) -> None:
    page, markdown, _ = pages
    shown = page.shown
    line = "quantization (seed 7) failed: a made-up layer stayed float"
    assert shown.index(line) < shown.index("Key findings")
    assert shown.count(line) == 2
    assert shown.rindex(line) > shown.rindex("3.4.2 Static quantization")
    assert markdown.count("a made-up layer stayed float") == 3  # and in the answer


def test_findings_name_best_smallest_and_fastest(pages: tuple[Page, str, Path]) -> None:
    shown = pages[0].shown
    assert "Highest accuracy on the 100 test photos: CNNOptimized, 96.0%" in shown
    assert "Of 8 paired comparisons with a parent on the test photos, 4 show a difference" in shown
    assert "Smallest deployed file for the test digits: LeNet-static-int8 (pt2e), 2.0 kB" in shown
    assert (
        "CNNOptimized-static-int8 (pt2e) on OpenVINO, 2.00 ms (1.90-2.10) (median, middle half of the calls)" in shown
    )
    assert (
        "Others whose middle halves overlap with its own, each on its fastest runtime: "
        "CNNOptimized-qat-int8 (pt2e) on OpenVINO, 2.00 ms "
        "(1.90-2.10)" in shown
    )


def banners(page: Page) -> list[str]:
    return [tag for tag, attributes in page.tags if attributes.get("class") == "banner"]


def test_real_data_has_no_banner(pages: tuple[Page, str, Path]) -> None:
    assert banners(pages[0]) == []
    assert "SYNTHETIC" not in pages[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"photos_synthetic": True}, "SYNTHETIC PHOTOS"),
        ({"run_weights": "random"}, "RANDOM WEIGHTS"),
        ({"variants": replaced("CNNOptimized", weights="random")}, "RANDOM WEIGHTS"),
    ],
)
def test_synthetic_photos_and_random_weights_have_a_banner(tmp_path: Path, changes: Any, words: str) -> None:
    page, markdown = written(tmp_path, **changes)
    assert len(banners(page)) == 1
    assert page.shown.index(words) < page.shown.index("Key findings")
    assert f"> **{words}" in markdown


def test_hostile_text_is_shown_and_not_run(tmp_path: Path) -> None:
    rows = [*replaced("CNNScratch", how=HOSTILE, gates={HOSTILE: HOSTILE}), variant(HOSTILE, 50)]
    page, markdown = written(
        tmp_path, variants=rows, run_authors=[HOSTILE], run_command=HOSTILE, photos_source=HOSTILE,
        failures=[Failure(variant=HOSTILE, why=HOSTILE)],
    )  # fmt: skip
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [{}, {}], "none but ours"
    assert page.shown.count(HOSTILE) >= 6
    assert "<script" not in markdown
    assert list(markdown_rows(markdown)) == page.rows


def test_a_variant_of_no_known_name_is_not_lost(tmp_path: Path) -> None:
    page, _ = written(tmp_path, variants=[variant("OddNet", 50), variant("CNNPrunedG-structured", 60)])
    assert "Other networks" in page.shown
    assert [row[0] for row in page.rows].count("OddNet") >= 2
    assert page.shown.index("how CNNPrunedG-structured was made") < page.shown.rindex("Other networks")


def test_an_empty_run_is_a_page_that_says_so(tmp_path: Path) -> None:
    page, markdown = written(tmp_path, variants=[], demos={}, curves=[], run_authors=[])
    assert page.shown.count("This run holds no network of this section") == 5
    assert "This run holds no demos" in page.shown
    assert "--author NAME" in markdown


def test_several_seeds_show_mean_t_interval_and_how_many(tmp_path: Path) -> None:
    rows = [variant("CNNScratch", correct, seed=seed, latency=[]) for seed, correct in enumerate((90, 92, 94))]
    page, _ = written(tmp_path, variants=rows[:3], run_seeds=[0, 1, 2, 3])
    first = next(row for row in page.rows if row[0] == "CNNScratch")
    # t: 0.92 +- 4.303 * 0.02 / sqrt(3), 87.0 to 97.0; Wilson's of 92 in 100: 85.0 to 95.9
    assert first[1] == "92.0% (85.0-97.0%)"
    assert first[-1] == "3 of 4, t 87.0-97.0%"
    assert "mean over 3 seeds; its interval covers the Wilson 95% interval" in page.shown


def test_the_same_records_give_the_same_page_also_when_read_back(tmp_path: Path) -> None:
    run = answered(results())
    (tmp_path / "results.json").write_text(to_json(run), encoding="utf-8")
    first = write_report(tmp_path, run).read_bytes()
    assert write_report(tmp_path, read_results(tmp_path)).read_bytes() == first


def test_a_place_that_cannot_be_written_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write"):
        write_report(tmp_path / "file", results([], demos={}, curves=[]))


def test_with_several_seeds_each_has_its_files(tmp_path: Path) -> None:
    rows = [
        variant("CNNScratch", 90 + seed, seed=seed, train=train(), predictions=f"predictions/{seed}.json")
        for seed in (0, 1)
    ]
    written(tmp_path, variants=rows, run_seeds=[0, 1])
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for seed in (0, 1):
        assert f'href="predictions/{seed}.json"' in text
        assert f">variants[{seed}]<" in text
    assert re.search(r'href="#source-CNNScratch-torch-seed1"[^>]*>CNNScratch, seed 1<', text), "its training"
    assert re.search(r'href="#source-CNNScratch-torch"[^>]*><span>90.5%</span>', text), (
        "the mean leads to the files of both"
    )


def test_findings_are_told_once_and_every_command_leads_somewhere(tmp_path: Path) -> None:
    page, _ = written(tmp_path, variants=[variant("CNNScratch", 90)], run_command="petiole lab")
    assert page.shown.count("Highest accuracy on the 100 test photos") == 1
    page, _ = written(tmp_path, variants=[], run_command="petiole lab --stages demos")
    ids = {f"#{attributes['id']}" for _, attributes in page.tags if "id" in attributes}
    assert {href for _, one in page.tags if (href := one.get("href") or "").startswith("#")} <= ids
