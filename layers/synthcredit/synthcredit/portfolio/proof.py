"""The proof of a book of any size, block by block: memory for one block, and one bit a social security number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthcredit.evidence.model import About, Check
from synthcredit.portfolio import checks
from synthcredit.portfolio.checks import Book, Tally
from synthcredit.portfolio.draws import Ints
from synthcredit.portfolio.scenario import Scenario
from synthcredit.portfolio.spec import Table
from synthcredit.portfolio.tables import table as named
from synthcredit.portfolio.tables import tables_of
from synthcredit.portfolio.volumes import Volumes

_SSNS = 10**8
"""Numbers after the 9 that all of them begin with."""


class Proof:
    """Adds up block after block, in their order, and judges once.

    What holds within each block is checked as `checks.check_book` does. That keys, e-mail addresses and social security
    numbers are unique over blocks too is told from their order: each block's begin after the block before has ended;
    social security numbers have none, so one bit says of each whether it was there.

    Parameters
    ----------
    scenario, volumes, seed
        What the book was made from.
    """

    def __init__(self, scenario: Scenario, volumes: Volumes, seed: int) -> None:
        self._scenario = scenario
        self._volumes = volumes
        self._seed = seed
        self._tables = tables_of(scenario)
        self._blocks = 0
        self._total: dict[tuple[str, ...], Tally] = {}
        self._once: dict[str, pa.Table] = {}
        self._last: dict[str, str | int] = {}
        self._seen = np.zeros(_SSNS // 8, np.uint8)
        self.rows: dict[str, int] = {table.name: 0 for table in self._tables}
        """Rows by table so far."""

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Add the next block.

        Parameters
        ----------
        tables
            Every table by name; of those that belong to the whole book, only the first block's are looked at.
        """
        first = self._blocks == 0
        if first:
            self._once = {table.name: tables[table.name] for table in self._tables if table.once}
        book = Book({**tables, **self._once}, self._scenario, self._seed, first)
        self._blocks += 1
        for table in book.own:
            self.rows[table.name] += book.tables[table.name].num_rows
        more = [*checks.tallies(book), *self._apart(book)]
        self._total = checks.added([*self._total.values(), *more])

    def checks(self) -> tuple[Check, ...]:
        """Return every check over all blocks that were added, of every kind."""
        return (*self._volumes_kept(), *checks.judged(self._total))

    def _volumes_kept(self) -> Iterator[Check]:
        volumes = self._volumes
        people = volumes.customers
        asked = {
            "customers": people,
            "financial_records": people * volumes.records,
            "loan_applications": people * volumes.applications,
            "credit_history": people * volumes.history,
            "market_data": volumes.market_points,
            "campaigns": volumes.campaigns,
            "true_outcomes": people * volumes.applications,
        }
        for name, wanted in asked.items():
            found = self.rows[name]
            says = f"{name}: {wanted:,} rows, as asked"
            yield Check(
                expectation="rows_as_asked",
                about=About.VALIDITY,
                column=None,
                passed=found == wanted,
                detail=says if found == wanted else f"should be so: {says}; there are {found:,}",
            )

    def _apart(self, book: Book) -> Iterator[Tally]:
        """Tally how far this block's keys are apart from those of the blocks before."""
        for table in self._tables:
            if not table.once:
                yield self._later(table, table.key, book.text(table.name, table.key))
        number = pc.struct_field(pc.extract_regex(book.text("customers", "email"), r"(?P<number>\d{1,15})@"), "number")
        # One without a number counts as 0, and so as not later.
        yield self._later(named("customers"), "email", pc.fill_null(pc.cast(number, pa.int64()), 0))
        yield checks.broken(
            About.KEYS, "unique_over_blocks", "ssn", self._seen_before(_numbers(book.text("customers", "ssn"))),
            book.tables["customers"].num_rows, "customers: different in every block",
        )  # fmt: skip

    def _later(self, table: Table, column: str, values: pa.ChunkedArray) -> Tally:
        ends = pc.min_max(values).as_py()
        place = f"{table.name}.{column}"
        before = self._last.get(place)
        late = before is not None and ends["min"] is not None and ends["min"] <= before
        if ends["max"] is not None:
            self._last[place] = ends["max"]
        return checks.broken(
            About.KEYS, "unique_over_blocks", column, int(late), len(values),
            f"{table.name}: begins in every block after the last of the block before",
        )  # fmt: skip

    def _seen_before(self, numbers: Ints) -> int:
        """Return how many numbers other blocks have had, and note these."""
        place, bit = numbers >> 3, np.left_shift(1, numbers & 7).astype(np.uint8)
        again = int(np.count_nonzero(self._seen[place] & bit))
        np.bitwise_or.at(self._seen, place, bit)
        return again


def _numbers(ssns: pa.ChunkedArray) -> Ints:
    """Return social security numbers as whole numbers; what is none is 0, which no number is."""
    digits = pc.replace_substring(ssns, "-", "")
    whole = pc.if_else(pc.match_substring_regex(digits, r"^\d{9}$"), digits, "0")
    return np.asarray(pc.cast(whole, pa.int64()).to_numpy(), np.int64) % _SSNS
