"""Across tables: whether keys hold, parents have as many children, and children still fit their parents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from synthcredit.datasets.arrow import to_floats
from synthcredit.datasets.schema import DatasetSchema, Relation, TableSchema
from synthcredit.evidence.gate import verdict
from synthcredit.evidence.model import About, Check, Detail, Figure, Finding, Measure, Status
from synthcredit.evidence.sides import MIN_ROWS

MIN_CHILDREN = 0.9
"""Smallest allowed share of the fresh figure: below it aggregates per customer are those of other customers."""
MIN_KEPT = 0.6
"""As the gate's for associations within a table: fresh 1, children dealt to parents at random 0."""
_SIGNAL_SIGMAS = 5.0
_RESAMPLES = 200
_TAILS = (2.5, 97.5)

Matrix = NDArray[np.float64]


class RelationEvidence(BaseModel):
    """What was found of one relation between two tables."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    relation: Relation
    checks: tuple[Check, ...]
    measures: tuple[Measure, ...]
    details: tuple[Detail, ...] = ()
    findings: tuple[Finding, ...]


class TablesEvidence(BaseModel):
    """The proof about a dataset of several tables: as good as its worst part."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    version: int = 1
    tables: Annotated[dict[str, str], Field(description="Where the evidence of each table lies, beside this one.")]
    tables_passed: Annotated[dict[str, bool], Field(description="Whether each table meets the gate by itself.")]
    relations: tuple[RelationEvidence, ...]
    passed: Annotated[bool, Field(description="Whether every table and every relation does.")]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """The rows of a parent table, and of a child table of it."""

    parent: pa.Table
    child: pa.Table


def assess_relation(
    relation: Relation, schema: DatasetSchema, synthetic: Pair, train: Pair, holdout: Pair, rng: np.random.Generator
) -> RelationEvidence:
    """Judge one relation of the synthetic tables against the real ones, holdout first, beside fresh.

    Parameters
    ----------
    relation, schema
        Which tables, and what they have.
    synthetic, train, holdout
        All rows of both tables. The children of a holdout parent are held out with it.
    rng
        Draws resamples of parents.
    """
    parent, child = schema[relation.parent], schema[relation.child]
    key = str(parent.primary_key)
    checks = _checks(relation, key, synthetic)
    sides = [_Parents.of(side, parent, child, relation.foreign_key) for side in (synthetic, train, holdout)]
    counts = _children(sides, relation, rng)
    kept, details = _association(sides, relation)
    findings = (_keys(relation, checks), *(_finding(relation, measure) for measure in (counts, kept)))
    return RelationEvidence(
        relation=relation, checks=checks, measures=(counts, kept), details=details, findings=findings
    )


def passed(relations: Sequence[RelationEvidence]) -> bool:
    """Tell whether every relation holds."""
    return all(verdict(one.findings) for one in relations)


def _checks(relation: Relation, key: str, side: Pair) -> tuple[Check, ...]:
    keys = side.parent[key].to_pandas()
    foreign = side.child[relation.foreign_key].to_pandas()
    missing = int(keys.isna().sum())
    again = int(keys.dropna().duplicated().sum())
    orphans = int((foreign.notna() & ~foreign.isin(keys.dropna())).sum())
    return (
        _check("key_never_missing", key, missing, len(keys), f"never missing in {relation.parent}"),
        _check("key_unique", key, again, len(keys), f"different in every row of {relation.parent}"),
        _check(
            "foreign_key_known", relation.foreign_key, orphans, len(foreign),
            f"a key of {relation.parent} in every row of {relation.child} that has one",
        ),
    )  # fmt: skip


def _check(name: str, column: str, bad: int, rows: int, says: str) -> Check:
    detail = says if not bad else f"should be {says}; {bad:,} of {rows:,} rows are not"
    return Check(expectation=name, about=About.KEYS, column=column, passed=not bad, detail=detail)


@dataclass(frozen=True, slots=True)
class _Parents:
    """The parents of one side.

    Parameters
    ----------
    children
        How many rows each has, shape (parents,).
    own, theirs
        Figures of the parent itself and of its children, a column each, shape (parents, columns); NaN is missing.
    """

    children: NDArray[np.int64]
    own: pd.DataFrame
    theirs: pd.DataFrame

    @classmethod
    def of(cls, side: Pair, parent: TableSchema, child: TableSchema, foreign_key: str) -> _Parents:
        keys = pd.Index(side.parent[str(parent.primary_key)].to_pandas())
        once = ~keys.duplicated() & keys.notna()
        foreign = side.child[foreign_key].to_pandas()
        grouped = _numbers(side.child, child).groupby(foreign.to_numpy())
        counts = foreign.value_counts()
        theirs = grouped.mean().add_prefix("mean ").reindex(keys[once])
        theirs.insert(0, "rows", counts.reindex(keys[once]).fillna(0).to_numpy(dtype=np.float64))
        own = _numbers(side.parent, parent)[once]
        return cls(theirs["rows"].to_numpy(dtype=np.int64), own.reset_index(drop=True), theirs.reset_index(drop=True))

    @property
    def rows(self) -> int:
        return len(self.children)


def _numbers(table: pa.Table, schema: TableSchema) -> pd.DataFrame:
    """Return the learned columns that are numbers or dates, as float64."""
    names = [column.name for column in schema.learned if not column.discrete]
    return pd.DataFrame({name: to_floats(table[name].combine_chunks()) for name in names}, index=range(table.num_rows))


def _too_few(sides: Sequence[_Parents]) -> str | None:
    names = ("synthetic", "training", "holdout")
    short = [f"{one.rows} {name} parents" for name, one in zip(names, sides, strict=True) if one.rows < MIN_ROWS]
    return f"too few rows ({', '.join(short)}; at least {MIN_ROWS} are needed)" if short else None


def _children(sides: Sequence[_Parents], relation: Relation, rng: np.random.Generator) -> Measure:
    """Return 1 minus the Kolmogorov-Smirnov statistic of children per parent, SDMetrics' KSComplement.

    ``1 - max |F - G|`` of the distribution functions of the numbers of children.

    Interval: percentiles over resamples of parents on both sides.
    """
    why_not = _too_few(sides)
    value = low = high = fresh = None
    if why_not is None:
        synthetic, train, holdout = (one.children for one in sides)
        value, fresh = _alike(synthetic, holdout), _alike(train, holdout)
        again = [
            _alike(rng.choice(synthetic, len(synthetic)), rng.choice(holdout, len(holdout))) for _ in range(_RESAMPLES)
        ]
        low, high = (float(bound) for bound in np.percentile(again, _TAILS))
    return Measure(
        name=Figure.CHILDREN_PER_PARENT,
        title=f"Rows of {relation.child} for each of {relation.parent}",
        value=value,
        low=low,
        high=high,
        fresh=fresh,
        rows=sides[0].rows,
        fresh_rows=sides[1].rows,
        reading="How far the number of children a parent has, none included, agrees with parents that no model saw "
        "(1 minus the largest gap between both distributions).",
        why_not=why_not,
    )


def _alike(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    most = int(max(one.max(), other.max())) + 1
    shares = [np.cumsum(np.bincount(side, minlength=most)) / len(side) for side in (one, other)]
    return 1.0 - float(np.abs(shares[0] - shares[1]).max())


def _association(sides: Sequence[_Parents], relation: Relation) -> tuple[Measure, tuple[Detail, ...]]:
    """Return how much of the association between parents and their children is kept, and the pairs behind it.

    ``sum(R_synthetic R_holdout) / sum(R_train R_holdout)`` over the Spearman correlations of every number of the parent
    with the count, and the mean of every number, of its children. Both products are with the holdout, so that its noise
    does not count (Walther et al., NeuroImage 2016); fresh is 1, children dealt to parents at random reach 0.
    """
    names = list(sides[1].own)
    why_not = _too_few(sides) or (None if names else f"{relation.parent} has no number that is learned")
    value = None
    details: tuple[Detail, ...] = ()
    if why_not is None:
        synthetic, train, holdout = (_correlations(one) for one in sides)
        signal = float((train * holdout).sum())
        noise = np.sqrt(train.size / (sides[1].rows * sides[2].rows))
        if signal < _SIGNAL_SIGMAS * noise:
            why_not = "real children are hardly associated with their parents' numbers, so there is nothing to keep"
        else:
            value = float((synthetic * holdout).sum()) / signal
        details = (_pairs(sides[1], synthetic, train, holdout, relation),)
    return Measure(
        name=Figure.PARENT_CHILD_KEPT,
        title=f"Associations kept between {relation.parent} and its {relation.child}",
        value=value,
        fresh=None if value is None else 1.0,
        rows=min(one.rows for one in sides),
        reading="The share of the real rank correlations between a parent's numbers and the count and means of its "
        "children that the synthetic tables keep; 0 where children were dealt to parents at random.",
        why_not=why_not,
    ), details


def _correlations(one: _Parents) -> Matrix:
    """Return Spearman correlations, shape (own, theirs); missing values stand in the middle."""
    left, right = _ranks(one.own), _ranks(one.theirs)
    return left.T @ right / one.rows


def _ranks(frame: pd.DataFrame) -> Matrix:
    ranks = frame.rank()
    scaled = ((ranks - ranks.mean()) / ranks.std(ddof=0).replace(0.0, np.nan)).fillna(0.0)
    return np.asarray(scaled, dtype=np.float64)


def _pairs(parents: _Parents, synthetic: Matrix, train: Matrix, holdout: Matrix, relation: Relation) -> Detail:
    gap = np.abs(synthetic - holdout)
    worst = np.argsort(-gap, axis=None)[:20]
    places = [np.unravel_index(int(position), gap.shape) for position in worst]
    own, theirs = list(parents.own), list(parents.theirs)
    return Detail(
        name="parent_child_pairs",
        title=f"Rank correlation of {relation.parent} with its {relation.child}, worst first",
        heading=(relation.parent, relation.child, "synthetic", "real, held out", "real, training"),
        rows=tuple(
            (own[i], theirs[j], float(synthetic[i, j]), float(holdout[i, j]), float(train[i, j])) for i, j in places
        ),
    )


def _keys(relation: Relation, checks: Sequence[Check]) -> Finding:
    failed = [f"Column '{check.column}' {check.detail}" for check in checks if not check.passed]
    return Finding(
        part=f"keys: {relation.name}",
        status=Status.FAILED if failed else Status.PASSED,
        reason=f"{'; '.join(failed)}." if failed else "Keys are unique, and every child has its parent.",
        try_this="Make the tables with a synthesizer that keeps keys." if failed else None,
    )


_ASKED = {
    Figure.CHILDREN_PER_PARENT: (MIN_CHILDREN, "children per parent", True),
    Figure.PARENT_CHILD_KEPT: (MIN_KEPT, "parents and children", False),
}


def _finding(relation: Relation, measure: Measure) -> Finding:
    share, what, required = _ASKED[measure.name]
    part = f"{what}: {relation.name}"
    if measure.value is None or not measure.fresh:
        return Finding(
            part=part,
            status=Status.NOT_JUDGED,
            reason=f"Not judged: {measure.why_not or 'fresh rows do not reach anything either'}.",
            try_this="Give more rows." if required else None,
            required=required,
        )
    good = measure.value >= share * measure.fresh
    return Finding(
        part=part,
        status=Status.PASSED if good else Status.FAILED,
        reason=f"{measure.title}: {measure.value:.3f}, fresh real rows {measure.fresh:.3f}; "
        f"at least {share:.0%} of that is needed.",
        try_this=None if good else "Use a synthesizer that learns the tables together.",
    )
