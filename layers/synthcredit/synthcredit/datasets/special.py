"""Special codes and mass points: single numbers that carry a meaning or a pile of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.profile import SENTINELS, NumberProfile

MASS_SHARE = 0.01
"""A mass point holds at least this share of the rows ..."""
MASS_FACTOR = 5.0
"""... and at least this many times an even share."""
CODE_ROWS = 3
"""A special code stands in at least this many rows."""
_MAX_CODES = 3
_MAX_SPECIAL = 50
_LOWEST_CODE = -9.0
_CODE_DATES = ("1900-01-01", "2099-12-31", "2999-12-31", "9999-01-01", "9999-12-31")
_FAR_SECONDS = 20 * 365.25 * 86_400


def special_values(profile: NumberProfile) -> tuple[float, ...]:
    """Return the special codes and mass points of a numeric column, in ascending order.

    Mass points: a conspicuous share of the rows on one number, such as a balance of 0. Small negative codes: one to
    three numbers from -9 to -1 in a column that is otherwise not negative, such as -1 for "never"; a conspicuous 0
    beside them is a code too. Sentinels: 99, 999, -99 and the like, far outside all other numbers.
    """
    values = np.asarray(profile.tally.values.to_numpy(zero_copy_only=False), dtype=np.float64)
    counts = profile.tally.counts
    if len(values) < 3:
        return ()
    shares = counts / profile.tally.count
    even = 1.0 / profile.tally.distinct
    found = set(values[shares >= max(MASS_SHARE, MASS_FACTOR * even)])
    codes = _negative_codes(values, counts)
    found |= codes
    if codes:
        found |= set(values[(values == 0) & (shares >= 0.1)])
    found |= _sentinels(values, counts, profile)
    most = sorted(found, key=lambda value: -counts[values == value][0])[:_MAX_SPECIAL]
    return tuple(sorted(float(value) for value in most))


def _negative_codes(values: NDArray[np.float64], counts: NDArray[np.int64]) -> set[float]:
    negative = values < 0
    below = values[negative & ~np.isin(values, SENTINELS)]
    near = below if len(below) else values[negative]
    small = (near >= _LOWEST_CODE) & (near == np.rint(near))
    if not small.all() or len(near) > _MAX_CODES or np.sum(~negative) < 3:
        return set()
    return set(values[negative & (counts >= CODE_ROWS) & (values >= _LOWEST_CODE) & (values == np.rint(values))])


def _sentinels(values: NDArray[np.float64], counts: NDArray[np.int64], profile: NumberProfile) -> set[float]:
    """Sentinels twice as far out as any ordinary number.

    The far side has to be empty: 999 among ages is a code, 999 among amounts up to 20,000 is an amount.
    """
    low, high = profile.inner_minimum, profile.inner_maximum
    far = np.where(values > 0, values >= 2 * max(high, 1.0), values <= min(2 * low, -2.0))
    if low >= 0:
        far |= (values < 0) & (counts >= CODE_ROWS)
    return set(values[np.isin(values, SENTINELS) & (counts >= CODE_ROWS) & far])


def special_dates(profile: NumberProfile, seconds: NDArray[np.float64]) -> tuple[float, ...]:
    """Return dates that stand for "never" or "unknown", such as 9999-12-31, in seconds, in ascending order.

    Parameters
    ----------
    profile
        Of the column.
    seconds
        Shape (n,): the counted values in seconds, as in ``profile.tally.values``.
    """
    codes = np.array(_CODE_DATES, dtype="datetime64[s]").astype(np.float64)
    others = seconds[~np.isin(seconds, codes)]
    if not len(others):
        return ()
    far = (seconds > others.max() + _FAR_SECONDS) | (seconds < others.min() - _FAR_SECONDS)
    often = profile.tally.counts >= CODE_ROWS
    return tuple(sorted(float(value) for value in seconds[np.isin(seconds, codes) & far & often]))
