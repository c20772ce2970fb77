"""The proof of a book, from its tables alone: keys, ledgers, time order, plausibility, and parameters found again.

Each check counts the rows that break a rule; a rule about a parameter compares a figure of the data with what the
scenario says it must be, in standard errors of chance. What a check adds up over rows is a `Tally`, so that a book of
any size is proven block by block: the tallies of blocks are added, and judged once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthcredit.evidence.model import About, Check
from synthcredit.portfolio import drift, hazards, places, reject_inference
from synthcredit.portfolio.customers import YEAR
from synthcredit.portfolio.draws import Bools, Floats, Ints
from synthcredit.portfolio.macro import Calendar, day_of, macro_path
from synthcredit.portfolio.scenario import Move, Scenario
from synthcredit.portfolio.spec import Table
from synthcredit.portfolio.tables import table as named
from synthcredit.portfolio.tables import tables_of

MAX_ERRORS = 4.0
"""Standard errors that chance may put between a parameter and what is found: once in 16,000 checks."""
GINI_RANGE = (0.45, 0.70)
"""Gini of application scores over all applicants: what the field names for scorecards. A logistic regression reaches
.57 on German credit and .52 on the Taiwanese card clients of the UCI repository."""
CURE_RANGE = (0.15, 0.50)
"""Share of defaults that are cured: three in ten of mortgages 60 days past due (Adelino, Gerardi, Willen, NBER 15159,
2009), with room for other products and small books."""
_FEWEST_BAD = 100
_BAND_POINTS = 50
_FEWEST_IN_BAND = 200


def check_book(tables: Mapping[str, pa.Table], scenario: Scenario, seed: int) -> tuple[Check, ...]:
    """Check a book.

    Parameters
    ----------
    tables
        Every table by name, whole, or a run of whole blocks; text may be dictionary-encoded.
    scenario, seed
        What it was made from.

    Returns
    -------
    tuple of Check
        Of every kind but validity; ``detail`` says what must hold and how many rows break it.
    """
    return judged(added(tallies(Book(tables, scenario, seed))))


@dataclass(frozen=True, slots=True)
class Tally:
    """What one check has added up over some rows."""

    about: About
    name: str
    column: str | None
    says: str
    sums: Floats
    judge: Callable[[Tally], Iterator[Check]]
    """Says what the sums, over all rows, mean."""

    def check(self, passed: bool, detail: str) -> Check:
        """Return the check with its outcome."""
        return Check(expectation=self.name, about=self.about, column=self.column, passed=passed, detail=detail)


def tallies(book: Book) -> Iterator[Tally]:
    """Yield what every check adds up over a book, or over one block of it."""
    found = list(keys(book))
    yield from found
    if any(one.name == "foreign_key_known" and one.sums[0] for one in found):
        # Nothing that hangs on a parent can be looked at where parents are missing.
        return
    for kind in (ledgers, time_order, plausibility, parameters):
        yield from kind(book)


def added(found: Iterable[Tally]) -> dict[tuple[str, ...], Tally]:
    """Add the tallies of one check, of however many blocks; in the order in which checks are first made."""
    total: dict[tuple[str, ...], Tally] = {}
    for one in found:
        key = (one.about, one.name, one.column or "", one.says)
        total[key] = replace(one, sums=total[key].sums + one.sums) if key in total else one
    return total


def judged(total: Mapping[tuple[str, ...], Tally]) -> tuple[Check, ...]:
    """Return the checks of tallies over all rows; those that too few rows speak to are left out."""
    return tuple(check for one in total.values() for check in one.judge(one))


@dataclass(frozen=True)
class Book:
    """The tables of a book, with what several checks need of them."""

    tables: Mapping[str, pa.Table]
    scenario: Scenario
    seed: int
    first: bool = True
    """Whether it is the first block, or the whole: tables that belong to the whole book are checked with it."""

    @property
    def own(self) -> tuple[Table, ...]:
        """The tables whose rows belong to this block."""
        return tuple(one for one in tables_of(self.scenario) if self.first or not one.once)

    @cached_property
    def calendar(self) -> Calendar:
        """The months of the window."""
        return Calendar.of(self.scenario.time)

    def text(self, table: str, column: str) -> pa.ChunkedArray:
        """Return text, plain."""
        found = self.tables[table][column]
        return found.cast(pa.string()) if pa.types.is_dictionary(found.type) else found

    def cents(self, table: str, column: str) -> Ints:
        """Return amounts in cents."""
        return np.asarray(np.rint(self.tables[table][column].to_numpy() * 100).astype(np.int64))

    def days(self, table: str, column: str) -> Ints:
        """Return dates or timestamps as days; missing ones are the last day that there is."""
        found = self.tables[table][column]
        if pa.types.is_timestamp(found.type):
            return np.asarray(found.cast(pa.int64()).to_numpy()) // (86_400 * 1_000_000)
        return np.asarray(pc.fill_null(found.cast(pa.int32()), 2**31 - 1).to_numpy(), np.int64)

    def is_null(self, table: str, column: str) -> Bools:
        """Return where values are missing."""
        return np.asarray(self.tables[table][column].is_null().to_numpy())

    def of_parent(self, table: str, column: str) -> Ints:
        """Return where each row's parent stands in its table; -1 where it does not."""
        parent = named(table).parents[column]
        key = named(parent).key
        found = pc.index_in(
            self.text(table, column).combine_chunks(), value_set=self.text(parent, key).combine_chunks()
        )
        return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)

    @cached_property
    def loan_of_row(self) -> Ints:
        """The loan of each row of the ledger."""
        return self.of_parent("installments", "loan_id")

    @cached_property
    def first_rows(self) -> Bools:
        """The first row of each loan."""
        return np.asarray(self.tables["installments"]["installment_number"].to_numpy() == 1)

    @cached_property
    def status(self) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
        """Standing of each row of the ledger."""
        return np.asarray(self.text("installments", "status").to_numpy().astype(str))


def broken(about: About, name: str, column: str | None, bad: Bools | int, rows: int, says: str) -> Tally:
    """Tally the rows that break a rule: where they are, or how many."""
    count = int(np.count_nonzero(bad)) if isinstance(bad, np.ndarray) else bad
    return Tally(about, name, column, says, np.array([count, rows], np.float64), _none_broken)


def _none_broken(tally: Tally) -> Iterator[Check]:
    count, rows = tally.sums
    detail = f"should be so: {tally.says}; {count:,.0f} of {rows:,.0f} rows are not" if count else tally.says
    yield tally.check(not count, detail)


def keys(book: Book) -> Iterator[Tally]:
    """Check that keys are unique and never missing, and that every child has its parent."""
    for table in book.own:
        rows = book.tables[table.name].num_rows
        key = book.text(table.name, table.key)
        yield broken(About.KEYS, "key_never_missing", table.key, key.null_count, rows, f"{table.name}: never missing")
        again = rows - len(key.unique())
        yield broken(About.KEYS, "key_unique", table.key, again, rows, f"{table.name}: different in every row")
        for column, parent in table.parents.items():
            orphans = book.of_parent(table.name, column) < 0
            yield broken(About.KEYS, "foreign_key_known", column, orphans, rows, f"{table.name}: a key of {parent}")
    for column in ("email", "ssn"):
        values = book.text("customers", column)
        again = len(values) - len(values.unique())
        yield broken(About.KEYS, "unique", column, again, len(values), "customers: different in every row")


def ledgers(book: Book) -> Iterator[Tally]:
    """Check that every balance is the one before and what happened since, to the cent."""
    yield from _loan_ledger(book)
    yield from _loan_totals(book)
    yield from _accounts(book)
    balance, limit = book.cents("credit_history", "card_balance"), book.cents("credit_history", "card_limit")
    share = book.cents("credit_history", "credit_utilization")
    yield broken(
        About.LEDGERS, "utilisation_is_balance_over_limit", "credit_utilization",
        np.abs(share * limit - balance * 10_000) > limit, len(share), "credit_history: card balance over limit",
    )  # fmt: skip


def _previous(values: Ints, first: Bools, start: Ints | int) -> Ints:
    return np.where(first, start, np.concatenate([[0], values[:-1]]))


def _loan_ledger(book: Book) -> Iterator[Tally]:
    name, rows = "installments", book.tables["installments"].num_rows
    column = {one: book.cents(name, one) for one in (
        "amount_due", "principal_due", "interest_due", "amount_paid", "principal_paid", "interest_paid",
        "prepaid_amount", "recovered_amount", "written_off_amount", "balance", "arrears",
    )}  # fmt: skip
    first, loan = book.first_rows, book.loan_of_row
    principal = book.cents("loans", "principal")[loan]
    number = book.tables[name]["installment_number"].to_numpy()
    out = sum(column[one] for one in ("principal_paid", "prepaid_amount", "recovered_amount", "written_off_amount"))
    gaps = {
        "number_counts": number != _previous(number, first, 0) + 1,
        "balance_carries": column["balance"] != _previous(column["balance"], first, principal) - out,
        "arrears_carry": column["arrears"]
        != _previous(column["arrears"], first, 0) + column["amount_due"] - column["amount_paid"],
        "due_adds_up": column["amount_due"] != column["principal_due"] + column["interest_due"],
        "paid_adds_up": column["amount_paid"] != column["principal_paid"] + column["interest_paid"],
        "never_negative": np.min(np.stack(list(column.values())), axis=0) < 0,
        "closed_owes_nothing": np.isin(book.status, ("repaid", "prepaid", "written_off")) & (column["balance"] != 0),
    }
    for rule, bad in gaps.items():
        yield broken(About.LEDGERS, rule, None, bad, rows, f"{name}: {rule.replace('_', ' ')}, to the cent")
    due, rate = column["amount_due"], book.cents("loans", "interest_rate")[loan]
    scheduled = principal - _running(column["principal_due"], first)
    before = _previous(scheduled, first, principal)
    interest = (2 * before * rate + 120_000) // 240_000
    yield broken(
        About.LEDGERS, "interest_of_the_month", "interest_due", (due > 0) & (interest != column["interest_due"]), rows,
        "installments: a twelfth of the year's rate on the scheduled balance, rounded to the cent",
    )  # fmt: skip


def _running(values: Ints, first: Bools) -> Ints:
    total = np.cumsum(values)
    starts = np.flatnonzero(first)
    offsets = np.repeat(total[starts] - values[starts], np.diff([*starts, len(values)]))
    return total - offsets


def _loan_totals(book: Book) -> Iterator[Tally]:
    count = book.tables["loans"].num_rows
    last = np.full(count, -1)
    last[book.loan_of_row] = np.arange(len(book.loan_of_row))
    begun = last >= 0
    principal = book.cents("loans", "principal")
    balance = np.where(begun, book.cents("installments", "balance")[last] if begun.any() else 0, principal)
    yield broken(
        About.LEDGERS, "balance_is_the_ledger's", "balance", balance != book.cents("loans", "balance"), count,
        "loans: the balance of the last row of the ledger",
    )  # fmt: skip
    for column in ("recovered_amount", "written_off_amount"):
        cents = book.cents("installments", column)
        total = np.rint(np.bincount(book.loan_of_row, weights=cents, minlength=count)).astype(np.int64)
        yield broken(
            About.LEDGERS, "total_is_the_ledger's", column, total != book.cents("loans", column), count,
            "loans: the sum of the ledger's",
        )  # fmt: skip


def _accounts(book: Book) -> Iterator[Tally]:
    customer = book.of_parent("transactions", "customer_id")
    amount, balance = book.cents("transactions", "transaction_amount"), book.cents("transactions", "account_balance")
    first = np.concatenate([[True], customer[1:] != customer[:-1]])[: len(customer)]
    yield broken(
        About.LEDGERS, "account_carries", "account_balance",
        balance != _previous(balance, first, 0) + amount, len(amount),
        "transactions: the balance before plus the amount, to the cent",
    )  # fmt: skip
    kind = np.asarray(book.text("transactions", "transaction_category").to_numpy().astype(str)) == "loan_payment"
    people = book.tables["customers"].num_rows
    taken = np.bincount(customer[kind], weights=-amount[kind], minlength=people)
    begins = np.full(people, np.iinfo(np.int64).max)
    np.minimum.at(begins, customer, book.days("transactions", "transaction_date"))
    payer = book.of_parent("loans", "customer_id")[book.loan_of_row]
    seen = book.days("installments", "paid_date") >= begins[payer]
    paid = np.bincount(payer[seen], weights=book.cents("installments", "amount_paid")[seen], minlength=people)
    yield broken(
        About.LEDGERS, "instalments_leave_the_account", "transaction_amount", np.rint(paid) != np.rint(taken), people,
        "transactions: a customer's loan payments are the ledger's since the account's first row, to the cent",
    )  # fmt: skip


def time_order(book: Book) -> Iterator[Tally]:
    """Check that nothing comes before what it needs, and nothing after the end."""
    joined = book.days("customers", "created_at")
    born = book.days("customers", "date_of_birth")
    applied_by = book.of_parent("loan_applications", "customer_id")
    applied = book.days("loan_applications", "application_date")
    application = book.of_parent("loans", "application_id")
    opened = book.days("loans", "opened_date")
    loan, due = book.loan_of_row, book.days("installments", "due_date")
    ends, paid = book.days("installments", "status_date"), book.days("installments", "paid_date")
    no_payment = book.is_null("installments", "paid_date")
    last = book.calendar.last
    event_of = book.of_parent("campaign_events", "campaign_id")
    event = book.days("campaign_events", "event_date")
    reports = book.days("impairments", "reporting_date")
    reported = book.of_parent("impairments", "loan_id")
    rules: dict[str, tuple[str, Bools]] = {
        "of age when joining": ("customers", (joined - born) < np.floor(18 * YEAR)),
        "applies after joining": ("loan_applications", applied < joined[applied_by]),
        "applies within the window": ("loan_applications", (applied < book.calendar.first) | (applied > last)),
        "decided after applying": ("loan_applications", book.days("loan_applications", "decision_date") <= applied),
        "opened after the decision": (
            "loans", opened <= book.days("loan_applications", "decision_date")[application],
        ),
        "due after opening": ("installments", due <= opened[loan]),
        "cycle ends in the window": ("installments", (ends < due) | (ends > last)),
        "paid within the cycle": ("installments", ~no_payment & ((paid < due) | (paid > ends))),
        "nothing after closing": ("installments", ends > book.days("loans", "closed_date")[loan]),
        "no report before opening or after closing": (
            "impairments",
            (reports < opened[reported]) | (reports > last) | (reports >= book.days("loans", "closed_date")[reported]),
        ),
        "bureau data loaded after joining": (
            "credit_history",
            book.days("credit_history", "created_at")
            < np.maximum(
                book.days("credit_history", "record_date"),
                joined[book.of_parent("credit_history", "customer_id")],
            ),
        ),
        "recorded after joining": (
            "financial_records",
            book.days("financial_records", "record_date") < joined[book.of_parent("financial_records", "customer_id")],
        ),
        "accounts in order": ("transactions", _disordered(book)),
        "reached within the campaign, after joining": (
            "campaign_events",
            (event < book.days("campaigns", "start_date")[event_of])
            | (event > book.days("campaigns", "end_date")[event_of])
            | (event < joined[book.of_parent("campaign_events", "customer_id")]),
        ),
    }  # fmt: skip
    for says, (table, bad) in rules.items():
        name = says.replace(" ", "_").replace(",", "")
        yield broken(About.TIME_ORDER, name, None, bad, len(bad), f"{table}: {says}")


def _disordered(book: Book) -> Bools:
    customer, day = book.of_parent("transactions", "customer_id"), book.days("transactions", "transaction_date")
    joined = book.days("customers", "created_at")
    back = np.concatenate([[False], (customer[1:] == customer[:-1]) & (day[1:] < day[:-1])])[: len(day)]
    return np.asarray(back | (day < joined[customer]) | (day > book.calendar.last))


def plausibility(book: Book) -> Iterator[Tally]:
    """Check ranges and categories, and that the book as a whole looks like a lender's."""
    for table in book.own:
        yield from _ranges(book, table)
    yield from _default_rules(book)
    yield from _behaviour(book)


def _ranges(book: Book, table: Table) -> Iterator[Tally]:
    data = book.tables[table.name]
    for one in table.fields:
        values = data[one.name]
        bad = 0 if one.nullable else values.null_count
        if one.low is not None or one.high is not None:
            low = -np.inf if one.low is None else one.low
            high = np.inf if one.high is None else one.high
            numbers = values.drop_null().to_numpy()
            bad += int(np.count_nonzero((numbers < low) | (numbers > high)))
        text = book.text(table.name, one.name) if pa.types.is_string(table.arrow.field(one.name).type) else None
        if text is not None and one.length is not None:
            bad += int(pc.sum(pc.greater(pc.utf8_length(text), one.length)).as_py() or 0)
        if text is not None and one.categories:
            bad += int(pc.sum(pc.invert(pc.is_in(text.drop_null(), pa.array(one.categories)))).as_py() or 0)
        says = f"{table.name}: within the declared range, length and categories, missing only where it may be"
        yield broken(About.PLAUSIBILITY, "declared_values", one.name, bad, data.num_rows, says)


def _default_rules(book: Book) -> Iterator[Tally]:
    rules = book.scenario.default
    loan, status = book.loan_of_row, book.status
    into = (status == "default") & (
        book.days("installments", "status_date") == book.days("loans", "default_date")[loan]
    )
    reason = np.asarray(book.text("loans", "default_reason").to_numpy().astype(str))[loan]
    late = into & (reason == "past_due")
    arrears, balance = book.cents("installments", "arrears"), book.cents("installments", "balance")
    material = (arrears >= rules.materiality_amount) & (arrears >= rules.materiality_share * balance)
    days = book.tables["installments"]["days_past_due"].to_numpy()
    yield broken(
        About.PLAUSIBILITY, "default_is_90_days_and_material", "status", late & ~(material & (days >= 90)), len(loan),
        "installments: who defaults by arrears is 90 days past due with a material amount",
    )  # fmt: skip
    missed = ~np.isin(status, ("default", "probation", "repaid", "prepaid", "written_off")) & (days >= 90) & material
    yield broken(
        About.PLAUSIBILITY, "90_days_and_material_is_default", "status", missed, len(loan),
        "installments: 90 days past due with a material amount is default",
    )  # fmt: skip


def gini(score: Floats, bad: Bools) -> float:
    """Return the Gini coefficient of a score, high meaning good: ``2 AUC - 1``, ties counted half."""
    values, place = np.unique(score, return_inverse=True)
    counts, bads = (np.bincount(place, one, len(values)) for one in (np.ones(len(score)), bad))
    return _gini(np.asarray(counts, np.float64), np.asarray(bads, np.float64))


def _gini(counts: Floats, bads: Floats) -> float:
    """Return the Gini coefficient from how many have each score, from low to high, and how many of them are bad."""
    goods = counts - bads
    above = goods.sum() - np.cumsum(goods) + goods / 2
    return float(2 * (bads * above).sum() / (bads.sum() * goods.sum()) - 1)


_SCORES = np.arange(300, 851)


def _behaviour(book: Book) -> Iterator[Tally]:
    score = np.clip(book.tables["loan_applications"]["credit_score"].to_numpy(), _SCORES[0], _SCORES[-1]) - _SCORES[0]
    bad = book.tables["true_outcomes"]["default_12m"].to_numpy()
    sums = np.array([np.bincount(score, one, len(_SCORES)) for one in (np.ones(len(score)), bad)], np.float64)
    yield Tally(About.PLAUSIBILITY, "gini_of_scores", None, "of application scores", sums, _gini_as_published)
    yield Tally(About.PLAUSIBILITY, "default_rates_fall_with_score", "credit_score", "in bands", sums, _falling)


def _gini_as_published(tally: Tally) -> Iterator[Check]:
    counts, bads = tally.sums
    if bads.sum() < _FEWEST_BAD:
        return
    found = _gini(counts, bads)
    # The standard error of an AUC from few bads is about half a root of their number's inverse.
    error = 0.6 / np.sqrt(bads.sum())
    yield tally.check(
        GINI_RANGE[0] - error <= found <= GINI_RANGE[1] + error,
        f"Gini of application scores over all applicants {found:.2f}; usual: {GINI_RANGE[0]} to {GINI_RANGE[1]}",
    )


def _falling(tally: Tally) -> Iterator[Check]:
    edges = np.arange(0, len(_SCORES), _BAND_POINTS)
    counts, bads = np.add.reduceat(tally.sums, edges, axis=1)
    if bads.sum() < _FEWEST_BAD:
        return
    full = counts >= _FEWEST_IN_BAND
    rates = bads[full] / counts[full]
    errors = np.sqrt(rates * (1 - rates) / counts[full])
    rises = int(np.count_nonzero(np.diff(rates) > MAX_ERRORS / 2 * np.hypot(errors[1:], errors[:-1])))
    says = f"default rates fall from band to band of {_BAND_POINTS} points"
    detail = f"should be so: {says}; {rises} of {len(rates)} bands do not" if rises else says
    yield tally.check(not rises, detail)


def parameters(book: Book) -> Iterator[Tally]:
    """Check that what the scenario says comes out of the data again."""
    yield from _pd_found(book)
    yield from _moves_found(book)
    yield from _incomes_found(book)
    yield from _cures_found(book)
    if book.scenario.answers.reject_inference.wanted:
        yield from _overrides_found(book)
    if book.scenario.answers.fairness.wanted:
        yield from _disparity_found(book)
    if book.scenario.moves:
        yield from _drifts_found(book)


def _agreement(
    name: str, says: str, found: Floats | Bools, expected: Floats, variance: Floats, fewest: int = _FEWEST_BAD
) -> Tally:
    """Tally what was found of some rows, what the scenario expects of each, and by how much chance moves that."""
    sums = np.array([found.sum(), expected.sum(), variance.sum(), len(found)], np.float64)
    return Tally(About.PARAMETERS, name, None, says, sums, partial(_agreed, fewest=fewest))


def _agreed(tally: Tally, fewest: int) -> Iterator[Check]:
    found, expected, variance, rows = tally.sums
    if rows >= fewest:
        yield _agrees(tally, tally.says, found / rows, expected / rows, np.sqrt(variance) / rows)


def _agrees(tally: Tally, says: str, found: float, expected: float, error: float) -> Check:
    passed = abs(found - expected) <= MAX_ERRORS * error + 1e-12
    text = f"{says}: {found:.4f} found, {expected:.4f} declared, standard error {error:.4f}"
    return tally.check(bool(passed), text)


_PD_EDGES = np.geomspace(1e-5, 1.0, 2_001)
"""Fine enough to find the fifths of any book among them."""


def _pd_found(book: Book) -> Iterator[Tally]:
    pd, bad = (book.tables["true_outcomes"][name].to_numpy() for name in ("pd_12m", "default_12m"))
    place = np.searchsorted(_PD_EDGES, pd)
    sums = [np.bincount(place, one, len(_PD_EDGES) + 1) for one in (np.ones(len(pd)), bad, pd, pd * (1 - pd))]
    yield Tally(About.PARAMETERS, "pd_implied", None, "by fifths of the implied PD", np.stack(sums), _pd_in_fifths)


def _pd_in_fifths(tally: Tally) -> Iterator[Check]:
    counts = tally.sums[0]
    # A bin belongs to the fifth that its middle row is in.
    fifth = np.minimum(5 * (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1), 4).astype(np.int64)
    for number in range(5):
        rows, bad, pd, variance = tally.sums[:, fifth == number].sum(axis=1)
        if rows:
            says = f"12-month default rate where the implied PD is in fifth {number + 1}"
            yield _agrees(tally, says, bad / rows, pd / rows, np.sqrt(variance) / rows)


def _moves_found(book: Book) -> Iterator[Tally]:
    """Compare how often instalments were missed, state by state, with what the hazards say of these very loans."""
    rules, loan = book.scenario.hazards, book.loan_of_row
    macro = rules.index.macro * macro_path(book.scenario, book.seed).index
    application = book.of_parent("loans", "application_id")
    truth = book.tables["true_outcomes"]
    place = book.of_parent("true_outcomes", "application_id")
    of_application = np.empty(len(place), np.int64)
    of_application[place] = np.arange(len(place))
    row = of_application[application][loan]
    index, opened = truth["risk_index"].to_numpy()[row], truth["opening_month"].to_numpy()[row]
    age = book.tables["installments"]["installment_number"].to_numpy()
    risk = index + macro[opened + age] + hazards.season(rules, age)
    days = book.tables["installments"]["days_past_due"].to_numpy()
    paid = book.cents("installments", "amount_paid") + book.cents("installments", "prepaid_amount")
    performing = ~np.isin(book.status, ("default", "probation", "repaid", "prepaid", "written_off"))
    before = np.where(book.first_rows, 0, np.concatenate([[0], days[:-1]])) // 30
    was = book.first_rows | np.concatenate([[True], performing[:-1]])[: len(performing)]
    skipped = paid == 0
    for state, hazard in enumerate((rules.current, rules.one_missed, rules.two_missed)):
        rows = was & (before == state)
        unlikely = hazards.logistic(rules.unlikely_to_pay, risk[rows])
        expected = unlikely + (1 - unlikely) * hazards.logistic(hazard, risk[rows])
        says = f"share of months without payment with {state} missed before"
        yield _agreement("hazard", says, skipped[rows], expected, expected * (1 - expected))


def _incomes_found(book: Book) -> Iterator[Tally]:
    population = book.scenario.population
    joined, born = book.days("customers", "created_at"), book.days("customers", "date_of_birth")
    region = dict(zip(zip(places.CITIES, places.STATES, strict=True), places.INCOMES, strict=True))
    cities = book.text("customers", "city").to_pylist()
    states = book.text("customers", "state").to_pylist()
    jobs = np.asarray(book.text("customers", "employment_type").to_numpy().astype(str))
    by_age = np.interp((joined - born) / YEAR, population.income_ages, population.income_by_age)
    by_region = np.array([region[pair] for pair in zip(cities, states, strict=True)]) ** population.region_strength
    log_income = np.log(book.tables["customers"]["annual_income"].to_numpy() / (by_age * by_region))
    for move in book.tables["drift_key"].to_pylist() if book.scenario.moves else ():
        if move["column_name"] == "annual_income":
            log_income -= np.where(joined >= day_of(move["since_date"]), move["shift"], 0.0)
    for job in population.jobs:
        above = np.searchsorted(_INCOME_EDGES, log_income[jobs == job.name] - np.log(job.income))
        sums = np.bincount(above, minlength=len(_INCOME_EDGES) + 1).astype(np.float64)
        says = f"logarithm of the median income over the declared, {job.name}, age and region aside"
        judge = partial(_median_income, spread=population.income_spread)
        yield Tally(About.PARAMETERS, "income", None, says, sums, judge)


_INCOME_EDGES = np.linspace(-4.0, 4.0, 16_001)


def _median_income(tally: Tally, spread: float) -> Iterator[Check]:
    rows = tally.sums.sum()
    if rows >= _FEWEST_BAD:
        middle = int(np.searchsorted(np.cumsum(tally.sums), rows / 2))
        # The bin's own middle: bins are far narrower than chance is wide.
        median = float(_INCOME_EDGES[max(0, middle - 1) : middle + 1].mean())
        yield _agrees(tally, tally.says, median, 0.0, 1.2533 * spread / float(np.sqrt(rows)))


def _cures_found(book: Book) -> Iterator[Tally]:
    """Compare the share of defaults that are cured with the scenario's, over those with time to."""
    rules = book.scenario.default
    entered = book.days("loans", "default_date")
    calendar = book.calendar
    enough = calendar.starts[calendar.months - 2 - rules.cure_months]
    waited = ~book.is_null("loans", "default_date") & (entered < enough)
    loan, ends = book.loan_of_row, book.days("installments", "status_date")
    within = (ends > entered[loan]) & (ends <= entered[loan] + round((rules.cure_months + 0.5) * YEAR / 12))
    healed = within & np.isin(book.status, ("probation", "repaid"))
    cured = np.zeros(len(entered), np.bool_)
    cured[loan[healed]] = True
    declared = np.full(np.count_nonzero(waited), 1 - (1 - rules.cure) ** rules.cure_months)
    says = "share of defaults that are cured"
    yield _agreement("cure", says, cured[waited], declared, declared * (1 - declared))
    sums = np.array([np.count_nonzero(cured[waited]), np.count_nonzero(waited)], np.float64)
    yield Tally(About.PLAUSIBILITY, "cures", None, says, sums, _cures_as_published)


def _cures_as_published(tally: Tally) -> Iterator[Check]:
    cured, rows = tally.sums
    if rows >= _FEWEST_BAD:
        share = cured / rows
        says = f"{tally.says} {share:.2f}; usual: {CURE_RANGE[0]} to {CURE_RANGE[1]}"
        yield tally.check(bool(CURE_RANGE[0] <= share <= CURE_RANGE[1]), says)


def _shares_found(name: str, says: str, found: Bools, declared: Floats | float, fewest: int = 1) -> Tally:
    """Tally a share of rows beside the probability of each."""
    each = np.broadcast_to(np.asarray(declared, np.float64), found.shape)
    return _agreement(name, says, found, each, each * (1 - each), fewest)


def _overrides_found(book: Book) -> Iterator[Tally]:
    """Compare how many the score and the override turned down with what the scenario says of these very applicants."""
    rules, name = book.scenario.answers.reject_inference, "reject_inference_key"
    reason, outcome = (
        np.asarray(book.text(name, column).to_numpy().astype(str)) for column in ("rejected_by_mnar", "outcome")
    )
    score = book.tables["reject_inference_mar"]["credit_score"].to_numpy()
    chance = reject_inference.accept_chance(rules, score)
    yield _shares_found("reject_by_score", "share that the score accepts", reason != "score", chance)
    for which in reject_inference.OUTCOMES:
        rows = (reason != "score") & (outcome == which)
        declared = reject_inference.override_share(rules, (outcome == "bad")[rows])
        says = f"share of the {which} that is overridden"
        yield _shares_found("override", says, reason[rows] == "override", declared, _FEWEST_BAD)


def _disparity_found(book: Book) -> Iterator[Tally]:
    """Compare, among pairs that policy approves, how many second twins were rejected with the disparity."""
    decision = np.asarray(book.text("fairness_pairs", "decision").to_numpy().astype(str)).reshape(-1, 2)
    approved = decision[:, 0] == "approved"
    says = "share of approvals that the second group is refused"
    refused = decision[approved, 1] == "rejected"
    yield _shares_found("disparity", says, refused, book.scenario.answers.fairness.disparity)


_VALUE_EDGES = np.geomspace(1e-3, 1e8, 40_001)
"""Fine enough to find the deciles of incomes, amounts, scores and shares among them: 0.06 % apart."""


def _drifts_found(book: Book) -> Iterator[Tally]:
    """Compare each index that is found with the stated one; the shift, too, is from a sample."""
    for move in book.scenario.moves:
        table, column = move.column.split(".")
        later = book.days(table, "created_at") >= day_of(move.since)
        place = np.searchsorted(_VALUE_EDGES, book.tables[table][column].to_numpy())
        sums = np.zeros((3, len(_VALUE_EDGES) + 1))
        sums[0], sums[1] = (np.bincount(place[side], minlength=sums.shape[1]) for side in (~later, later))
        sums[2, 0] = book.tables["customers"].num_rows
        says = f"population stability index of {move.column}, less what chance makes of it"
        yield Tally(About.PARAMETERS, "psi", None, says, sums, partial(_moved, move=move))


def _moved(tally: Tally, move: Move) -> Iterator[Check]:
    before, after, (customers, *_) = tally.sums
    counts = int(before.sum()), int(after.sum())
    if min(counts) >= _FEWEST_IN_BAND:
        error = drift.psi_error(move.psi, *counts) * float(
            np.sqrt(1 + customers / drift.COLUMNS[move.column].customers)
        )
        chance = (drift.BINS - 1) * (1 / counts[0] + 1 / counts[1])
        yield _agrees(tally, tally.says, drift.psi_of_counts(before, after) - chance, move.psi, error)
