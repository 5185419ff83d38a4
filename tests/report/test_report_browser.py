"""The report in a real browser: nothing is missing, nothing sticks out, tables sort, with and without scripts."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

from fabricated import replaced, results, variant, variants, versus
from petiole.data.thumbnail import encode
from petiole.figure_records import Flip, Histogram, LayerError, Thumbnail
from petiole.lab.answers import answer
from petiole.records import Failure, Results
from petiole.report.html import write_comparison, write_report
from petiole.report.pairs import Side
from petiole.writing import write_atomic

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"  # what CI keeps, for people to look at
Scheme = Literal["light", "dark"]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
CUT_OFF = """[...document.querySelectorAll("svg text")].filter(text => {
  const svg = text.ownerSVGElement.getBoundingClientRect(), box = text.getBoundingClientRect();
  return box.width > 0 && (box.left < svg.left - 1 || box.right > svg.right + 1)}).map(text => text.textContent)"""
"""Labels that are wider here than they were thought to be."""
A4_PX, PAPER_PX, PX_TO_PT = 794, 688, 0.75  # a sheet, what its margins of 14 mm leave of it, and a pixel in points


def with_pictures(directory: Path) -> Results:
    """The made-up run with photos, flips, weights and layers, one failure and a banner."""
    thumbnails = []
    for number in range(3):
        file = f"thumbnails/test-{number}.jpg"
        write_atomic(directory / file, encode(torch.full((3, 60, 90), 60 * number, dtype=torch.uint8)))
        thumbnails.append(
            Thumbnail(split="test", number=number, path=f"val/ants/{number}.jpg", label="ants", file=file)
        )
        thumbnails.append(thumbnails[-1].model_copy(update={"split": "train", "sample": True}))
    flips = [
        Flip(picture=number, truth="ants", before="ants", before_p=0.9, after="bees", after_p=0.8 - number / 10)
        for number in range(3)
    ]
    histogram = Histogram(low=-1.0, high=1.0, counts=[1, 5, 9, 5, 1], outside=2, zeros=7, levels=255)
    rows = replaced("CNNPrunedF", variants(), flips=flips, histogram=histogram)
    rows = replaced("CNNPrunedGO", rows, baseline="CNNOptimized", versus_baseline=versus(3, 1))
    channels = {"macs": 2500, "latency": rows[0].latency, "baseline": "CNNOptimized", "versus_baseline": versus(2, 1)}
    rows.append(variant("CNNPrunedGO-structured", 95, **channels))
    error = LayerError(variant="CNNOptimized-static-int8", engine="pt2e", seed=0, layer="", error=0.0)
    layers = [error.model_copy(update={"layer": f"blocks.{at}", "error": 0.01 * at}) for at in (1, 2, 3)]
    run = results(
        rows, thumbnails=thumbnails, layer_errors=layers, photos_synthetic=True,
        failures=[Failure(variant="CNNOptimized-qat-int8", why="a made-up reason")],
    )  # fmt: skip
    return run.model_copy(update={"answers": answer(run)})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run")
    return write_report(directory, with_pictures(directory))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        assert "PETIOLE_BROWSER" not in os.environ, "CI needs a browser"
        pytest.skip("no Chromium here")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@dataclass
class Opened:
    """A page, with what its console said and what it asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def opened(browser: Browser, path: Path, size: str, scheme: Scheme, *, scripts: bool = True) -> Opened:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=scripts
    )
    found = Opened(page=context.new_page())

    def heard(message: ConsoleMessage) -> None:
        found.said.append(message.text)

    def failed(error: Error) -> None:
        found.said.append(str(error))

    def asked(request: Request) -> None:
        found.asked.append(request.url)

    found.page.on("console", heard)
    found.page.on("pageerror", failed)
    found.page.on("request", asked)
    found.page.goto(path.as_uri())
    return found


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", sorted(SIZES))
def test_it_is_whole(browser: Browser, report: Path, size: str, scheme: Scheme, scripts: bool) -> None:
    found = opened(browser, report, size, scheme, scripts=scripts)
    page = found.page
    page.screenshot(path=SCREENSHOTS / f"report-{size}-{scheme}{'' if scripts else '-no-scripts'}.png", full_page=True)
    assert found.said == [], "the console is silent"
    assert [url for url in found.asked if not url.startswith("data:")] == [report.as_uri()], "nothing else is loaded"
    assert page.locator("img").count() == 6
    for box in (each.bounding_box() for each in page.locator("img, svg").locator("visible=true").all()):
        assert box is not None
        assert min(box["width"], box["height"]) > 20
    for box in (each.bounding_box() for each in page.locator(".first svg").locator("visible=true").all()):
        assert box is not None
        assert box["x"] + box["width"] <= SIZES[size][0], "the first charts are seen whole"
    assert page.locator(".first svg").locator("visible=true").count() == page.locator(".first figure").count() > 0
    assert page.locator(".banner").first.is_visible()
    assert page.locator("#variants").is_visible()
    if scripts:
        assert page.evaluate(CUT_OFF) == [], "no chart cuts its labels off"
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], "the page does not stick out"
        style = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
        paper, ink = page.locator("body").evaluate(style)
        assert luminance(paper) > luminance(ink) if scheme == "light" else luminance(paper) < luminance(ink)
        assert contrast(paper, ink) > 7, "WCAG's enhanced contrast"
    page.context.close()


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` (WCAG 2.2)."""
    values = np.array([int(each) for each in colour.removeprefix("rgb(").removesuffix(")").split(",")]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_tables_sort_by_value_and_not_by_letters(browser: Browser, report: Path) -> None:
    page = opened(browser, report, "desktop", "light").page
    table = page.locator("table.sortable", has_text="Nonzero").first
    header = table.locator("thead th", has_text="OpenVINO")
    at = table.locator("thead th").all_inner_texts().index(header.inner_text())

    def column() -> list[str]:
        cells = [row.locator("th, td").nth(at).inner_text() for row in table.locator("tbody tr").all()]
        return [cell.split(" / ")[0] for cell in cells]

    before = column()
    assert before != sorted(before, key=float)
    header.click()
    page.wait_for_timeout(50)
    assert column() == sorted(before, key=float) == ["2.00", "2.00", "9.90", *["10.0"] * (len(before) - 3)]
    header.press("Enter")  # by keyboard
    page.wait_for_timeout(50)
    assert column() == sorted(before, key=float, reverse=True)
    assert header.get_attribute("aria-sort") == "descending"
    page.context.close()


TEXT_BOTTOMS = """row => [...row.cells].map(cell => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return Math.round(range.getBoundingClientRect().bottom);
})"""


@pytest.mark.parametrize("size", sorted(SIZES))
def test_headers_stand_on_one_line_and_sorting_does_not_move_them(browser: Browser, report: Path, size: str) -> None:
    page = opened(browser, report, size, "light").page
    tables = page.locator("table.sortable")
    assert page.locator("table:not(.sortable)").evaluate_all("all => all.every(table => table.rows.length <= 2)")
    for row in page.locator("thead tr").all():
        assert len(set(row.evaluate(TEXT_BOTTOMS))) == 1
    width_height = "e => [e.offsetWidth, e.offsetHeight]"
    before = tables.first.evaluate(width_height)
    tables.first.locator("thead th").nth(1).click()
    page.wait_for_timeout(50)
    assert page.locator("th[aria-sort]").count() == 1
    assert tables.first.evaluate(width_height) == before
    names = page.locator("tbody th")
    assert names.count() == page.locator("tbody tr").count()
    assert names.evaluate_all("all => all.every(th => th.tabIndex === -1 && !th.hasAttribute('aria-label'))")
    page.context.close()


def test_wide_tables_say_so_and_links_are_dotted(browser: Browser, report: Path) -> None:
    for scheme in ("light", "dark"):
        page = opened(browser, report, "phone", scheme).page
        scroll = page.locator("#variants ~ figure .scroll").first
        assert scroll.evaluate("e => e.scrollWidth > e.clientWidth")
        attachment = scroll.evaluate("e => getComputedStyle(e).backgroundAttachment")
        assert attachment == "local, local, scroll, scroll", "paper moves along, shadows stay at the edges"
        link = page.locator("td a.source").first
        line = "e => (style => [style.textDecorationLine, style.textDecorationStyle])(getComputedStyle(e))"
        assert link.evaluate(line) == ["underline", "dotted"]
        colour = link.evaluate("e => getComputedStyle(e).textDecorationColor")
        assert contrast(colour, page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")) > 2
        page.emulate_media(media="print")
        assert link.evaluate(line)[0] == "none"
        page.context.close()


def test_each_matrix_has_its_axis_below_it(browser: Browser, tmp_path: Path) -> None:
    rows = [
        row.model_copy(update={"accuracy": row.accuracy.model_copy(update={"confusion": [[40, 10], [20, 30]]})})
        for row in variants()
    ]
    report = write_report(tmp_path, results(rows))
    for size, most in (("desktop", 5), ("phone", 3)):
        page = opened(browser, report, size, "light").page
        svgs = page.locator("svg[aria-label^='Confusion']").locator("visible=true")
        assert svgs.count() > 0
        for svg in svgs.all():
            axes = [box for each in svg.get_by_text("predicted").all() if (box := each.bounding_box())]
            assert len(axes) == (svg.get_attribute("aria-label") or "").count(" wrong")
            beside = Counter(round(box["y"]) for box in axes)
            assert max(beside.values()) <= most
            box = svg.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= SIZES[size][0], "seen whole"
        page.context.close()


def test_commands_are_shown_as_such_and_break_between_words(browser: Browser, tmp_path: Path) -> None:
    command = "petiole lab --data '<b>a&b</b>' --author \"`x`\" --offline" + " --no-such-option" * 9
    run = with_pictures(tmp_path)
    run = run.model_copy(update={"run": run.run.model_copy(update={"command": command})})
    page = opened(browser, write_report(tmp_path, run), "phone", "light").page
    assert page.locator(".facts code").inner_text() == command
    for words in (page.locator(".facts code span"), page.locator("td code span")):
        assert words.count() > 9
        assert words.evaluate_all("all => Math.max(...all.map(e => e.getBoundingClientRect().height))") < 30, "a line"
    page.context.close()


def test_on_paper_nothing_sticks_out_and_numbers_keep_their_units(browser: Browser, report: Path) -> None:
    page = opened(browser, report, "desktop", "light").page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER_PX, "height": 1017})
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER_PX
    right = "all => Math.max(...all.map(e => e.getBoundingClientRect().right))"
    assert page.locator("table, svg").locator("visible=true").evaluate_all(right) <= PAPER_PX
    bottom = "all => all.map(e => e.getBoundingClientRect().bottom)"
    first, second = page.locator(".first svg").locator("visible=true").evaluate_all(bottom)
    assert max(first, second) < 1017, "both charts are on the first page"
    pieces = page.locator("td.n span")
    assert "10.0 / 10.2" in pieces.all_inner_texts()
    assert pieces.evaluate_all("all => all.every(e => e.getClientRects().length === 1)")
    page.set_viewport_size({"width": 300, "height": 1017})  # where no two pieces have room beside each other
    assert pieces.evaluate_all("all => all.every(e => e.getClientRects().length === 1)")
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    (SCREENSHOTS / "report.pdf").write_bytes(printed)
    page.context.close()


def test_on_paper_sizes_descend_and_small_print_is_read(browser: Browser, report: Path) -> None:
    page = opened(browser, report, "desktop", "light").page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER_PX, "height": 1017})
    size = "e => parseFloat(getComputedStyle(e).fontSize)"
    order = ("h1", "h2", "main li", ".further li", "figcaption", "td")
    sizes_pt = [page.locator(each).first.evaluate(size) * PX_TO_PT for each in order]
    assert sizes_pt == sorted(sizes_pt, reverse=True)
    assert 9 <= sizes_pt[2] <= 11
    assert sizes_pt[-1] >= 6.5
    drawn = """all => all.map(e => {
        const to = e.getScreenCTM();
        return parseFloat(e.getAttribute("font-size")) * Math.hypot(to.a, to.b);
    })"""
    labels = page.locator(".first svg text").locator("visible=true").evaluate_all(drawn)
    assert min(labels) * PX_TO_PT >= 6, "two charts side by side, for both belong on the first page"
    page.context.close()


def test_a_comparison_is_whole_too(browser: Browser, tmp_path: Path) -> None:
    sides = [Side(name=name, folder=tmp_path, results=results()) for name in ("alexnet", "resnet18")]
    found = opened(browser, write_comparison(tmp_path / "out", *sides), "phone", "dark")
    found.page.screenshot(path=SCREENSHOTS / "comparison-phone-dark.png", full_page=True)
    assert found.said == []
    assert found.page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"][0]
    found.page.context.close()
