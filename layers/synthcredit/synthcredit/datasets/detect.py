"""Detect the schema of a credit table: two passes over the file, block by block, in bounded memory.

The first pass tells how each column of a text file is written: as numbers, dates or words. The second converts it so
and gathers its figures, and places every value that does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from synthcredit.datasets import identifiers
from synthcredit.datasets.arrow import to_floats
from synthcredit.datasets.convert import convert
from synthcredit.datasets.forms import Form, text_form, uses_decimal_comma
from synthcredit.datasets.kinds import Facts, decide
from synthcredit.datasets.profile import Faults, NumberProfile, TextProfile
from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema, storage_name
from synthcredit.datasets.source import Source, infinite, open_source
from synthcredit.errors import Problem, from_validation, raise_all


@dataclass(frozen=True, slots=True)
class Detected:
    """What a file was found to be.

    Parameters
    ----------
    schema
        Of the table.
    rows
        How many there are.
    notices
        What was decided and may be wrong, a sentence each. Names and counts, never values.
    """

    schema: TableSchema
    rows: int
    notices: tuple[str, ...]


def detect_schema(path: Path | Source, *, name: str | None = None, target: str | None = None) -> Detected:
    """Detect the schema of a CSV or Parquet file.

    Parameters
    ----------
    path
        The file, of any size: memory stays bounded. Or a source that was opened already.
    name
        The table's name; from the file's name where none is given.
    target
        The outcome column, which must exist and is never taken for an identifier.

    Raises
    ------
    NotFoundError
        There is no such file.
    InvalidInputError
        All that is wrong with the file, each problem with its column, its lines and how to mend it.
    """
    source = path if isinstance(path, Source) else open_source(path)
    problems = [*_clashes(source.names), *_target_problems(source.names, target)]
    profiles, rows = _profile_texts(source)
    source.refuse_if_short(rows)
    decimal_comma = source.prefers_comma and any(map(uses_decimal_comma, profiles.values()))
    forms = _forms(source, profiles, decimal_comma=decimal_comma)
    numbers, faults = _profile_numbers(source, forms)
    problems += [problem for column, found in faults.items() for problem in _fault_problems(source, column, found)]
    raise_all(problems)

    columns = [
        decide(
            Facts(
                name=column,
                form=forms[column],
                tally=numbers[column].tally if column in numbers else profiles[column].tally,
                numbers=numbers.get(column),
                rows=rows,
                is_target=column == target,
                from_text=column in profiles,
            )
        )
        for column in source.names
    ]
    raise_all(_unlearned_target(columns, target))
    schema = _schema(name or detect_name(source.path), columns, target)
    return Detected(schema, rows, (*source.notices, *_notices(schema, forms, profiles, numbers)))


def _clashes(names: list[str]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for column in names:
        stored = storage_name(column)
        if stored in seen:
            yield Problem(
                f"column '{column}'",
                f"its storage name '{stored}' is also that of column '{seen[stored]}'",
                "Rename one of them in the file, or pass a schema with another storage_name.",
            )
        seen.setdefault(stored, column)


def _target_problems(names: list[str], target: str | None) -> Iterator[Problem]:
    if target is not None and target not in names:
        yield Problem("target", f"there is no column '{target}'", f"Choose one of: {', '.join(names)}.")


def _profile_texts(source: Source) -> tuple[dict[str, TextProfile], int]:
    """First pass: profiles of the text columns, and the number of rows."""
    texts = {
        column: TextProfile(column, prefers_comma=source.prefers_comma)
        for column in source.names
        if source.declared(column) is None
    }
    rows = 0
    for batch in source.blocks():
        rows += batch.num_rows
        for column, profile in texts.items():
            profile.add(batch.column(column))
    return texts, rows


def _forms(source: Source, profiles: Mapping[str, TextProfile], *, decimal_comma: bool) -> dict[str, Form]:
    forms = {}
    for column in source.names:
        declared = source.declared(column)
        if declared is None:
            forms[column] = text_form(column, profiles[column], decimal_comma=decimal_comma)
        else:
            forms[column] = Form(declared)
    return forms


def _profile_numbers(source: Source, forms: Mapping[str, Form]) -> tuple[dict[str, NumberProfile], dict[str, Faults]]:
    """Second pass: figures and faults of all columns that are no words."""
    wanted = [column for column in source.names if forms[column].dtype is not Dtype.STRING]
    numbers = {column: NumberProfile() for column in wanted}
    faults = {column: Faults() for column in wanted}
    if not wanted:
        return numbers, faults
    first = 0
    for batch in source.blocks(wanted):
        for column in wanted:
            converted = convert(batch.column(column), forms[column].dtype, forms[column].format)
            faults[column].add(converted, first)
            numbers[column].add(converted.values, to_floats(converted.values))
        first += batch.num_rows
    return numbers, faults


def _fault_problems(source: Source, column: str, faults: Faults) -> Iterator[Problem]:
    if faults.bad.count:
        yield Problem(
            f"column '{column}'",
            f"{faults.bad.count} value(s) are no such numbers or dates as nearly all others are "
            f"({source.places(faults.bad.records, faults.bad.count)})",
            "Correct them, leave them empty where they mean missing, or pass a schema that makes the column text.",
        )
    if faults.infinite.count:
        yield infinite(source, column, faults.infinite)


def _unlearned_target(columns: list[Column], target: str | None) -> Iterator[Problem]:
    for column in columns:
        if column.name == target and not column.learned:
            problem = f"column '{target}' is understood as {column.pii or column.kind}, which is never learned"
            yield Problem("target", problem, "Choose another.")


def detect_name(path: Path) -> str:
    """Return the name of a table, from that of its file or folder."""
    return storage_name(path.stem)[:63]


def _schema(name: str, columns: list[Column], target: str | None) -> TableSchema:
    candidates = [column for column in columns if column.kind is Kind.IDENTIFIER and column.pii is None]
    repeated = [column for column in candidates if column.rows_per_value is not None]
    ranked = sorted(
        (rank, column.name) for column in repeated if (rank := identifiers.customer_rank(column.name)) is not None
    )
    keys = [column for column in candidates if column.rows_per_value is None and not column.nullable]
    keys.sort(key=lambda column: not identifiers.says_identifier(column.name))
    try:
        return TableSchema(
            name=name,
            columns=tuple(columns),
            primary_key=keys[0].name if keys else None,
            customer=ranked[0][1] if ranked else None,
            target=target,
        )
    except ValidationError as error:
        raise from_validation(error, "schema") from None


def _notices(
    schema: TableSchema,
    forms: Mapping[str, Form],
    profiles: Mapping[str, TextProfile],
    numbers: Mapping[str, NumberProfile],
) -> Iterator[str]:
    for column in schema.columns:
        values = numbers[column.name].tally if column.name in numbers else profiles[column.name].tally
        about = list(_about(column, forms[column.name], values.distinct))
        if column.name in numbers and column.name in profiles and profiles[column.name].markers:
            about.append(f"{profiles[column.name].markers} marker(s) such as '?' are read as missing")
        yield from (f"column '{column.name}': {text}." for text in about)


def _about(column: Column, form: Form, distinct: int) -> Iterator[str]:
    if form.notice is not None and column.pii is None:
        yield form.notice
    if distinct == 0:
        yield "every value is missing; it is reproduced so"
    elif distinct == 1 and column.learned:
        yield "it has one value only; it is reproduced so"
    if column.pii is not None:
        yield f"it is personal data ({column.pii.replace('_', ' ')}); it is not learned, fakes are made"
    elif not column.learned:
        what = "an identifier" if column.kind is Kind.IDENTIFIER else "free text"
        yield f"it is {what}; it is not learned but made new"
