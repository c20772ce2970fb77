"""SDMetrics' quality report for networks on a bank's customers table: data/bank/customers.csv, made by the portfolio.

    python benchmarks/ctgan_customers.py [--families ctgan] [--set epochs=100]

Reports of SDV's CTGAN on such a table (income, credit score, balances, segments) show column shapes .875, pair trends
.889 and an overall score of .882; the goal here is .90 each. A model learns from one half of the customers: the other
half is the holdout, and `fresh` is what the training rows themselves score against it. Time is processor seconds of
training, in one thread.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from sampling import column
from synthcredit.datasets.schema import TableSchema
from synthcredit.synthesizers import registry

GOAL = 0.90
BANK = Path(__file__).parents[1] / "data" / "bank" / "customers.csv"


def customers_table() -> tuple[pa.Table, TableSchema]:
    """Read the customers of data/bank, without their keys."""
    table = pacsv.read_csv(BANK).drop_columns(["customer_id"])
    columns = tuple(
        column(table[name], name, _DECIMALS.get(name), (0.0,) if name == "loan_balance" else ())
        for name in table.column_names
    )
    return table, TableSchema(name="customers", columns=columns, target="defaulted")


_DECIMALS = {"income": 2, "credit_utilization": 2, "account_balance": 2, "loan_balance": 2, "tenure_years": 1}


def scores(real: pa.Table, made: pa.Table, schema: TableSchema) -> dict[str, float]:
    """Return SDMetrics' figures under SDMetrics' names."""
    from protocol import quality

    shapes, trends = quality(real, made, schema)
    return {"Column Shapes": shapes, "Column Pair Trends": trends, "Overall Score (Average)": (shapes + trends) / 2}


def main() -> None:
    """Train, sample as many rows, and print the reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", default=["ctgan"], choices=list(registry.FAMILIES))
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", type=int, default=3, help="samples of the one model")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    table, schema = customers_table()
    rows = len(table) // 2
    train, holdout = table.slice(0, rows), table.slice(rows)
    columns = {"fresh": scores(holdout, train, schema)}
    for family in given.families:
        settings = registry.settings_for(family, dict(pair.split("=", 1) for pair in given.set))
        started, last = time.process_time(), [""]
        model = registry.family(family).load_class()(settings)
        model.fit(train, schema, seed=1, progress=lambda _, text, last=last: last.__setitem__(0, text))
        seconds = time.process_time() - started
        made = [pa.Table.from_batches(model.sample(rows, seed)) for seed in range(1, given.seeds + 1)]
        for label, real in (("holdout", holdout), ("train", train)):
            found = [scores(real, one, schema) for one in made]
            columns[f"{family}, against {label}"] = {
                name: float(np.mean([one[name] for one in found])) for name in found[0]
            }
        rate = np.mean([np.mean(one["defaulted"].to_pylist()) for one in made])
        print(f"{family}: {seconds:.0f} processor seconds of training; {last[0]}; defaulted {rate:.4f} "
              f"(real {np.mean(train['defaulted'].to_pylist()):.4f})", flush=True)  # fmt: skip
    print(f"\n{rows:,} customers, {len(schema.columns)} columns; goal for ctgan: {GOAL} each\n")
    print("| | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for name in columns["fresh"]:
        print(f"| {name} | " + " | ".join(f"{found[name]:.3f}" for found in columns.values()) + " |")


if __name__ == "__main__":
    main()
