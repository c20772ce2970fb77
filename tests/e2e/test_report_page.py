"""The report of german_credit in a real browser: it loads nothing, fits every screen, and prints."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest

from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.read import read_table
from synthcredit.datasets.split import split_rows
from synthcredit.evidence.assess import assess
from synthcredit.evidence.gate import Gate, judge
from synthcredit.evidence.report import ReportContext, write_report
from synthcredit.jobs.job import now
from synthcredit.packages import versions
from synthcredit.synthesizers.settings import TreesSettings
from synthcredit.synthesizers.trees import TreesSynthesizer

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: it drives the browser")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ROOT = Path(__file__).parents[2]
SPACE = 1
"""Pixels that a browser may round by."""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    path = ROOT / "data" / "german_credit.csv"
    schema = detect_schema(path, target="creditability").schema
    split, train, holdout = split_rows(read_table(path, schema))
    model = TreesSynthesizer(TreesSettings()).fit(train, schema, seed=0)
    made = pa.Table.from_batches(list(model.sample(1_000, 0)))
    evidence = assess(made, train, holdout, schema, seed=0, rows_released=made.num_rows)
    context = ReportContext(
        job_id="browser", dataset=path.name, synthesizer="trees", model_id="m", rows=made.num_rows, seed=0,
        created_at=now(), licence="Apache-2.0", split=split.describe(), packages=versions(),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, evidence, judge(evidence, Gate()), context, made, train, holdout, schema)
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed (looked for {', '.join(BROWSERS)})")
    with playwright.sync_playwright() as driver:
        # A container's root has no sandbox to use; elsewhere it stays on.
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        opened = driver.chromium.launch(executable_path=found, chromium_sandbox=not root)
        yield opened
        opened.close()


@dataclass
class Opened:
    """A page, and what it did while it loaded."""

    page: playwright.Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def opened(browser: playwright.Browser, report: Path, width: int) -> Opened:
    context = browser.new_context(viewport={"width": width, "height": 900})
    seen = Opened(context.new_page())
    seen.page.on("console", lambda message: seen.errors.append(message.text))
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.goto(report.as_uri(), wait_until="load")
    return seen


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_whole_on_a_screen_and_on_a_phone(browser, report, tmp_path, width):
    seen = opened(browser, report, width)
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [report.as_uri()]
    widths = seen.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1] + SPACE
    images = seen.page.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth])")
    assert len(images) > 40
    assert all(complete and wide > 0 for complete, wide in images)
    seen.page.screenshot(path=tmp_path / f"{width}.png", full_page=True)
    assert (tmp_path / f"{width}.png").stat().st_size > 100_000
    seen.page.context.close()


def test_verdict_and_scores_stand_on_the_first_screen(browser, report):
    seen = opened(browser, report, 1280)
    for name in ("verdict", "scores"):
        box = seen.page.locator(f"#{name}").bounding_box()
        assert box["y"] + box["height"] < 900
    grades = seen.page.locator(".score .points").all_inner_texts()
    assert len(grades) == 2
    assert all("of 100" in text or "Not judged" in text for text in grades)
    seen.page.context.close()


def test_no_text_is_cut_off_by_its_box(browser, report):
    seen = opened(browser, report, 390)
    cut = seen.page.evaluate(
        """[...document.querySelectorAll("h1, h2, h3, h4, p, li, dd")]
           .filter(element => element.scrollWidth > element.clientWidth + 1)
           .map(element => element.textContent.trim().slice(0, 60))"""
    )
    assert cut == []
    seen.page.context.close()


def test_contents_lead_to_their_chapters(browser, report):
    seen = opened(browser, report, 1280)
    seen.page.locator(".contents a", has_text="Privacy").click()
    box = seen.page.locator("#privacy").bounding_box()
    assert -5 <= box["y"] < 300
    seen.page.context.close()


def test_it_prints(browser, report, tmp_path):
    seen = opened(browser, report, 1280)
    path = tmp_path / "report.pdf"
    seen.page.pdf(path=path, prefer_css_page_size=True)
    raw = path.read_bytes()
    assert raw.startswith(b"%PDF-")
    pages = raw.count(b"/Type /Page\n") + raw.count(b"/Type /Page ") + raw.count(b"/Type/Page/")
    assert 5 < pages < 60
    # A4, in points.
    assert b"/MediaBox [0 0 594" in raw or b"/MediaBox [0 0 595" in raw
    seen.page.context.close()
