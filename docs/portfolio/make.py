"""Write the plots, the data dictionary and the JSON schemas of docs/portfolio.md anew.

python docs/portfolio/make.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib import pyplot as plt

from synthcredit.portfolio import arrays, describe
from synthcredit.portfolio.book import Volumes, make_block, world_of
from synthcredit.portfolio.scenario import SERIES, load
from synthcredit.portfolio.tables import TABLES

HERE = Path(__file__).parent
SEED = 7
VOLUMES = Volumes(customers=12 * 4096)
NAMES = ("baseline", "downturn", "rapid_growth", "thin_file")
_CURVE_MONTHS = 48

Tables = dict[str, pa.Table]


def main() -> None:
    """Write everything."""
    mpl.use("Agg")
    plt.rcParams.update({"figure.figsize": (8, 4), "figure.dpi": 110, "axes.grid": True, "grid.alpha": 0.3})
    (HERE / "dictionary.md").write_text(describe.dictionary(), encoding="utf-8")
    (HERE / "schema").mkdir(exist_ok=True)
    for table in TABLES:
        text = json.dumps(describe.json_schema(table), indent=1) + "\n"
        (HERE / "schema" / f"{table.name}.json").write_text(text, encoding="utf-8")
    books = {name: made(name) for name in NAMES}
    scores(books)
    vintages(books)
    roll_rates(books)
    macro_paths()
    a_life(books["downturn"])


def made(scenario: str) -> Tables:
    """Make a book in memory."""
    blocks = [make_block(load(scenario), VOLUMES, SEED, number) for number in range(VOLUMES.blocks)]
    return {
        name: pa.concat_tables([arrays.plain(block[name]) for block in blocks if name in block]) for name in blocks[0]
    }


def saved(figure: Any, name: str) -> None:  # noqa: ANN401 - matplotlib has no types
    """Write a plot."""
    figure.tight_layout()
    figure.savefig(HERE / f"{name}.png", metadata={"Software": None})
    plt.close(figure)


def scores(books: dict[str, Tables]) -> None:
    """Plot the distribution of application scores, and default rates by band."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    edges = np.arange(400, 851, 25)
    for name, book in books.items():
        score = book["loan_applications"]["credit_score"].to_numpy()
        bad = book["true_outcomes"]["default_12m"].to_numpy()
        counts, _ = np.histogram(score, edges)
        bads, _ = np.histogram(score[bad], edges)
        middle = edges[:-1] + 12.5
        left.plot(middle, counts / len(score), label=name)
        full = counts >= 200
        right.semilogy(middle[full], (bads / np.maximum(counts, 1))[full], marker=".", label=name)
    left.set(title="Scores of applicants", xlabel="score", ylabel="share")
    right.set(title="Default within 12 months, by score", xlabel="score", ylabel="share, logarithmic")
    left.legend()
    saved(figure, "scores")


def _default_ages(book: Tables) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return year of opening, months watched, and the month on book of the first default (0: none), loan by loan."""
    rows, loans = book["installments"], book["loans"]
    place = pc.index_in(rows["loan_id"].combine_chunks(), value_set=loans["loan_id"].combine_chunks()).to_numpy()
    number = rows["installment_number"].to_numpy()
    into = rows["status"].to_numpy() == "default"
    first = np.full(loans.num_rows, 10**6)
    np.minimum.at(first, place[into], number[into])
    opened = loans["opened_date"].to_numpy().astype("datetime64[M]")
    watched = (np.datetime64("2024-12") - opened).astype(int) - 1
    return opened.astype("datetime64[Y]").astype(int) + 1970, watched, np.where(first == 10**6, 0, first)


def vintages(books: dict[str, Tables]) -> None:
    """Plot cumulative default rates by year of opening, over months on book."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for axis, name in zip(axes, ("baseline", "downturn"), strict=True):
        year, watched, default = _default_ages(books[name])
        for one in range(2020, 2024):
            ages = np.arange(1, min(_CURVE_MONTHS, 12 * (2024 - one)) + 1)
            # Only loans that were watched all the way.
            full = (year == one) & (watched >= ages[-1])
            curve = [((default[full] > 0) & (default[full] <= age)).mean() for age in ages]
            axis.plot(ages, curve, label=str(one))
        axis.set(title=name, xlabel="months on book")
    axes[0].set_ylabel("in default so far, share of loans")
    axes[0].legend(title="opened in")
    saved(figure, "vintages")


def roll_rates(books: dict[str, Tables]) -> None:
    """Plot where loans go from each state in a month."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    states = ["current", "30 days", "60 days", "default"]
    for axis, name in zip(axes, ("baseline", "downturn"), strict=True):
        rows = books[name]["installments"]
        days = rows["days_past_due"].to_numpy() // 30
        bad = np.isin(rows["status"].to_numpy().astype(str), ("default", "written_off"))
        calm = ~np.isin(rows["status"].to_numpy().astype(str), ("probation",))
        state = np.where(bad, 3, np.minimum(days, 2))
        follows = (rows["installment_number"].to_numpy()[1:] > 1) & calm[1:] & calm[:-1] & (state[:-1] < 3)
        counts = np.zeros((3, 4))
        np.add.at(counts, (state[:-1][follows], state[1:][follows]), 1)
        rates = counts / counts.sum(axis=1, keepdims=True)
        axis.imshow(np.sqrt(rates), cmap="Blues", vmin=0, vmax=1)
        axis.grid(visible=False)
        axis.set_xticks(range(4), states)
        axis.set_yticks(range(3), states[:3])
        axis.set(title=name, xlabel="a month later")
        for (row, column), rate in np.ndenumerate(rates):
            axis.text(column, row, f"{rate:.1%}", ha="center", va="center", color="white" if rate > 0.4 else "black")
    saved(figure, "roll_rates")


def macro_paths() -> None:
    """Plot the macro series of two scenarios of one seed."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 6))
    for name, style in (("baseline", "-"), ("downturn", "--")):
        world = world_of(load(name), VOLUMES, SEED)
        for axis, series in zip(axes.flat, SERIES, strict=False):
            axis.plot(world.macro.series[series][:60], style, label=name)
            axis.set_title(series.replace("_", " "))
        axes.flat[5].plot(world.macro.index[:60], style, label=name)
    axes.flat[5].set_title("macro index")
    axes.flat[5].legend()
    for axis in axes[1]:
        axis.set_xlabel("month")
    saved(figure, "macro_paths")


def a_life(book: Tables) -> None:
    """Plot one customer: score, balance, days past due; one whose loan was written off."""
    loans = book["loans"].to_pandas()
    loan = loans[(loans["status"] == "written_off") & (loans["recovered_amount"] > 0)].iloc[0]
    rows = book["installments"].to_pandas().query("loan_id == @loan.loan_id")
    bureau = book["credit_history"].to_pandas().query("customer_id == @loan.customer_id")
    figure, axes = plt.subplots(3, 1, figsize=(8, 7), sharex=True)
    axes[0].plot(bureau["record_date"], bureau["credit_score"], marker="o")
    axes[0].set_ylabel("credit score")
    axes[0].set_title(f"{loan.customer_id}: {loan.loan_type} loan of ${loan.principal:,.0f}")
    axes[1].step(rows["status_date"], rows["balance"], where="post")
    recovered = rows[rows["recovered_amount"] > 0]
    axes[1].scatter(recovered["status_date"], recovered["balance"], color="tab:green", label="recovery")
    axes[1].axvline(loan.default_date, color="tab:red", label="default")
    axes[1].legend()
    axes[1].set_ylabel("balance, USD")
    axes[2].step(rows["status_date"], rows["days_past_due"], where="post", color="tab:red")
    axes[2].set_ylabel("days past due")
    saved(figure, "a_life")


if __name__ == "__main__":
    main()
