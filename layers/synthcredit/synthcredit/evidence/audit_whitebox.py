"""What a model file gives away to whoever holds it: values, the likelihood of rows, and rows without end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthcredit.evidence.audit import Estimate, WhiteboxResult
from synthcredit.evidence.audit_shadow import estimate
from synthcredit.evidence.nearest import Space, nearest
from synthcredit.evidence.privacy import excess_interval
from synthcredit.evidence.sides import draw
from synthcredit.evidence.utility import auc, resamples
from synthcredit.synthesizers.features import Discrete, Features, Numeric, rows_of, values_of
from synthcredit.synthesizers.modelfile import Content
from synthcredit.synthesizers.trees_forest import Codes, Forest
from synthcredit.synthesizers.trees_states import CategoryStates, NumericStates
from synthcredit.synthesizers.trees_ties import difference, parts_of

Matrix = NDArray[np.float64]
MOST_ATTACKED = 5_000
"""Members, and controls."""
_LEAST_CHANCE = 1e-6


def measure(
    content: Content,
    family: str,
    train: Features,
    holdout: Features,
    released: Features,
    space: Space,
    rng: np.random.Generator,
) -> WhiteboxResult:
    """Attack a model through its file.

    Parameters
    ----------
    content
        The model file, parsed.
    family
        Which family it is of; only of `trees` the likelihood of a row can be read off.
    train, holdout
        What the model learned, and what it never saw.
    released
        Rows sampled from it.
    rng
        Draws members, controls and resamples.

    Returns
    -------
    WhiteboxResult
        Intervals of AUCs: 95 %, bootstrap over members and controls apart; of values as in `privacy.excess_interval`.
    """
    members, controls = draw(train, MOST_ATTACKED, rng), draw(holdout, MOST_ATTACKED, rng)
    near, far = (-nearest(space.points(side), released, space)[0][:, 0] for side in (members, controls))
    likelihood, why_not = None, None
    if family == "trees":
        likely, unlikely = (trees_log_likelihood(content, side) for side in (members, controls))
        likelihood = _auc(likely, unlikely, rng)
    else:
        why_not = f"a '{family}' model gives no likelihood of a row"
    return WhiteboxResult(
        **_values(content, train, holdout),
        likelihood_auc=likelihood,
        likelihood_why_not=why_not,
        sampling_auc=_auc(near, far, rng),
        sampled=rows_of(released),
    )


def _auc(members: Matrix, controls: Matrix, rng: np.random.Generator) -> Estimate:
    weights = np.hstack([resamples(len(members), rng), resamples(len(controls), rng)])
    return estimate(auc(np.arange(weights.shape[1]) < len(members), np.concatenate([members, controls]), weights))


# --- values ----------------------------------------------------------------------------------------------------------


def own_values(train: Features, holdout: Features) -> tuple[Matrix, Matrix]:
    """Return numbers that one row alone has in its column, among train and holdout together: train's, holdout's."""
    found: tuple[list[Matrix], list[Matrix]] = ([], [])
    for name, feature in train.items():
        if isinstance(feature, Discrete):
            continue
        other = holdout[name]
        assert isinstance(other, Numeric)  # noqa: S101 - both sides were encoded by one schema
        both = np.concatenate([feature.values, other.values])
        known = np.isfinite(both)
        distinct, counts = np.unique(both[known], return_counts=True)
        alone = distinct[counts == 1]
        for values, side in zip(found, (feature, other), strict=True):
            values.append(alone[np.isin(alone, side.values)])
    train_values, holdout_values = (np.concatenate([np.empty(0), *values]) for values in found)
    return train_values, holdout_values


def _values(content: Content, train: Features, holdout: Features) -> dict[str, Any]:
    """Look for numbers in the parts of the file, and say in which one train's stand out most.

    Three parts: arrays of reals, arrays of whole numbers, and the header (which holds the schema with its extremes).
    Apart, because counts and indices are many whole numbers that coincide with anybody's values by chance.
    Fisher's exact test for train's being found more often, one-sided; Bonferroni over the parts.
    """
    from scipy.stats import hypergeom

    own, control = own_values(train, holdout)
    result: dict[str, Any] = {"values": len(own), "control_values": len(control), "place": None}
    result |= {"values_share": None, "values_excess": None, "values_p": None}
    if not len(own) or not len(control):
        return result
    found = []
    parts = _parts(content)
    for place, arrays in parts.items():
        hits, control_hits = (count_found(values, arrays) for values in (own, control))
        p = float(hypergeom.sf(hits - 1, len(own) + len(control), hits + control_hits, len(own)))
        found.append((p, place, hits, control_hits))
    p, place, hits, control_hits = min(found)
    low, high = excess_interval(hits, len(own), control_hits, len(control))
    excess = Estimate(value=hits / len(own) - control_hits / len(control), low=low, high=high)
    return result | {
        "place": place,
        "values_share": hits / len(own),
        "values_excess": excess,
        "values_p": min(1.0, p * len(parts)),
    }


def _parts(content: Content) -> dict[str, list[NDArray[Any]]]:
    reals = [array for array in content.arrays.values() if array.dtype.kind == "f"]
    whole = [array for array in content.arrays.values() if array.dtype.kind in "iu"]
    header = [content.schema.model_dump(mode="json"), content.state, content.settings.model_dump(mode="json")]
    return {"real numbers": reals, "whole numbers": whole, "header": [np.fromiter(_numbers(header), dtype=np.float64)]}


def count_found(values: Matrix, arrays: Iterable[NDArray[Any]]) -> int:
    """Count the values that stand in any of the arrays, to the precision that the array has."""
    hit = np.zeros(len(values), dtype=bool)
    for array in arrays:
        kind = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
        with np.errstate(over="ignore"):
            hit |= np.isin(values.astype(kind), array.astype(kind))
    return int(hit.sum())


def _numbers(document: object) -> Iterator[float]:
    if isinstance(document, Mapping):
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from _numbers(each)
    elif isinstance(document, int | float) and not isinstance(document, bool):
        yield float(document)


# --- the likelihood of a row under `trees` ---------------------------------------------------------------------------


def trees_log_likelihood(content: Content, features: Features) -> Matrix:
    """Return the logarithm of each row's probability under a `trees` model, by its states, shape (n,).

    The sum over columns of ``log mean over trees of (training rows of the state in the leaf / rows in the leaf)``,
    each column given the ones before it. Where inside its bin a number lies, the model does not know. Where a column
    repeats another, the chance of doing so, or not, comes first.
    """
    order, missing = content.state["order"], content.state["missing"]
    states = np.empty((len(order), rows_of(features)), dtype=np.int32)
    partners = {tie["column"]: tie["partner"] for tie in content.state.get("ties", ())}
    total = np.zeros(states.shape[1])
    for at, name in enumerate(order):
        own = {key.partition(".")[2]: part for key, part in content.arrays.items() if key.partition(".")[0] == str(at)}
        feature = features[name]
        if isinstance(feature, Discrete):
            categories = CategoryStates.from_arrays(own)
            states[at] = categories.of(feature)
            size = categories.size
        else:
            numbers = NumericStates.from_arrays(own, missing[at])
            states[at] = numbers.of(feature)
            size = numbers.size
        chances = _chances(Forest.from_arrays(own, columns=at, size=size), states[:at], states[at], size)
        if at in partners:
            other = features[order[partners[at]]]
            chances = _tied_chances(own, states[:at], difference(values_of(feature), values_of(other)), chances)
        total += np.log(np.maximum(chances, _LEAST_CHANCE))
    return total


def _tied_chances(arrays: Mapping[str, NDArray[Any]], earlier: Codes, parts: Matrix, own: Matrix) -> Matrix:
    """Return the probability of each row's value in a column that repeats another, shape (n,)."""
    tied = np.isfinite(parts)
    gate = Forest.from_arrays(parts_of(arrays, "gate"), columns=len(earlier), size=2)
    chances = _chances(gate, earlier, tied.astype(np.int32), 2)
    chances[~tied] *= own[~tied]
    differences = NumericStates.from_arrays(parts_of(arrays, "states"), missing=False)
    near = Forest.from_arrays(parts_of(arrays, "near"), columns=len(earlier), size=differences.size)
    before, codes = np.ascontiguousarray(earlier[:, tied]), differences.of(Numeric(parts[tied]))
    chances[tied] *= _chances(near, before, codes, differences.size)
    return chances


def _chances(forest: Forest, earlier: Codes, state: Codes, size: int) -> Matrix:
    """Return the probability of each row's state given the states before it, shape (n,)."""
    leaves = np.repeat(np.arange(len(forest.start) - 1), np.diff(forest.start))
    entries, counts = leaves * size + forest.state, np.diff(forest.before)
    total = np.zeros(len(state))
    for root in forest.root:
        leaf = forest.leaves(earlier, np.full(len(state), root, dtype=np.int32)).astype(np.int64)
        wanted = leaf * size + state
        at = np.minimum(np.searchsorted(entries, wanted), len(entries) - 1)
        rows = forest.before[forest.start[leaf + 1]] - forest.before[forest.start[leaf]]
        total += np.where(entries[at] == wanted, counts[at], 0) / rows
    return total / len(forest.root)
