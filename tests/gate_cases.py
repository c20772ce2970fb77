"""Data and settings that the gate must stop, in one process as on the real template."""

from __future__ import annotations

import numpy as np
import pandas as pd

MEMORISING = {
    "trees": 1, "k": 2, "leaf_rows": 2, "few_values_leaf_rows": 2, "target_leaf_rows": 2
}  # fmt: skip


def incomes(rows: int) -> pd.DataFrame:
    """Columns that depend on each other closely, with enough rows for detection to decide."""
    rng = np.random.default_rng(1)
    risk = rng.normal(size=rows)
    amounts = {
        name: np.round(np.exp(8 + risk + 0.1 * rng.normal(size=rows)), 2) for name in ("income", "limit", "debt")
    }
    return pd.DataFrame(amounts | {"default": np.where(rng.random(rows) < 1 / (1 + np.exp(-2 * risk)), "yes", "no")})
