"""What reference implementations say of tables with known answers: the constants of the tests of agreement.

    python -m venv /tmp/reference && /tmp/reference/bin/pip install optbinning
    /tmp/reference/bin/python benchmarks/references.py optbinning

Each package wants an environment of its own (anonymeter: numpy below 1.27; optbinning: a solver), so that the tests do
not call them: `tests/unit/evidence/test_references.py` holds the figures that this script prints, and compares ours, on
the same tables, with them. numpy and pandas are all that the tables need.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pandas as pd

GERMAN_CREDIT = Path(__file__).parent.parent / "data" / "german_credit.csv"
EXCHANGED = 0.3
CARD_CUTS = {
    "age.in.years": [25.5, 30.5, 40.5],
    "credit.amount": [1_500.5, 3_000.5, 6_000.5],
    "duration.in.month": [12.5, 24.5],
}
NEIGHBOURS = 3
DESCRIPTIONS = 200
"""Fewer than there are: anonymeter divides by those asked for, however few it found."""

Sides = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def people(path: Path = GERMAN_CREDIT) -> Sides:
    """Cut german_credit into training and control people, and make synthetic rows: training rows, cells exchanged."""
    frame, rng = pd.read_csv(path), np.random.default_rng(20)
    mixed = frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)
    half = len(mixed) // 2
    train, control = mixed[:half].copy(), mixed[half:].reset_index(drop=True)
    made = {}
    for name in train:
        values, other = train[name].to_numpy(), rng.permutation(half)
        made[name] = np.where(rng.random(half) < EXCHANGED, values[other], values)
    return train, control, pd.DataFrame(made)


def halves(train: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Deal the columns, those with most values first, in turn."""
    names = sorted(train, key=lambda name: -train[name].nunique())
    return names[::2], names[1::2]


def bad(frame: pd.DataFrame) -> np.ndarray:
    """Tell which rows are bad."""
    return np.asarray(frame["creditability"] == "bad")


def cards_rows(path: Path = GERMAN_CREDIT) -> pd.DataFrame:
    """Return all rows, with the columns of the scorecard and the target."""
    return pd.read_csv(path)[[*CARD_CUTS, "creditability"]]


def optbinning() -> dict[str, object]:
    """Weights of evidence, information value, Gini and KS of three columns, PSI, and the points of a scorecard."""
    from optbinning import BinningProcess, OptimalBinning, Scorecard
    from optbinning.binning.metrics import jeffrey
    from sklearn.linear_model import LogisticRegression

    frame, found = cards_rows(), {}
    for name, cuts in CARD_CUTS.items():
        binning = OptimalBinning(name, user_splits=cuts, user_splits_fixed=[True] * len(cuts), min_bin_size=0.01)
        binning.fit(frame[name].to_numpy(), bad(frame))
        table = binning.binning_table.build().iloc[: len(cuts) + 1]
        binning.binning_table.analysis(print_output=False)
        found[name] = {
            "good": table["Non-event"].tolist(),
            "bad": table["Event"].tolist(),
            "woe": table["WoE"].tolist(),
            "iv": float(binning.binning_table.iv),
            "gini": float(binning.binning_table.gini),
            "ks": float(binning.binning_table.ks),
        }
    train, control, _ = people()
    counts = [
        np.bincount(
            np.searchsorted(CARD_CUTS["age.in.years"], side["age.in.years"]),
            minlength=len(CARD_CUTS["age.in.years"]) + 1,
        )
        for side in (train, control)
    ]
    process = BinningProcess(
        list(CARD_CUTS),
        min_bin_size=0.01,
        binning_fit_params={
            name: {"user_splits": cuts, "user_splits_fixed": [True] * len(cuts)} for name, cuts in CARD_CUTS.items()
        },
    )
    scorecard = Scorecard(
        process,
        LogisticRegression(max_iter=1_000),
        scaling_method="pdo_odds",
        scaling_method_params={"pdo": 20, "odds": 50, "scorecard_points": 600},
    )
    scorecard.fit(frame[list(CARD_CUTS)], bad(frame).astype(int))
    points = scorecard.table()
    points = points[~points["Bin"].isin(["Special", "Missing"])]
    return {
        "columns": found,
        "psi": {
            "counts": [side.tolist() for side in counts],
            "psi": float(jeffrey(*(c / c.sum() for c in counts), return_sum=True)),
        },
        "points": {name: points.loc[points["Variable"] == name, "Points"].tolist() for name in CARD_CUTS},
    }


def anonymeter() -> dict[str, object]:
    """Successes of the three attacks, and the risks that the package makes of them."""
    from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator
    from anonymeter.stats.confidence import EvaluationResults

    train, control, made = people()
    everyone, guessed = len(train), {}
    for secret in train:
        known = [name for name in train if name != secret]
        attack = InferenceEvaluator(
            train,
            made,
            aux_cols=known,
            secret=secret,
            n_attacks=everyone,
            control=control,
            regression=bool(pd.api.types.is_numeric_dtype(train[secret])),
        )
        done = attack.evaluate(n_jobs=1)
        guessed[secret] = [int(done._n_success), int(done._n_control)]
    link = LinkabilityEvaluator(
        train, made, aux_cols=halves(train), n_attacks=everyone, n_neighbors=NEIGHBOURS, control=control
    ).evaluate(n_jobs=1)
    linked = link.results(confidence_level=0.98)
    singled = {}
    for name, rows in (("made", made), ("copy", train)):
        for mode in ("univariate", "multivariate"):
            attack = SinglingOutEvaluator(
                ori=train, syn=rows, n_attacks=DESCRIPTIONS, n_cols=5, control=control, max_attempts=20_000, seed=0
            )
            done = attack.evaluate(mode=mode)
            singled[f"{name}, {mode}"] = [int(done._n_success), int(done._n_control)]
    formula = EvaluationResults(n_attacks=500, n_success=200, n_baseline=20, n_control=50, confidence_level=0.98)
    return {
        "guessed": guessed,
        "linked": [linked.attack_rate.value, linked.control_rate.value],
        "singled out": singled,
        "formula": [formula.risk().value, *formula.risk().ci],
    }


def points() -> tuple[np.ndarray, np.ndarray]:
    """Return real and synthetic points, shape (400, 6) each; the synthetic ones are narrower and a little moved."""
    rng = np.random.default_rng(21)
    return rng.normal(size=(400, 6)), 0.2 + 0.8 * rng.normal(size=(400, 6))


def synthcity(wheel: Path) -> dict[str, object]:
    """Alpha-precision and beta-recall.

    The package itself wants some eighty others; its method wants numpy and scikit-learn only, and is taken out of the
    wheel as it stands: `pip download --no-deps synthcity`.
    """
    from sklearn.neighbors import NearestNeighbors

    source = zipfile.ZipFile(wheel).read("synthcity/metrics/eval_statistical.py").decode()
    of_class = next(
        node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "AlphaPrecision"
    )
    method = next(node for node in of_class.body if isinstance(node, ast.FunctionDef) and node.name == "metrics")
    method.decorator_list = []
    module = {"np": np, "NearestNeighbors": NearestNeighbors, "Optional": Optional, "Any": Any, "Tuple": tuple}
    exec(compile(ast.Module([method], []), str(wheel), "exec"), module)  # noqa: S102 - the published method itself
    *_, alpha, beta, _ = module["metrics"](None, *points())
    return {"alpha_precision": float(alpha), "beta_recall": float(beta)}


def main() -> None:
    """Print what one package says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", choices=("optbinning", "anonymeter", "synthcity"))
    parser.add_argument("wheel", nargs="?", type=Path, help="synthcity's")
    given = parser.parse_args()
    if given.package == "synthcity":
        if given.wheel is None:
            parser.error("synthcity wants its wheel: pip download --no-deps synthcity")
        which, found = given.wheel.name, synthcity(given.wheel)
    else:
        which = f"{given.package} {version(given.package)}"
        found = {"optbinning": optbinning, "anonymeter": anonymeter}[given.package]()
    print(f"{which}, numpy {np.__version__}, Python {sys.version.split()[0]}")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
