"""The modelling view: open loans at an observation date, what was known of them then, and what became of them.

Everything on the left was known on the observation date: rows of cycles that had ended, bureau entries that had been
loaded, the application. Everything in ``outcome`` is of the twelve months after it, so the view needs those to be over.

- bad: in default at the end of a cycle within the twelve months;
- indeterminate: not bad, but 60 days past due or more at some time, or closed within six months with nothing to tell;
- good: the rest.

Loans that are in default, in probation or closed on the observation date are left out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthcredit.errors import InvalidInputError, Problem
from synthcredit.portfolio.draws import Bools, Ints
from synthcredit.portfolio.macro import day_of

GOOD, BAD, INDETERMINATE = "good", "bad", "indeterminate"
HORIZON_MONTHS = 12
_INDETERMINATE_DAYS = 60
_SHORT_MONTHS = 6
_DEFAULTED = ("default", "probation", "written_off")
_CLOSED = ("repaid", "prepaid", "written_off")
TABLES = ("customers", "loan_applications", "loans", "installments", "credit_history")
"""What the view is made of."""


def modelling_view(tables: Mapping[str, pa.Table], observed: dt.date) -> pa.Table:
    """Return one row an open, performing loan.

    Parameters
    ----------
    tables
        By name: those in `TABLES`, whole; text may be dictionary-encoded.
    observed
        The observation date; twelve months after it must lie within the book's window.

    Raises
    ------
    InvalidInputError
        Tables are missing, or outcomes after this date are not known yet: all problems at once.
    """
    missing = [Problem(f"table '{name}'", "it is not given", "Give it.") for name in TABLES if name not in tables]
    if missing:
        raise InvalidInputError(missing)
    today, until = day_of(observed), day_of(_later(observed, HORIZON_MONTHS))
    rows = _rows_of(tables["installments"], tables["loans"])
    ends = _days(rows["status_date"])
    if len(ends) and until > int(ends.max()):
        last = dt.date(1970, 1, 1) + dt.timedelta(days=int(ends.max()))
        raise InvalidInputError(
            Problem("observed", f"the book ends on {last}, before its outcomes", "Observe at least a year before.")
        )
    loan_places = _places(tables["loans"]["loan_id"], rows["loan_id"])
    known, later = ends <= today, (ends > today) & (ends <= until)
    keep, last_row = _open_loans(tables["loans"], rows, loan_places, known, today)
    outcome = _outcomes(rows, loan_places, later, keep)
    return _features(tables, rows, keep, last_row, today).append_column(
        "outcome", pa.array(outcome.tolist(), pa.string())
    )


def _rows_of(rows: pa.Table, loans: pa.Table) -> pa.Table:
    """Return the ledger of the loans that are there: those may be a selection."""
    there = _places(loans["loan_id"], rows["loan_id"]) >= 0
    return rows if there.all() else rows.filter(pa.array(there))


def _later(date: dt.date, months: int) -> dt.date:
    years, month = divmod(date.month - 1 + months, 12)
    return dt.date(date.year + years, month + 1, min(date.day, 28))


def _days(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.cast(pa.int32()).to_numpy(), np.int64)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _places(keys: pa.ChunkedArray, wanted: pa.ChunkedArray) -> Ints:
    """Return where each wanted key stands among the keys, -1 where it does not."""
    found = pc.index_in(_plain(wanted).combine_chunks(), value_set=_plain(keys).combine_chunks())
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)


def _open_loans(loans: pa.Table, rows: pa.Table, places: Ints, known: Bools, today: int) -> tuple[Ints, Ints]:
    """Return the loans that are open and performing, and the last row of each that was known, -1 where none was."""
    last = np.full(loans.num_rows, -1)
    ages = np.zeros(loans.num_rows, np.int64)
    numbers = rows["installment_number"].to_numpy()
    at = np.flatnonzero(known)
    np.maximum.at(ages, places[at], numbers[at])
    newest = at[numbers[at] == ages[places[at]]]
    last[places[newest]] = newest
    status = np.asarray(_plain(rows["status"]).to_numpy(), object)
    standing = np.where(last >= 0, status[last] if len(status) else "", "current")
    usable = (_days(loans["opened_date"]) <= today) & ~np.isin(standing.astype(str), (*_DEFAULTED, *_CLOSED))
    keep = np.flatnonzero(usable)
    return keep, last[keep]


def _outcomes(rows: pa.Table, places: Ints, later: Bools, keep: Ints) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    count = int(max(places.max(initial=-1), keep.max(initial=-1))) + 1
    status = _plain(rows["status"]).to_numpy().astype(str)
    bad, late = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    at = np.flatnonzero(later)
    bad[places[at[np.isin(status[at], _DEFAULTED)]]] = True
    late[places[at[rows["days_past_due"].to_numpy()[at] >= _INDETERMINATE_DAYS]]] = True
    seen = np.bincount(places[at], minlength=count)
    closed = np.zeros(count, np.bool_)
    closed[places[at[np.isin(status[at], _CLOSED)]]] = True
    short = closed & (seen < _SHORT_MONTHS)
    found = np.where(bad, BAD, np.where(late | short, INDETERMINATE, GOOD)).astype(object)
    return np.asarray(found[keep])


def _features(tables: Mapping[str, pa.Table], rows: pa.Table, keep: Ints, last: Ints, today: int) -> pa.Table:
    loans = tables["loans"].take(pa.array(keep))
    customer = tables["customers"].take(pa.array(_places(tables["customers"]["customer_id"], loans["customer_id"])))
    application = tables["loan_applications"].take(
        pa.array(_places(tables["loan_applications"]["application_id"], loans["application_id"]))
    )
    bureau, has_bureau = _latest_bureau(tables, loans, today)
    begun = last >= 0
    place = pa.array(np.maximum(last, 0)) if rows.num_rows else pa.array(np.zeros(0, np.int64))

    def of_row(name: str, otherwise: pa.ChunkedArray | int) -> pa.Array:
        if not rows.num_rows:
            return otherwise
        values = rows[name].take(place).to_numpy()
        start = otherwise if isinstance(otherwise, int) else otherwise.to_numpy()
        return pa.array(np.where(begun, values, start))

    age = (today - _days(customer["date_of_birth"])) / 365.2425
    columns = {
        "loan_id": _plain(loans["loan_id"]),
        "observation_date": pa.array(np.full(len(keep), today, np.int32)).cast(pa.date32()),
        "age": pa.array(np.floor(age).astype(np.int64)),
        "state": _plain(customer["state"]),
        "employment_type": _plain(customer["employment_type"]),
        "annual_income": customer["annual_income"],
        "loan_type": _plain(loans["loan_type"]),
        "principal": loans["principal"],
        "interest_rate": loans["interest_rate"],
        "term_months": loans["term_months"],
        "installment_amount": loans["installment_amount"],
        "application_score": application["credit_score"],
        "application_debt_to_income": application["debt_to_income"],
        "months_on_book": of_row("installment_number", 0),
        "balance": of_row("balance", loans["principal"]),
        "days_past_due": of_row("days_past_due", 0),
        "bureau_score": _where(bureau["credit_score"], has_bureau),
        "bureau_utilization": _where(bureau["credit_utilization"], has_bureau),
        "bureau_date": _where(bureau["record_date"], has_bureau),
    }
    return pa.table(columns)


def _where(column: pa.ChunkedArray, valid: Bools) -> pa.ChunkedArray:
    return pc.if_else(pa.array(valid), column, pa.scalar(None, column.type))


def _latest_bureau(tables: Mapping[str, pa.Table], loans: pa.Table, today: int) -> tuple[pa.Table, Bools]:
    """Return the latest bureau entry of each loan's customer that the lender had, and whether it had any."""
    history = tables["credit_history"]
    loaded = np.asarray(history["created_at"].cast(pa.int64()).to_numpy()) // (86_400 * 1_000_000)
    at = np.flatnonzero(loaded <= today)
    customers = tables["customers"]["customer_id"]
    owner = _places(customers, history["customer_id"])[at]
    days = _days(history["record_date"])[at]
    order = np.lexsort((days, owner))
    latest = np.full(len(customers), -1)
    # In order of days: the latest stays.
    latest[owner[order]] = at[order]
    found = latest[_places(customers, loans["customer_id"])]
    if not history.num_rows:
        return history.slice(0, 0), found >= 0
    return history.take(pa.array(np.maximum(found, 0))), found >= 0
