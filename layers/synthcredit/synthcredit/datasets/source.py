"""A table file as a stream of blocks, whatever its format, with its faults found and placed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from synthcredit.datasets import textfile
from synthcredit.datasets.profile import Fault
from synthcredit.datasets.schema import Dtype
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, raise_all

MIN_ROWS = 20
"""Fewer rows than this are refused: nothing could be learned or proven from them."""
MAX_COLUMNS = 500
"""More columns than this are refused."""

_TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".psv", ".tab")
_PARQUET_SUFFIXES = (".parquet", ".pq")
SUFFIXES = (*_TEXT_SUFFIXES, *_PARQUET_SUFFIXES)
"""Extensions of table files."""
_BLOCK_BYTES = 1 << 22
_BATCH_ROWS = 1 << 16


class Source(ABC):
    """A table file.

    Parameters
    ----------
    path
        The file.
    names
        Its column names, in order, unique and not empty.
    """

    unit: str
    """What a record is called when one is pointed at: a line, a row."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self.names = list(names)
        self.notices: list[str] = []
        self.prefers_comma = False

    @abstractmethod
    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows of some columns, block by block, under their own names.

        Columns of text files are strings, missing ones empty. Columns of Parquet files are string, int64, float64,
        bool, date32, timestamp[us] or time64[us], missing ones null.

        Raises
        ------
        InvalidInputError
            Rows have too many or too few fields.
        """

    @abstractmethod
    def declared(self, column: str) -> Dtype | None:
        """Return the dtype that the file itself declares for a column; None where it holds text."""

    @abstractmethod
    def places(self, records: Sequence[int], total: int) -> str:
        """Say where records are, e.g. ``lines 3, 7 and 12 more``.

        Parameters
        ----------
        records
            Positions of the first few, counted from 0, in order.
        total
            How many there are in all.
        """

    def refuse_if_short(self, rows: int, fewest: int | None = None) -> None:
        """Refuse a table of too few rows: fewer than `MIN_ROWS` where nothing else is said."""
        fewest = MIN_ROWS if fewest is None else fewest
        if rows < fewest:
            problem = "it has a header and no rows" if rows == 0 else f"it has only {rows} row(s)"
            raise InvalidInputError(Problem(self.path.name, problem, f"Give at least {fewest} row(s)."))


def infinite(source: Source, column: str, fault: Fault) -> Problem:
    """Describe infinite numbers of one column."""
    return Problem(
        f"column '{column}'",
        f"{fault.count} value(s) are infinite ({source.places(fault.records, fault.count)})",
        "Replace them by numbers, or leave them empty where they mean missing.",
    )


def open_source(path: Path) -> Source:
    """Open a table file, by its extension.

    Raises
    ------
    NotFoundError
        There is no such file.
    InvalidInputError
        It is a folder, of an unknown extension, empty, binary, damaged, or its header is wrong.
    """
    if not path.exists():
        raise NotFoundError(Problem(path.name, "the file does not exist", "Check the path."))
    if path.is_dir():
        raise InvalidInputError(Problem(path.name, "it is a folder", "Give one CSV or Parquet file."))
    suffix = path.suffix.lower()
    if suffix in _TEXT_SUFFIXES:
        return CsvSource(path)
    if suffix in _PARQUET_SUFFIXES:
        return ParquetSource(path)
    known = ", ".join(SUFFIXES)
    raise InvalidInputError(
        Problem(path.name, f"the extension '{suffix}' is not known", f"Give a file with one of: {known}.")
    )


def _header_problems(path: Path, names: Sequence[str]) -> Iterator[Problem]:
    if len(names) == 1:
        yield Problem(
            path.name,
            "it has only one column",
            "Give at least two columns, separated by a comma, a semicolon, a tab or a bar.",
        )
    if len(names) > MAX_COLUMNS:
        yield Problem(
            path.name, f"it has {len(names)} columns", f"Give at most {MAX_COLUMNS}: leave out what is not needed."
        )
    empty = [number for number, name in enumerate(names, 1) if not name]
    if empty:
        yield Problem(
            path.name,
            f"{textfile.listed('column', empty)} of the header has no name",
            "Name it, or leave it out (pandas: to_csv(index=False)).",
        )
    for name, count in Counter(filter(None, names)).items():
        if count > 1:
            yield Problem(
                f"column '{name}'", f"the name stands {count} times in the header", "Give each column its own."
            )


class PartsSource(Source):
    """Sources that are one table together, each a part of its rows.

    Raises
    ------
    InvalidInputError
        The parts do not have the same columns of the same types.
    """

    unit = "row"

    def __init__(self, path: Path, parts: Sequence[Source]) -> None:
        self._parts = parts
        first = self._parts[0]
        super().__init__(path, first.names)
        raise_all(
            Problem(
                part.path.name,
                f"its columns or their types are not those of {first.path.name}",
                "Give parts of one table; for several tables, give a schema that names them.",
            )
            for part in self._parts[1:]
            if [(name, part.declared(name)) for name in part.names]
            != [(name, first.declared(name)) for name in first.names]
        )
        self.notices += list(dict.fromkeys(notice for part in self._parts for notice in part.notices))
        self.prefers_comma = all(part.prefers_comma for part in self._parts)

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of all parts."""
        for part in self._parts:
            yield from part.blocks(columns)

    def declared(self, column: str) -> Dtype | None:
        """Return what the parts declare."""
        return self._parts[0].declared(column)

    def places(self, records: Sequence[int], total: int) -> str:
        """Say which rows, counted from 1 over all parts."""
        return textfile.listed(self.unit, [record + 1 for record in records], total)


class CsvSource(Source):
    """A delimited text file."""

    unit = "line"

    def __init__(self, path: Path) -> None:
        self._layout = textfile.sniff(path)
        super().__init__(path, self._layout.names)
        raise_all(_header_problems(path, self._layout.names))
        self.prefers_comma = self._layout.delimiter == ";"
        if self._layout.guessed:
            self.notices.append(f"The file is not in UTF-8; it was read as {self._layout.encoding}.")

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows of some columns as strings."""
        wanted = list(self.names if columns is None else columns)
        position = {name: f"c{index}" for index, name in enumerate(self.names)}
        odd_rows = False

        def skip(_: object) -> str:
            nonlocal odd_rows
            odd_rows = True
            return "skip"

        encoding = self._layout.encoding
        try:
            reader = pacsv.open_csv(
                self.path,
                read_options=pacsv.ReadOptions(
                    column_names=list(position.values()),
                    skip_rows=self._layout.header_lines,
                    block_size=_BLOCK_BYTES,
                    encoding="utf8" if encoding in ("utf-8", "utf-8-sig") else encoding,
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=self._layout.delimiter, newlines_in_values=True, invalid_row_handler=skip
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(position.values(), pa.string()),
                    include_columns=[position[name] for name in wanted],
                    strings_can_be_null=False,
                ),
            )
            last = None
            for last in reader:
                yield pa.RecordBatch.from_arrays(last.columns, names=wanted)
        except pa.ArrowInvalid:
            # A file without rows is not Arrow's idea of CSV. In others a mark that is not closed swallows blocks: then
            # Python's reader tells the line.
            if sum(1 for _ in textfile.records(self.path, self._layout)):
                raise self._too_long() from None
            return
        if odd_rows:
            raise InvalidInputError(textfile.ragged(self.path, self._layout))
        if last is not None and "\n" in str(last.columns[-1][-1]):
            textfile.refuse_open_quote(self.path, self._layout)

    def _too_long(self) -> InvalidInputError:
        problem = f"a row is longer than {_BLOCK_BYTES:,} bytes"
        return InvalidInputError(Problem(self.path.name, problem, "Look for a quotation mark that is not closed."))

    def declared(self, column: str) -> Dtype | None:
        """Return None: a text file declares nothing."""
        del column
        return None

    def places(self, records: Sequence[int], total: int) -> str:
        """Say on which lines records begin."""
        wanted = set(records)
        lines = [line for index, (line, _) in enumerate(textfile.records(self.path, self._layout)) if index in wanted]
        return textfile.listed(self.unit, lines, total)


class ParquetSource(Source):
    """A Parquet file."""

    unit = "row"

    def __init__(self, path: Path) -> None:
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError):
            raise InvalidInputError(
                Problem(
                    path.name, "it is no Parquet file, or damaged", "Write it again, or name it .csv if it is text."
                )
            ) from None
        self._arrow = self._file.schema_arrow
        super().__init__(path, self._arrow.names)
        problems = list(_header_problems(path, self._arrow.names))
        self._targets = [_plain_type(field.type) for field in self._arrow]
        problems += [
            Problem(
                f"column '{field.name}'",
                f"its type {field.type} is not supported",
                "Give numbers, text, booleans, dates or times; flatten what is nested.",
            )
            for field, target in zip(self._arrow, self._targets, strict=True)
            if target is None
        ]
        raise_all(problems)
        self.notices += [
            f"column '{field.name}': its times have a zone and were turned into UTC."
            for field in self._arrow
            if pa.types.is_timestamp(field.type) and field.type.tz not in (None, "UTC")
        ]

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows of some columns in a few plain types."""
        wanted = list(self.names if columns is None else columns)
        targets = dict(zip(self.names, self._targets, strict=True))
        try:
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
                arrays = [_plain(batch.column(name), targets[name]) for name in wanted]
                yield pa.RecordBatch.from_arrays(arrays, names=wanted)
        except (pa.ArrowInvalid, OSError) as error:
            raise InvalidInputError(
                Problem(self.path.name, "a part of it is damaged or holds numbers out of range", "Write it again.")
            ) from error

    def declared(self, column: str) -> Dtype | None:
        """Return the dtype of the column's Arrow type; None for text."""
        target = self._targets[self.names.index(column)]
        return None if pa.types.is_string(target) else Dtype(_DTYPES[target])

    def places(self, records: Sequence[int], total: int) -> str:
        """Say which rows, counted from 1."""
        return textfile.listed(self.unit, [record + 1 for record in records], total)


_DTYPES = {
    pa.int64(): Dtype.INT64,
    pa.float64(): Dtype.DOUBLE,
    pa.bool_(): Dtype.BOOL,
    pa.date32(): Dtype.DATE,
    pa.timestamp("us"): Dtype.TIMESTAMP,
    pa.time64("us"): Dtype.TIME,
}

_PLAIN = (
    (pa.types.is_string, pa.string()),
    (pa.types.is_large_string, pa.string()),
    (pa.types.is_string_view, pa.string()),
    (pa.types.is_null, pa.string()),
    (pa.types.is_boolean, pa.bool_()),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_decimal, pa.float64()),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_timestamp, pa.timestamp("us")),
    (pa.types.is_time, pa.time64("us")),
)


def _plain_type(arrow: pa.DataType) -> pa.DataType | None:
    if pa.types.is_dictionary(arrow):
        arrow = arrow.value_type
    return next((plain for matches, plain in _PLAIN if matches(arrow)), None)


def _plain(array: pa.Array, target: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_timestamp(array.type):
        # Nanoseconds that do not fit into microseconds are cut, zones become UTC.
        array = pc.cast(array, pa.timestamp("us", tz=array.type.tz), safe=False)
    finer = pa.types.is_time(array.type) or pa.types.is_date(array.type)
    return pc.cast(array, target, safe=not finer)
