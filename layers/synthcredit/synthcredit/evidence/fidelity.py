"""Fidelity: do synthetic rows look like real rows that no model saw? Always beside what real rows reach."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthcredit.datasets.schema import TableSchema
from synthcredit.evidence.model import Figure, Measure
from synthcredit.evidence.sides import Bin, Sides, cut, draw, fit_bins
from synthcredit.packages import hidden
from synthcredit.synthesizers.features import Discrete, Features, rows_of

# SDMetrics imports torch, where there is one, for a metric that is not used here: 1.3 of 5.9 s to get ready to assess.
with hidden("torch"):
    from sdmetrics.reports import DiagnosticReport, QualityReport
    from sdmetrics.single_column import KSComplement, TVComplement

MAX_REPORT_COLUMNS = 60
"""SDMetrics' reports go through pairs one by one in pandas: above this many columns they are left out."""
MAX_PAIRS = 5_000
"""Above this many pairs of columns, pair trends are taken over a drawn sample of them."""
_REPORT_ROWS = 20_000
_DRAWS = 5
"""Draws of equal size that a pair trend is averaged over, to be sure of the third digit."""
_GROUPS = 20
"""Groups of rows that the jackknife leaves out one by one: its standard error is then sure to a sixth."""
_Z = 1.959964
"""Two-sided 95 %."""
_SIGNAL_SIGMAS = 10.0
"""Associations are there to be kept where they are this far above chance; below, their kept share is noise."""
_COMMON_ROWS = 10
_COMMON_SHARE = 0.02
"""A state that fewer training rows have is merged with the other rare ones before associations are compared."""

States = Mapping[str, NDArray[np.int64]]
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What was measured: figures, column shapes by column for synthetic and fresh rows, and what to know of them."""

    measures: tuple[Measure, ...]
    columns: dict[str, float]
    columns_fresh: dict[str, float]
    notes: tuple[str, ...]


def measure(sides: Sides, schema: TableSchema, rng: np.random.Generator) -> Fidelity:
    """Measure learned columns against the holdout at equal row counts, beside fresh: training rows instead.

    Parameters
    ----------
    sides
        Learned columns as `encode` gives them.
    schema
        Their schema.
    rng
        Draws the rows that are compared.
    """
    why_not = sides.too_few()
    notes: list[str] = []
    own = trends(sides, rng, notes)
    rows = min(sides.rows, _REPORT_ROWS)
    synthetic, train, holdout = (
        _frame(draw(side, rows, rng), schema) for side in (sides.synthetic, sides.train, sides.holdout)
    )
    columns, columns_fresh = (_shapes(side, holdout, schema) if why_not is None else {} for side in (synthetic, train))
    unscored = [column.name for column in schema.learned if column.name not in columns]
    if why_not is None and unscored:
        notes.append(f"Without a column shape, since a side has no value at all: {', '.join(unscored)}.")
    theirs = (
        _shapes_measure(columns, columns_fresh, rows, why_not),
        *_reports(synthetic, train, holdout, schema, why_not),
    )
    return Fidelity((*own, *theirs), columns, columns_fresh, tuple(notes))


# --- our own: all pairs, shared bins ---------------------------------------------------------------------------------


def trends(sides: Sides, rng: np.random.Generator, notes: list[str] | None = None) -> tuple[Measure, Measure]:
    """Measure pair trends and associations kept; what is to be known of them goes into ``notes``."""
    bins = fit_bins(sides.train)
    pairs = _pairs(list(sides.train), rng, [] if notes is None else notes)
    why_not = sides.too_few() or (None if pairs else "there is only one column that is learned")
    return _pair_trends(sides, bins, pairs, rng, why_not), _associations_kept(sides, bins, pairs, why_not)


def _pairs(names: Sequence[str], rng: np.random.Generator, notes: list[str]) -> list[tuple[str, str]]:
    total = len(names) * (len(names) - 1) // 2
    if total <= MAX_PAIRS:
        return list(combinations(names, 2))
    notes.append(f"Pair trends are taken over {MAX_PAIRS:,} drawn pairs of columns, of {total:,}.")
    chosen = set(rng.choice(total, size=MAX_PAIRS, replace=False).tolist())
    return [pair for position, pair in enumerate(islice(combinations(names, 2), total)) if position in chosen]


def _pair_trends(
    sides: Sides, bins: Mapping[str, Bin], pairs: Pairs, rng: np.random.Generator, why_not: str | None
) -> Measure:
    """Return the mean contingency similarity over all pairs of columns, with bins fixed on training rows.

    ``1 - 1/2 sum |P(a, b) - Q(a, b)|`` for a pair: SDMetrics' ContingencySimilarity, but over every pair, and with bins
    that both sides share. Ten quantile bins for numbers, missing is a state of its own. Mean over draws of equal size.
    """

    def against_holdout(side: Features) -> tuple[float, float]:
        drawn = [(draw(side, sides.rows, rng), draw(sides.holdout, sides.rows, rng)) for _ in range(_DRAWS)]
        left_out = [similarities(cut(one, bins), cut(other, bins), bins, pairs) for one, other in drawn]
        return float(np.mean([values[-1] for values in left_out])), jackknife_error(left_out[0][:-1])

    (value, error), (fresh, _) = (
        (None, 0.0) if why_not else against_holdout(side) for side in (sides.synthetic, sides.train)
    )
    return Measure(
        name=Figure.PAIR_TRENDS,
        title="Pair trends, all pairs, shared bins",
        value=value,
        low=None if value is None else max(0.0, value - _Z * error),
        high=None if value is None else min(1.0, value + _Z * error),
        fresh=fresh,
        rows=sides.rows,
        reading=f"How far the joint distribution of every two columns ({len(pairs):,} pairs) agrees with real rows "
        "that the model never saw; what matters is how near it comes to fresh.",
        why_not=why_not,
    )


def jackknife_error(left_out: NDArray[np.float64]) -> float:
    """Return the standard error of a figure from its values with one group of rows left out each, shape (groups,).

    ``sqrt((G - 1) / G sum (t_g - mean)^2)``: the delete-a-group jackknife (Shao and Tu, The Jackknife and Bootstrap,
    1995, chapter 2). Groups of all sides are left out together, the sides being independent samples.
    """
    groups = len(left_out)
    return float(np.sqrt((groups - 1) / groups * np.sum((left_out - left_out.mean()) ** 2)))


def similarities(one: States, other: States, bins: Mapping[str, Bin], pairs: Pairs) -> NDArray[np.float64]:
    """Return the mean similarity with each group of rows left out, and with none, shape (groups + 1,)."""
    apart = [np.abs(joints_of(one, a, b, bins) - joints_of(other, a, b, bins)).sum(axis=(1, 2)) for a, b in pairs]
    return np.asarray(np.mean(1 - 0.5 * np.array(apart), axis=0))


def joints_of(states: States, a: str, b: str, bins: Mapping[str, Bin]) -> NDArray[np.float64]:
    """Return the joint distribution of two columns with each of `_GROUPS` groups of rows left out, and with none.

    Shape (groups + 1, states of a, states of b). Rows are dealt into groups in turn.
    """
    width, cells = bins[b].size, bins[a].size * bins[b].size
    groups = np.arange(len(states[a])) % _GROUPS
    counts = np.bincount((groups * bins[a].size + states[a]) * width + states[b], minlength=_GROUPS * cells)
    counts = counts.reshape(_GROUPS, -1, width).astype(np.float64)
    whole = counts.sum(axis=0, keepdims=True)
    left = np.concatenate([whole - counts, whole])
    joints: NDArray[np.float64] = left / np.maximum(left.sum(axis=(1, 2), keepdims=True), 1.0)
    return joints


def similarity(one: States, other: States, bins: Mapping[str, Bin], pairs: Pairs) -> float:
    """Return 1 minus the total variation distance of the joint distributions, the mean over pairs of columns."""
    apart = [np.abs(joint_of(one, a, b, bins) - joint_of(other, a, b, bins)).sum() for a, b in pairs]
    return float(np.mean(1 - 0.5 * np.array(apart)))


def joint_of(states: States, a: str, b: str, bins: Mapping[str, Bin]) -> NDArray[np.float64]:
    """Return the joint distribution of two columns, shape (states of a, states of b)."""
    width = bins[b].size
    counts = np.bincount(states[a] * width + states[b], minlength=bins[a].size * width)
    return counts.reshape(-1, width) / len(states[a])


def _associations_kept(sides: Sides, bins: Mapping[str, Bin], pairs: Pairs, why_not: str | None) -> Measure:
    """Return how much of the real associations synthetic rows have: fresh rows 1, independent columns 0.

    For each pair, ``R = (P(a, b) - P(a) P(b)) / sqrt(M(a) M(b))`` (Pearson's residual, M the training margins). The
    figure is ``sum R_synthetic R_holdout / sum R_train R_holdout`` over all cells of all pairs. The noise of
    independent samples cancels in such cross products, so that it has no bias from small n, unlike any distance: the
    cross-validated inner product of Walther et al., "Reliability of dissimilarity measures" (NeuroImage 2016).
    """
    kept, error = None, 0.0
    if why_not is None:
        signal, of_synthetic, chance = _cross_products(sides, bins, pairs)
        if signal[-1] > _SIGNAL_SIGMAS * chance and np.all(signal > 0):
            kept = float(of_synthetic[-1] / signal[-1])
            error = jackknife_error((of_synthetic / signal)[:-1])
        else:
            why_not = "the real columns hardly depend on each other"
    return Measure(
        name=Figure.ASSOCIATIONS_KEPT,
        title="Associations kept",
        value=kept,
        low=None if kept is None else kept - _Z * error,
        high=None if kept is None else kept + _Z * error,
        fresh=None if kept is None else 1.0,
        rows=rows_of(sides.synthetic),
        fresh_rows=rows_of(sides.train),
        reading="How much of the real dependence between columns is there: real rows have 100 %, columns that were "
        "drawn one by one 0 %. Over 100 % means exaggerated.",
        why_not=why_not,
    )


def _cross_products(
    sides: Sides, bins: Mapping[str, Bin], pairs: Pairs
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return train by holdout, synthetic by holdout, and the first one's standard deviation without any dependence.

    The first two with each group of rows left out, and with none, shape (groups + 1,) each.
    """
    merged = _common_states(cut(sides.train, bins), bins)
    states = [
        {name: merged[name][of] for name, of in cut(side, bins).items()}
        for side in (sides.synthetic, sides.train, sides.holdout)
    ]
    margins = {name: np.bincount(of, minlength=bins[name].size) / len(of) for name, of in states[1].items()}
    signal, of_synthetic, cells = np.zeros(_GROUPS + 1), np.zeros(_GROUPS + 1), 0.0
    for a, b in pairs:
        expected = np.sqrt(np.outer(margins[a], margins[b]))
        known = expected > 0
        residuals = []
        for side in states:
            joint = joints_of(side, a, b, bins)
            independent = joint.sum(axis=2)[:, :, None] * joint.sum(axis=1)[:, None, :]
            residuals.append((joint - independent)[:, known] / expected[known])
        of_synthetic += (residuals[0] * residuals[2]).sum(axis=1)
        signal += (residuals[1] * residuals[2]).sum(axis=1)
        cells += (np.count_nonzero(margins[a]) - 1) * (np.count_nonzero(margins[b]) - 1)
    return signal, of_synthetic, float(np.sqrt(cells / (rows_of(sides.train) * rows_of(sides.holdout))))


def _common_states(train: States, bins: Mapping[str, Bin]) -> dict[str, NDArray[np.int64]]:
    """Return, by column, which state stands for each: rare ones (in training) share one with the next more common.

    Pearson's residual gives a cell the more weight the rarer it is: two categories that the same two people have would
    count as much as two that half of all people have, and a model that rightly forgets two people would seem to know
    nothing.
    """
    common = {}
    for name, states in train.items():
        counts = np.bincount(states, minlength=bins[name].size)
        order = np.argsort(counts, kind="stable")
        least = max(_COMMON_ROWS, _COMMON_SHARE * len(states))
        # From the rarest on, as many as it takes for the group, and every state outside it, to be common.
        alone = (counts[order].cumsum() - counts[order] >= least) & (counts[order] >= least)
        last = int(np.argmax(alone)) if alone.any() else len(order)
        together = order[:last]
        common[name] = np.arange(len(counts))
        common[name][together] = together[:1]
    return common


def associations(features: Features, bins: Mapping[str, Bin]) -> NDArray[np.float64]:
    """Return Cramér's V of every two columns, shape (columns, columns), 1 on the diagonal.

    With the correction for small samples of Bergsma, "A bias-correction for Cramér's V" (J. Korean Stat. Soc. 2013).
    """
    states, names, rows = cut(features, bins), list(features), rows_of(features)
    matrix = np.eye(len(names))
    for i, j in combinations(range(len(names)), 2):
        joint = joint_of(states, names[i], names[j], bins)
        joint = joint[joint.sum(axis=1) > 0][:, joint.sum(axis=0) > 0]
        matrix[i, j] = matrix[j, i] = _cramers_v(joint, rows)
    return matrix


def _cramers_v(joint: NDArray[np.float64], rows: int) -> float:
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    r, k = joint.shape
    phi2 = float(((joint - expected) ** 2 / expected).sum()) if expected.size else 0.0
    corrected = max(0.0, phi2 - (r - 1) * (k - 1) / max(rows - 1, 1))
    least = min(r - (r - 1) ** 2 / max(rows - 1, 1), k - (k - 1) ** 2 / max(rows - 1, 1)) - 1
    return float(min(1.0, np.sqrt(corrected / least))) if least > 0 else 0.0


# --- SDMetrics -------------------------------------------------------------------------------------------------------


def sdmetrics_metadata(schema: TableSchema) -> dict[str, dict[str, dict[str, dict[str, dict[str, str]]]]]:
    """Return what SDMetrics wants to know of the learned columns. Dates are numbers here, which scores the same."""
    columns = {column.name: {"sdtype": "categorical" if column.discrete else "numerical"} for column in schema.learned}
    return {"tables": {schema.name: {"columns": columns}}}


def _frame(features: Features, schema: TableSchema) -> pd.DataFrame:
    """Return features as pandas: categories as their position, missing as NaN."""
    return pd.DataFrame(
        {
            name: pd.Series(feature.codes, dtype=object).where(feature.codes < len(schema[name].categories or ()))
            if isinstance(feature, Discrete)
            else feature.values
            for name, feature in features.items()
        }
    )


def _shapes(side: pd.DataFrame, holdout: pd.DataFrame, schema: TableSchema) -> dict[str, float]:
    """Return SDMetrics' KSComplement or TVComplement by column, where both sides have values.

    ``1 - max |F - G|`` of the distribution functions of a number (Kolmogorov-Smirnov), ``1 - 1/2 sum |P - Q|`` over the
    states of a category (total variation); SDMetrics 0.32, on known values only.
    """
    scores = {}
    with warnings.catch_warnings():
        # The test's p-value falls back to an approximation for many rows; the statistic, which is used here, does not.
        warnings.filterwarnings("ignore", message="ks_2samp")
        for column in schema.learned:
            real, other = holdout[column.name], side[column.name]
            if real.notna().any() and other.notna().any():
                metric = TVComplement if column.discrete else KSComplement
                scores[column.name] = float(metric.compute(real, other))
    return scores


def _shapes_measure(
    columns: Mapping[str, float], columns_fresh: Mapping[str, float], rows: int, why_not: str | None
) -> Measure:
    value, fresh = (float(np.mean(list(scores.values()))) if scores else None for scores in (columns, columns_fresh))
    return Measure(
        name=Figure.SDMETRICS_SHAPES,
        title="SDMetrics column shapes",
        value=value,
        fresh=fresh,
        rows=rows,
        reading="How far each column alone agrees with real rows, on average (Kolmogorov-Smirnov for numbers, total "
        "variation for categories).",
        why_not=why_not or (None if columns else "no column has values on both sides"),
    )


def _reports(
    synthetic: pd.DataFrame, train: pd.DataFrame, holdout: pd.DataFrame, schema: TableSchema, why_not: str | None
) -> Iterator[Measure]:
    """Yield what SDMetrics' quality and diagnostic reports say of synthetic and of fresh rows."""
    if why_not is None and len(schema.learned) > MAX_REPORT_COLUMNS:
        why_not = f"SDMetrics' reports are left out above {MAX_REPORT_COLUMNS} columns, for their time"
    scores = [_report_scores(side, holdout, schema) if why_not is None else {} for side in (synthetic, train)]
    for name, title, reading in _REPORT_FIGURES:
        value, fresh = (side.get(name) for side in scores)
        yield Measure(
            name=name,
            title=title,
            value=value,
            fresh=fresh,
            rows=len(holdout),
            reading=reading,
            why_not=why_not or (None if value is not None else "SDMetrics gives no score for these columns"),
        )


_REPORT_FIGURES = (
    (
        Figure.SDMETRICS_TRENDS,
        "SDMetrics pair trends",
        (
            "SDMetrics' own figure for pairs of columns: only strongly related pairs count in it, and each side has "
            "bins of its own, so read it beside the one over all pairs."
        ),
    ),
    (
        Figure.SDMETRICS_QUALITY,
        "SDMetrics quality",
        "SDMetrics' overall score: the mean of its column shapes and pair trends.",
    ),
    (
        Figure.SDMETRICS_DIAGNOSTIC,
        "SDMetrics diagnostic",
        "How far values stay inside what the holdout rows happen to show; fresh rows leave it too.",
    ),
)


def _report_scores(side: pd.DataFrame, holdout: pd.DataFrame, schema: TableSchema) -> dict[Figure, float]:
    """Return the scores of SDMetrics' QualityReport and DiagnosticReport (0.32) with the holdout as the real side.

    Quality: ``(column shapes + pair trends) / 2``. Pair trends: the mean over strongly related pairs of ``1 - |r - r'|
    / 2`` of numbers, and of 1 minus the total variation distance of the joint distribution where one is a category.
    Diagnostic: the share of values inside the range, or among the categories, of the real side.
    """
    metadata, name = sdmetrics_metadata(schema), schema.name
    quality, diagnostic = QualityReport(), DiagnosticReport()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for report in (quality, diagnostic):
            report.generate({name: holdout}, {name: side}, metadata, verbose=False)
    properties = quality.get_properties().set_index("Property")["Score"]
    scores = {
        Figure.SDMETRICS_QUALITY: quality.get_score(),
        Figure.SDMETRICS_TRENDS: properties.get("Column Pair Trends"),
        Figure.SDMETRICS_DIAGNOSTIC: diagnostic.get_score(),
    }
    return {figure: float(score) for figure, score in scores.items() if score is not None and np.isfinite(score)}
