"""Make data/bank: a small bank of linked tables, from the portfolio, so nobody's.

    python data/make_bank.py [--out data/bank]

Run it from the root of the checkout; it takes some seconds. The tables are those of

    synthcredit portfolio --customers 6000 --seed 11

with one month of transactions and one campaign contact a customer instead of six and two, to keep them small;
customers are shown as on the day when the book closes, with what the other tables say of them. The same packages and
the same kind of processor give the same bytes; on one with AVX-512 set NPY_DISABLE_CPU_FEATURES as
containers/synthesis/Dockerfile does.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synthcredit.datasets.schema import Column, DatasetSchema, Dtype, Kind, Relation, TableSchema
from synthcredit.datasets.write import write_rows
from synthcredit.portfolio import scenario, write
from synthcredit.portfolio.book import Volumes
from synthcredit.portfolio.tables import table

CUSTOMERS = 6_000
SEED = 11
SCENARIO = "baseline"
VOLUMES = Volumes(customers=CUSTOMERS, statement_months=1, contacts=1)
NEEDED = ("customers", "credit_history", "loans", "transactions", "campaigns", "campaign_events")
SEGMENTS = ("student", "senior", "private", "affluent", "mass")
"""By age below 25, age above 66, income from 110,000, income from 65,000, and all others; the first that holds."""
FORMS = {"customers": "csv", "transactions": "parquet", "campaigns": "csv", "campaign_events": "parquet"}
"""What people look at first is CSV, what is long is Parquet."""


def _column(name: str, kind: Kind, dtype: Dtype, **more: object) -> Column:
    return Column.model_validate({"name": name, "storage_name": name, "kind": kind, "dtype": dtype} | more)


def customers_schema(states: tuple[str, ...], jobs: tuple[str, ...]) -> TableSchema:
    """Return the columns of customers; ``defaulted`` is the outcome."""
    return TableSchema(
        name="customers",
        primary_key="customer_id",
        target="defaulted",
        columns=(
            _column("customer_id", Kind.IDENTIFIER, Dtype.STRING),
            _column("age", Kind.INTEGER, Dtype.INT64),
            _column("segment", Kind.CATEGORICAL, Dtype.STRING, categories=tuple(sorted(SEGMENTS))),
            _column("state", Kind.CATEGORICAL, Dtype.STRING, categories=states),
            _column("employment_type", Kind.CATEGORICAL, Dtype.STRING, categories=jobs),
            _column("tenure_years", Kind.CONTINUOUS, Dtype.DOUBLE, decimals=1),
            _column("income", Kind.CONTINUOUS, Dtype.DOUBLE, decimals=2),
            _column("credit_score", Kind.INTEGER, Dtype.INT64),
            _column("credit_utilization", Kind.CONTINUOUS, Dtype.DOUBLE, decimals=2),
            _column("account_balance", Kind.CONTINUOUS, Dtype.DOUBLE, decimals=2),
            _column("open_loans", Kind.INTEGER, Dtype.INT64),
            _column("loan_balance", Kind.CONTINUOUS, Dtype.DOUBLE, decimals=2),
            _column("defaulted", Kind.BOOLEAN, Dtype.BOOL, categories=(False, True)),
        ),
    )


def _book() -> dict[str, pa.Table]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write.write(scenario.load(SCENARIO), VOLUMES, SEED, out, tables=[table(name) for name in NEEDED])
        return {name: pq.read_table(out / name, partitioning=None) for name in NEEDED}


def _years(day: pa.Scalar, since: pa.ChunkedArray) -> np.ndarray:
    days = pc.subtract(day.cast(pa.int32()), since.cast(pa.date32()).cast(pa.int32()))
    return days.to_numpy() / 365.2425


def _latest(rows: pa.Table, key: str, columns: tuple[str, ...]) -> pa.Table:
    """Return the last row of each customer: keys are numbered in the order of time."""
    last = rows.group_by("customer_id").aggregate([(key, "max")])
    return last.join(rows.select([key, *columns]), keys=f"{key}_max", right_keys=key).drop_columns([f"{key}_max"])


def make_customers(book: dict[str, pa.Table]) -> pa.Table:
    """Return customers as they stand when the book closes, in the order of their keys."""
    closing = pc.max(book["transactions"]["transaction_date"])
    loans = book["loans"]
    of_loans = (
        loans.append_column("open_loans", pc.greater(loans["balance"], 0.0).cast(pa.int64()))
        .append_column("cents", pc.round(pc.multiply(loans["balance"], 100.0)).cast(pa.int64()))
        .append_column("defaulted", pc.is_valid(loans["default_date"]).cast(pa.int64()))
        .group_by("customer_id")
        .aggregate([("open_loans", "sum"), ("cents", "sum"), ("defaulted", "max")])
    )
    bureau = _latest(book["credit_history"], "history_id", ("credit_score", "credit_utilization"))
    account = _latest(book["transactions"], "transaction_id", ("account_balance",))
    rows = (
        book["customers"].join(bureau, "customer_id").join(account, "customer_id").join(of_loans, "customer_id")
    ).sort_by("customer_id")
    age = np.floor(_years(closing, rows["date_of_birth"])).astype(np.int64)
    tenure = np.floor(10 * np.maximum(_years(closing, rows["created_at"]), 0)) / 10
    income = rows["annual_income"].to_numpy()
    segment = np.select([age < 25, age > 66, income >= 110_000, income >= 65_000], [0, 1, 2, 3], 4)
    return pa.table(
        {
            "customer_id": rows["customer_id"],
            "age": age,
            "segment": np.array(SEGMENTS)[segment],
            "state": rows["state"],
            "employment_type": rows["employment_type"],
            "tenure_years": tenure,
            "income": rows["annual_income"],
            "credit_score": rows["credit_score"],
            "credit_utilization": rows["credit_utilization"],
            "account_balance": rows["account_balance"],
            "open_loans": pc.fill_null(rows["open_loans_sum"], 0),
            "loan_balance": pc.divide(pc.fill_null(rows["cents_sum"], 0).cast(pa.float64()), 100.0),
            "defaulted": pc.equal(pc.fill_null(rows["defaulted_max"], 0), 1),
        }
    )


def make(out: Path) -> None:
    """Write the tables, and what they are."""
    book = _book()
    made = {name: book[name] for name in FORMS if name != "customers"}
    customers = make_customers(book)
    values = {name: tuple(sorted(set(customers[name].to_pylist()))) for name in ("state", "employment_type")}
    schemas = {name: table(name).schema for name in made}
    schemas["customers"] = customers_schema(values["state"], values["employment_type"])
    relations = tuple(
        Relation(parent=parent, child=name, foreign_key=column)
        for name in made
        for column, parent in table(name).parents.items()
    )
    dataset = DatasetSchema(tables=tuple(schemas[name] for name in FORMS), relations=relations)
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in {"customers": customers, **made}.items():
        write_rows(rows.combine_chunks().to_batches(), schemas[name], FORMS[name], out / f"{name}.{FORMS[name]}")
    (out / "schema.json").write_text(dataset.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")


def main() -> None:
    """Read the options and make it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("data/bank"))
    make(parser.parse_args().out)


if __name__ == "__main__":
    main()
