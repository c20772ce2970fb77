import base64
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthcredit.evidence import report
from synthcredit.evidence.assess import assess
from synthcredit.evidence.gate import Gate, judge
from synthcredit.evidence.model import Figure, Measure, Unit
from synthcredit.evidence.report import ReportContext, show_figure, show_interval, write_report

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


def written(tables, folder: Path, synthetic, train, holdout, schema, context=CONTEXT) -> Page:
    made = [tables.table_of(frame, schema) for frame in (synthetic, train, holdout)]
    evidence = assess(*made, schema, seed=1, rows_released=len(synthetic))
    write_report(folder, evidence, judge(evidence, Gate()), context, *made, schema)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def german(tables):
    frame = tables.german()
    return tables.schema_of(frame, "creditability"), *tables.three_ways(frame)


@pytest.fixture(scope="module")
def page(tables, german, tmp_path_factory) -> tuple[Page, Path]:
    schema, train, holdout, fresh = german
    folder = tmp_path_factory.mktemp("report")
    return written(tables, folder, fresh, train, holdout, schema), folder


def test_the_verdict_comes_first(page):
    text = page[0].text
    assert (
        text.index("The gate is met") < text.index("Scores") < text.index("Columns, the least") < text.index("Limits")
    )


def test_it_is_one_offline_file_without_script(page):
    parsed, folder = page
    size = (folder / "report.html").stat().st_size
    assert size < 3_000_000
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in parsed.tags}
    for tag, attrs in parsed.tags:
        assert not [name for name in attrs if name.startswith("on")], tag
        assert "href" not in attrs
        if tag == "img":
            assert attrs["src"].startswith("data:image/svg+xml;base64,")
            assert attrs["alt"]
    policy = next(attrs["content"] for tag, attrs in parsed.tags if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org\S+", "", (folder / "report.html").read_text())


def test_every_column_has_its_plot_and_file(page, german):
    parsed, folder = page
    schema = german[0]
    names = {f"{column.storage_name}_distribution.png" for column in schema.columns}
    assert {path.name for path in (folder / "plots").iterdir()} == names | {"associations.png"}
    assert sum(tag == "figure" for tag, _ in parsed.tags) == len(schema.columns) + 1
    assert all(name in parsed.text.replace(" ", "") for name in schema.names)


def test_worst_columns_come_first(tables, german, tmp_path):
    schema, train, holdout, fresh = german
    parsed = written(tables, tmp_path, fresh.assign(**{"age.in.years": 20}), train, holdout, schema)
    alts = [attrs["alt"] for tag, attrs in parsed.tags if tag == "img"]
    assert alts[0].startswith("Distribution of age.in.years")


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
    parsed = written(tables, tmp_path, pd.concat([train, fresh], ignore_index=True), train, holdout, schema)
    assert "The gate is not met" in parsed.text
    assert "Failed: validity, copies" in parsed.text
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
    parsed = written(tables, folder, *frames, schema)
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
    parsed = written(tables, tmp_path, *frames, schema, replace(CONTEXT, seconds={}, notices=()))
    assert "The gate is not met" in parsed.text
    assert "Not judged: usefulness, pair trends, copies" in parsed.text
    assert "Too few real rows have a value here" in parsed.text


def test_wide_tables_draw_the_worst_columns_only(tables, german, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "MAX_PLOTS", 3)
    monkeypatch.setattr(report, "MAX_MAP", 5)
    schema, train, holdout, fresh = german
    parsed = written(tables, tmp_path, fresh, train, holdout, schema)
    assert sum(tag == "figure" for tag, _ in parsed.tags) == 3
    assert "Not drawn" in parsed.text
    assert len(list((tmp_path / "plots").iterdir())) == 3


def test_nothing_learned_is_said(tables, german, tmp_path):
    schema, train, holdout, fresh = german
    column = schema["job"].model_copy(update={"kind": "text", "categories": None})
    parsed = written(tables, tmp_path, fresh, train, holdout, tables.TableSchema(name="t", columns=(column,)))
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
