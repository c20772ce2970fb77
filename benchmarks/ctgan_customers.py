"""SDMetrics' quality report for networks on a bank's customers table, which is made here: nobody's data.

    python benchmarks/ctgan_customers.py [--rows 4000] [--families ctgan] [--set epochs=100]

Reports of SDV's CTGAN on such a table (income, credit score, balances, segments) show column shapes .875, pair trends
.889 and an overall score of .882; the goal here is .90 each. Twice as many customers are made as a model learns from:
the other half is the holdout, and `fresh` is what the training rows themselves score against it. Time is processor
seconds of training, in one thread.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import pyarrow as pa

from sampling import column
from synthcredit.datasets.schema import TableSchema
from synthcredit.synthesizers import registry

GOAL = 0.90
SEGMENTS = ("mass", "affluent", "private", "student", "senior")
REGIONS = ("north", "south", "east", "west", "centre")
CHANNELS = ("app", "branch", "web")


def customers_table(rows: int, seed: int = 0) -> tuple[pa.Table, TableSchema]:
    """Make customers: wealth and age decide the segment, those the income, and income most of the rest."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.gamma(9, 5.2, rows), 18, 92)
    wealth = rng.standard_normal(rows) + 0.02 * (age - 45)
    segment = np.select([age < 25, age > 67, wealth > 1.9, wealth > 0.9], [3, 4, 2, 1], 0)
    income = np.exp(10.3 + 0.45 * wealth + 0.008 * (np.minimum(age, 60) - 45) + rng.normal(0, 0.25, rows))
    income *= np.array([1.0, 1.4, 2.2, 0.4, 0.75])[segment]
    score = np.clip(640 + 55 * wealth + 0.6 * (age - 45) + rng.normal(0, 45, rows), 300, 850)
    balance = income * np.exp(rng.normal(-1.6 + 0.35 * wealth, 0.8))
    savings = np.where(
        rng.random(rows) < 0.25 - 0.08 * wealth, 0.0, income * np.exp(rng.normal(-1.0 + 0.5 * wealth, 1))
    )
    products = 1 + rng.binomial(5, np.clip(0.25 + 0.1 * wealth, 0.02, 0.9))
    tenure = np.minimum(rng.exponential(7, rows), age - 17)
    utilisation = 1 / (1 + np.exp(0.012 * (score - 640) + rng.normal(0.6, 0.9, rows)))
    loan = np.where(rng.random(rows) < 0.45, np.nan, np.round(income * rng.uniform(0.05, 0.8, rows), -2))
    digital = rng.random(rows) < 1 / (1 + np.exp(0.07 * (age - 52)))
    channel = np.where(digital, np.where(rng.random(rows) < 0.7, 0, 2), np.where(rng.random(rows) < 0.75, 1, 2))
    churned = rng.random(rows) < 1 / (1 + np.exp(2.2 + 0.25 * products + 0.06 * tenure - 1.5 * utilisation))
    arrays = {
        "age": pa.array(age.astype(np.int64)),
        "segment": pa.array(np.array(SEGMENTS)[segment]),
        "region": pa.array(rng.choice(REGIONS, rows, p=[0.15, 0.3, 0.1, 0.25, 0.2])),
        "income": pa.array(np.round(income, 2)),
        "credit_score": pa.array(np.round(score).astype(np.int64)),
        "balance": pa.array(np.round(balance, 2)),
        "savings": pa.array(np.round(savings, 2)),
        "products": pa.array(products.astype(np.int64)),
        "tenure_years": pa.array(np.round(tenure, 1)),
        "utilisation": pa.array(np.round(utilisation, 3)),
        "loan_amount": pa.array(loan, from_pandas=True),
        "channel": pa.array(np.array(CHANNELS)[channel]),
        "churned": pa.array(churned),
    }
    table = pa.table(arrays)
    columns = tuple(
        column(table[name], name, _DECIMALS.get(name), (0.0,) if name == "savings" else ())
        for name in table.column_names
    )
    return table, TableSchema(name="customers", columns=columns, target="churned")


_DECIMALS = {"income": 2, "balance": 2, "savings": 2, "tenure_years": 1, "utilisation": 3, "loan_amount": 0}


def scores(real: pa.Table, made: pa.Table, schema: TableSchema) -> dict[str, float]:
    """Return SDMetrics' figures under SDMetrics' names."""
    from protocol import quality

    shapes, trends = quality(real, made, schema)
    return {"Column Shapes": shapes, "Column Pair Trends": trends, "Overall Score (Average)": (shapes + trends) / 2}


def main() -> None:
    """Train, sample as many rows, and print the reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--families", nargs="+", default=["ctgan"], choices=list(registry.FAMILIES))
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", type=int, default=3, help="samples of the one model")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    table, schema = customers_table(2 * given.rows)
    train, holdout = table.slice(0, given.rows), table.slice(given.rows)
    columns = {"fresh": scores(holdout, train, schema)}
    for family in given.families:
        settings = registry.settings_for(family, dict(pair.split("=", 1) for pair in given.set))
        started, last = time.process_time(), [""]
        model = registry.family(family).load_class()(settings)
        model.fit(train, schema, seed=1, progress=lambda _, text, last=last: last.__setitem__(0, text))
        seconds = time.process_time() - started
        made = [pa.Table.from_batches(model.sample(given.rows, seed)) for seed in range(1, given.seeds + 1)]
        for label, real in (("holdout", holdout), ("train", train)):
            found = [scores(real, rows, schema) for rows in made]
            columns[f"{family}, against {label}"] = {
                name: float(np.mean([one[name] for one in found])) for name in found[0]
            }
        rate = np.mean([np.mean(rows["churned"].to_pylist()) for rows in made])
        print(f"{family}: {seconds:.0f} processor seconds of training; {last[0]}; churned {rate:.4f} "
              f"(real {np.mean(train['churned'].to_pylist()):.4f})", flush=True)  # fmt: skip
    print(f"\n{given.rows:,} made customers, {len(schema.columns)} columns; goal for ctgan: {GOAL} each\n")
    print("| | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for name in columns["fresh"]:
        print(f"| {name} | " + " | ".join(f"{found[name]:.3f}" for found in columns.values()) + " |")


if __name__ == "__main__":
    main()
