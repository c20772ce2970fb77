"""What a portfolio is told to take, beside what it takes; and one billion transactions on paper."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from synthcredit.jobs import books
from synthcredit.jobs.books import BookLoad
from synthcredit.jobs.placement import Limits, Where, place, totals
from synthcredit.portfolio.scenario import SHIPPED, load
from synthcredit.portfolio.tables import TABLES
from synthcredit.portfolio.volumes import Volumes
from synthcredit.portfolio.write import write

SCALE = (Path(__file__).parents[3] / "docs" / "scale.md").read_text(encoding="utf-8")
BILLION = Volumes(customers=29_300_000)
"""As many customers as have one billion transactions."""
ALL = books.usual_tables()


def test_the_tables_are_those_of_the_portfolio() -> None:
    assert tuple(table.name for table in TABLES) == ALL
    assert [books._TABLES[table.name].columns for table in TABLES] == [len(table.fields) for table in TABLES]


@pytest.mark.parametrize("scenario", SHIPPED)
def test_rows_and_bytes_are_right_within_a_factor_of_two(scenario: str, tmp_path: Path) -> None:
    volumes = Volumes(customers=800, applications=3, statement_months=4)
    written = write(load(scenario), volumes, 1, tmp_path)
    told = books.rows_of(volumes, ALL)
    exact = ("customers", "financial_records", "loan_applications", "credit_history", "market_data", "campaigns")
    assert {name: told[name] for name in exact} == {name: written.rows[name] for name in exact}
    for name, rows in written.rows.items():
        assert rows / 2 <= told[name] <= 2 * rows, name
    assert written.size / 2 < books.bytes_of(told) < 2 * written.size


def test_a_table_of_ones_own_is_counted_too() -> None:
    assert books.rows_of(Volumes(customers=10), ["complaints"]) == {"complaints": 10}


def test_fewer_tables_and_other_forms_are_other_work() -> None:
    whole = BookLoad(Volumes(customers=100_000), ALL)
    few = replace(whole, tables=("customers", "loans"))
    more = replace(whole, forms=("parquet", "jsonl"))
    assert few.works()["generate"].seconds < whole.works()["generate"].seconds
    # What is not delivered is made again for the proof, which is of the whole book.
    assert few.works()["assess"].seconds > 0.6 * whole.works()["assess"].seconds
    assert more.works()["publish"].seconds > 10 * whole.works()["publish"].seconds
    assert more.works()["publish"].disk_mb > 100


def test_memory_does_not_grow_with_the_customers() -> None:
    small, large = (BookLoad(Volumes(customers=count), ALL).works() for count in (100_000, 50_000_000))
    for step in ("generate", "assess", "publish"):
        assert small[step].memory_mb == pytest.approx(large[step].memory_mb, rel=0.01), step


def test_what_is_too_dear_is_refused_on_its_customers() -> None:
    with pytest.raises(Exception, match="most here") as caught:
        place(BookLoad(BILLION, ALL), Limits(max_cost_usd=0.1))
    assert {problem.field for problem in caught.value.problems} == {"source.customers"}


def _row(name: str) -> list[str]:
    """Return the numbers of the row of a table in docs/scale.md that begins with a name."""
    (line,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", SCALE, re.MULTILINE)
    return [cell.strip() for cell in line.split("|")]


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min"


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("four machines", Limits()),
        ("up to sixteen machines", Limits(processing_instances=16)),
    ],
)
def test_a_billion_transactions_take_what_the_page_says(name: str, limits: Limits) -> None:
    asked = BookLoad(BILLION, ALL)
    assert asked.rows["transactions"] == pytest.approx(1e9, rel=0.01)
    places = {placement.step: placement for placement in place(asked, limits)}
    assert places["generate"].where is Where.SAGEMAKER
    assert 4 <= places["generate"].instances <= limits.processing_instances
    seconds, cost = totals(places.values())
    told = [_minutes(places[step].seconds) for step in ("generate", "assess", "publish")]
    assert _row(name) == [*told, _minutes(seconds), f"${cost:.2f}"]


def test_without_machines_the_map_of_functions_makes_a_billion_transactions() -> None:
    asked = BookLoad(BILLION, ALL)
    many = Limits(lambda_concurrency=100, processing_instances=1)
    places = {placement.step: placement for placement in place(asked, many)}
    generate = places["generate"]
    assert (generate.where, generate.instances) == (Where.LAMBDA, 100)
    told = [_minutes(places[step].seconds) for step in ("generate", "assess", "publish")]
    seconds, cost = totals(places.values())
    assert _row("a hundred functions at a time") == [*told, _minutes(seconds), f"${cost:.2f}"]
    # A shard is far from what one call may take.
    assert asked.works()["generate"].seconds * 2 < many.lambda_seconds / 10


def test_the_page_has_the_size_of_a_billion_transactions() -> None:
    asked = BookLoad(BILLION, ALL)
    for number in (BILLION.customers, asked.shards, sum(asked.rows.values())):
        assert f"{number:,}" in SCALE
    assert f"{books.bytes_of(asked.rows) / 1e9:.0f} GB" in SCALE
