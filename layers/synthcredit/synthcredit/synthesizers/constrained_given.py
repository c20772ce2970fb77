"""Completing given rows so that they keep the constraints; what is given stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from synthcredit.datasets.rules import Floats, Rows
from synthcredit.errors import InvalidInputError, Problem
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers.constrained import NAMED, PATIENCE, Keeper, Seen, rows_named, stored
from synthcredit.synthesizers.features import Discrete, Feature, Features, Numeric, take, values_of

MOST_COPIES = 256
"""Of one row at once: rows that hardly ever come out right are tried so often in each of `PATIENCE` attempts."""

Draw = Callable[[int, Features, Mapping[str, Rows]], Features]
"""Completes rows, `BLOCK_ROWS` at most: which attempt it is, every learned column, and which of its rows are given."""


class Completing:
    """The rows of one file being completed, block by block.

    Parameters
    ----------
    keeper
        The constraints.
    seed
        The dataset's.
    """

    def __init__(self, keeper: Keeper, seed: int) -> None:
        self._keeper, self._seed = keeper, seed
        self._seen = Seen(keeper)

    def block(self, draw: Draw, known: Features, given: Mapping[str, Rows], first_row: int) -> Features:
        """Return given rows with the rest drawn until it goes with what is given.

        Parameters
        ----------
        draw
            The model's.
        known, given
            Every learned column, and which of its rows are given, shape (n,).
        first_row
            Where the rows begin in the file that gives them.

        Raises
        ------
        InvalidInputError
            What is given breaks a constraint, or the model finds nothing that goes with it; says which rows.
        """
        made = draw(0, known, given)
        values = self._following(self._keeper.read(made), known, given)
        good = self._seen.new(values, self._keeper.keeps(values))
        made = self._keeper.write(made, values)
        for attempt in range(1, PATIENCE + 1):
            waiting = np.flatnonzero(~good)
            if not waiting.size:
                return made
            rows = np.tile(waiting, min(MOST_COPIES, BLOCK_ROWS // waiting.size))
            own_known, own_given = take(known, rows), {name: own[rows] for name, own in given.items()}
            again = draw(attempt, own_known, own_given)
            values = self._following(self._keeper.read(again), own_known, own_given)
            kept = self._keeper.keeps(values)
            if attempt == PATIENCE:
                rng = generator(self._seed, f"{self._keeper.schema.name}/complete/repair", first_row // BLOCK_ROWS)
                values = self._following(self._keeper.repair(values, ~kept, rng), own_known, own_given)
                kept = self._keeper.keeps(values)
            chosen = _first_of_each(rows, kept)
            new = self._seen.new({name: own[chosen] for name, own in values.items()}, np.ones(chosen.size, dtype=bool))
            chosen = chosen[new]
            made = _put(made, rows[chosen], self._keeper.write(again, values), chosen)
            good[rows[chosen]] = True
        if not good.all():
            broken = [int(row) + first_row for row in np.flatnonzero(~good)]
            raise InvalidInputError(
                Problem(
                    "rows to complete",
                    f"nothing was found that goes with what is given and keeps the constraints: "
                    f"{rows_named(broken[:NAMED], len(broken))}",
                    "Correct these rows, or leave more of them open.",
                )
            )
        return made

    def _following(self, values: Mapping[str, Floats], known: Features, given: Mapping[str, Rows]) -> dict[str, Floats]:
        """Return values in which columns follow from others as far as what is given leaves it open."""

        def restored(drawn: Mapping[str, Floats]) -> dict[str, Floats]:
            return {name: np.where(given[name], self._given(known, name), own) for name, own in drawn.items()}

        return restored(self._keeper.derive(self._keeper.solve(restored(values), given)))

    def _given(self, known: Features, name: str) -> Floats:
        # As it was given, which need not be as the schema would store it.
        feature = known[name]
        return feature.values if isinstance(feature, Numeric) else stored(feature, self._keeper.schema[name])


def _first_of_each(rows: NDArray[np.intp], kept: Rows) -> NDArray[np.intp]:
    """Return, for each row of which a copy is kept, the place of the first such copy."""
    places = np.flatnonzero(kept)
    return places[np.unique(rows[places], return_index=True)[1]]


def _put(features: Features, rows: NDArray[np.intp], others: Features, places: NDArray[np.intp]) -> Features:
    """Return features in which some rows are those at some places of others."""
    found: dict[str, Feature] = {}
    for name, feature in features.items():
        mixed = values_of(feature).copy()
        mixed[rows] = values_of(others[name])[places]
        found[name] = Discrete(mixed, feature.size) if isinstance(feature, Discrete) else Numeric(mixed)
    return found
