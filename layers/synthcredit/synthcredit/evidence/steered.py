"""Proof of rows that were asked to be special: whether they are, and which real rows they are to be compared with.

Rows of a shifted default rate, or of one segment, differ from all real rows on purpose. So they are compared with real
rows that meet the same conditions: those outside of ``where`` are left out, and of the others as many are drawn as
have the asked shares. Privacy is measured against all real rows inside of ``where``, drawn or not: a copied row is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import TableSchema
from synthcredit.evidence.model import Check
from synthcredit.synthesizers.conditioning import all_met, met
from synthcredit.synthesizers.conditions import Quota, Steering
from synthcredit.synthesizers.features import Features, rows_of, values_of

_STANDARD_ERRORS = 4.0
"""How far a share may be off in a drawn sample of the rows."""

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Alike:
    """The real rows to compare with, by index.

    Parameters
    ----------
    inside
        Those that meet ``where``.
    drawn
        Those of them that have the asked shares, too.
    """

    inside: Rows
    drawn: Rows


def alike(features: Features, steering: Steering, schema: TableSchema, rng: np.random.Generator) -> Alike:
    """Return which real rows are like those that were asked for.

    Parameters
    ----------
    features
        Real rows.
    steering
        What was asked for.
    schema
        Their schema.
    rng
        Draws rows where shares are to be met.
    """
    inside = np.flatnonzero(all_met(steering.where, features, schema))
    if steering.quota is None:
        return Alike(inside, inside)
    return Alike(inside, inside[_with_shares(features, inside, steering.quota, rng)])


def _with_shares(features: Features, inside: Rows, quota: Quota, rng: np.random.Generator) -> Rows:
    codes = values_of(features[quota.column])[inside]
    groups = [rng.permutation(np.flatnonzero(np.isin(codes, group))) for group in quota.groups]
    most = min(len(group) / share for group, share in zip(groups, quota.shares, strict=True))
    kept = [group[: round(most * share)] for group, share in zip(groups, quota.shares, strict=True)]
    return np.sort(np.concatenate(kept))


def check(synthetic: Features, steering: Steering, schema: TableSchema, *, whole: bool) -> Iterator[Check]:
    """Check that the synthetic rows are as asked.

    Parameters
    ----------
    synthetic
        The synthetic rows.
    steering
        What was asked for.
    schema
        Their schema.
    whole
        Whether these are all rows of the dataset: then shares are exact but for one row.
    """
    rows = rows_of(synthetic)
    for name, wanted in steering.where.items():
        broken = rows - int(met(wanted, synthetic[name], schema[name]).sum())
        detail = "every row meets its condition" if not broken else f"{broken:,} of {rows:,} rows break its condition"
        yield Check(expectation="conditions_where", column=name, passed=not broken, detail=detail)
    if steering.quota is not None:
        yield _check_shares(synthetic, steering.quota, rows, whole=whole)


def _check_shares(synthetic: Features, quota: Quota, rows: int, *, whole: bool) -> Check:
    codes = values_of(synthetic[quota.column])
    worst, passed = "", True
    for label, group, share in zip(quota.labels, quota.groups, quota.shares, strict=True):
        found = float(np.isin(codes, group).mean())
        allowed = 1.5 / rows if whole else 1.5 / rows + _STANDARD_ERRORS * (share * (1 - share) / rows) ** 0.5
        if abs(found - share) > allowed:
            passed, worst = False, f"'{label}' comes in {found:.2%} of the rows, asked was {share:.2%}"
    detail = worst or "its categories come as often as was asked"
    return Check(expectation="conditions_shares", column=quota.column, passed=passed, detail=detail)


def describe(steering: Steering, counts: dict[str, tuple[int, int, int]]) -> str:
    """Say in a note what was asked for, and with how many real rows the result is compared.

    Parameters
    ----------
    steering
        What was asked for.
    counts
        By side: all its rows, those inside of ``where``, and those drawn.
    """
    asked = [f"conditions on {', '.join(sorted(steering.where))}"] if steering.where else []
    quota = steering.quota
    if quota is not None:
        shifts = ", ".join(
            f"{label} {was:.1%} to {share:.1%}"
            for label, was, share in zip(quota.labels, quota.trained, quota.shares, strict=True)
        )
        asked.append(f"shares of '{quota.column}' shifted from those of the training rows: {shifts}")
    sides = "; ".join(f"{drawn:,} of {every:,} {side} rows" for side, (every, _, drawn) in counts.items())
    return f"Asked for {' and '.join(asked)}. Compared with real rows that are so, too: {sides}."
