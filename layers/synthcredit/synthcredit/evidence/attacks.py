"""Privacy by attacks on single people: what the release tells of them, beside what it tells of people it never saw.

Each attack is run twice: on training people, and as a control on holdout people. What works on both is what anyone may
learn from statistics; only what works better on training people is a leak. An attack that does no better than guessing
says nothing about the data: it was too weak, and that is no statement of safety.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import Column, Kind, TableSchema
from synthcredit.evidence.aggregates import MIN_CELL
from synthcredit.evidence.model import Detail, Figure, Measure, Unit
from synthcredit.evidence.privacy import excess_interval, row_hashes, wilson
from synthcredit.evidence.sides import MIN_ROWS, Bin, Sides, cut, draw, fit_bins
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric, rows_of, take

MAX_ATTACKS = 2_000
"""People attacked a side, and predicates a kind: +-.02 on a share. Anonymeter takes 500."""
MAX_CANDIDATES = 50_000
"""Synthetic rows that the attacker searches; of more, a drawn sample."""
MAX_KEYS = 5
_FEWEST_ATTACKS = 250
_DISTANCES = 2_400_000_000
"""Cells (person x row x column) that a side's search may cost: 2,000 x 50,000 x 24; a wide table is attacked less."""
_BLOCK = 500_000
"""Distances held at a time, so that they stay in the processor's cache."""
_TOLERANCE = 0.05
_NAIVE_GUESSES = 20
_NEIGHBOURS = 3
"""With 10, chance links a fifth of people and hides a leak; with 1, next to nobody in a small table."""
_PREDICATE_COLUMNS = 5
"""Anonymeter takes 3: of 20,000 such descriptions 62 fit one row of UCI default, of 5 columns 600."""
_ATTEMPTS = 20_000
_TAIL = 1.0
_MOST_KEY_VALUES = 200
_WORST = 10
_WEAKER = "the attack was weaker than guessing: no statement"
_PERSONAL = (
    *("age", "alter", "birth", "born", "dob", "sex", "gender", "marital", "marriage"),
    *("married", "zip", "postcode", "postal", "region", "state", "province", "county", "city"),
    *("country", "education", "job", "occupation", "profession", "employment", "seniority", "housing", "home"),
    *("residence", "dependents", "children", "household", "foreign", "nationality", "citizenship", "ethnicity", "race"),
    *("religion"),
)
"""Words in column names that tell of things others know of a person, best known first."""

Array = NDArray[np.float64]
Found = tuple[tuple[Measure, ...], tuple[Detail, ...]]
_Column = NDArray[np.float32] | NDArray[np.int32]
_Columns = Mapping[str, _Column]


def measure(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Found:
    """Attack training people with the synthetic rows, and holdout people as the control.

    Parameters
    ----------
    sides
        Learned columns as `encode` gives them. All training rows, where there is time: a copy of a row that was left
        out is not seen.
    schema
        Their schema; the target is never taken for known.
    rng
        Draws people, predicates and rows.

    Returns
    -------
    tuple
        Figures and the tables behind them. Figures that cannot be judged are there too, with the reason.
    """
    why_not = sides.too_few()
    if why_not is not None:
        return (
            *_not_measured(_ATTACKS, why_not),
            *_not_measured(_COUNTS, why_not),
        ), ()
    parts = (_attribute_inference, _singling_out, _linkability, _quasi_identifiers, _unique_values, _copied_segments)
    found = [part(sides, schema, own) for part, own in zip(parts, _streams(rng, len(parts)), strict=True)]
    return tuple(m for measures, _ in found for m in measures), tuple(d for _, details in found for d in details)


# --- risk: anonymeter's statistics -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Attack:
    """One way to attack, and how it went.

    Parameters
    ----------
    name
        For people; never a value.
    train, control
        Which attacks succeeded, on training and on holdout people; shape (attacks,).
    naive
        The share of successes of an attacker who guesses.
    """

    name: str
    train: NDArray[np.bool_]
    control: NDArray[np.bool_]
    naive: float

    @property
    def tells(self) -> bool:
        """Whether it beats guessing. On both sides together, so that chance on one does not choose what is counted."""
        return float(np.concatenate([self.train, self.control]).mean()) > self.naive


def _streams(rng: np.random.Generator, count: int) -> list[np.random.Generator]:
    # Not rng.spawn: the platform's generators are keyed by purpose and have no sequence to spawn from.
    return [np.random.default_rng(int(seed)) for seed in rng.integers(2**63, size=count)]


def residual_risk(train: float, attacks: float, control: float, control_attacks: float) -> tuple[float, float, float]:
    """Return how much of the possible an attack gains on training people: value, low, high; each bound one-sided 99 %.

    risk = (train - control) / (1 - control), each rate and its error by Wilson's score interval, errors propagated
    to the first order: Giomi, Boenisch, Wehmeyer and Tasnádi, "A unified framework for quantifying privacy risk in
    synthetic data" (PETS 2023), as anonymeter 1.1 has it with ``confidence_level=0.98``. Not cut off at 0,
    so that it is 0 on average where nothing leaks.

    Parameters
    ----------
    train, control
        Shares of successful attacks on training and on holdout people, 0 to 1.
    attacks, control_attacks
        How many attacks; the effective number where one person was attacked several times.
    """
    (rate, error), (other, other_error) = wilson(train, attacks), wilson(control, control_attacks)
    risk = (rate - other) / (1 - other)
    spread = math.hypot(error / (1 - other), other_error * (1 - rate) / (1 - other) ** 2)
    low, value, high = np.clip([risk - spread, risk, risk + spread], -1.0, 1.0).tolist()
    return value, low, high


def _rate(outcomes: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the share of successes and the effective number of attacks; ``outcomes`` has shape (people, attacks each).

    Attacks on one person go together. The effective number is that of independent attacks with the same error of the
    mean, between the number of people and of attacks (Korn and Graubard, Survey Methodology 1998).
    """
    people, each = outcomes.shape
    share = float(outcomes.mean())
    variance = float(outcomes.mean(axis=1).var(ddof=1)) / people
    effective = share * (1 - share) / variance if variance > 0 else people
    return share, float(np.clip(effective, people, people * each))


def _risk(
    name: Figure, attacks: Sequence[_Attack], *, same_people: bool, reading: str, gain: str
) -> tuple[Measure, ...]:
    """Return the figure of those attacks that tell something, together.

    ``reading`` says what the attacker knows and does; ``gain`` what a success is.
    """
    telling = [attack for attack in attacks if attack.tells]
    if not telling:
        return _not_measured((name,), _WEAKER, reading)
    join = np.column_stack if same_people else _stacked
    (train, n), (control, m) = (
        _rate(join([getattr(attack, side) for attack in telling])) for side in ("train", "control")
    )
    naive = float(np.mean([attack.naive for attack in telling]))
    value, low, high = residual_risk(train, n, control, m)
    left_out = len(attacks) - len(telling)
    return (
        Measure(
            name=name,
            title=_TITLES[name],
            unit=Unit.DIFFERENCE,
            value=value,
            low=low,
            high=high,
            fresh=0.0,
            rows=len(telling[0].train) if same_people else sum(len(attack.train) for attack in telling),
            fresh_rows=len(telling[0].control) if same_people else sum(len(attack.control) for attack in telling),
            reading=f"{reading} {gain}: {train:.1%} for training people, {control:.1%} for holdout people, {naive:.1%} "
            "by guessing. The risk is what training people lose beyond holdout people, as a share of what could be "
            "lost; 0 is none, 1 all."
            + (
                f" {left_out} of {len(attacks)} attacks were weaker than guessing and are left out." if left_out else ""
            ),
        ),
    )


def _stacked(outcomes: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.concatenate(outcomes)[:, None]


def _attack_rows(attacks: Sequence[_Attack]) -> tuple[tuple[str | float | None, ...], ...]:
    """Return a row an attack, worst first; no risk where the attack was weaker than guessing."""
    rows = []
    for attack in attacks:
        train, control = float(attack.train.mean()), float(attack.control.mean())
        risk = residual_risk(train, len(attack.train), control, len(attack.control)) if attack.tells else (None,) * 3
        rows.append((attack.name, train, control, attack.naive, *risk))
    return tuple(sorted(rows, key=lambda row: -math.inf if row[4] is None else row[4], reverse=True))


_ATTACK_HEADING = ("training people", "holdout people", "guessing", "risk", "low", "high")


# --- nearest neighbours ----------------------------------------------------------------------------------------------


def _coordinates(train: Features, side: Features) -> dict[str, _Column]:
    """Return columns in which Gower's distances are taken, each shape (n,): codes, or numbers of range 1.

    Numbers are divided by the range of training values, the outermost per cent on either end cut off: otherwise one
    outlier would make all others alike. Missing lies a whole range below. Constant columns are left out.
    """
    columns: dict[str, _Column] = {}
    for name, feature in side.items():
        fitted = train[name]
        if isinstance(feature, Discrete):
            columns[name] = feature.codes
            continue
        assert isinstance(fitted, Numeric)  # noqa: S101 - all sides were encoded by one schema
        given = fitted.values[np.isfinite(fitted.values)]
        low, high = np.percentile(given, [_TAIL, 100 - _TAIL]) if given.size else (0.0, 0.0)
        if low == high and given.size:
            low, high = given.min(), given.max()
        scaled = (np.clip(feature.values, low, high) - low) / (high - low if high > low else 1.0)
        columns[name] = np.where(np.isnan(scaled), -1.0, scaled).astype(np.float32)
    return columns


def _apart(people: _Column, rows: _Column) -> NDArray[np.float32]:
    """Return the distance in one column of every person to every row, shape (people, rows), from 0 to 1."""
    if people.dtype == np.int32:
        return np.not_equal.outer(people, rows).astype(np.float32)
    apart = np.subtract.outer(people, rows)
    np.abs(apart, out=apart)
    return np.minimum(apart, 1.0, out=apart)


def _blocks(people: int, rows: int) -> Iterator[slice]:
    size = max(1, _BLOCK // rows)
    return (slice(start, start + size) for start in range(0, people, size))


def _people(sides: Sides, columns: int, rng: np.random.Generator) -> tuple[Features, Features, Features]:
    """Draw training people, holdout people and the synthetic rows that are searched for them."""
    rows = draw(sides.synthetic, MAX_CANDIDATES, rng)
    attacks = int(np.clip(_DISTANCES // (rows_of(rows) * max(columns, 1)), _FEWEST_ATTACKS, MAX_ATTACKS))
    return draw(sides.train, attacks, rng), draw(sides.holdout, attacks, rng), rows


def _varied(train: Features) -> list[str]:
    """Return the columns that have more than one value among training rows."""
    return [name for name, feature in train.items() if len(_distinct(feature)) > 1]


def _distinct(feature: Feature) -> NDArray[np.generic]:
    """Return the different values, missing being one."""
    return np.unique(_plain(feature))


def _plain(feature: Feature) -> NDArray[np.generic]:
    # Adding 0 makes -0 and 0 the same.
    return feature.codes if isinstance(feature, Discrete) else feature.values + 0.0


# --- attribute inference ---------------------------------------------------------------------------------------------


def _attribute_inference(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Found:
    """Guess each column of a person in turn from the synthetic row that is nearest in all the others.

    Giomi et al. 2023; Gower's distance. A number is guessed where it is within 5 % of the guess, as in
    anonymeter (there a negative guess always counts: a slip that is not repeated here); a date where it is within 5 %
    of the column's standard deviation; everything else, missing included, where it is the same. The naive attacker
    takes the value of a synthetic row drawn at random.
    """
    secrets = _varied(sides.train)
    reading = "An attacker knows all columns of a person but one and takes that from the nearest synthetic row."
    if len(secrets) < 2:
        return _not_measured((Figure.ATTRIBUTE_RISK,), "fewer than two columns have more than one value", reading), ()
    train, control, rows = _people(sides, len(secrets), rng)
    sources = {name: _coordinates(sides.train, {name: rows[name]})[name] for name in secrets}
    nearest = [_nearest_without(_coordinates(sides.train, people), sources, secrets) for people in (train, control)]
    drawn = [rng.integers(0, rows_of(rows), (_NAIVE_GUESSES, rows_of(people))) for people in (train, control)]
    attacks = []
    for position, name in enumerate(secrets):
        slack = _slack(sides.train[name], schema[name])
        hits = [
            _guessed(take({name: rows[name]}, index[:, position])[name], people[name], slack)
            for index, people in zip(nearest, (train, control), strict=True)
        ]
        naive = [
            _guessed(take({name: rows[name]}, index)[name], people[name], slack).mean()
            for index, people in zip(drawn, (train, control), strict=True)
        ]
        attacks.append(_Attack(name, hits[0], hits[1], float(np.mean(naive))))
    measures = _risk(
        Figure.ATTRIBUTE_RISK,
        attacks,
        same_people=True,
        reading=f"{reading} {rows_of(rows):,} synthetic rows are searched, each column is the hidden one in turn.",
        gain="He is right",
    )
    detail = Detail(
        name="attribute_inference",
        title="Attribute inference by hidden column, worst first; no risk is stated where guessing does as well",
        heading=("hidden column", *_ATTACK_HEADING),
        rows=_attack_rows(attacks),
    )
    return measures, (detail,)


def _nearest_without(people: _Columns, rows: _Columns, secrets: Sequence[str]) -> NDArray[np.int64]:
    """Return the row nearest to each person in all columns but one, for each of them, shape (people, secrets)."""
    count, size = len(people[secrets[0]]), len(rows[secrets[0]])
    nearest = np.empty((count, len(secrets)), dtype=np.int64)
    for block in _blocks(count, size):
        whole = np.zeros((len(people[secrets[0]][block]), size), dtype=np.float32)
        for name in secrets:
            whole += _apart(people[name][block], rows[name])
        for position, name in enumerate(secrets):
            nearest[block, position] = (whole - _apart(people[name][block], rows[name])).argmin(axis=1)
    return nearest


def _slack(train: Feature, column: Column) -> float | None:
    """Return how far a guessed date may be off, in seconds; None for all else."""
    if column.kind is not Kind.DATETIME or isinstance(train, Discrete):
        return None
    return _TOLERANCE * float(np.std(train.values[np.isfinite(train.values)]))


def _guessed(guess: Feature, truth: Feature, slack: float | None) -> NDArray[np.bool_]:
    """Tell which guesses are right; shape of the guesses, the last axis being people."""
    if isinstance(guess, Discrete) or isinstance(truth, Discrete):
        return np.asarray(_plain(guess) == _plain(truth))
    guesses, truths = guess.values, truth.values
    with np.errstate(invalid="ignore"):
        near = np.abs(guesses - truths) <= (_TOLERANCE * np.abs(guesses) if slack is None else slack)
    # Two infinities have no distance; an infinite guess is near to everything.
    near &= np.isfinite(guesses)
    right: NDArray[np.bool_] = near | (guesses == truths) | (np.isnan(guesses) & np.isnan(truths))
    return right


# --- linkability -----------------------------------------------------------------------------------------------------


def _linkability(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Found:  # noqa: ARG001
    """Link two sources that hold different columns of a person by the synthetic row that is near to both.

    Giomi et al. 2023: a link is found where the nearest rows by the one half of the columns and by the
    other share a row. The halves are dealt in turn from the columns with most values down, so that both tell much. The
    naive attacker draws his rows: 1 - C(n - k, k) / C(n, k).
    """
    names = _varied(sides.train)
    reading = "An attacker has two sources, each with half of a person's columns, and links them by a synthetic row "
    reading += f"that is among the {_NEIGHBOURS} nearest in both."
    if len(names) < 2:
        return _not_measured((Figure.LINKABILITY_RISK,), "fewer than two columns have more than one value", reading), ()
    names = sorted(names, key=lambda name: -len(_distinct(sides.train[name])))
    halves = (names[::2], names[1::2])
    train, control, rows = _people(sides, len(names), rng)
    source, size = _coordinates(sides.train, rows), rows_of(rows)
    hits = [_linked(_coordinates(sides.train, people), source, halves) for people in (train, control)]
    none = math.prod((size - _NEIGHBOURS - i) / (size - i) for i in range(_NEIGHBOURS))
    attacks = [_Attack("linkability", hits[0], hits[1], 1 - none)]
    measures = _risk(
        Figure.LINKABILITY_RISK,
        attacks,
        same_people=True,
        reading=f"{reading} {size:,} synthetic rows are searched.",
        gain="The two are linked",
    )
    return measures, ()


def _linked(
    people: _Columns,
    rows: _Columns,
    halves: tuple[Sequence[str], Sequence[str]],
) -> NDArray[np.bool_]:
    one, other = (_nearest(people, rows, names) for names in halves)
    return np.asarray((one[:, :, None] == other[:, None, :]).any(axis=(1, 2)))


def _nearest(people: _Columns, rows: _Columns, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the `_NEIGHBOURS` nearest rows of each person, shape (people, neighbours)."""
    count, size = len(people[names[0]]), len(rows[names[0]])
    nearest = np.empty((count, _NEIGHBOURS), dtype=np.int64)
    for block in _blocks(count, size):
        whole = np.zeros((len(people[names[0]][block]), size), dtype=np.float32)
        for name in names:
            whole += _apart(people[name][block], rows[name])
        nearest[block] = np.argpartition(whole, _NEIGHBOURS - 1, axis=1)[:, :_NEIGHBOURS]
    return nearest


# --- singling out ----------------------------------------------------------------------------------------------------

_Condition = tuple[int, np.ufunc, float]
_Predicate = tuple[_Condition, ...]


def _singling_out(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Found:  # noqa: ARG001
    """Find predicates that hold for one synthetic row, and see whether they hold for exactly one real person.

    Giomi et al. 2023, as anonymeter builds them. Univariate: a value that occurs once, or at most the
    smallest or at least the largest number. Multivariate: five columns of a synthetic row, categories as they are,
    numbers as at least this where above the median, else at most this. Rows are distinct ones, and as many training as
    holdout rows are asked (a predicate isolates more easily among few). The naive attacker draws columns, values and
    comparisons.
    """
    names = _varied(sides.train)
    reading = "An attacker looks for a description that fits one synthetic row and hopes that it fits one real person."
    if not names:
        return _not_measured((Figure.SINGLING_OUT_RISK,), "no column has more than one value", reading), ()
    train, control, rows = (
        _distinct_rows({name: side[name] for name in names}) for side in (sides.train, sides.holdout, sides.synthetic)
    )
    asked = min(rows_of(train), rows_of(control))
    numeric = np.array([not isinstance(feature, Discrete) for feature in rows.values()])
    source = _matrix(draw(rows, MAX_CANDIDATES, rng))
    people = [_matrix(draw(side, asked, rng)) for side in (train, control)]
    attacks = []
    for name, predicates, width in (
        ("singling out by one column", _univariate(source, numeric, rng), 1),
        ("singling out by several columns", _multivariate(source, numeric, rng), min(_PREDICATE_COLUMNS, len(names))),
    ):
        if predicates:
            guesses = [_random_predicate(source, numeric, width, rng) for _ in range(MAX_ATTACKS)]
            naive = float(np.mean([_isolates(side, guesses).mean() for side in people]))
            attacks.append(_Attack(name, _isolates(people[0], predicates), _isolates(people[1], predicates), naive))
    if not attacks:
        why_not = "no description fits exactly one synthetic row"
        return _not_measured((Figure.SINGLING_OUT_RISK,), why_not, reading), ()
    measures = _risk(
        Figure.SINGLING_OUT_RISK,
        attacks,
        same_people=False,
        reading=f"{reading} {source.shape[1]:,} synthetic rows are searched, {asked:,} people a side are asked.",
        gain="It does",
    )
    detail = Detail(
        name="singling_out",
        title="Singling out by kind of description, worst first; no risk is stated where guessing does as well",
        heading=("description", *_ATTACK_HEADING),
        rows=_attack_rows(attacks),
    )
    return measures, (detail,)


def _distinct_rows(features: Features) -> Features:
    _, first = np.unique(row_hashes(features), return_index=True)
    return take(features, np.sort(first))


def _matrix(features: Features) -> Array:
    """Return columns as numbers, shape (columns, n); categories as codes, missing numbers as NaN."""
    return np.stack([_plain(feature).astype(np.float64) for feature in features.values()])


def _univariate(source: Array, numeric: NDArray[np.bool_], rng: np.random.Generator) -> list[_Predicate]:
    found: list[_Predicate] = []
    for column, values in enumerate(source):
        distinct, counts = np.unique(values, return_counts=True)
        found += [((column, np.equal, value),) for value in distinct[counts == 1].tolist()]
        known = values[~np.isnan(values)]
        if numeric[column] and known.size:
            ends: list[_Predicate] = [
                ((column, np.less_equal, float(known.min())),),
                ((column, np.greater_equal, float(known.max())),),
            ]
            found += [end for end, isolates in zip(ends, _isolates(source, ends), strict=True) if isolates]
    return [found[i] for i in rng.permutation(len(found))[:MAX_ATTACKS].tolist()]


def _multivariate(source: Array, numeric: NDArray[np.bool_], rng: np.random.Generator) -> list[_Predicate]:
    columns, rows = source.shape
    width = min(_PREDICATE_COLUMNS, columns)
    known = [values[np.isfinite(values)] for values in source]
    medians = [float(np.median(values)) if values.size else math.nan for values in known]
    found: dict[_Predicate, None] = {}
    for _ in range(_ATTEMPTS):
        row = int(rng.integers(rows))
        chosen = np.sort(rng.permutation(columns)[:width]).tolist()
        predicate = tuple(
            (column, _comparison(float(source[column, row]), medians[column], numeric=bool(numeric[column])), value)
            for column, value in ((column, float(source[column, row])) for column in chosen)
        )
        if _matches(source, predicate) == 1:
            found[predicate] = None
        if len(found) == MAX_ATTACKS:
            break
    return list(found)


def _comparison(value: float, median: float, *, numeric: bool) -> np.ufunc:
    if not numeric or math.isnan(value):
        return np.equal
    return np.greater_equal if value > median else np.less_equal


def _random_predicate(source: Array, numeric: NDArray[np.bool_], width: int, rng: np.random.Generator) -> _Predicate:
    of_numbers = (np.equal, np.not_equal, np.greater, np.less, np.greater_equal, np.less_equal)
    chosen = rng.permutation(len(source))[:width].tolist()
    return tuple(
        (
            column,
            of_numbers[int(rng.integers(len(of_numbers) if numeric[column] else 2))],
            float(rng.choice(source[column])),
        )
        for column in chosen
    )


def _isolates(people: Array, predicates: Sequence[_Predicate]) -> NDArray[np.bool_]:
    return np.array([_matches(people, predicate) == 1 for predicate in predicates])


def _matches(people: Array, predicate: _Predicate) -> int:
    """Count the people for whom all conditions hold; missing equals missing."""
    left: NDArray[np.intp] | slice = slice(None)
    count = 0
    for column, compare, value in predicate:
        values = people[column][left]
        holds = np.isnan(values) if math.isnan(value) else compare(values, value)
        kept = np.flatnonzero(holds)
        left = kept if isinstance(left, slice) else left[kept]
        count = len(kept)
    return count


# --- quasi-identifiers: replicated uniques and disclosure ------------------------------------------------------------


def quasi_identifiers(train: Features, schema: TableSchema) -> list[str]:
    """Choose at most five columns that others may know of a person; the schema names none.

    Columns whose name has a word for what is commonly known (age, sex, marital status, region, education, job, housing
    and the like), best known first. Where fewer than two have one: the discrete columns of most values. Never the
    target, a number with decimals, a date, or a count of more than 200 values.
    """
    fit = [name for name in _varied(train) if name != schema.target and _may_be_key(train[name], schema[name])]
    words = {name: re.split(r"[^a-z]+", schema[name].storage_name) for name in fit}
    known = [name for word in _PERSONAL for name in fit if word in words[name]]
    personal = list(dict.fromkeys(known))[:MAX_KEYS]
    if len(personal) >= 2:
        return personal
    by_size = sorted(
        (name for name in fit if isinstance(train[name], Discrete)), key=lambda name: -len(_distinct(train[name]))
    )
    return list(dict.fromkeys([*personal, *by_size]))[:MAX_KEYS]


def _may_be_key(feature: Feature, column: Column) -> bool:
    return column.discrete or (column.kind is Kind.INTEGER and len(_distinct(feature)) <= _MOST_KEY_VALUES)


def _quasi_identifiers(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Found:
    keys = quasi_identifiers(sides.train, schema)
    if not keys:
        why_not = "no column looks like what others know of a person"
        return _not_measured(_COUNTS[:4], why_not), ()
    disclosed, details = _disclosure(sides, keys)
    return (*_replicated_uniques(sides, keys, rng), *disclosed), details


def _key_hashes(features: Features, keys: Sequence[str]) -> NDArray[np.uint64]:
    """Return a hash of what others know, shape (n,); whole numbers as such, where noise made them broken."""
    known = {name: features[name] for name in keys}
    return row_hashes({name: f if isinstance(f, Discrete) else Numeric(np.rint(f.values)) for name, f in known.items()})


def _replicated_uniques(sides: Sides, keys: Sequence[str], rng: np.random.Generator) -> tuple[Measure, ...]:
    """Return repU: people unique by the keys among the real who are unique among the synthetic rows too.

    ``real rows whose keys occur once in the real and once in the synthetic table / real rows`` (Raab, Nowok and
    Dibben, "Practical privacy metrics for synthetic data", arXiv 2406.16826, 2024). All sides at equal n.
    """
    synthetic, train, holdout = (
        _once(_key_hashes(draw(side, sides.rows, rng), keys)) for side in (sides.synthetic, sides.train, sides.holdout)
    )
    hits = [int(np.isin(side, synthetic).sum()) for side in (train, holdout)]
    who = f"who knows of a person: {', '.join(keys)}"
    return _share_and_excess(
        (Figure.REPLICATED_UNIQUES, Figure.REPLICATED_UNIQUES_EXCESS),
        (hits[0], sides.rows),
        (hits[1], sides.rows),
        f"The share of training people whom an attacker {who} finds exactly once among as many synthetic rows, and who "
        "are in truth the only ones (repU); beside it the share of holdout people.",
    )


def _once(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    distinct, counts = np.unique(hashes, return_counts=True)
    once: NDArray[np.uint64] = distinct[counts == 1]
    return once


def _disclosure(sides: Sides, keys: Sequence[str]) -> Found:
    """Return DiSCO: people whose keys lead to synthetic rows that all have one value, which is theirs.

    Disclosive in synthetic, correct in original: ``such real rows / real rows`` (Raab, Nowok and Dibben 2024), the mean
    over all columns that are not keys; numbers as deciles of training rows.
    """
    targets = [name for name in _varied(sides.train) if name not in keys]
    if not targets:
        return _not_measured(_COUNTS[2:4], "every column is taken for known"), ()
    bins = fit_bins({name: sides.train[name] for name in targets})
    groups, group = np.unique(_key_hashes(sides.synthetic, keys), return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(groups)))
    states = cut({name: sides.synthetic[name] for name in targets}, bins)
    only = {name: _unanimous(states[name][order], starts) for name in targets}
    outcomes = []
    for side in (sides.train, sides.holdout):
        hashes = _key_hashes(side, keys)
        place = np.minimum(np.searchsorted(groups, hashes), len(groups) - 1)
        found = groups[place] == hashes
        own = cut({name: side[name] for name in targets}, bins)
        outcomes.append(np.column_stack([found & (only[name][place] == own[name]) for name in targets]))
    (train, n), (holdout, m) = (_rate(side) for side in outcomes)
    measures = _share_and_excess(
        (Figure.DISCLOSIVE, Figure.DISCLOSIVE_EXCESS),
        (train * n, n),
        (holdout * m, m),
        f"An attacker who knows of a person: {', '.join(keys)}; looks up the synthetic rows with these. The share of "
        f"other columns of training people that all those rows agree on, rightly (DiSCO), on average over "
        f"{len(targets)} columns, numbers as tenths; beside it the share for holdout people.",
        people=(len(outcomes[0]), len(outcomes[1])),
    )
    shares = [side.mean(axis=0).tolist() for side in outcomes]
    rows = sorted(((name, a, b, a - b) for name, a, b in zip(targets, *shares, strict=True)), key=lambda row: -row[3])
    detail = Detail(
        name="disclosive",
        title=f"Columns given away by {', '.join(keys)} (DiSCO), worst first",
        heading=("column", "training people", "holdout people", "difference"),
        rows=tuple(rows),
    )
    return measures, (detail,)


def _unanimous(states: NDArray[np.int64], starts: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the state that all rows of a group have, -1 where they differ; rows are sorted by group."""
    low, high = np.minimum.reduceat(states, starts), np.maximum.reduceat(states, starts)
    return np.where(low == high, low, -1)


# --- values and rows that one training person has --------------------------------------------------------------------


def _unique_values(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Found:  # noqa: ARG001
    """Compare how often numbers that one real person has reappear: training people's and holdout people's.

    A number that one row of train and holdout together has is as likely to be in the one as in the other, so that
    without a leak both reappear equally often in the synthetic rows, however many rows the sides have: ``share of
    train's that reappear - share of the holdout's``. All numeric columns together, in original values. Newcombe's
    interval (1998), each bound one-sided 99 %.
    """
    hits, of = np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int64)
    for name, feature in sides.train.items():
        held, made = sides.holdout[name], sides.synthetic[name]
        if isinstance(feature, Discrete) or isinstance(held, Discrete) or isinstance(made, Discrete):
            continue
        values = np.concatenate([feature.values, held.values]) + 0.0
        distinct, first, counts = np.unique(values, return_index=True, return_counts=True)
        single = (counts == 1) & np.isfinite(distinct)
        seen = np.isin(distinct[single], made.values)
        of_train = first[single] < len(feature.values)
        hits += [int(seen[of_train].sum()), int(seen[~of_train].sum())]
        of += [int(of_train.sum()), int((~of_train).sum())]
    name = Figure.UNIQUE_VALUES_EXCESS
    reading = (
        "How much more often numbers that one training person has reappear in synthetic rows than numbers that one "
    )
    reading += "holdout person has; a lower bound above 0 means that the model repeats single people's values."
    if of.min() < MIN_ROWS:
        return _not_measured((name,), f"fewer than {MIN_ROWS} numbers belong to one person only", reading), ()
    share, other = hits / of
    low, high = excess_interval(int(hits[0]), int(of[0]), int(hits[1]), int(of[1]))
    reading += f" {share:.2%} of {of[0]:,} against {other:.2%} of {of[1]:,}."
    return (_excess(name, float(share - other), (low, high), reading, (int(of[0]), int(of[1]))),), ()


@dataclass(frozen=True, slots=True)
class _Segment:
    """Rows of one state of one column.

    Parameters
    ----------
    column, label
        Whose state, and how it is called.
    synthetic, holdout
        Which rows have it, shape (rows of the side,).
    """

    column: str
    label: str
    synthetic: NDArray[np.bool_]
    holdout: NDArray[np.bool_]


def _copied_segments(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Found:
    """Find the segment with most copies above the holdout's on one half of the rows, and measure it on the other.

    So the figure is not the luck of the worst of many: its half never chose it (data splitting; Cox, Biometrika 1975).
    ``copies / synthetic rows - copies / holdout rows`` of a segment. Segments are the values of discrete columns and
    the tenths of numbers. A copy is a row that equals a training row which only
    one training person has: rows that many share (all special codes) are nobody's.
    """
    name = Figure.COPIED_SEGMENT_EXCESS
    reading = (
        "How many more synthetic rows equal one training person's row than holdout rows do, in the worst segment; "
    )
    reading += "chosen on one half of the rows, measured on the other, so that looking at many does not raise it."
    known = _once(row_hashes(sides.train))
    copied = [np.isin(row_hashes(side), known) for side in (sides.synthetic, sides.holdout)]
    chosen = [_half(len(side), rng) for side in copied]
    segments = [segment for segment in _segments(sides, schema) if _large(segment, chosen)]
    if not segments:
        why_not = f"no segment has {MIN_ROWS} synthetic and {MIN_ROWS} holdout rows in either half"
        return _not_measured((name,), why_not, reading), ()
    worst = max(segments, key=lambda segment: _counts_excess(segment, copied, chosen)[1])
    value, low, high, counts = _counts_excess(worst, copied, [~half for half in chosen])
    reading += f" It is '{worst.column}': {worst.label}, of {len(segments)} segments."
    detail = Detail(
        name="copied_segments",
        title="Copied rows by segment, all rows, worst first",
        heading=("column", "segment", "synthetic rows", "copied", "holdout rows", "copied", "difference", "at least"),
        rows=_segment_rows(segments, copied),
    )
    return (_excess(name, value, (low, high), reading, counts),), (detail,)


def _segments(sides: Sides, schema: TableSchema) -> Iterator[_Segment]:
    """Yield segments that enough rows of every side have; names of values are shown only for those."""
    bins = fit_bins(sides.train)
    for name in sides.train:
        synthetic, train, holdout = (
            cut({name: side[name]}, bins)[name] for side in (sides.synthetic, sides.train, sides.holdout)
        )
        for state in range(bins[name].size):
            segment = _Segment(name, _label(schema[name], bins[name], state), synthetic == state, holdout == state)
            if min(side.sum() for side in (train == state, segment.synthetic, segment.holdout)) >= MIN_CELL:
                yield segment


def _label(column: Column, how: Bin, state: int) -> str:
    if how.states is None:
        return "missing" if state == how.size - 1 else f"part {state + 1} of {how.size - 1}, from low to high"
    codes = np.flatnonzero(how.states == state)
    categories = column.categories or ()
    if len(codes) > 1:
        return "all others"
    return str(categories[codes[0]]) if codes[0] < len(categories) else "missing"


def _half(rows: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    return np.asarray(rng.permutation(rows) < rows // 2)


def _large(segment: _Segment, chosen: Sequence[NDArray[np.bool_]]) -> bool:
    return all(
        (inside & half).sum() >= MIN_ROWS and (inside & ~half).sum() >= MIN_ROWS
        for inside, half in zip((segment.synthetic, segment.holdout), chosen, strict=True)
    )


def _counts_excess(
    segment: _Segment, copied: Sequence[NDArray[np.bool_]], among: Sequence[NDArray[np.bool_]]
) -> tuple[float, float, float, tuple[int, int]]:
    """Return the excess of copies in a segment, its bounds, and the rows of both sides, among some rows."""
    inside = [segment.synthetic & among[0], segment.holdout & among[1]]
    hits, other = (int((side & rows).sum()) for side, rows in zip(copied, inside, strict=True))
    of, other_of = (int(rows.sum()) for rows in inside)
    low, high = excess_interval(hits, of, other, other_of)
    return hits / of - other / other_of, low, high, (of, other_of)


def _segment_rows(
    segments: Sequence[_Segment], copied: Sequence[NDArray[np.bool_]]
) -> tuple[tuple[str | float | None, ...], ...]:
    every = [np.ones(len(side), dtype=bool) for side in copied]
    rows = []
    for segment in segments:
        value, low, _, (of, other_of) = _counts_excess(segment, copied, every)
        shares = [
            float(side[rows_].mean()) for side, rows_ in zip(copied, (segment.synthetic, segment.holdout), strict=True)
        ]
        rows.append((segment.column, segment.label, float(of), shares[0], float(other_of), shares[1], value, low))
    return tuple(sorted(rows, key=lambda row: -row[7])[:_WORST])


# --- figures ---------------------------------------------------------------------------------------------------------

_TITLES = {
    Figure.ATTRIBUTE_RISK: "Attribute inference risk",
    Figure.SINGLING_OUT_RISK: "Singling-out risk",
    Figure.LINKABILITY_RISK: "Linkability risk",
    Figure.REPLICATED_UNIQUES: "Replicated uniques",
    Figure.REPLICATED_UNIQUES_EXCESS: "Replicated uniques above the holdout's",
    Figure.DISCLOSIVE: "Disclosed attributes (DiSCO)",
    Figure.DISCLOSIVE_EXCESS: "Disclosed attributes above the holdout's",
    Figure.UNIQUE_VALUES_EXCESS: "Single people's values that reappear, above the holdout's",
    Figure.COPIED_SEGMENT_EXCESS: "Copied rows above the holdout's, worst segment",
}
_ATTACKS = tuple(_TITLES)[:3]
_COUNTS = tuple(_TITLES)[3:]
_SHARES = (Figure.REPLICATED_UNIQUES, Figure.DISCLOSIVE)


def _share_and_excess(
    names: tuple[Figure, Figure],
    train: tuple[float, float],
    holdout: tuple[float, float],
    reading: str,
    people: tuple[int, int] | None = None,
) -> tuple[Measure, Measure]:
    """Return a share beside the holdout's, and the difference; each side is (hits, of), effective numbers or counts."""
    (hits, of), (other, other_of) = train, holdout
    rows, fresh_rows = people or (int(of), int(other_of))
    bounds = excess_interval(round(hits), round(of), round(other), round(other_of))
    share = Measure(
        name=names[0],
        title=_TITLES[names[0]],
        unit=Unit.SHARE,
        value=hits / of,
        fresh=other / other_of,
        rows=rows,
        fresh_rows=fresh_rows,
        reading=reading,
    )
    more = (
        "How many more there are than among holdout people, where it can only be coincidence or what statistics tell; "
    )
    more += "a lower bound above 0 means that training people are given away."
    return share, _excess(names[1], hits / of - other / other_of, bounds, more, (rows, fresh_rows))


def _excess(name: Figure, value: float, bounds: tuple[float, float], reading: str, rows: tuple[int, int]) -> Measure:
    return Measure(
        name=name,
        title=_TITLES[name],
        unit=Unit.DIFFERENCE,
        value=value,
        low=bounds[0],
        high=bounds[1],
        fresh=0.0,
        rows=rows[0],
        fresh_rows=rows[1],
        reading=reading,
    )


def _not_measured(
    names: Sequence[Figure], why_not: str, reading: str = "What the release tells of training people beyond others."
) -> tuple[Measure, ...]:
    return tuple(
        Measure(
            name=name,
            title=_TITLES[name],
            unit=Unit.SHARE if name in _SHARES else Unit.DIFFERENCE,
            value=None,
            reading=reading,
            why_not=why_not,
        )
        for name in names
    )
