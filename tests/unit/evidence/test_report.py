import base64
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthcredit.evidence import pictures, report
from synthcredit.evidence.assess import assess
from synthcredit.evidence.formatting import show_cell, show_figure, show_interval
from synthcredit.evidence.gate import Gate, judge
from synthcredit.evidence.model import About, Detail, Evidence, Figure, Grade, Level, Measure, Score, ScorePart, Unit
from synthcredit.evidence.report import ReportContext, write_report

CONTEXT = ReportContext(
    job_id="3f2a9c01d7b8",
    dataset="german <credit>.csv",
    synthesizer="trees",
    model_id="m-1",
    rows=300,
    seed=7,
    created_at=datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
    licence="CC BY 4.0",
    split="30 % of rows, seed 42",
    packages={"numpy": "2.4.6"},
    notices=("Column 'x' looks like <b>.",),
    seconds={"train": 4.2},
)


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def pictures(self) -> str:
        sources = [attrs["src"] for tag, attrs in self.tags if tag == "img"]
        return "".join(base64.b64decode(source.split(",")[1]).decode() for source in sources)


def assessed(tables, synthetic, train, holdout, schema, level=Level.BASIC):
    """Assess; basic evidence is quick."""
    made = [tables.table_of(frame, schema) for frame in (synthetic, train, holdout)]
    return assess(*made, schema, seed=1, rows_released=len(synthetic), level=level), made, schema


def paged(folder: Path, evidence, made, schema, context=CONTEXT, **changes) -> Page:
    evidence = evidence.model_copy(update=changes)
    write_report(folder, evidence, judge(evidence, Gate()), context, *made, schema)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def german(tables):
    frame = tables.german()
    return tables.schema_of(frame, "creditability"), *tables.three_ways(frame)


@pytest.fixture(scope="module")
def basic(tables, german):
    schema, train, holdout, fresh = german
    return assessed(tables, fresh, train, holdout, schema)


@pytest.fixture(scope="module")
def page(tables, german, tmp_path_factory) -> tuple[Page, Path]:
    schema, train, holdout, fresh = german
    folder = tmp_path_factory.mktemp("report")
    return paged(folder, *assessed(tables, fresh, train, holdout, schema, Level.STANDARD)), folder


def test_the_verdict_comes_first(page):
    text = page[0].text
    order = ("The gate is", "Two scores", "Reasons for the verdict", "In plain words", "Contents", "Columns, the least")
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_contents_lead_to_every_chapter(page):
    tags = page[0].tags
    anchors = [attrs["href"] for tag, attrs in tags if tag == "a"]
    ids = [f"#{attrs['id']}" for tag, attrs in tags if tag == "h2"]
    assert set(anchors) == set(ids) - {"#scores", "#reasons", "#words"}
    assert len(ids) == len(set(ids))


def test_it_is_one_offline_file_without_script(page):
    parsed, folder = page
    size = (folder / "report.html").stat().st_size
    assert size < 2_000_000
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in parsed.tags}
    for tag, attrs in parsed.tags:
        assert not [name for name in attrs if name.startswith("on")], tag
        assert attrs.get("href", "#").startswith("#")
        if tag == "img":
            assert attrs["src"].startswith("data:image/svg+xml;base64,")
            assert attrs["alt"]
    policy = next(attrs["content"] for tag, attrs in parsed.tags if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org\S+", "", (folder / "report.html").read_text())


def test_every_plot_is_on_the_page_and_a_file(page, german):
    parsed, folder = page
    schema = german[0]
    files = {path.name for path in (folder / "plots").iterdir()}
    distributions = {f"{column.storage_name}_distribution.png" for column in schema.columns}
    assert distributions <= files
    assert {"associations.png", "calibration.png", "default_rate.png", "bad_rate_by_approval.png"} <= files
    assert {"nearest.png", "nearest_tenths.png"} <= files
    pairs = [name for name in files if "_vs_" in name]
    assert 4 <= len(pairs) <= 8
    assert any("creditability" in name for name in pairs)
    assert len([name for name in files if name.startswith("woe_")]) == 6
    # A pair is three images on the page and one file.
    assert sum(tag == "img" for tag, _ in parsed.tags) == len(files) + 2 * len(pairs)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (folder / "plots").iterdir())
    assert all(name in parsed.text.replace(" ", "") for name in schema.names)


def test_every_figure_and_table_is_on_the_page(tables, german, page):
    parsed, _ = page
    for words in ("Detection by gradient boosting", "Population stability index, worst", "Attribute inference risk"):
        assert words in parsed.text
    for words in (
        "Challenger models",
        "Points of the two scorecards",
        "Copied rows by segment",
        "rows are in evidence.json",
    ):
        assert words in parsed.text
    for source in ("Siddiqi", "Esteban", "Lopez-Paz", "Platzer", "Giomi", "Newcombe", "Alaa"):
        assert source in parsed.text
    assert "Further tables" not in parsed.text


def test_worst_columns_come_first(tables, german, tmp_path):
    schema, train, holdout, fresh = german
    parsed = paged(tmp_path, *assessed(tables, fresh.assign(**{"age.in.years": 20}), train, holdout, schema))
    alts = [attrs["alt"] for tag, attrs in parsed.tags if tag == "img"]
    assert alts[0].startswith("Distribution of age.in.years")
    assert "column furthest off is 'age.in.years'" in parsed.text.replace(". ", ".")


def test_provenance_and_notices_are_there_and_escaped(page):
    parsed, folder = page
    text = parsed.text
    for words in ("3f2a9c01d7b8", "m-1", "CC BY 4.0", "30 % of rows, seed 42", "numpy 2.4.6", "train 4.2 s"):
        assert words in text
    raw = (folder / "report.html").read_text()
    assert "german &lt;credit&gt;.csv" in raw
    assert "looks like &lt;b&gt;" in raw


def test_a_failed_gate_says_what_and_what_to_try(tables, german, tmp_path):
    schema, train, holdout, fresh = german
    fresh = fresh.copy()
    fresh.loc[0, "age.in.years"] = 1
    parsed = paged(tmp_path, *assessed(tables, pd.concat([train, fresh], ignore_index=True), train, holdout, schema))
    assert "The gate is not met" in parsed.text
    assert "Failed: " in parsed.text
    assert "validity" in parsed.text[parsed.text.index("Failed: ") :][:80]
    assert "copies" in parsed.text[parsed.text.index("Failed: ") :][:80]
    assert "What to try:" in parsed.text
    assert "✕ fails" in parsed.text


def hostile(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    bad = "<script>alert(1)</script>"
    x = rng.random(rows)
    rare = np.where(np.arange(rows) < 2, f"secret-{seed}", rng.choice([bad, "$\\frac{", "plain"], rows))
    return pd.DataFrame({
        f"{bad}": x,
        "\"><img src=x onerror='alert(2)'>": rare,
        "{{ 7 * 7 }}": np.where(x > rng.random(rows), "yes", "no"),
        "outlier": np.append(x[1:] * 10, 77_123_456.0),
    })  # fmt: skip


@pytest.fixture(scope="module")
def attacked(tables, tmp_path_factory) -> tuple[Page, str]:
    frames = [hostile(300, i) for i in range(3)]
    # The rare real value is in the synthetic table often: even then it must not be named.
    frames[0].iloc[:100, 1] = "secret-1"
    folder = tmp_path_factory.mktemp("attacked")
    schema = tables.schema_of(pd.concat(frames), "{{ 7 * 7 }}")
    parsed = paged(folder, *assessed(tables, *frames, schema))
    return parsed, (folder / "report.html").read_text()


def test_hostile_names_and_categories_stay_text(attacked):
    parsed, raw = attacked
    assert "<script" not in raw
    assert "<script" not in parsed.pictures
    assert "&lt;script&gt;" in raw
    assert "{{ 7 * 7 }}" in parsed.text
    assert not [attrs for _, attrs in parsed.tags if "onerror" in attrs or attrs.get("src") == "x"]


def test_rare_real_values_and_extremes_appear_nowhere(attacked):
    parsed, raw = attacked
    everything = raw + parsed.pictures
    assert "secret" not in everything
    assert "77,123,456" not in everything
    assert "77123456" not in everything
    assert "plain" in parsed.pictures


def test_tables_that_cannot_be_judged_have_a_report_all_the_same(tables, tmp_path):
    frames = [
        pd.DataFrame(
            {
                "empty": pd.Series([None] * 30, dtype=object),
                "same": ["x"] * 30,
                "own": [f"v{i}" for i in range(30)],
                "a": np.random.default_rng(i).random(30),
            }
        )
        for i in range(3)
    ]
    schema = tables.schema_of(pd.concat(frames, ignore_index=True), "same")
    parsed = paged(tmp_path, *assessed(tables, *frames, schema), replace(CONTEXT, seconds={}, notices=()))
    assert "The gate is not met" in parsed.text
    assert "Not judged: " in parsed.text
    assert "Too few real rows have a value here" in parsed.text
    assert "Columns together and their associations are not drawn" in parsed.text
    assert "Could not be judged, and so is neither good nor bad" in parsed.text


def test_wide_tables_draw_the_worst_columns_only(basic, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "MAX_PLOTS", 3)
    monkeypatch.setattr(pictures, "MAX_MAP", 5)
    parsed = paged(tmp_path, *basic)
    files = [path.name for path in (tmp_path / "plots").iterdir()]
    assert sum(name.endswith("_distribution.png") for name in files) == 3
    assert "Not drawn" in parsed.text
    assert "16 more are not drawn" in parsed.text
    assert any("creditability" in name for name in files)


def test_basic_evidence_says_that_it_is_not_for_sharing(basic, tmp_path, page):
    parsed = paged(tmp_path, *basic)
    assert parsed.text.index("Not for sharing.") < parsed.text.index("Two scores")
    assert "Not measured at the basic level" in parsed.text
    assert "Not for sharing" not in page[0].text


def test_the_formal_guarantee_is_told(basic, tmp_path, page):
    assert "Formal guarantee: none. No differential privacy was used" in page[0].text
    context = replace(CONTEXT, guarantee="Differential privacy: unit a row, epsilon 3.")
    parsed = paged(tmp_path, *basic, context)
    assert "Formal guarantee: Differential privacy: unit a row, epsilon 3." in parsed.text
    assert "no epsilon" not in parsed.text


SCORES = (
    Score(
        name="quality", points=41.6, grade=Grade.POOR, reason="As good as its worst part, usefulness.",
        parts=(
            ScorePart(name="usefulness", points=41.6, reason="Anchors."),
            ScorePart(name="validity", points=100, reason="All hold."),
            ScorePart(name="detection", points=None, reason="Not judged: too few rows."),
        ),
    ),
    Score(name="privacy", points=None, grade=None, reason="Too little was judged.",
          parts=(ScorePart(name="copies", points=None, reason="Not judged: nothing."),)),
)  # fmt: skip


def test_scores_show_grade_and_parts_and_what_was_not_judged(basic, tmp_path):
    parsed = paged(tmp_path, *basic, scores=SCORES)
    quality, privacy = parsed.text.split("Two scores")[1].split("Reasons for")[0].split("Privacy", 1)
    assert "42 of 100 Poor" in quality
    assert quality.index("Usefulness") < quality.index("Validity") < quality.index("Detection not judged")
    assert "\N{EN DASH} Not judged" in privacy
    assert "of 100" not in privacy.split("A score is")[0]
    assert "How the scores come about" in parsed.text


def test_evidence_without_scores_or_with_unknown_tables_has_a_page(basic, tmp_path):
    odd = (Detail(name="new_table", title="A new table", heading=("a", "b"), rows=(("x", None),)),
           Detail(name="adverse_impact", title="Empty", heading=("a",), rows=()))  # fmt: skip
    parsed = paged(tmp_path, *basic, scores=(), details=odd)
    assert "this evidence holds no scores" in parsed.text
    assert "Further tables" in parsed.text
    assert "A new table" in parsed.text
    assert "Nothing to show." in parsed.text


def test_rows_made_by_rules_have_a_page_without_real_rows(tables, german, tmp_path):
    schema, train, _, _ = german
    evidence = Evidence(table="t", target=None, rows={"released": 400, "synthetic": 400}, validity=(), fidelity=(),
                        columns={}, utility=(), privacy=())  # fmt: skip
    write_report(tmp_path, evidence, (), CONTEXT, tables.table_of(train, schema), None, None, schema)
    parsed = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "No real rows went in, so there is nothing to compare with and nobody to give away" in parsed.text
    # What compares with real rows has no chapter, and each kind of check has its own.
    assert "Is each column distributed as in real rows" not in parsed.text
    assert parsed.text.count("None was made.") == len(About)
    assert not list((tmp_path / "plots").iterdir())


def test_all_columns_may_be_categories_or_missing(tables, tmp_path):
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame({
            "a": rng.choice(["x", "y", "z"], 400),
            "b": rng.choice(["u", "v"], 400),
            "gone": np.full(400, np.nan),
            "void": pd.Series([None] * 400, dtype=object),
        })
        for _ in range(3)
    ]  # fmt: skip
    schema = tables.schema_of(pd.concat(frames, ignore_index=True))
    parsed = paged(tmp_path, *assessed(tables, *frames, schema, Level.STANDARD))
    assert "Target none named" in parsed.text
    assert (tmp_path / "plots" / "associations.png").exists()


def test_two_hundred_columns_are_a_page_of_a_few_megabytes(tables, tmp_path):
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(3):
        hidden = rng.normal(size=(300, 1))
        frames.append(pd.DataFrame(hidden + rng.normal(size=(300, 200)), columns=[f"column.{i}" for i in range(200)]))
    schema = tables.schema_of(pd.concat(frames, ignore_index=True))
    made = [tables.table_of(frame, schema) for frame in frames]
    evidence = Evidence(table="t", target=None, rows={"released": 300, "synthetic": 300, "train": 300, "holdout": 300},
                        validity=(), fidelity=(), columns={name: i / 200 for i, name in enumerate(schema.names)},
                        utility=(), privacy=())  # fmt: skip
    write_report(tmp_path, evidence, (), CONTEXT, *made, schema)
    assert (tmp_path / "report.html").stat().st_size < 4_000_000
    assert "160 more are not drawn" in Page((tmp_path / "report.html").read_text()).text


def test_nothing_learned_is_said(tables, german, tmp_path):
    schema, train, holdout, fresh = german
    column = schema["job"].model_copy(update={"kind": "text", "categories": None})
    parsed = paged(tmp_path, *assessed(tables, fresh, train, holdout, tables.TableSchema(name="t", columns=(column,))))
    assert "No column is learned" in parsed.text
    assert "without a plot: job" in parsed.text


@pytest.mark.parametrize(
    ("name", "unit", "shown", "interval"),
    [
        (Figure.TSTR, Unit.SCORE, "0.123", "-0.100 to 0.200"),
        (Figure.TSTR_LOSS, Unit.DIFFERENCE, "+0.123", "-0.100 to +0.200"),
        (Figure.COPIED, Unit.SHARE, "12.34 %", "-10.00 to 20.00 %"),
        (Figure.COPIED_EXCESS, Unit.DIFFERENCE, "+12.34 pp", "-10.00 to +20.00 pp"),
        (Figure.ASSOCIATIONS_KEPT, Unit.SCORE, "12.3 %", "-10.0 to 20.0 %"),
    ],
)
def test_figures_read_by_their_unit(name, unit, shown, interval):
    measure = Measure(name=name, title="t", unit=unit, value=0.1234, low=-0.1, high=0.2, reading="r")
    assert show_figure(measure.value, measure) == shown
    assert show_interval(measure) == interval.replace("-", "\N{MINUS SIGN}")


def test_nothing_is_written_as_minus_zero():
    measure = Measure(name=Figure.COPIED, title="t", unit=Unit.SHARE, value=0, reading="r")
    assert show_figure(-1e-9, measure) == "0.00 %"
    assert show_cell(-0.0001) == "0.000"
    assert show_cell(-0.25) == "\N{MINUS SIGN}0.250"
    assert show_cell(None) == "\N{EN DASH}"
