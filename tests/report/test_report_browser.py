"""The report in a real browser: nothing is missing, nothing sticks out, tables sort, with and without scripts."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

from fabricated import replaced, results, variants
from petiole.data.thumbnail import encode
from petiole.figure_records import Flip, Histogram, LayerError, Thumbnail
from petiole.lab.answers import answer
from petiole.records import Failure, Results
from petiole.report.html import write_comparison, write_report
from petiole.report.pairs import Side
from petiole.rundir import write_atomic

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
"""What CI keeps, for people to look at."""
Scheme = Literal["light", "dark"]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
A4_PX = 794


def with_pictures(directory: Path) -> Results:
    """The made-up run with photos, flips, weights and layers, one failure and a banner."""
    thumbnails = []
    for number in range(3):
        shade = torch.full((3, 60, 90), 60 * number, dtype=torch.uint8)
        file = f"thumbnails/test-{number}.jpg"
        write_atomic(directory / file, encode(shade))
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
    layers = [
        LayerError(variant="CNNOptimized-static-int8", engine="pt2e", seed=0, layer=f"blocks.{at}", error=0.01 * at)
        for at in (1, 2, 3)
    ]
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
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"report-{size}-{scheme}{'' if scripts else '-no-scripts'}.png", full_page=True)
    assert found.said == [], "the console is silent"
    assert [url for url in found.asked if not url.startswith("data:")] == [report.as_uri()], "nothing else is loaded"
    assert page.locator("img").count() == 6
    for box in (each.bounding_box() for each in page.locator("img, svg").locator("visible=true").all()):
        assert box is not None
        assert box["width"] > 20
        assert box["height"] > 20
    for box in (each.bounding_box() for each in page.locator(".first svg").locator("visible=true").all()):
        assert box is not None
        assert box["x"] + box["width"] <= SIZES[size][0], "the first charts are seen whole"
    assert page.locator(".first svg").locator("visible=true").count() == page.locator(".first figure").count() > 0
    assert page.locator(".banner").first.is_visible()
    assert page.locator("#variants").is_visible()
    if scripts:
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
        return [cell.split(" ms")[0] for cell in cells]

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


def test_on_paper_nothing_sticks_out(browser: Browser, report: Path) -> None:
    page = opened(browser, report, "desktop", "light").page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4_PX, "height": 1123})
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_PX
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    (SCREENSHOTS / "report.pdf").write_bytes(printed)
    page.context.close()


def test_a_comparison_is_whole_too(browser: Browser, tmp_path: Path) -> None:
    sides = [Side(name=name, folder=tmp_path, results=results()) for name in ("alexnet", "resnet18")]
    found = opened(browser, write_comparison(tmp_path / "out", *sides), "phone", "dark")
    found.page.screenshot(path=SCREENSHOTS / "comparison-phone-dark.png", full_page=True)
    assert found.said == []
    assert found.page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"][0]
    found.page.context.close()
