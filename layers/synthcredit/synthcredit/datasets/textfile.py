"""How a delimited text file is laid out: encoding, delimiter, header, and where its records begin."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from charset_normalizer import from_bytes

from synthcredit.errors import InvalidInputError, Problem

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 1 << 18
_CHUNK = 1 << 20
_WESTERN = "cp1252"
_PACKED = {b"PK\x03\x04": "a zip archive or an Excel workbook", b"\x1f\x8b": "gzipped", b"PAR1": "a Parquet file"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read one text file.

    Parameters
    ----------
    encoding
        Python's name of it.
    delimiter
        One of `DELIMITERS`.
    names
        The header, trimmed.
    header_lines
        Lines up to and including the header.
    guessed
        Whether the encoding is a guess: it is not Unicode.
    """

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    header_lines: int
    guessed: bool


def sniff(path: Path) -> Layout:
    """Find out how a text file is laid out.

    Raises
    ------
    InvalidInputError
        It is empty, binary, or in no encoding that could be told.
    """
    with path.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
    if not head.strip():
        raise InvalidInputError(Problem(path.name, "the file is empty", "Give a file with a header and rows."))
    encoding = _unicode_encoding(path, head)
    guessed = encoding is None
    encoding = encoding or _charset(path)
    sample = codecs.getincrementaldecoder(encoding)().decode(head)
    if len(head) == _SAMPLE_BYTES:
        sample = sample[: sample.rfind("\n") + 1] or sample
    delimiter = _delimiter(sample)
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        header = next((row for row in reader if row), [])
    except csv.Error:
        raise _open_quote(path, 1) from None
    return Layout(encoding, delimiter, tuple(name.strip() for name in header), reader.line_num, guessed)


def records(path: Path, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield every record below the header with the line that it begins on; slow, for error messages.

    Raises
    ------
    InvalidInputError
        A quoted field does not end.
    """
    with path.open(encoding=layout.encoding, newline="") as file:
        reader = csv.reader(file, delimiter=layout.delimiter)
        line, seen_header = 0, False
        try:
            for row in reader:
                start, line = line + 1, reader.line_num
                if row and seen_header:
                    yield start, row
                seen_header = seen_header or bool(row)
        except csv.Error:
            raise _open_quote(path, line + 1) from None


def refuse_open_quote(path: Path, layout: Layout) -> None:
    """Refuse a file whose last quoted field does not end before the file does."""
    with path.open(encoding=layout.encoding, newline="") as file:
        reader = csv.reader(file, delimiter=layout.delimiter, strict=True)
        line = 0
        try:
            for _ in reader:
                line = reader.line_num
        except csv.Error as error:
            # Strictness also minds text after a closing mark; Arrow does not.
            if "unexpected end" in str(error):
                raise _open_quote(path, line + 1) from None


def ragged(path: Path, layout: Layout) -> Problem:
    """Describe the records that do not have as many fields as the header."""
    refuse_open_quote(path, layout)
    lines = [line for line, row in records(path, layout) if len(row) != len(layout.names)]
    return Problem(
        path.name,
        f"{len(lines)} row(s) do not have the {len(layout.names)} fields of the header ({listed('line', lines)})",
        "Repair these rows: look for missing fields, and for delimiters in fields that are not quoted.",
    )


def listed(noun: str, numbers: list[int], total: int | None = None) -> str:
    """Write up to five numbers: ``lines 3, 7 and 12 more``."""
    total = len(numbers) if total is None else total
    shown = ", ".join(map(str, numbers[:5]))
    more = f" and {total - 5} more" if total > 5 else ""
    return f"{noun}{'s' if total > 1 else ''} {shown}{more}"


def _open_quote(path: Path, line: int) -> InvalidInputError:
    return InvalidInputError(
        Problem(path.name, f"a quoted field that begins near line {line} does not end", "Close the quotation mark.")
    )


def _unicode_encoding(path: Path, head: bytes) -> str | None:
    for magic, what in _PACKED.items():
        if head.startswith(magic):
            raise _binary(path, f"the file is {what}, not text")
    if head.startswith(codecs.BOM_UTF8):
        return _checked(path, "utf-8-sig")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _checked(path, "utf-16")
    if b"\0" in head:
        return _checked(path, _utf16_without_mark(path, head))
    return "utf-8" if _undecodable(path, "utf-8") is None else None


def _utf16_without_mark(path: Path, head: bytes) -> str:
    # Latin letters have their zero byte second in little endian, first in big endian.
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd > 0.3 * len(head) / 2 and even == 0:
        return "utf-16-le"
    if even > 0.3 * len(head) / 2 and odd == 0:
        return "utf-16-be"
    raise _binary(path, "the file is binary, not text")


def _binary(path: Path, problem: str) -> InvalidInputError:
    return InvalidInputError(
        Problem(path.name, problem, "Give a CSV file (.csv, .tsv, .txt) or a Parquet file (.parquet).")
    )


def _checked(path: Path, encoding: str) -> str:
    error = _undecodable(path, encoding)
    if error is not None:
        raise InvalidInputError(
            Problem(
                path.name, f"it begins like {encoding} but cannot be decoded near byte {error}", "Save it as UTF-8."
            )
        )
    return encoding


def _undecodable(path: Path, encoding: str) -> int | None:
    """Return about where decoding the whole file fails, or None."""
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with path.open("rb") as file:
        try:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
                done += len(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return done + error.start
    return None


def _charset(path: Path) -> str:
    """Tell the encoding of a text that is not Unicode, from its lines with other than ASCII characters."""
    sample = _not_ascii(path)
    if _looks_western(sample.decode(_WESTERN, errors="replace")):
        names = [_WESTERN, "latin-1"]
    else:
        best = from_bytes(sample).best()
        names = [] if best is None else [best.encoding, *best.could_be_from_charset]
    for encoding in names:
        if _undecodable(path, encoding) is None:
            return encoding
    raise InvalidInputError(Problem(path.name, "its encoding cannot be told", "Save it as UTF-8."))


def _not_ascii(path: Path) -> bytes:
    """Return some of the lines with other than ASCII characters.

    Raises
    ------
    InvalidInputError
        Most of them are UTF-8: a text of another encoding hardly ever looks so by accident, this one got damaged.
    """
    sample, good, bad = bytearray(), 0, 0
    bad_lines: list[int] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.isascii():
                continue
            sample += line[: min(4096, _SAMPLE_BYTES - len(sample))]
            text = line.decode("utf-8", errors="surrogateescape")
            wrong = len(re.findall("[\udc80-\udcff]", text))
            good += sum(not character.isascii() for character in text) - wrong
            bad += wrong
            bad_lines += [number] if wrong else []
    if good > bad:
        places = listed("line", bad_lines)
        raise InvalidInputError(Problem(path.name, f"it is not valid UTF-8 ({places})", "Save it as UTF-8 again."))
    return bytes(sample)


def _looks_western(text: str) -> bool:
    """Tell whether letters beyond ASCII stand alone among ASCII letters, as in Western European languages.

    In other alphabets they stand together. In those of Central Europe, read as Western, symbols come to stand in words.
    """
    beside = re.findall(r"(?<=[A-Za-z])[^\x00-\x7f]|[^\x00-\x7f](?=[A-Za-z])", text)
    beside = [character for character in beside if character not in "\u2018\u2019\u2013\u2014\xa0"]
    letters = len([character for character in text if character.isalpha() and not character.isascii()])
    inside = len([character for character in beside if character.isalpha()])
    return 2 * inside >= letters and 10 * inside >= 9 * len(beside)


def _delimiter(sample: str) -> str:
    return max(DELIMITERS, key=lambda delimiter: _fit(sample, delimiter))


def _fit(sample: str, delimiter: str) -> tuple[float, int]:
    """Return how many of the first records have the header's number of fields, and that number."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    # A quotation mark that is not closed ends the look ahead, not the reading.
    with contextlib.suppress(csv.Error):
        rows.extend(islice((row for row in reader if row), 200))
    width = len(rows[0]) if rows else 0
    if width < 2:
        return 0.0, width
    return sum(len(row) == width for row in rows) / len(rows), width
