"""Drawing rows that meet conditions: given to the model where it can be told, else drawn until enough do.

Rejection is exact: rows that meet the conditions come as often, among themselves, as they do in the model. What a
model can be given (its `givable` columns) needs no rejection. Each block is filled on its own, from generators keyed
by (seed, table, block, round), so that a shard alone gives the same rows as the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import InvalidInputError, Problem
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers.codec import settled
from synthcredit.synthesizers.conditioning import met
from synthcredit.synthesizers.conditions import Quota, Steering, Wanted
from synthcredit.synthesizers.features import Discrete, Feature, Features, join, rows_of, take, values_of

MOST_ROUNDS = 400
"""Rows that are drawn for one block at most, in blocks."""
HOPELESS_ROUNDS = 50
"""After so many without a single row that is needed, the rest would be too."""

Test = Callable[[Feature], NDArray[np.bool_]]
"""Tells which rows of one column may stay."""


class Draw(Protocol):
    """Draws one block of candidates."""

    def __call__(self, rng: np.random.Generator, given: Features, tests: Mapping[str, Test]) -> Features:
        """Return those of `BLOCK_ROWS` rows that pass the tests, in the order in which they were drawn.

        ``given`` has values of whole columns for all `BLOCK_ROWS` candidates; rows of those that pass keep them.
        """


@dataclass(frozen=True, slots=True)
class Wish:
    """What the rows of one dataset are to be, made ready for drawing.

    Parameters
    ----------
    tests
        By column, which values may stay.
    fixed
        By givable column, the one code that all rows have.
    quota
        How often what is to come; None for as often as it does.
    given
        Whether the model is told the quota's column instead of being asked until it says so.
    """

    tests: Mapping[str, Test]
    fixed: Mapping[str, Discrete]
    quota: Quota | None
    given: bool


def prepare(steering: Steering, schema: TableSchema, givable: frozenset[str]) -> Wish:
    """Decide what of the conditions a model is given, and what is tested.

    Parameters
    ----------
    givable
        Discrete columns of which the model can draw rows with given codes.
    """
    fixed: dict[str, Discrete] = {}
    tests: dict[str, Test] = {}
    for name, wanted in steering.where.items():
        column = schema[name]
        code = _single_code(wanted, column) if name in givable else None
        if code is None:
            tests[name] = partial(_stays, wanted, column)
        else:
            fixed[name] = Discrete(np.full(BLOCK_ROWS, code, np.int32), len(column.categories or ()) + column.nullable)
    quota = steering.quota
    single = quota is not None and all(len(group) == 1 for group in quota.groups)
    return Wish(tests, fixed, quota, given=single and quota is not None and quota.column in givable)


def _single_code(wanted: Wanted, column: Column) -> int | None:
    size = len(column.categories or ()) + column.nullable
    codes = np.flatnonzero(met(wanted, Discrete(np.arange(size, dtype=np.int32), size), column))
    return int(codes[0]) if len(codes) == 1 else None


def _stays(wanted: Wanted, column: Column, feature: Feature) -> NDArray[np.bool_]:
    return met(wanted, settled(feature, column), column)


def fill(
    draw: Draw,
    wish: Wish,
    schema: TableSchema,
    *,
    finish: Callable[[Features], tuple[Features, NDArray[np.bool_]]],
    force: Callable[[Features, np.random.Generator], Features] | None,
    first_row: int,
    rows: int,
    seed: int,
) -> Features:
    """Fill one block with rows as wished.

    Parameters
    ----------
    draw
        The model's.
    wish
        What the rows are to be.
    schema
        Its name keys the random numbers; errors tell of its columns.
    finish
        Makes candidates consistent where their columns follow from each other, and tells which may stay.
    force
        Makes any candidate keep all constraints, for those that are still missing after `MOST_ROUNDS`; None where
        there is no constraint.
    first_row
        Where the block begins in the dataset.
    rows
        Its rows.
    seed
        The dataset's.

    Raises
    ------
    InvalidInputError
        The model gives too few such rows; says how few.
    """
    block = first_row // BLOCK_ROWS
    waiting = _places(wish.quota, first_row, rows, generator(seed, f"{schema.name}/quota", block))
    pieces: list[Features] = []
    places: list[NDArray[np.intp]] = []
    met_tests = fit = taken = 0
    for attempt in range(MOST_ROUNDS):
        purpose = f"{schema.name}/rows" if attempt == 0 else f"{schema.name}/rows/{attempt}"
        given = {**wish.fixed, **_given_quota(wish, waiting, schema)}
        candidates = draw(generator(seed, purpose, block), given, wish.tests)
        met_tests += rows_of(candidates)
        candidates, stays = finish(candidates)
        fit += int(np.count_nonzero(stays))
        waiting, chosen, where = _assign(wish.quota, candidates, stays, waiting)
        pieces.append(take(candidates, chosen))
        places.append(where)
        taken += len(chosen)
        if taken == rows:
            return take(join(pieces), np.argsort(np.concatenate(places)))
        if attempt + 1 >= HOPELESS_ROUNDS and not any(len(piece) for piece in places[-HOPELESS_ROUNDS:]):
            break
    too_rare = partial(_too_rare, draw, wish, schema, (attempt + 1) * BLOCK_ROWS, fit, waiting, rows)
    if force is None or not met_tests:
        raise too_rare()
    rest = _forced(draw, wish, schema, force, waiting, generator(seed, f"{schema.name}/forced", block))
    if rest is None:
        raise too_rare()
    pieces.append(rest)
    places.append(np.concatenate(waiting))
    return take(join(pieces), np.argsort(np.concatenate(places)))


def _places(quota: Quota | None, first_row: int, rows: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], ...]:
    """Return which places of the block each group takes: exact counts, in random order."""
    if quota is None:
        return (np.arange(rows),)
    counts = np.subtract(quota.counts(first_row + rows), quota.counts(first_row))
    groups = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return tuple(np.flatnonzero(groups == group) for group in range(len(counts)))


def _given_quota(wish: Wish, waiting: tuple[NDArray[np.intp], ...], schema: TableSchema) -> Features:
    """Return the codes that the model is told, for a block of candidates: those still waiting, over and over."""
    if wish.quota is None or not wish.given:
        return {}
    codes = np.repeat([group[0] for group in wish.quota.groups], [len(places) for places in waiting])
    column = schema[wish.quota.column]
    told = np.resize(codes, BLOCK_ROWS).astype(np.int32)
    return {column.name: Discrete(told, len(column.categories or ()) + column.nullable)}


def _assign(
    quota: Quota | None, candidates: Features, stays: NDArray[np.bool_], waiting: tuple[NDArray[np.intp], ...]
) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.intp], NDArray[np.intp]]:
    """Give candidates to places that wait; return what waits still, which candidates were taken, and for where."""
    left, chosen, where = [], [], []
    for group, places in enumerate(waiting):
        own = stays
        if quota is not None:
            own = stays & np.isin(values_of(candidates[quota.column]), quota.groups[group])
        fit = np.flatnonzero(own)[: len(places)]
        chosen.append(fit)
        where.append(places[: len(fit)])
        left.append(places[len(fit) :])
    return tuple(left), np.concatenate(chosen), np.concatenate(where)


def _forced(
    draw: Draw,
    wish: Wish,
    schema: TableSchema,
    force: Callable[[Features, np.random.Generator], Features],
    waiting: tuple[NDArray[np.intp], ...],
    rng: np.random.Generator,
) -> Features | None:
    """Return rows for all places that wait, made to keep the constraints; None where that breaks the conditions."""
    pieces: list[Features] = []
    for group, places in enumerate(waiting):
        found: list[Features] = []
        missing = len(places)
        for _ in range(HOPELESS_ROUNDS):
            if not missing:
                break
            given = {**wish.fixed, **_given_quota(wish, waiting, schema)}
            made = force(draw(rng, given, wish.tests), rng)
            stays = np.ones(rows_of(made), dtype=bool)
            for name, test in wish.tests.items():
                stays &= test(made[name])
            if wish.quota is not None:
                stays &= np.isin(values_of(made[wish.quota.column]), wish.quota.groups[group])
            found.append(take(made, np.flatnonzero(stays)[:missing]))
            missing -= rows_of(found[-1])
        if missing:
            return None
        pieces += found
    return join(pieces)


def _too_rare(
    draw: Draw,
    wish: Wish,
    schema: TableSchema,
    drawn: int,
    fit: int,
    waiting: tuple[NDArray[np.intp], ...],
    rows: int,
) -> InvalidInputError:
    """Say how many of the rows drawn could be used, and how often each condition is met on its own."""
    share = f"{fit / drawn:.2g}" if fit else "none"
    if not (wish.tests or wish.fixed or wish.quota):
        return InvalidInputError(
            Problem(
                "constraints",
                f"the model seldom gives rows that keep them: {fit:,} of {drawn:,} drawn did ({share}), {rows:,} are "
                "needed in each block",
                "Drop a constraint, or ask for fewer rows where columns are unique.",
            )
        )
    free = draw(generator(0, f"{schema.name}/too-rare"), {}, {})
    alone = [f"{name} by {_percent(test(free[name]))}" for name, test in wish.tests.items()]
    if wish.quota is not None:
        groups = zip(wish.quota.groups, wish.quota.labels, waiting, strict=True)
        column = wish.quota.column
        for group, label, places in groups:
            if len(places):
                alone.append(f"{column} {label} by {_percent(np.isin(values_of(free[column]), group))}")
    return InvalidInputError(
        Problem(
            "conditions",
            f"the model seldom gives such rows: {fit:,} of {drawn:,} drawn could be used ({fit / drawn:.2g}), and "
            f"{sum(map(len, waiting)):,} of {rows:,} places of a block stayed empty. Of rows drawn without conditions, "
            f"each is met {', '.join(alone) or 'always'}",
            "Ask for a wider range or for fewer conditions at once, or train on data that has more such rows.",
        )
    )


def _percent(met: NDArray[np.bool_]) -> str:
    return f"{100 * met.mean():.2g} %" if met.any() else "none"
