"""The pictures of a report: what is drawn, in which order, and the files beside the page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations, groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.schema import TableSchema
from synthcredit.evidence import plots, plots_figures, plots_pairs
from synthcredit.evidence.aggregates import MIN_CELL, aggregate, aggregate_pair, many_valued
from synthcredit.evidence.assess import MAX_ROWS
from synthcredit.evidence.fidelity import associations
from synthcredit.evidence.model import Evidence
from synthcredit.evidence.plots import Drawing
from synthcredit.evidence.sides import draw, fit_bins
from synthcredit.randomness import generator
from synthcredit.synthesizers.features import Features, rows_of

MAX_MAP = 40
"""Columns up to which associations are drawn; of more, the target and the least faithful ones."""
_OF_TARGET, _WORST_PAIRS = 2, 3

Row = tuple[str | float | None, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """One plot on the page.

    Parameters
    ----------
    title
        What is drawn.
    panels
        Its parts, each a data URI and an alternative text.
    remarks
        What is to be known beside it, or why nothing is drawn.
    """

    title: str
    panels: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """What pictures are made from, and where their files go.

    Parameters
    ----------
    folder
        Receives PNG files.
    schema, evidence
        Of the rows.
    real, synthetic
        The rows' learned columns; bins are fixed on ``train``.
    """

    folder: Path
    schema: TableSchema
    evidence: Evidence
    real: Features
    train: Features
    synthetic: Features

    def keep(self, name: str, png: bytes) -> None:
        """Write a file."""
        (self.folder / f"{name}.png").write_bytes(png)


def least_faithful(evidence: Evidence, schema: TableSchema) -> list[str]:
    """Return the learned columns, the worst column shape first, those without a score before all."""
    return sorted((column.name for column in schema.learned), key=lambda name: evidence.columns.get(name, -1.0))


def column_picture(drawn: Drawn, name: str) -> Picture:
    """Draw the distribution of one column."""
    column, evidence = drawn.schema[name], drawn.evidence
    score, fresh = evidence.columns.get(name), evidence.columns_fresh.get(name)
    beside = "" if fresh is None else f", fresh real rows {fresh:.3f}"
    said = () if score is None else (f"Column shape {score:.3f}{beside}.",)
    shown = aggregate(column, drawn.real[name], drawn.synthetic[name])
    if shown is None:
        return Picture(name, remarks=(*said, "Too few real rows have a value here to draw them safely."))
    drawing = plots.distribution(column, shown)
    drawn.keep(f"{column.storage_name}_distribution", drawing.png)
    alt = " ".join((f"Distribution of {name}: synthetic beside real rows.", *said))
    return Picture(name, ((data_uri(drawing.svg), alt),), (*said, *plots.remarks(shown)))


# --- columns together ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Associations:
    """Cramér's V of every two of some columns, shape (names, names)."""

    names: tuple[str, ...]
    real: NDArray[np.float64]
    synthetic: NDArray[np.float64]


def associated(drawn: Drawn) -> Associations | None:
    """Return the associations, where there are two columns and enough rows for them to be no one's."""
    names = _mapped(drawn.evidence, drawn.schema)
    if len(names) < 2 or min(rows_of(drawn.real), rows_of(drawn.synthetic)) < MIN_CELL**2:
        return None
    bins = fit_bins({name: drawn.train[name] for name in names})
    real, synthetic = (
        associations(draw({name: side[name] for name in names}, MAX_ROWS, generator(0, f"report/{label}")), bins)
        for label, side in (("real", drawn.real), ("synthetic", drawn.synthetic))
    )
    return Associations(tuple(names), real, synthetic)


def _mapped(evidence: Evidence, schema: TableSchema) -> list[str]:
    worst = least_faithful(evidence, schema)
    if schema.target in worst:
        worst.remove(str(schema.target))
        worst.insert(0, str(schema.target))
    kept = set(worst[:MAX_MAP])
    return [column.name for column in schema.learned if column.name in kept]


def map_picture(drawn: Drawn, of: Associations) -> Picture:
    """Draw the maps of associations."""
    drawing = plots_pairs.association_maps(of.names, of.real, of.synthetic)
    drawn.keep("associations", drawing.png)
    alt = "Three maps of the association of every two columns: real, synthetic, and synthetic minus real."
    left = len(drawn.schema.learned) - len(of.names)
    remarks = (f"The target and the least faithful columns; {left} more are not drawn.",) if left else ()
    return Picture("Associations", ((data_uri(drawing.svg), alt),), remarks)


def pair_pictures(drawn: Drawn, of: Associations) -> Iterator[Picture]:
    """Draw the pairs that matter most, the one that is furthest off first."""
    numbers = frozenset(name for name in of.names if many_valued(drawn.real[name]))
    for i, j in choose_pairs(of, drawn.schema.target, numbers):
        names = of.names[i], of.names[j]
        shown = aggregate_pair(
            (drawn.schema[names[0]], drawn.schema[names[1]]),
            (drawn.real[names[0]], drawn.real[names[1]]),
            (drawn.synthetic[names[0]], drawn.synthetic[names[1]]),
        )
        title = f"{names[0]} and {names[1]}"
        strength = f"Association (Cramér's V): real {of.real[i, j]:.2f}, synthetic {of.synthetic[i, j]:.2f}."
        if shown is None:
            yield Picture(title, remarks=(strength, "Too few real rows share values here to draw them safely."))
            continue
        drawing = plots_pairs.pair(shown)
        first, second = shown.x.column, shown.y.column
        drawn.keep(f"{first.storage_name}_vs_{second.storage_name}", drawing.png)
        kinds = ("Real rows", "Synthetic rows", "Synthetic minus real rows")
        panels = tuple(
            (data_uri(svg), f"{kind}: {first.name} by {second.name}. {strength}")
            for kind, svg in zip(kinds, drawing.panels, strict=True)
        )
        what = f"Shares of the rows of each value of {second.name}." if shown.by_group else "Shares of all rows."
        yield Picture(f"{first.name} and {second.name}", panels, (f"{strength} {what}",))


def choose_pairs(of: Associations, target: str | None, numbers: AbstractSet[str]) -> list[tuple[int, int]]:
    """Return the pairs to draw, the one that is furthest off first.

    Those that carry the target; of numbers, the pair that hangs together most, and the number that tells most of the
    target with the one that it depends on most (as income by credit limit); and the pairs that are furthest off.

    Parameters
    ----------
    of
        The associations.
    target, numbers
        Which of their columns is the target, and which are numbers of many values.
    """
    apart = np.abs(of.synthetic - of.real)
    every = list(combinations(range(len(of.names)), 2))
    goal = of.names.index(target) if target in of.names else None
    metric = {i for i, name in enumerate(of.names) if name in numbers} - {goal}
    carrying = [pair for pair in every if goal in pair]
    dense = [pair for pair in every if metric.issuperset(pair)]
    telling = _most([pair for pair in carrying if metric.intersection(pair)], of.real, 1)
    lead = metric.intersection(telling[0]) if telling else set()
    chosen = {
        *_most(carrying, of.real, _OF_TARGET),
        *telling,
        *_most(dense, of.real, 1),
        *_most([pair for pair in dense if lead.intersection(pair)], of.real, 1),
        *_most(every, apart, _WORST_PAIRS),
    }
    return sorted(chosen, key=lambda pair: (-apart[pair], pair))


def _most(pairs: Sequence[tuple[int, int]], by: NDArray[np.float64], count: int) -> list[tuple[int, int]]:
    return sorted(pairs, key=lambda pair: -by[pair])[:count]


# --- from the tables of the evidence ---------------------------------------------------------------------------------


def woe_pictures(drawn: Drawn) -> Iterator[Picture]:
    """Draw the weight of evidence of the columns that predict most, in the order of the table."""
    for name, rows in groupby(_rows(drawn.evidence, "credit_woe"), lambda row: str(row[0])):
        drawing = plots_figures.woe(name, [row[1:] for row in rows])
        drawn.keep(f"woe_{drawn.schema[name].storage_name}", drawing.png)
        alt = f"Weight of evidence of {name} by bin: real, synthetic and fresh rows."
        yield Picture(name, ((data_uri(drawing.svg), alt),))


def credit_pictures(drawn: Drawn) -> Iterator[Picture]:
    """Draw default rates by grade, calibration, and bad rates by approval rate."""
    grades = {
        name: rows
        for name in ("real", "synthetic")
        if (rows := [row for row in _rows(drawn.evidence, f"grades_{name}") if row[2] is not None])
    }
    if grades:
        yield _figure(
            drawn, "default_rate", plots_figures.default_rates(grades), "Do better grades default less?",
            "Default rate of real applicants by grade of the score, with 95 % Wilson intervals.",
        )  # fmt: skip
        yield _figure(
            drawn, "calibration", plots_figures.calibration(grades), "Are default probabilities right?",
            "Forecast against observed default rates by grade: on the dashed line the forecast is right; above "
            "it, too low.",
        )  # fmt: skip
    approval = _rows(drawn.evidence, "bad_rate_by_approval")
    if approval:
        yield _figure(
            drawn, "bad_rate_by_approval", plots_figures.approval(approval), "What would lending by it cost?",
            "Bad rate among the real applicants that each scorecard approves; dotted: what the synthetic rows "
            "alone promise.",
        )  # fmt: skip


def nearest_pictures(drawn: Drawn) -> Iterator[Picture]:
    """Draw how near synthetic rows lie to training rows."""
    about: tuple[tuple[str, str, Callable[[Sequence[Row]], Drawing], str, str], ...] = (
        (
            "nearest_sides", "nearest", plots_figures.nearest, "Nearer to training rows than to others?",
            (
                "Distances of synthetic rows to the nearest of equally many training and holdout rows: were the "
                "model to "
                "repeat its training rows, the orange line would stand left of the blue area."
            ),
        ),
        (
            "nearest_distances", "nearest_tenths", plots_figures.bands, "Nearer than other real people are?",
            "Distances to the nearest training row, in tenths of fresh real rows: copies would crowd in the first.",
        ),
    )  # fmt: skip
    for table, file, plot, title, remark in about:
        rows = _rows(drawn.evidence, table)
        if rows:
            yield _figure(drawn, file, plot(rows), title, remark)


def _figure(drawn: Drawn, file: str, drawing: Drawing, title: str, remark: str) -> Picture:
    drawn.keep(file, drawing.png)
    return Picture(title, ((data_uri(drawing.svg), f"{title} {remark}"),), (remark,))


def _rows(evidence: Evidence, name: str) -> tuple[Row, ...]:
    return next((detail.rows for detail in evidence.details if detail.name == name), ())


def data_uri(svg: bytes) -> str:
    """Return a picture as it stands in the page."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
