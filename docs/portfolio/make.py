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
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from synthcredit.portfolio import arrays, describe
from synthcredit.portfolio.book import Volumes, make_block, world_of
from synthcredit.portfolio.drift import psi
from synthcredit.portfolio.scenario import ANSWERS, SERIES, load, with_answers
from synthcredit.portfolio.tables import EVERY

HERE = Path(__file__).parent
SEED = 7
VOLUMES = Volumes(customers=12 * 4096)
NAMES = ("baseline", "downturn", "thin_file")
_CURVE_MONTHS = 48
_FEWEST_BADS = 15
"""Defaults that a rate must have to be shown."""

Tables = dict[str, pa.Table]


def main() -> None:
    """Write everything."""
    mpl.use("Agg")
    plt.rcParams.update({"figure.figsize": (8, 4), "figure.dpi": 110, "axes.grid": True, "grid.alpha": 0.3})
    (HERE / "dictionary.md").write_text(describe.dictionary(), encoding="utf-8")
    (HERE / "schema").mkdir(exist_ok=True)
    for table in EVERY:
        text = json.dumps(describe.json_schema(table), indent=1) + "\n"
        (HERE / "schema" / f"{table.name}.json").write_text(text, encoding="utf-8")
    books = {name: made(name) for name in NAMES}
    scores(books)
    vintages(books)
    roll_rates(books)
    macro_paths()
    a_life(books["downturn"])
    answer_keys(made("baseline", ANSWERS))


def made(name: str, answers: tuple[str, ...] = ()) -> Tables:
    """Make a book in memory."""
    scenario = with_answers(load(name), answers)
    blocks = [make_block(scenario, VOLUMES, SEED, number) for number in range(VOLUMES.blocks)]
    return {
        name: pa.concat_tables([arrays.plain(block[name]) for block in blocks if name in block]) for name in blocks[0]
    }


def saved(figure: Any, name: str) -> None:  # noqa: ANN401 - matplotlib has no types
    """Write a plot."""
    figure.tight_layout()
    figure.savefig(HERE / f"{name}.png", metadata={"Software": None})
    plt.close(figure)


def scores(books: dict[str, Tables]) -> None:
    """Plot the distribution of application scores with the floor of the policy, and default rates by band.

    Rates that are seen come with the intervals of their chance; lines are the rates that the moves imply. The scores of
    rapid_growth and, until arrears cost points, of the downturn are the baseline's, so they are left out where they
    would only cover it.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    edges = np.arange(400, 851, 25)
    middle = edges[:-1] + 12.5
    for name, colour in (("baseline", "tab:blue"), ("downturn", "tab:orange"), ("thin_file", "tab:red")):
        band, rows = _bands(books[name], edges)
        if name != "downturn":
            left.stairs(rows / rows.sum(), edges, label=name, color=colour)
            left.axvline(load(name).policy.min_score, color=colour, linestyle=":")
        bads = np.bincount(band, weights=books[name]["true_outcomes"]["default_12m"].to_numpy(), minlength=len(rows))
        pd = np.bincount(band, weights=books[name]["true_outcomes"]["pd_12m"].to_numpy(), minlength=len(rows))
        full = bads >= _FEWEST_BADS
        rate, truth = (values[full] / rows[full] for values in (bads, pd))
        error = 1.96 * np.sqrt(rate * (1 - rate) / rows[full])
        right.errorbar(middle[full], rate, error, fmt=".", color=colour, capsize=2)
        right.plot(middle[full], truth, color=colour, label=name)
    left.set(title="Scores of applicants", xlabel="score; dotted: lowest that policy accepts", ylabel="share")
    right.set(title="Default within 12 months of applicants", xlabel="score", ylabel="share, logarithmic")
    right.set_yscale("log")
    _per_cent(left)
    _per_cent(right)
    left.legend()
    right.legend(title="line: implied, dots: seen")
    saved(figure, "scores")


def _bands(book: Tables, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the score band of each applicant, and how many each has."""
    score = np.clip(book["loan_applications"]["credit_score"].to_numpy(), edges[0], edges[-1] - 1)
    band = np.searchsorted(edges, score, side="right") - 1
    return band, np.bincount(band, minlength=len(edges) - 1)


def _per_cent(axis: Any) -> None:  # noqa: ANN401 - matplotlib has no types
    axis.yaxis.set_major_formatter(PercentFormatter(1))


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
            ages = np.arange(min(_CURVE_MONTHS, 12 * (2024 - one)) + 1)
            # Only loans that were watched all the way.
            full = (year == one) & (watched >= ages[-1])
            curve = [((default[full] > 0) & (default[full] <= age)).mean() for age in ages]
            axis.plot(ages, curve, label=f"{one} ({full.sum():,} loans)")
        axis.set(title=name, xlabel="months on book", xticks=range(0, _CURVE_MONTHS + 1, 12))
        axis.legend(title="opened in")
    axes[0].set_ylabel("in default so far, share of loans by number")
    axes[1].set_title("downturn (the shock begins in January 2022)")
    _per_cent(axes[0])
    saved(figure, "vintages")


def roll_rates(books: dict[str, Tables]) -> None:
    """Plot where performing loans go in a month, those that are repaid or prepaid told apart."""
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 3.3))
    states = ["current", "30 days", "60 days", "default", "closed"]
    for axis, name in zip(axes, ("baseline", "downturn"), strict=True):
        counts = _moves(books[name])
        rates = counts / counts.sum(axis=1, keepdims=True)
        axis.imshow(np.sqrt(rates), cmap="Blues", vmin=0, vmax=1)
        axis.grid(visible=False)
        axis.set_xticks(range(5), states)
        axis.set_yticks(
            range(3), [f"{state}\n({rows:,.0f})" for state, rows in zip(states, counts.sum(1), strict=False)]
        )
        axis.set(title=name, xlabel="a month later", ylabel="this month (months of loans)")
        for (row, column), rate in np.ndenumerate(rates):
            text = "-" if counts[row, column] == 0 else f"{rate:.1%}" if rate >= 0.001 else f"{rate:.2%}"
            axis.text(column, row, text, ha="center", va="center", color="white" if rate > 0.3 else "black")
    saved(figure, "roll_rates")


def _moves(book: Tables) -> np.ndarray:
    """Count the moves of performing loans, shape (3, 5): from 0, 1, 2 missed to 0, 1, 2, default, closed."""
    rows = book["installments"]
    status = rows["status"].to_numpy().astype(str)
    state = np.minimum(rows["days_past_due"].to_numpy() // 30, 2)
    state[np.isin(status, ("default", "probation", "written_off"))] = 3
    state[np.isin(status, ("repaid", "prepaid"))] = 4
    first = rows["installment_number"].to_numpy() == 1
    before = np.where(first, 0, np.concatenate([[0], state[:-1]]))
    counts = np.zeros((5, 5))
    np.add.at(counts, (before, state), 1)
    return counts[:3]


def macro_paths() -> None:
    """Plot the macro series of two scenarios of one seed, the shock shaded."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 6), sharex=True)
    scenario = load("downturn")
    months = np.datetime64(scenario.time.start, "M") + np.arange(scenario.time.months)
    shock = scenario.macro.shock
    begin = shock.month
    end = min(begin + shock.rise + shock.stay + shock.fade, len(months) - 1)
    for name, style in (("baseline", "-"), ("downturn", "--")):
        world = world_of(load(name), VOLUMES, SEED)
        for axis, series in zip(axes.flat, SERIES, strict=False):
            axis.plot(months, world.macro.series[series][: len(months)], style, label=name)
            axis.set_title(series.replace("_", " "))
            axis.set_ylabel("100 at the start" if series == "house_price_index" else "per cent")
        axes.flat[5].plot(months, world.macro.index[: len(months)], style, label=name)
    axes.flat[5].set(title="macro index, 0 in ordinary times", ylabel="index")
    for axis in axes.flat:
        axis.axvspan(months[begin], months[end], color="tab:orange", alpha=0.08, label="shock")
    axes.flat[1].legend(loc="upper left", fontsize="small")
    saved(figure, "macro_paths")


def a_life(book: Tables) -> None:
    """Plot one customer: score, balance, days past due; one of a usual score for those whose loan is written off."""
    loans = book["loans"].to_pandas()
    score = book["loan_applications"].to_pandas().set_index("application_id")["credit_score"]
    usual = score[loans["application_id"]].between(650, 690).to_numpy()
    loan = loans[(loans["written_off_amount"] > 0) & (loans["recovered_amount"] > 0) & usual].iloc[0]
    rows = book["installments"].to_pandas().query("loan_id == @loan.loan_id")
    bureau = book["credit_history"].to_pandas().query("customer_id == @loan.customer_id")
    days = [loan.opened_date, *rows["status_date"]]
    figure, axes = plt.subplots(3, 1, figsize=(8, 7.5), sharex=True)
    axes[0].plot(bureau["record_date"], bureau["credit_score"], marker="o")
    axes[0].set_ylabel("credit score of the bureau")
    axes[0].set_title(
        f"{loan.customer_id}: {loan.loan_type} loan of ${loan.principal:,.0f} at {loan.interest_rate:.2f} %"
    )
    axes[1].step(days, [loan.principal, *rows["balance"]], where="post")
    recovered = rows[rows["recovered_amount"] > 0]
    axes[1].scatter(
        recovered["status_date"], recovered["balance"] + recovered["written_off_amount"], color="tab:green", zorder=3,
        label=f"recoveries, ${loan.recovered_amount:,.0f} in all",
    )  # fmt: skip
    written = rows[rows["written_off_amount"] > 0]
    axes[1].scatter(
        written["status_date"], written["balance"], color="black", marker="x", zorder=3,
        label=f"written off, ${loan.written_off_amount:,.0f}: {loan.loss_given_default:.0%} of the exposure",
    )  # fmt: skip
    axes[1].set(ylabel="principal owed", ylim=(-0.04 * loan.principal, 1.25 * loan.principal))
    axes[1].yaxis.set_major_formatter(StrMethodFormatter("${x:,.0f}"))
    axes[2].step(days, [0, *rows["days_past_due"]], where="post", color="tab:red")
    axes[2].axhline(90, color="grey", linestyle=":", label="90 days")
    axes[2].set_ylabel("days past due")
    for axis in axes:
        axis.axvline(loan.opened_date, color="tab:blue", linestyle=":", label="opened" if axis is axes[0] else None)
        axis.axvline(loan.default_date, color="tab:red", linestyle="--", label="default" if axis is axes[0] else None)
    axes[0].legend(fontsize="small")
    axes[1].legend(fontsize="small")
    axes[2].legend(fontsize="small")
    saved(figure, "a_life")


def answer_keys(book: Tables) -> None:
    """Plot what each answer key is about: bias of the accepted, a distribution that moves, and a ratio of approvals."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 4))
    _bias(axes[0], book)
    _drift(axes[1], book)
    pairs = book["fairness_pairs"]
    group, approved = (pairs[name].to_numpy().astype(str) for name in ("protected_group", "decision"))
    rates = {name: (approved[group == name] == "approved").mean() for name in dict.fromkeys(group[:2])}
    bars = axes[2].bar(list(rates), list(rates.values()), width=0.5, color=["tab:blue", "tab:orange"])
    axes[2].bar_label(bars, [f"{rate:.1%}" for rate in rates.values()])
    axes[2].set_ylim(0, 1.15 * max(rates.values()))
    ratio = min(rates.values()) / max(rates.values())
    axes[2].set(title=f"fairness pairs: ratio {ratio:.2f}, stated 0.75", ylabel="approved, of the same applications")
    for axis in axes:
        _per_cent(axis)
    saved(figure, "answer_keys")


def _bias(axis: Any, book: Tables) -> None:  # noqa: ANN401 - matplotlib has no types
    edges = np.arange(550, 801, 25)
    bad = book["reject_inference_key"]["outcome"].to_numpy().astype(str) == "bad"
    score = book["reject_inference_mar"]["credit_score"].to_numpy()
    rows = {"all applicants": np.ones(len(score), np.bool_)}
    for name, label in (("mar", "accepted, at random given the score"), ("mnar", "accepted, with the override")):
        rows[label] = book[f"reject_inference_{name}"]["decision"].to_numpy().astype(str) == "accepted"
    for label, style in zip(rows, ("k-", "o", "s"), strict=True):
        counts, bads = (np.histogram(score[some], edges)[0] for some in (rows[label], rows[label] & bad))
        axis.plot(edges[:-1] + 12.5, bads / counts, style, label=label)
    axis.set(title="reject inference", xlabel="score", ylabel="bad within 12 months")
    axis.legend(fontsize="small")


def _drift(axis: Any, book: Tables) -> None:  # noqa: ANN401 - matplotlib has no types
    (key,) = book["drift_key"].to_pylist()
    table = book[key["table_name"]]
    values = table[key["column_name"]].to_numpy()
    later = table["created_at"].to_numpy().astype("datetime64[D]") >= np.datetime64(key["since_date"])
    edges = np.unique(np.quantile(values[~later], np.arange(1, 10) / 10))
    for place, (label, some) in enumerate(((f"before {key['since_date']}", ~later), ("from then on", later))):
        share = np.bincount(np.searchsorted(edges, values[some]), minlength=10) / some.sum()
        axis.bar(np.arange(1, 11) + 0.4 * place - 0.2, share, width=0.4, label=label)
    found = psi(values[~later], values[later])
    axis.set(title=f"drift: PSI {found:.3f}, stated {key['psi']}", ylabel="share", xticks=range(1, 11))
    axis.set_xlabel(f"tenth of {key['column_name'].replace('_', ' ')}")
    axis.legend(fontsize="small")


if __name__ == "__main__":
    main()
