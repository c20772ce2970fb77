"""How synthetic rows are measured here: against held-out real rows, beside what real rows themselves reach.

Scores against training rows reward copying. So fidelity is measured against a holdout that no model saw, at equal
numbers of rows, and the same figure for the real training rows (`fresh`) stands beside it: better than that is
copying. Privacy is measured by how much closer the synthetic rows lie to train than to holdout.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors
from xgboost import XGBClassifier

from synthcredit.datasets.schema import Kind, TableSchema
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import Discrete, Features

Matrix = NDArray[np.float64]
SPLIT_SEED = 42
BINS = 10


def halves(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Shuffle a table and cut it into train and holdout of equal size."""
    order = np.random.default_rng(SPLIT_SEED).permutation(table.num_rows)
    half = table.num_rows // 2
    return table.take(order[:half]), table.take(order[half : 2 * half])


@dataclass(frozen=True, slots=True)
class Measured:
    """One table as the measures see it.

    Parameters
    ----------
    table
        The rows.
    features
        Its learned columns, encoded.
    """

    table: pa.Table
    features: Features

    @classmethod
    def of(cls, table: pa.Table, schema: TableSchema) -> Measured:
        """Encode a table."""
        return cls(table, encode(table, schema))

    @property
    def matrix(self) -> Matrix:
        """Shape (rows, columns): categories as codes, missing numbers as NaN."""
        columns = [f.codes if isinstance(f, Discrete) else f.values + 0.0 for f in self.features.values()]
        return np.stack(columns, axis=1).astype(np.float64)


def _classifier() -> XGBClassifier:
    return XGBClassifier(n_estimators=200, max_depth=6, n_jobs=1, random_state=0)


def detection_auc(real: Matrix, synthetic: Matrix) -> float:
    """Return the five-fold AUC of telling synthetic from real rows, not clamped: below .5 the rows are near-copies."""
    rows = np.concatenate([real, synthetic])
    label = np.repeat([0, 1], [len(real), len(synthetic)])
    scores = []
    for fit, check in StratifiedKFold(5, shuffle=True, random_state=0).split(rows, label):
        predicted = _classifier().fit(rows[fit], label[fit]).predict_proba(rows[check])[:, 1]
        scores.append(roc_auc_score(label[check], predicted))
    return float(np.mean(scores))


def c2st(auc: float) -> float:
    """Return the two-sample score of a detection AUC: 1 cannot be told apart, 0 always."""
    return 1.0 - (2.0 * max(auc, 0.5) - 1.0)


def quality(real: pa.Table, synthetic: pa.Table, schema: TableSchema) -> tuple[float, float]:
    """Return SDMetrics' column shapes and column pair trends."""
    with warnings.catch_warnings():
        # The package warns of its own layout when it is imported, and of each constant column of each pair.
        warnings.simplefilter("ignore")
        return _quality(real, synthetic, schema)


def _quality(real: pa.Table, synthetic: pa.Table, schema: TableSchema) -> tuple[float, float]:
    from sdmetrics.reports.single_table import QualityReport

    columns = {column.name: {"sdtype": _sdtype(column.kind)} for column in schema.learned}
    report = QualityReport()
    frames = (table.select(list(columns)).to_pandas() for table in (real, synthetic))
    report.generate(*frames, {"columns": columns}, verbose=False)
    shapes, trends = report.get_properties()["Score"]
    return float(shapes), float(trends)


def _sdtype(kind: Kind) -> str:
    if kind is Kind.DATETIME:
        return "datetime"
    return "categorical" if kind in (Kind.CATEGORICAL, Kind.BOOLEAN) else "numerical"


def pair_score(real: Features, synthetic: Features) -> float:
    """Return the mean over all pairs of columns of 1 - total variation distance, with shared bins.

    Numbers are cut at the deciles of the real ones; missing is a bin of its own.
    """
    real_bins, synthetic_bins = {}, {}
    for name, feature in real.items():
        other = synthetic[name]
        if isinstance(feature, Discrete):
            real_bins[name], synthetic_bins[name] = feature.codes, other.codes
        else:
            known = feature.values[~np.isnan(feature.values)]
            edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else []
            # searchsorted puts NaN behind every edge; one more keeps it apart from the last bin.
            for bins, values in ((real_bins, feature.values), (synthetic_bins, other.values)):
                bins[name] = np.searchsorted(edges, values, side="right") + np.isnan(values)
    scores = []
    for one, two in combinations(real_bins, 2):
        width = max(int(real_bins[two].max()), int(synthetic_bins[two].max())) + 1
        pairs = [bins[one] * width + bins[two] for bins in (real_bins, synthetic_bins)]
        size = int(max(pair.max() for pair in pairs)) + 1
        shares = [np.bincount(pair, minlength=size) / len(pair) for pair in pairs]
        scores.append(1 - np.abs(shares[0] - shares[1]).sum() / 2)
    return float(np.mean(scores))


def coordinates(train: Features, holdout: Features, rows: Features) -> Matrix:
    """Return rows as points: numbers by their mean rank among all real rows, categories one-hot.

    A category that differs counts as much as the whole range of a number; so does missing. The same for train and
    holdout, so that neither is favoured.
    """
    parts = []
    for name, feature in rows.items():
        if isinstance(feature, Discrete):
            parts.append(np.eye(feature.size)[feature.codes] / np.sqrt(2))
        else:
            real = np.concatenate([train[name].values, holdout[name].values])
            real = np.sort(real[~np.isnan(real)])
            distinct = np.unique(real)
            middles = sum(np.searchsorted(real, distinct, side=side) for side in ("left", "right")) / 2
            missing = np.isnan(feature.values)
            rank = np.interp(feature.values, distinct, middles / len(real)) if len(real) else np.zeros(len(missing))
            parts.append(np.stack([np.where(missing, 0.0, rank), missing], axis=1))
    return np.concatenate(parts, axis=1)


def nearest(rows: Matrix, among: Matrix, neighbour: int = 1) -> tuple[Matrix, NDArray[np.int64]]:
    """Return the distance to, and the position of, the n-th nearest of other rows."""
    distance, position = NearestNeighbors(n_neighbors=neighbour).fit(among).kneighbors(rows)
    return distance[:, -1], position[:, -1]


def beta_recall(real: Matrix, synthetic: Matrix) -> float:
    """Return how much of the real rows' variety the synthetic ones cover.

    beta-recall of Alaa et al., "How faithful is your synthetic data?" (ICML 2022), integrated over 30 levels; rows
    are compared as they are, without an embedding. Fresh rows reach about .5.
    """
    levels = np.linspace(0, 1, 30)
    own, _ = nearest(real, real, 2)
    distance, position = nearest(real, synthetic)
    centre = np.linalg.norm(synthetic[position] - synthetic.mean(axis=0), axis=1)
    radii = np.quantile(centre, levels)
    covered = np.array([np.mean((distance <= own) & (centre <= radius)) for radius in radii])
    return float(1 - np.abs(levels - covered).sum() / levels.sum())


def alpha_precision(real: Matrix, synthetic: Matrix) -> float:
    """Return whether synthetic rows are where real rows are, and as typical.

    alpha-precision of Alaa et al. (as above), integrated over 30 levels: the share of synthetic rows within the ball
    around the real mean that holds a share alpha of the real rows. Fresh rows reach about 1.
    """
    levels = np.linspace(0, 1, 30)
    centre = real.mean(axis=0)
    radii = np.quantile(np.linalg.norm(real - centre, axis=1), levels)
    from_centre = np.sort(np.linalg.norm(synthetic - centre, axis=1))
    within = np.searchsorted(from_centre, radii, side="right") / len(synthetic)
    return float(1 - np.abs(levels - within).sum() / levels.sum())


def excess_closeness(train: Matrix, holdout: Matrix, synthetic: Matrix) -> float:
    """Return how much more often synthetic rows lie nearer to train than to holdout: fresh rows 0, copies 1."""
    to_train, _ = nearest(synthetic, train)
    to_holdout, _ = nearest(synthetic, holdout)
    # Rows that are equally near to both, often both at 0, speak for neither.
    share = np.mean(to_train < to_holdout) + np.mean(to_train == to_holdout) / 2
    expected = len(train) / (len(train) + len(holdout))
    return float((share - expected) / (1 - expected))


def membership(train: Matrix, holdout: Matrix, synthetic: Matrix) -> tuple[float, float]:
    """Attack membership by the distance to the nearest synthetic row; return AUC and true positives at 1 % false."""
    score = -np.concatenate([nearest(train, synthetic)[0], nearest(holdout, synthetic)[0]])
    label = np.repeat([1, 0], [len(train), len(holdout)])
    false, true, _ = roc_curve(label, score)
    return float(roc_auc_score(label, score)), float(true[false <= 0.01].max())


def copied(rows: Matrix, train: Matrix) -> float:
    """Return the share of rows that equal a training row in every column."""
    return float(pd.DataFrame(rows).merge(pd.DataFrame(train).drop_duplicates()).shape[0] / len(rows))


def utility(rows: Measured, holdout: Measured, target: str | None) -> float | None:
    """Return the AUC on the holdout of a classifier trained on rows; None where the target is not one of two."""
    goal = holdout.features.get(target) if target is not None else None
    if not isinstance(goal, Discrete) or goal.size != 2:
        return None
    outcome = rows.features[str(target)].codes
    if len(np.unique(outcome)) == 1:
        # Rows of one class teach nothing, so that every prediction is the same.
        return 0.5
    at = list(holdout.features).index(str(target))
    model = _classifier().fit(np.delete(rows.matrix, at, axis=1), outcome)
    return float(roc_auc_score(goal.codes, model.predict_proba(np.delete(holdout.matrix, at, axis=1))[:, 1]))


def fidelity(train: Measured, holdout: Measured, rows: Measured, schema: TableSchema) -> dict[str, float | None]:
    """Measure rows against the holdout; for training rows themselves this gives the figures of `fresh`."""
    shape, trend = quality(holdout.table, rows.table, schema)
    points = {
        name: coordinates(train.features, holdout.features, part.features)
        for name, part in (("holdout", holdout), ("rows", rows))
    }
    return {
        "C2ST against holdout": c2st(detection_auc(holdout.matrix, rows.matrix)),
        "shape": shape,
        "trend": trend,
        "trend, all pairs": pair_score(holdout.features, rows.features),
        "alpha-precision": alpha_precision(points["holdout"], points["rows"]),
        "beta-recall": beta_recall(points["holdout"], points["rows"]),
        "TSTR (fresh: TRTR)": utility(rows, holdout, schema.target),
    }


def rate_error(rows: Measured, train: Measured, target: str | None) -> float | None:
    """Return how far the share of the target's rarer class is from that of train; None where there are not two."""
    goal = train.features.get(target) if target is not None else None
    if not isinstance(goal, Discrete) or goal.size != 2:
        return None
    return float(abs(rows.features[str(target)].codes.mean() - goal.codes.mean()))


def closeness(train: Measured, holdout: Measured, rows: Measured) -> dict[str, float | None]:
    """Measure how much nearer rows are to train than fresh rows would be."""
    real, held, made = (coordinates(train.features, holdout.features, p.features) for p in (train, holdout, rows))
    auc, caught = membership(real, held, made)
    against_train = detection_auc(train.matrix, rows.matrix)
    return {
        "C2ST against train": c2st(against_train),
        "AUC against train": against_train,
        "excess closeness": excess_closeness(real, held, made),
        "membership AUC": auc,
        "membership TPR at 1 %": caught,
        "copied rows": copied(rows.matrix, train.matrix),
    }


def fresh(train: Measured, holdout: Measured, schema: TableSchema) -> dict[str, float | None]:
    """Return the figures that real rows reach: the training rows measured against the holdout."""
    return {
        **fidelity(train, holdout, train, schema),
        "rate error": rate_error(holdout, train, schema.target),
        "copied rows": copied(holdout.matrix, train.matrix),
        # By definition, for rows that come from where train and holdout come from.
        "excess closeness": 0.0,
        "membership AUC": 0.5,
        "membership TPR at 1 %": 0.01,
    }


def interval(values: list[float]) -> tuple[float, float | None]:
    """Return the mean of a figure over seeds, and half the width of its 95 % interval; None of a single value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    return mean, float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
