"""Drift: from a date on a column's distribution is moved, as far as a stated population stability index asks.

What is moved is the number that a column is drawn from, so that the book stays one truth: higher amounts give higher
instalments, lower scores give more rejections and more defaults. Nothing that was entered before the date changes. How
far to go is not guessed: the applications of the book's first customers are simulated until the index is as stated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synthcredit.errors import InvalidInputError, Problem, raise_all
from synthcredit.portfolio import arrays
from synthcredit.portfolio.draws import Floats, Ints
from synthcredit.portfolio.macro import day_of
from synthcredit.portfolio.scenario import DriftColumn, Move
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block, World

Values = NDArray[np.int64] | NDArray[np.float64]
Point = tuple[float, float]
BINS = 10
_HALF = 0.5
_CLOSE = 0.005
"""How near the index must come, relative to what is stated."""
_ROUNDS = 40
_DOUBLINGS = 5


@dataclass(frozen=True, slots=True)
class Shift:
    """What is added to a column's drawn number, and from which day on."""

    since: int
    amount: float

    def at(self, days: Ints) -> Floats:
        """Return what is added on some days."""
        return np.where(days >= self.since, self.amount, 0.0)


@dataclass(frozen=True, slots=True)
class Movable:
    """A column that can drift.

    Parameters
    ----------
    scale
        What the shift is added to.
    step
        A shift to begin the search with.
    customers
        How many, the first of the book, shifts are found on, however many the book has.
    read
        Returns the days and the values of a block.
    """

    scale: str
    step: float
    customers: int
    read: Callable[[Block], tuple[Ints, Values]]


# In the order in which shifts are found: an income moves the amounts that are asked for.
COLUMNS: Mapping[DriftColumn, Movable] = {
    "customers.annual_income": Movable(
        "logarithm of the income", 0.3, 65_536, lambda block: (block.people.joined, block.people.income)
    ),
    "loan_applications.requested_amount": Movable(
        "logarithm of the amount", 0.6, 32_768, lambda block: (block.applied.day, block.applied.amount)
    ),
    "loan_applications.credit_score": Movable(
        "points", 40.0, 32_768, lambda block: (block.applied.day, block.applied.score)
    ),
    "loan_applications.credit_utilization": Movable(
        "logit of the share", 0.5, 32_768, lambda block: (block.applied.day, block.applied.utilisation)
    ),
}


def psi(before: Values, after: Values) -> float:
    """Return the population stability index of two samples.

    ``sum over bins (a - b) ln(a / b)`` with ``b`` and ``a`` the shares of ``before`` and ``after``; the bins are
    ``(-inf, d1], (d1, d2], ..., (d9, inf)`` with d1 to d9 the deciles of ``before``, equal ones counted once; half a
    row is added to every bin, so that an empty one has a logarithm (Siddiqi, "Credit risk scorecards", 2006).

    Parameters
    ----------
    before, after
        Shape (n,) and (m,), in the column's unit; two samples of one distribution have about ``9 (1/n + 1/m)``.
    """
    edges = np.unique(np.quantile(before, np.arange(1, BINS) / BINS))
    counts = [np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) for side in (before, after)]
    return _index(*(np.asarray(count, np.float64) for count in counts))


def psi_of_counts(before: Floats, after: Floats) -> float:
    """Return the same index from how many values lie in narrow bins, from low to high, so that it can be added up."""
    total = np.cumsum(before)
    edges = np.unique(np.searchsorted(total, np.arange(1, BINS) / BINS * total[-1]))
    bins = np.searchsorted(edges, np.arange(len(before)))
    return _index(*(np.bincount(bins, side, len(edges) + 1).astype(np.float64) for side in (before, after)))


def _index(before: Floats, after: Floats) -> float:
    b, a = ((count + _HALF) / (count + _HALF).sum() for count in (before, after))
    return float(((a - b) * np.log(a / b)).sum())


def psi_error(index: float, before: int, after: int) -> float:
    """Return about the standard error of `psi` from samples of so many rows: ``2 sqrt(index (1/n + 1/m))``.

    A shift of a normal number by d standard deviations has an index of about d squared, and d is known to
    ``sqrt(1/n + 1/m)``.
    """
    return float(2 * np.sqrt(index * (1 / before + 1 / after)))


def solved(world: World) -> dict[DriftColumn, Shift]:
    """Return the shift of each column of the scenario that drifts; of applications only if there are any.

    Raises
    ------
    InvalidInputError
        A column moves more than stated without any drift, or cannot be moved so far: all of them at once.
    """
    found: dict[DriftColumn, Shift] = {}
    problems: list[Problem] = []
    moves = {move.column: move for move in world.scenario.moves}
    for column in COLUMNS:
        if column not in moves or (column.startswith("loan_applications") and not world.volumes.applications):
            continue
        try:
            found[column] = _solve(world, found, moves[column])
        except InvalidInputError as error:
            problems += error.problems
    raise_all(problems)
    return found


def _solve(world: World, others: Mapping[DriftColumn, Shift], move: Move) -> Shift:
    """Find the shift of one column; the root of the index is nearly linear in it."""
    since, column = day_of(move.since), COLUMNS[move.column]
    wanted = float(np.sqrt(move.psi))
    sign = 1.0 if move.direction == "up" else -1.0

    def gap(size: float) -> float:
        shift = Shift(since, sign * size)
        return float(np.sqrt(index_under(world, {**others, move.column: shift}, move))) - wanted

    start = gap(0.0)
    if start > 0:
        raise _refused(move, f"its index is {(start + wanted) ** 2:.3f} without any drift", "State more.")
    low, high = (0.0, start), (column.step, gap(column.step))
    for _ in range(_DOUBLINGS):
        if high[1] < 0:
            low, high = high, (2 * high[0], gap(2 * high[0]))
    if high[1] < 0:
        raise _refused(move, f"it comes no further than {(high[1] + wanted) ** 2:.3f}", "State less.")
    return Shift(since, sign * _root(gap, low, high, _CLOSE / 2 * wanted))


def _root(gap: Callable[[float], float], low: Point, high: Point, close: float) -> float:
    """Return where a function is nearly 0, between a point below it and one above, by regula falsi."""
    before = 0.0
    for _ in range(_ROUNDS):
        size = low[0] - low[1] * (high[0] - low[0]) / (high[1] - low[1])
        here = gap(size)
        if abs(here) < close:
            break
        # An end that stays twice counts half (the Illinois rule), so that it moves too.
        if here < 0:
            low, high = (size, here), (high[0], high[1] / 2 if before < 0 else high[1])
        else:
            low, high = (low[0], low[1] / 2 if before > 0 else low[1]), (size, here)
        before = here
    return size


def _refused(move: Move, problem: str, fix: str) -> InvalidInputError:
    return InvalidInputError(Problem(f"answers.drift '{move.column}' psi {move.psi}", problem, fix))


def index_under(world: World, shifts: Mapping[DriftColumn, Shift], move: Move) -> float:
    """Return the index of a column between the days before and after its move's date, under some shifts.

    Of the customers that shifts are found on, not of those of the book.
    """
    column = COLUMNS[move.column]
    days: list[Ints] = []
    values: list[Floats] = []
    for block in world.reference(column.customers, shifts):
        day, value = column.read(block)
        days.append(day)
        values.append(value.astype(np.float64))
    later = np.concatenate(days) >= day_of(move.since)
    together = np.concatenate(values)
    return psi(together[~later], together[later])


def make(block: Block) -> list[pa.Array]:
    """Return the columns of the table: of the whole book."""
    moves = {move.column: move for move in block.world.scenario.moves}
    rows = [(moves[column], shift) for column, shift in block.world.shifts.items()]
    number = np.arange(len(rows))
    tables, columns = (tuple(move.column.split(".")[part] for move, _ in rows) for part in (0, 1))
    return [
        arrays.text(arrays.customer_words(number, "D")),
        pa.array(tables, pa.string()),
        pa.array(columns, pa.string()),
        arrays.dates(np.array([shift.since for _, shift in rows], np.int64)),
        arrays.real(np.array([move.psi for move, _ in rows])),
        arrays.labels(np.array([move.direction == "down" for move, _ in rows], np.int64), ("up", "down")),
        arrays.real(np.rint(np.array([shift.amount for _, shift in rows]) * 1e8) / 1e8),
        pa.array([COLUMNS[move.column].scale for move, _ in rows], pa.string()),
    ]


TABLE = Table(
    name="drift_key",
    about="The answer key of drift: which column moves when, to which population stability index.",
    key="drift_id",
    make=make,
    once=True,
    fields=(
        text_key("drift_id", "Key."),
        Field("table_name", "varchar(50)", "The table."),
        Field("column_name", "varchar(50)", "The column."),
        Field("since_date", "date", "The first day on which it is moved; nothing entered before changes."),
        Field(
            "psi", "decimal(12,8)", "Population stability index between the rows before that day and those after, over "
            "deciles of those before.", low=0,
        ),
        Field("direction", "varchar(20)", "Where to.", categories=("up", "down")),
        Field("shift", "decimal(12,8)", "What is added, found so that the index is as stated."),
        Field("scale", "varchar(50)", "What it is added to."),
    ),
)  # fmt: skip
