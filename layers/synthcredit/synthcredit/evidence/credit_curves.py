"""How each column tells good from bad: weights of evidence, information value, Gini, KS, and stability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from synthcredit.evidence.aggregates import MIN_CELL
from synthcredit.evidence.credit_bins import BinnedRows, Judged, Setting, Vector, around, by_bin
from synthcredit.evidence.model import Detail, Figure
from synthcredit.evidence.utility import resamples

WEAK = 0.02
"""Information value from which a column is said to predict at all (Siddiqi 2006, ch. 6)."""
_CONTINUITY = 0.5
_NAMED = 30
_CURVES_SHOWN = 6
SCORE = "(the real scorecard's score)"
"""Its bands stand among the binned columns where stability is measured, under this name."""


@dataclass(frozen=True, slots=True)
class Curve:
    """How one column tells good from bad, for each resample.

    Parameters
    ----------
    woe
        Weight of evidence by bin, shape (resamples, bins).
    rows
        Rows by bin, shape (resamples, bins).
    iv, gini, ks
        Shape (resamples,).
    """

    woe: Vector
    rows: Vector
    iv: Vector
    gini: Vector
    ks: Vector


def curve(counts: Vector) -> Curve:
    """Return the curve of good and bad rows by bin, ``counts`` of shape (resamples, bins, 2).

    Weight of evidence ``ln((good share of the bin) / (bad share of the bin))``, each share of all good and of all bad
    rows, after a row of average odds was added to every bin, so that an empty one says nothing. Information value ``sum
    (good share - bad share) woe`` (Siddiqi 2006, ch. 6; after Good, "Probability and the weighing of evidence", 1950,
    and Kullback and Leibler 1951). Gini ``2 AUC - 1`` and KS ``max |cumulative good share - cumulative bad share|`` of
    the bins in the order of their own weights of evidence (Thomas, Edelman and Crook 2002, ch. 7).
    """
    of_class = counts.sum(axis=1, keepdims=True)
    smooth = counts + of_class / np.maximum(of_class.sum(axis=2, keepdims=True), 1.0)
    smooth = smooth / np.maximum(smooth.sum(axis=1, keepdims=True), 1e-12)
    # A resample without one of the classes says nothing.
    both = counts.sum(axis=1).min(axis=1) > 0
    woe = np.log(np.where(both[:, None, None], smooth, 1.0))
    woe = woe[..., 0] - woe[..., 1]
    plain = counts / np.maximum(of_class, 1.0)
    # Bins without any row have no say; by the plain shares the rest is in the very order of its odds.
    odds = plain[..., 0] / np.maximum(plain.sum(axis=2), 1e-12)
    plain = np.take_along_axis(plain, np.argsort(odds, axis=1, kind="stable")[..., None], axis=1)
    below = plain.cumsum(axis=1)
    return Curve(
        woe=woe,
        rows=counts.sum(axis=2),
        iv=((smooth[..., 0] - smooth[..., 1]) * woe).sum(axis=1),
        gini=both * (2 * (plain[..., 0] * (below[..., 1] - plain[..., 1] / 2)).sum(axis=1) - 1),
        ks=np.abs(below[..., 0] - below[..., 1]).max(axis=1),
    )


def stability(one: Vector, other: Vector) -> Vector:
    """Return the population stability index of rows by bin, counts of shape (resamples, bins).

    ``sum (p - q) ln(p / q)``, half a row added to every bin (Siddiqi 2006, ch. 8; Lewis, "An introduction to credit
    scoring", 1994). Two samples of n rows from one population have about 2 (bins - 1) / n (Yurdakul and Naranjo,
    "Statistical properties of the population stability index", 2020).
    """
    p, q = ((side + _CONTINUITY) / (side + _CONTINUITY).sum(axis=1, keepdims=True) for side in (one, other))
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=1))


def concordance(one: Sequence[Vector], other: Sequence[Vector], weights: Sequence[Vector]) -> Vector:
    """Return Lin's concordance of curves, shape (resamples,): 1 the same, 0 unrelated.

    ``2 cov / (var + var' + (mean - mean')^2)`` over all bins of all curves, weighted (Lin, "A concordance correlation
    coefficient to evaluate reproducibility", Biometrics 1989). Unlike correlation it sees curves that are too flat or
    too steep. Curves have shape (resamples, bins), weights (bins,).
    """
    x, y = np.concatenate(one, axis=1), np.concatenate(other, axis=1)
    w = np.concatenate(weights)
    w = w / w.sum()
    mean_x, mean_y = x @ w, y @ w
    spread = (x**2) @ w - mean_x**2 + (y**2) @ w - mean_y**2 + (mean_x - mean_y) ** 2
    return np.asarray(2 * ((x * y) @ w - mean_x * mean_y) / np.maximum(spread, 1e-12))


def covariance(x: Vector, y: Vector, weights: Vector) -> Vector:
    """Return the weighted covariance of curves, shape (resamples,): its sign tells whether they go the same way.

    ``sum w x y - sum w x sum w y``; above 0 is the "logical trend" kept that scorecards are checked for (Siddiqi 2006,
    ch. 6), over all bins, so that one of them out of order by chance does not turn it.
    """
    return np.asarray((x * y) @ weights - (x @ weights) * (y @ weights))


def chance(counts: Vector) -> float:
    """Return the information value that a column without any power has on average, ``(bins - 1)(1/good + 1/bad)``."""
    of_class = np.maximum(counts.sum(axis=0), 1.0)
    return float((len(counts) - 1) * (1 / of_class).sum())


def powers(task: Setting) -> dict[str, float]:
    """Return, by column, the information value on all real training rows above what chance gives."""
    every = np.ones((1, task.train.rows))
    tables = {
        name: by_bin(task.train.states[name], task.train.bad, size, every) for name, size in task.columns.sizes.items()
    }
    return {name: float(curve(table).iv[0]) - chance(table[0]) for name, table in tables.items()}


NO_POWER = f"no column of the real training rows tells good from bad (information value of {WEAK} above chance)"


Curves = Mapping[str, Curve]


@dataclass(frozen=True, slots=True)
class _Compared:
    """Curves of every column: of synthetic and real rows by resample, of real and of fresh rows once."""

    synthetic: Curves
    resampled: Curves
    real: Curves
    fresh: Curves


def judge_curves(
    setting: Setting, names: Sequence[str], rng: np.random.Generator, details: list[Detail]
) -> dict[Figure, Judged]:
    """Compare columns with the holdout at equal row counts, beside training rows.

    Intervals are the figure plus and minus 1.96 bootstrap standard errors over rows of both sides: resampling adds to
    any distance, so that the percentiles of resamples could miss the figure itself.

    Parameters
    ----------
    setting
        The rows; a real scorecard's bands may be among the states, as `SCORE`, for its stability.
    names
        The columns.
    rng
        Draws rows and resamples.
    details
        Receives the tables behind the figures.
    """
    rows = min(side.rows for side in (setting.synthetic, setting.train, setting.holdout))
    synthetic, train, holdout = (side.draw(rows, rng) for side in (setting.synthetic, setting.train, setting.holdout))
    once = np.ones((1, rows))
    compared = _Compared(
        synthetic=_curves(synthetic, setting, resamples(rows, rng)),
        resampled=_curves(holdout, setting, resamples(rows, rng)),
        real=_curves(holdout, setting, once),
        fresh=_curves(train, setting, once),
    )
    power = powers(setting)
    strong = [name for name in names if power[name] >= WEAK]
    shifts, fresh_shifts = (
        {name: stability(of[name].rows, beside[name].rows) for name in of}
        for of, beside in ((compared.synthetic, compared.resampled), (compared.fresh, compared.real))
    )
    found = _compare(compared.synthetic, compared.resampled, setting, names, strong)
    fresh = _compare(compared.fresh, compared.real, setting, names, strong)
    found[Figure.PSI_WORST], fresh[Figure.PSI_WORST] = (
        np.max(list(of.values()), axis=0) for of in (shifts, fresh_shifts)
    )
    details += [
        _feature_detail(setting, names, compared),
        _psi_detail(shifts, fresh_shifts),
        _curve_detail(setting, sorted(names, key=lambda name: -power[name]), holdout, compared),
    ]
    worst = max(shifts, key=lambda name: shifts[name][0])
    worst = worst if worst == SCORE else f"column '{worst}'"
    remarks = {
        Figure.PSI_WORST: f"Here it is {worst}.",
        Figure.WOE_DIRECTION: f"{len(strong)} of {len(names)} columns are looked at.",
    }
    judged = {
        figure: around(figure, values, float(fresh[figure][0]), rows, remarks.get(figure, ""))
        for figure, values in found.items()
    }
    return judged if strong else judged | {Figure.WOE_DIRECTION: Judged(why_not=NO_POWER)}


def _curves(side: BinnedRows, setting: Setting, weights: Vector) -> Curves:
    sizes = setting.columns.sizes
    return {name: curve(by_bin(states, side.bad, sizes[name], weights)) for name, states in side.states.items()}


def _compare(
    one: Curves, real: Curves, setting: Setting, names: Sequence[str], strong: Sequence[str]
) -> dict[Figure, Vector]:
    """Return each figure by resample, shape (resamples,).

    The mean over columns of ``|IV - IV'|`` and of ``|Gini - Gini'|``, the concordance of all curves, and the share of
    columns with power whose curves have a positive covariance.

    Sources stand with `curve`, `concordance` and `covariance` (Siddiqi 2006, Lin 1989).
    """
    shares = setting.columns.shares
    # Where no column predicts the figure is not told; any column keeps it a number until then.
    trends = [covariance(one[name].woe, real[name].woe, shares[name]) > 0 for name in strong or names]
    return {
        Figure.IV_GAP: np.mean([np.abs(one[name].iv - real[name].iv) for name in names], axis=0),
        Figure.GINI_GAP: np.mean([np.abs(one[name].gini - real[name].gini) for name in names], axis=0),
        Figure.WOE_AGREEMENT: concordance(
            [one[name].woe for name in names], [real[name].woe for name in names], [shares[name] for name in names]
        ),
        Figure.WOE_DIRECTION: np.mean(trends, axis=0),
    }


def _feature_detail(setting: Setting, names: Sequence[str], compared: _Compared) -> Detail:
    gaps = {name: abs(float(compared.synthetic[name].iv[0] - compared.real[name].iv[0])) for name in names}
    return Detail(
        name="credit_columns",
        title="How each column tells good from bad, largest gap of information value first",
        heading=(
            *("column", "IV real", "IV synthetic", "IV fresh", "Gini real", "Gini synthetic", "Gini fresh"),
            *("KS real", "KS synthetic", "KS fresh", "agreement of the curves"),
        ),
        rows=tuple(
            _feature_row(name, compared, setting.columns.shares[name])
            for name in sorted(gaps, key=lambda name: -gaps[name])[:_NAMED]
        ),
    )


def _feature_row(name: str, compared: _Compared, shares: Vector) -> tuple[str | float, ...]:
    real, synthetic = compared.real[name], compared.synthetic[name]
    sides = (real, synthetic, compared.fresh[name])
    agreement = concordance([synthetic.woe[:1]], [real.woe], [shares])
    figures = [getattr(side, figure)[0] for figure in ("iv", "gini", "ks") for side in sides]
    return (name, *(float(value) for value in (*figures, agreement[0])))


def _psi_detail(shifts: Mapping[str, Vector], fresh: Mapping[str, Vector]) -> Detail:
    worst_first = sorted(shifts, key=lambda name: -shifts[name][0])[:_NAMED]
    return Detail(
        name="credit_stability",
        title="Population stability index against the holdout, worst first",
        heading=("column", "synthetic", "real against real"),
        rows=tuple((name, float(shifts[name][0]), float(fresh[name][0])) for name in worst_first),
    )


def _curve_detail(setting: Setting, strongest: Sequence[str], holdout: BinnedRows, compared: _Compared) -> Detail:
    """Return the curves of the columns that predict most; bins of too few holdout rows without the real figure."""
    columns = setting.columns
    rows: list[tuple[str | float | None, ...]] = []
    for name in strongest[:_CURVES_SHOWN]:
        counts = np.bincount(holdout.states[name], minlength=columns.sizes[name])
        real, synthetic, fresh = (
            of[name].woe[0].tolist() for of in (compared.real, compared.synthetic, compared.fresh)
        )
        rows += [
            (name, label, share, real[state] if counts[state] >= MIN_CELL else None, synthetic[state], fresh[state])
            for state, (label, share) in enumerate(
                zip(columns.labels[name], columns.shares[name].tolist(), strict=True)
            )
        ]
    return Detail(
        name="credit_woe",
        title="Weight of evidence by bin, columns that predict most; above 0 is better than average",
        heading=("column", "bin", "share of real rows", "real", "synthetic", "fresh"),
        rows=tuple(rows),
    )
