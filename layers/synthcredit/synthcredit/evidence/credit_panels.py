"""Credit behaviour over time: how people roll from one state of arrears to the next, and how cohorts default.

Roll rates (stage migration) need a status at several times, vintages a date and a target of two classes; most tables
have one of them or none, and then say so. States and cohorts are fixed on real training rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema, Value, storage_name
from synthcredit.evidence.aggregates import MIN_CELL, MISSING
from synthcredit.evidence.credit_bins import MAX_ROWS, Flags, Judged, States, Vector, Z, class_name, good_and_bad
from synthcredit.evidence.credit_scorecard import wilson
from synthcredit.evidence.fidelity import jackknife_error
from synthcredit.evidence.model import Detail, Figure, Measure, Unit
from synthcredit.evidence.sides import Sides, draw
from synthcredit.evidence.utility import outcome, prepare
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric, rows_of, take

Found = tuple[tuple[Measure, ...], tuple[Detail, ...]]

MAX_STATES = 20
"""More values than this are an amount, not a status."""
MIN_TIMES = 3
MIN_KAPPA = 0.1
"""Columns whose values agree with the next ones' hardly more than chance has it are no status over time, whatever their
names: indicators of categories agree less, the payment status of UCI default by .6."""
MIN_ROWS_A_CUSTOMER = 3
MIN_COHORT_ROWS = 3 * MIN_CELL
MIN_COHORTS, MAX_COHORTS = 4, 16
_STEPS = (3, 12, 60, 1)
"""Months that a cohort is long, the first that gives neither too few nor too many cohorts: quarters if they do."""
_GROUPS = 20
_LINES_SHOWN = 4
_OTHER_STATUS = "other status"
_REST = "all the rest"
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")
_OF_ORIGIN = ("issue", "orig", "open", "start", "appl", "disb", "fund", "book", "grant")
"""Beginnings of words that name the date when a loan began."""
_OF_STATUS = ("status", "stage", "bucket", "dpd", "arrear", "delinq", "overdue", "pastdue")

_ABOUT: dict[Figure, tuple[str, str]] = {
    Figure.ROLL_RATE_GAP: (
        "Roll rates, mean gap",
        (
            "How much of the people in a status go on to another one than real people do, on average over the status "
            "they come from: 0 the same, 1 all; near fresh is good."
        ),
    ),
    Figure.VINTAGE_GAP: (
        "Default rate by cohort, mean gap",
        (
            "How far the default rate of those who began in one period is off on average, up or down; near fresh is "
            "good."
        ),
    ),
}


def measure(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Found:
    """Measure roll rates and default rates by cohort against the holdout at equal row counts, beside training rows.

    Intervals are the figure plus and minus 1.96 standard errors of the delete-a-group jackknife (see
    `fidelity.jackknife_error`): groups of rows, or of customers, so that a person's transitions stay together.

    Parameters
    ----------
    sides
        Learned columns as `encode` gives them; at most `credit_bins.MAX_ROWS` rows a side are measured.
    schema
        Their schema; its target is the default, of which the class with fewer real training rows is bad.
    rng
        Draws rows, or customers.

    Returns
    -------
    tuple
        Figures and the tables behind them. Figures that cannot be judged are there too, with the reason.
    """
    details: list[Detail] = []
    return (
        _told(Figure.ROLL_RATE_GAP, _judge_rolls(sides, schema, rng, details)),
        _told(Figure.VINTAGE_GAP, _judge_vintages(sides, schema, rng, details)),
    ), tuple(details)


def _told(figure: Figure, judged: Judged) -> Measure:
    title, reading = _ABOUT[figure]
    return Measure(
        name=figure,
        title=title,
        unit=Unit.DIFFERENCE,
        value=judged.value,
        low=judged.low,
        high=judged.high,
        fresh=judged.fresh,
        rows=judged.rows,
        reading=" ".join(word for word in (reading, judged.remark) if word),
        why_not=judged.why_not,
    )


def _judged(values: Vector, fresh: Vector, rows: int, remark: str) -> Judged:
    """Tell of a figure by its values with each group left out, and with none."""
    value, half = float(values[-1]), Z * jackknife_error(values[:-1])
    return Judged(value, max(0.0, value - half), min(1.0, value + half), float(fresh[-1]), rows, remark=remark)


def left_out(cells: States, groups: States, size: int) -> Vector:
    """Count rows by cell with each of the groups left out, and with none, shape (groups + 1, size)."""
    counts = np.bincount(groups * size + cells, minlength=_GROUPS * size).reshape(_GROUPS, size).astype(np.float64)
    whole = counts.sum(axis=0, keepdims=True)
    return np.concatenate([whole - counts, whole])


def rates(counts: Vector) -> Vector:
    """Return the shares of each line, a row of the average line added to it: an empty line says nothing of its own.

    ``(n_st + n_t / n) / (n_s + 1)`` with n_st rows of line s in cell t: as weights of evidence are smoothed here.
    ``counts`` and the result have shape (resamples, lines, cells).
    """
    average = counts.sum(axis=1, keepdims=True)
    average = average / np.maximum(average.sum(axis=2, keepdims=True), 1.0)
    return np.asarray((counts + average) / (counts.sum(axis=2, keepdims=True) + 1))


def _line_weights(real: Vector) -> Vector:
    lines = real.sum(axis=2)
    return np.asarray(lines / np.maximum(lines.sum(axis=1, keepdims=True), 1.0))


# --- roll rates ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Coding:
    """Which state each value is: values that too few people of the training rows ever have share one, with unseen ones.

    Parameters
    ----------
    of
        The state by value.
    missing, other
        The states of a missing value, and of one that is not in ``of``.
    labels
        The states' names; the last one is `_OTHER_STATUS`.
    """

    of: dict[Value, int]
    missing: int
    other: int
    labels: tuple[str, ...]

    def states(self, feature: Feature, column: Column) -> States:
        """Return the state of every row, shape (n,)."""
        if isinstance(feature, Discrete):
            # Two more codes: missing, and unknown to a column that is never missing.
            known = [self.of.get(category, self.other) for category in column.categories or ()]
            return np.array([*known, self.missing, self.missing])[feature.codes]
        values, places = np.unique(feature.values, return_inverse=True)
        known = [self.missing if np.isnan(value) else self.of.get(value, self.other) for value in values.tolist()]
        return np.array(known, dtype=np.int64)[places]


@dataclass(frozen=True, slots=True)
class _Moves:
    """From which state to which, and the person by number, each shape (moves,)."""

    start: States
    end: States
    people: States

    def counts(self, size: int) -> Vector:
        """Count moves with each group of people left out, and with none, shape (groups + 1, size, size)."""
        cells = left_out(self.start * size + self.end, self.people % _GROUPS, size * size)
        return cells.reshape(-1, size, size)

    def people_in(self, size: int) -> States:
        """Count the people that are ever in each state, shape (size,)."""
        seen = np.unique(np.concatenate([self.people * size + self.start, self.people * size + self.end]))
        return np.bincount(seen % size, minlength=size)

    def people_from(self, state: int, size: int) -> Flags:
        """Return who ever goes from one state to each other, shape (people who are ever in it, size)."""
        there = self.start == state
        _, people = np.unique(self.people[there], return_inverse=True)
        moved = np.zeros((int(people.max(initial=-1)) + 1, size), dtype=bool)
        moved[people, self.end[there]] = True
        return moved


@dataclass(frozen=True, slots=True)
class _Panel:
    """A status over time: its name, its states, and the moves of the synthetic, training and holdout rows."""

    name: str
    labels: tuple[str, ...]
    sides: tuple[_Moves, _Moves, _Moves]
    rows: int


def _judge_rolls(sides: Sides, schema: TableSchema, rng: np.random.Generator, details: list[Detail]) -> Judged:
    """Return how far roll rates are off: ``sum_s w_s 1/2 sum_t |P(t | s) - Q(t | s)|``.

    P(t | s) is the share of those in status s who are in status t at the next time, over all neighbouring times: a
    roll-rate matrix (Siddiqi, "Intelligent credit scoring", 2017; Thomas, Edelman and Crook, "Credit scoring and its
    applications", 2002), the migration matrix of ratings, whose average distance by line is measured as by Jafry and
    Schuermann, "Measurement, estimation and comparison of credit migration matrices" (2004). w_s is the holdout's share
    of s; of several series it is the mean.
    """
    why_not = sides.too_few()
    if why_not is not None:
        return Judged(why_not=why_not)
    panels = _wide(sides, schema, rng)
    if not panels:
        long = _long(sides, schema, rng)
        if isinstance(long, str):
            return Judged(why_not=f"no series of status columns (one name with numbers), and {long}")
        panels = [long]
    counts = [tuple(moves.counts(len(panel.labels)) for moves in panel.sides) for panel in panels]
    values = np.mean([roll_gap(made, held) for made, _, held in counts], axis=0)
    fresh = np.mean([roll_gap(known, held) for _, known, held in counts], axis=0)
    whole = [tuple(side[-1] for side in sides_of) for sides_of in counts]
    details += _roll_details(panels, whole)
    return _judged(values, fresh, panels[0].rows, f"Read as time: {'; '.join(panel.name for panel in panels)}.")


def roll_gap(one: Vector, real: Vector) -> Vector:
    """Return the mean distance of lines, weighted by the real ones, shape (resamples,).

    ``sum_s w_s 1/2 sum_t |P(t | s) - Q(t | s)|``; counts of shape (resamples, states from, states to).
    """
    return np.asarray((_line_weights(real) * _line_gaps(one, real)).sum(axis=1))


def _line_gaps(one: Vector, real: Vector) -> Vector:
    return np.asarray(0.5 * np.abs(rates(one) - rates(real)).sum(axis=2))


def _wide(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> list[_Panel]:
    """Return the series of columns that are one status at several times."""
    found = [(names, coding) for names in _numbered(sides.train, schema) if (coding := _status(names, sides, schema))]
    if not found:
        return []
    rows = min(sides.rows, MAX_ROWS)
    drawn = [draw(side, rows, rng) for side in (sides.synthetic, sides.train, sides.holdout)]
    panels = []
    for names, coding in found:
        synthetic, train, holdout = (_neighbours(side, names, coding, schema) for side in drawn)
        name = f"from '{names[0]}' to '{names[-1]}'"
        panels.append(_Panel(name, coding.labels, (synthetic, train, holdout), rows))
    return panels


def _numbered(train: Features, schema: TableSchema) -> list[tuple[str, ...]]:
    """Return columns that share a name but for a number, in the order of time.

    Numbers are evenly spaced but for one gap (UCI default has PAY_0, PAY_2 ... PAY_6). They count on in time; from 0 on
    they count back, 0 being the latest.
    """
    stems: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for name in train:
        parts = _NUMBERED.fullmatch(name)
        if parts is not None and schema[name].kind is not Kind.DATETIME:
            stems.setdefault((parts[1], parts[3]), []).append((int(parts[2]), name))
    series = []
    for members in stems.values():
        ordered = sorted(members)
        steps = Counter(after - before for (before, _), (after, _) in pairwise(ordered))
        if len(ordered) < MIN_TIMES or 0 in steps or max(steps.values()) < max(2, len(ordered) - 2):
            continue
        names = tuple(name for _, name in ordered)
        series.append(names[::-1] if ordered[0][0] == 0 else names)
    return series


def _status(names: Sequence[str], sides: Sides, schema: TableSchema) -> _Coding | None:
    """Return the states of a series, or None where it is not one status that lasts."""
    values = [_values(sides.train[name], schema[name]) for name in names]
    # Half of a column's values are the next one's too, or the two are different things.
    if any(len(one & other) < min(len(one), len(other)) / 2 for one, other in pairwise(values)):
        return None
    every = _raw_coding(set().union(*values))
    if every is None:
        return None
    moves = _neighbours(sides.train, names, every, schema)
    return _common(every, moves) if _kappa(moves, len(every.labels)) >= MIN_KAPPA else None


def _values(feature: Feature, column: Column) -> set[Value]:
    """Return the values that some training row has, missing aside."""
    if isinstance(feature, Discrete):
        seen = np.bincount(feature.codes, minlength=feature.size + 1) > 0
        return {category for category, there in zip(column.categories or (), seen, strict=False) if there}
    return set(np.unique(feature.values[np.isfinite(feature.values)]).tolist())


def _raw_coding(values: set[Value]) -> _Coding | None:
    """Return a state for each value, and two for missing and unknown ones; None where there are too many values."""
    if len(values) > MAX_STATES:
        return None
    ordered = sorted(values, key=lambda value: (isinstance(value, str), value))
    labels = [value if isinstance(value, str) else f"{value:,.10g}" for value in ordered]
    return _Coding(
        {value: state for state, value in enumerate(ordered)},
        missing=len(ordered),
        other=len(ordered) + 1,
        labels=(*labels, MISSING, _OTHER_STATUS),
    )


def _common(every: _Coding, train: _Moves) -> _Coding | None:
    """Return the states that enough people are ever in, the rest as one; None where there are not two.

    People are counted, not moves: one person who stays for a year would give a rare status away.
    """
    counts = train.people_in(len(every.labels))
    new = {state: position for position, state in enumerate(np.flatnonzero(counts >= MIN_CELL).tolist())}
    if len(new) < 2:
        return None
    return _Coding(
        {value: new.get(state, len(new)) for value, state in every.of.items()},
        missing=new.get(every.missing, len(new)),
        other=len(new),
        labels=(*(every.labels[state] for state in new), _OTHER_STATUS),
    )


def _neighbours(side: Features, names: Sequence[str], coding: _Coding, schema: TableSchema) -> _Moves:
    """Return the moves between neighbouring columns."""
    states = [coding.states(side[name], schema[name]) for name in names]
    people = np.tile(np.arange(rows_of(side)), len(names) - 1)
    return _Moves(np.concatenate(states[:-1]), np.concatenate(states[1:]), people)


def _kappa(moves: _Moves, size: int) -> float:
    """Return how much more often a status stays than by chance, ``(p - e) / (1 - e)`` (Cohen 1960); 0 if constant."""
    joint = moves.counts(size)[-1] / max(len(moves.start), 1)
    expected = float(joint.sum(axis=1) @ joint.sum(axis=0))
    return (float(np.trace(joint)) - expected) / (1 - expected) if expected < 1 - 1e-9 and len(moves.start) else 0.0


# --- roll rates of customers with several rows -----------------------------------------------------------------------


def _long(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> _Panel | str:
    """Return the moves between the rows of one customer, in the order of dates, or why there are none."""
    customer = schema.customer
    if customer is None:
        return "no column tells whose row it is"
    if not schema[customer].learned:
        return f"customers ('{customer}') are made new for every row, so that their rows do not follow each other"
    dates = date_columns(schema)
    if not dates:
        return "the table has no date column to put a customer's rows in order"
    # Of several dates the one that differs most among the rows of a customer; the date of birth does not.
    date = max(dates, key=lambda name: len(np.unique(_both(sides.train, customer, name), axis=1).T))
    whole = [_dated(side, schema[customer], date) for side in (sides.synthetic, sides.train, sides.holdout)]
    people = [len(np.unique(outcome(side[customer]))) for side in whole]
    if any(rows_of(side) < MIN_ROWS_A_CUSTOMER * max(many, 1) for side, many in zip(whole, people, strict=True)):
        return f"customers ('{customer}') do not have {MIN_ROWS_A_CUSTOMER} rows with a date on average on every side"
    for name in (column.name for column in schema.learned if _named(column, _OF_STATUS)):
        every = _raw_coding(_values(sides.train[name], schema[name])) if name not in (customer, date) else None
        if every is None:
            continue
        moves = _followed(whole[1], customer, date, every.states(whole[1][name], schema[name]))
        coding = _common(every, moves) if _kappa(moves, len(every.labels)) >= MIN_KAPPA else None
        if coding is not None:
            drawn = [_draw_customers(side, customer, min(people), rng) for side in whole]
            synthetic, train, holdout = (
                _followed(side, customer, date, coding.states(side[name], schema[name])) for side in drawn
            )
            rows = min(rows_of(side) for side in drawn)
            return _Panel(f"'{name}' of one customer by '{date}'", coding.labels, (synthetic, train, holdout), rows)
    return "no column is named as a status of few values that lasts"


def date_columns(schema: TableSchema) -> list[str]:
    """Return the columns with a date, in order."""
    return [column.name for column in schema.learned if column.kind is Kind.DATETIME and column.dtype is not Dtype.TIME]


def _named(column: Column, beginnings: tuple[str, ...]) -> bool:
    return any(word.startswith(beginnings) for word in storage_name(column.name).split("_"))


def _both(side: Features, one: str, other: str) -> Vector:
    return np.stack([outcome(side[one]), outcome(side[other])])


def _dated(side: Features, customer: Column, date: str) -> Features:
    """Return the rows whose customer and date are known."""
    owner = side[customer.name]
    known = owner.codes < len(customer.categories or ()) if isinstance(owner, Discrete) else np.isfinite(owner.values)
    return take(side, np.flatnonzero(known & np.isfinite(outcome(side[date]))))


def _draw_customers(side: Features, customer: str, many: int, rng: np.random.Generator) -> Features:
    people = np.unique(outcome(side[customer]))
    if many >= len(people):
        return side
    return take(side, np.flatnonzero(np.isin(outcome(side[customer]), rng.permutation(people)[:many])))


def _followed(side: Features, customer: str, date: str, states: States) -> _Moves:
    """Return the moves from each row to the customer's next one."""
    order = np.lexsort((outcome(side[date]), outcome(side[customer])))
    _, people = np.unique(outcome(side[customer])[order], return_inverse=True)
    same = people[1:] == people[:-1]
    ordered = states[order]
    return _Moves(ordered[:-1][same], ordered[1:][same], people[:-1][same])


# --- tables of roll rates --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    """What is said of those who come from one status."""

    panel: _Panel
    state: int
    weight: float
    gap: float
    fresh: float
    counts: tuple[Vector, Vector, Vector]
    cells: list[list[int]]
    """What may be shown one by one, or together."""


def _roll_details(panels: Sequence[_Panel], counts: Sequence[tuple[Vector, Vector, Vector]]) -> Iterator[Detail]:
    lines = [line for panel, of in zip(panels, counts, strict=True) for line in _lines(panel, *of)]
    lines.sort(key=lambda line: -line.weight * line.gap)
    yield Detail(
        name="roll_rate_states",
        title="Gap of the roll rates by the status that people come from, what adds most to the mean first",
        heading=("series", "from", "share of real rows", "synthetic", "fresh"),
        rows=tuple(
            (line.panel.name, line.panel.labels[line.state], line.weight, line.gap, line.fresh) for line in lines
        ),
    )
    yield Detail(
        name="roll_rates",
        title="Roll rates: the share of those in a status who are in another at the next time, worst gaps first",
        heading=("series", "from", "to", "real", "synthetic", "fresh"),
        rows=tuple(row for line in lines[:_LINES_SHOWN] for row in _roll_rows(line)),
    )


def _lines(panel: _Panel, made: Vector, known: Vector, held: Vector) -> Iterator[_Line]:
    """Yield the lines that enough real people on either side are in."""
    size = len(panel.labels)
    weights, gaps, fresh = (
        of[0].tolist()
        for of in (_line_weights(held[None]), _line_gaps(made[None], held[None]), _line_gaps(known[None], held[None]))
    )
    for state in range(size):
        real = [moves.people_from(state, size) for moves in panel.sides[1:]]
        if min(len(people) for people in real) >= MIN_CELL:
            counts = (held[state], made[state], known[state])
            yield _Line(panel, state, weights[state], gaps[state], fresh[state], counts, shown_cells(*real))


def _roll_rows(line: _Line) -> Iterator[tuple[str | float | None, ...]]:
    labels = line.panel.labels
    for cells in line.cells:
        if not any(side[cells].sum() for side in line.counts):
            continue
        # A side that nobody of is in this status has no shares.
        shares = (float(side[cells].sum() / side.sum()) if side.any() else None for side in line.counts)
        yield line.panel.name, labels[line.state], labels[cells[0]] if len(cells) == 1 else _REST, *shares


def shown_cells(*real: Flags) -> list[list[int]]:
    """Return the cells of a line that may be shown, one by one or, those of few real people, together.

    No cell, nor those together, stand for fewer than `MIN_CELL` people of a real side, unless for none: what is hidden
    would follow from the rest of the line.

    Parameters
    ----------
    real
        Who is in each cell, a side each, shape (people, cells).
    """
    cells = range(real[0].shape[1])
    plain = [cell for cell in cells if not _few_people(real, [cell])]
    # The cells that most people are in are joined last.
    plain.sort(key=lambda cell: -min(int(side[:, cell].sum()) for side in real))
    rest = [cell for cell in cells if cell not in set(plain)]
    while plain and _few_people(real, rest):
        rest.append(plain.pop())
    return [*([cell] for cell in sorted(plain)), *([sorted(rest)] if rest else [])]


def _few_people(real: Sequence[Flags], cells: list[int]) -> bool:
    return any(0 < int(side[:, cells].any(axis=1).sum()) < MIN_CELL for side in real)


# --- vintages --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cohorts:
    """Periods in which loans began.

    Parameters
    ----------
    step
        Months that a period has.
    edges
        Months since 1970 at which a cohort other than the first begins, ascending.
    """

    step: int
    edges: States

    @property
    def size(self) -> int:
        """Number of cohorts."""
        return len(self.edges) + 1

    def place(self, months: States) -> States:
        """Return the cohort of every row, shape (n,)."""
        return np.searchsorted(self.edges, months, side="right")

    @property
    def labels(self) -> list[str]:
        """Return their names; the first and the last are open, so that no label tells of a single early row."""
        starts, ends = self.edges.tolist(), [edge - self.step for edge in self.edges.tolist()]
        inner = [self._inner(start, end) for start, end in zip(starts[:-1], ends[1:], strict=True)]
        return [f"until {self._period(ends[0])}", *inner, f"{self._period(starts[-1])} and later"]

    def _inner(self, start: int, end: int) -> str:
        return self._period(start) if start == end else f"{self._period(start)} to {self._period(end)}"

    def _period(self, month: int) -> str:
        year, rest = 1970 + month // 12, month % 12
        if self.step == 1:
            return f"{year}-{rest + 1:02d}"
        if self.step == 3:
            return f"{year} Q{rest // 3 + 1}"
        return f"{year}" if self.step == 12 else f"{year}-{year + self.step // 12 - 1}"


def _judge_vintages(sides: Sides, schema: TableSchema, rng: np.random.Generator, details: list[Detail]) -> Judged:
    """Return how far default rates by cohort are off: ``sum_c w_c |r_c - r'_c|``.

    r_c is the share of bad rows among those that began in period c (vintage analysis: Siddiqi, "Intelligent credit
    scoring", 2017; Breeden, "Reinventing retail lending analytics", 2010), a row of the average default rate added to
    each cohort; w_c is the holdout's share of c.
    """
    date = _origin(schema)
    if isinstance(date, Judged):
        return date
    question = prepare(sides, schema)
    if isinstance(question, str):
        return Judged(why_not=question)
    found = good_and_bad(question.sides.train[question.target])
    if isinstance(found, str):
        return Judged(why_not=found)
    classes, bad = found
    given = [
        _with_date(side, question.target, date, classes)
        for side in (question.sides.synthetic, question.sides.train, question.sides.holdout)
    ]
    known = Sides(*given)
    why_not = known.too_few()
    if why_not is not None:
        return Judged(why_not=f"among rows with a value of '{date}': {why_not}")
    cohorts = fit_cohorts(_months(known.train[date]))
    if cohorts is None:
        return Judged(
            why_not=f"'{date}' does not cut the training rows into {MIN_COHORTS} periods of {MIN_COHORT_ROWS} rows"
        )
    rows = min(known.rows, MAX_ROWS)
    made, real, held = (_by_cohort(draw(side, rows, rng), question.target, date, bad, cohorts) for side in given)
    details.append(_vintage_detail(cohorts, made[-1], real[-1], held[-1]))
    remark = (
        f"By '{date}', {cohorts.size} periods. Bad: '{schema.target}' is {class_name(schema[question.target], bad)}."
    )
    return _judged(vintage_gap(made, held), vintage_gap(real, held), rows, remark)


def _origin(schema: TableSchema) -> str | Judged:
    """Return the column that says when a loan began: by its name, or the only date there is."""
    dates = date_columns(schema)
    named = [name for name in dates if _named(schema[name], _OF_ORIGIN)]
    if named or len(dates) == 1:
        return (named or dates)[0]
    if not dates:
        return Judged(why_not="the table has no date column")
    return Judged(why_not="of several date columns none is named as the beginning (issue, origination, opening, start)")


def _with_date(side: Features, target: str, date: str, classes: Vector) -> Features:
    """Return the rows that are good or bad and have a date, these two columns only."""
    kept = {name: side[name] for name in (target, date)}
    return take(kept, np.flatnonzero(np.isin(outcome(side[target]), classes) & np.isfinite(outcome(side[date]))))


def _months(feature: Feature) -> States:
    """Return dates as months since 1970, shape (n,)."""
    assert isinstance(feature, Numeric)  # noqa: S101 - dates are
    return feature.values.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def fit_cohorts(months: States) -> _Cohorts | None:
    """Return periods of quarters, else years, five years or months, whichever first gives 4 to 16 of enough rows.

    A period of fewer than `MIN_COHORT_ROWS` is one with the next, the last one with that before.
    """
    for step in _STEPS:
        edges = _edges(months // step)
        if MIN_COHORTS <= len(edges) + 1 <= MAX_COHORTS:
            return _Cohorts(step, np.array(edges) * step)
    return None


def _edges(periods: States) -> list[int]:
    edges: list[int] = []
    held = before = 0
    for period, rows in zip(*(of.tolist() for of in np.unique(periods, return_counts=True)), strict=True):
        if held >= MIN_COHORT_ROWS:
            edges.append(before + 1)
            held = 0
        held += rows
        before = period
    return edges[:-1] if edges and held < MIN_COHORT_ROWS else edges


def _by_cohort(side: Features, target: str, date: str, bad: float, cohorts: _Cohorts) -> Vector:
    """Count good and bad rows with each group left out, and with none, shape (groups + 1, cohorts, 2)."""
    flags: Flags = outcome(side[target]) == bad
    cells = 2 * cohorts.place(_months(side[date])) + flags
    return left_out(cells, np.arange(len(flags)) % _GROUPS, 2 * cohorts.size).reshape(-1, cohorts.size, 2)


def vintage_gap(one: Vector, real: Vector) -> Vector:
    """Return the mean gap of default rates, weighted by the real cohorts, shape (resamples,).

    ``sum_c w_c |r_c - r'_c|``; counts of good and bad rows of shape (resamples, cohorts, 2).
    """
    return np.asarray((_line_weights(real) * np.abs(rates(one) - rates(real))[..., 1]).sum(axis=1))


def _vintage_detail(cohorts: _Cohorts, made: Vector, train: Vector, held: Vector) -> Detail:
    return Detail(
        name="vintages",
        title="Default rate by the period in which loans began, with 95 % Wilson intervals",
        heading=(
            *("period", "share real", "share synthetic", "default rate real", "low", "high"),
            *("synthetic", "low", "high", "fresh"),
        ),
        rows=tuple(
            (
                label,
                None if _few(held[cohort].sum(keepdims=True)) else float(held[cohort].sum() / held.sum()),
                float(made[cohort].sum() / made.sum()),
                *_rate(held[cohort], of_real=True),
                *_rate(made[cohort], of_real=False),
                _rate(train[cohort], of_real=True)[0],
            )
            for cohort, label in enumerate(cohorts.labels)
        ),
    )


def _few(counts: Vector) -> bool:
    return bool(((counts > 0) & (counts < MIN_CELL)).any())


def _rate(counts: Vector, *, of_real: bool) -> tuple[float | None, float | None, float | None]:
    """Return the share of bad rows with its interval; of real rows none where it would speak of a few of them."""
    rows = int(counts.sum())
    if rows == 0 or (of_real and _few(counts)):
        return None, None, None
    return (float(counts[1] / rows), *wilson(int(counts[1]), rows))
