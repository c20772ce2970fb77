"""Validity: does every synthetic row obey the schema and the real data's habits? By Great Expectations."""

from __future__ import annotations

import math
import re
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.core import ExpectationValidationResult
from great_expectations.data_context.store.store import DataDocsSiteConfigTypedDict
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.core import (  # type: ignore[attr-defined]
    ExpectColumnProportionOfNonNullValuesToBeBetween,
    ExpectColumnValuesToBeBetween,
    ExpectColumnValuesToBeInSet,
    ExpectColumnValuesToBeOfType,
    ExpectColumnValuesToBeUnique,
    ExpectColumnValuesToMatchRegex,
    ExpectColumnValuesToNotBeNull,
    ExpectTableColumnsToMatchOrderedList,
)
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from synthcredit.datasets.identifiers import UUID_FORMAT
from synthcredit.datasets.schema import Column, Dtype, Kind, Pii, TableSchema
from synthcredit.evidence.model import Check

_SITE = "kept"
_MISSING_SLACK = 0.02
"""How far a missing share may be off beyond chance, absolute. A point or two of missing values changes no analysis."""
_MISSING_SIGMAS = 4.0
"""How much chance is allowed: about 1 in 30,000 a side, so that 2,000 good columns do not raise an alarm."""

_PANDAS_TYPES = {
    Dtype.INT64: "int64",
    Dtype.DOUBLE: "float64",
    Dtype.STRING: "str",
    Dtype.BOOL: "bool",
    Dtype.DATE: "datetime64[ms]",
    Dtype.TIMESTAMP: "datetime64[us]",
    Dtype.TIME: "float64",
}
_PII_FORMATS = {
    Pii.EMAIL: r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    Pii.IBAN: r"^[A-Z]{2}\d{2}[A-Z0-9 ]{10,36}$",
    Pii.CARD_NUMBER: r"^\d[\d -]{10,22}\d$",
    Pii.PHONE: r"^[+(\d][\d\s().x/+-]{4,}$",
}
_NOT_BLANK = r"\S"
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_COUNTER = re.compile(r"((?:[^{]|\{\{)*)\{:0?(\d*)([dx])\}(.*)", re.DOTALL)
_DIGITS = {"d": r"\d", "x": "[0-9a-f]"}


@dataclass(frozen=True, slots=True)
class _Expected:
    """One expectation, and how to say it."""

    rule: Expectation
    column: str | None
    says: str


def check(synthetic: pa.Table, train: pa.Table, schema: TableSchema, *, docs: Path | None = None) -> tuple[Check, ...]:
    """Run a Great Expectations suite, made from the schema and the real training rows, over synthetic rows.

    Parameters
    ----------
    synthetic, train
        Tables with the schema's columns, under its names.
    schema
        Types, keys, ranges, category sets, formats.
    docs
        A folder for Great Expectations' Data Docs; none are kept where it is not given. They hold the schema's ranges,
        which are the extremes of real rows, so that they are for those who may see the schema.

    Returns
    -------
    tuple of Check
        In schema order. A share of missing values may be off by 2 points and 4 standard errors of the difference of
        two binomial shares; every other check allows no exception. Details hold counts, never a value or a bound.
    """
    expected = list(_suite(synthetic.num_rows, train, schema))
    results = _validate(_frame(synthetic), expected, docs)
    return tuple(_check(item, results[str(position)]) for position, item in enumerate(expected))


def _validate(
    frame: pd.DataFrame, expected: list[_Expected], docs: Path | None
) -> dict[str, ExpectationValidationResult]:
    """Return Great Expectations' results by position of the expectation: it has an order of its own."""
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    if docs is not None:
        context.add_data_docs_site(site_name=_SITE, site_config=_site(docs))
    asset = context.data_sources.add_pandas("synthetic").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name="validity", expectations=[item.rule for item in expected]))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="validity", data=batch, suite=suite))
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(name="validity", validation_definitions=[definition], result_format="BASIC")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (outcome,) = checkpoint.run(batch_parameters={"dataframe": frame}).run_results.values()
        if docs is not None:
            context.build_data_docs(site_names=[_SITE])
            # Four megabytes of logos and fonts, which every job would have.
            for folder in ("images", "fonts"):
                shutil.rmtree(docs / "static" / folder, ignore_errors=True)
    return {_config(result).meta["position"]: result for result in outcome.results}


def _site(folder: Path) -> DataDocsSiteConfigTypedDict:
    return {
        "class_name": "SiteBuilder",
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def _config(result: ExpectationValidationResult) -> ExpectationConfiguration:
    assert result.expectation_config is not None  # noqa: S101 - the results of a validation have one
    return result.expectation_config


def _check(item: _Expected, result: ExpectationValidationResult) -> Check:
    detail = item.says if result.success else f"should be {item.says}; {_found(result)}"
    return Check(expectation=_config(result).type, column=item.column, passed=bool(result.success), detail=detail)


def _found(result: ExpectationValidationResult) -> str:
    """Say how a check fails, in counts."""
    found = result.result
    if "unexpected_count" in found:
        return f"{found['unexpected_count']:,} of {found['element_count']:,} rows are not"
    observed = found.get("observed_value")
    if isinstance(observed, float):
        return f"{1 - observed:.1%} are"
    return (
        "it is not, so that it could not be checked" if result.exception_info.get("raised_exception") else "it is not"
    )


def _suite(rows: int, train: pa.Table, schema: TableSchema) -> Iterator[_Expected]:
    position = iter(range(10**9))

    def meta() -> dict[str, str]:
        # Without a position, two equal expectations would be one.
        return {"position": str(next(position))}

    columns_in_order = ExpectTableColumnsToMatchOrderedList(column_list=schema.names, meta=meta())
    yield _Expected(columns_in_order, None, f"the {len(schema.columns)} columns of the schema, in order")
    for column in schema.columns:
        for kind, says, arguments in _rules(column, rows, train, schema):
            yield _Expected(kind(column=column.name, meta=meta(), **arguments), column.name, says)


def _rules(
    column: Column, rows: int, train: pa.Table, schema: TableSchema
) -> Iterator[tuple[Any, str, dict[str, Any]]]:
    yield ExpectColumnValuesToBeOfType, f"of type {column.dtype}", {"type_": _PANDAS_TYPES[column.dtype]}
    if not column.nullable or column.name == schema.primary_key:
        yield ExpectColumnValuesToNotBeNull, "never missing", {}
    elif column.learned:
        yield _missing_rule(column, rows, train)
    if column.name == schema.primary_key:
        yield ExpectColumnValuesToBeUnique, "different in every row", {}
    if column.learned and column.discrete:
        count = len(column.categories or ())
        says = f"one of the schema's {count} categories"
        yield ExpectColumnValuesToBeInSet, says, {"value_set": list(column.categories or ())}
    elif column.learned and (column.minimum is not None or column.maximum is not None):
        yield ExpectColumnValuesToBeBetween, "inside the schema's range", _bounds(column)
    pattern = _pattern(column)
    if pattern is not None:
        yield ExpectColumnValuesToMatchRegex, "in the right format", {"regex": pattern}


def _missing_rule(column: Column, rows: int, train: pa.Table) -> tuple[Any, str, dict[str, Any]]:
    low, high = missing_band(train[column.name].null_count + _nans(train[column.name]), train.num_rows, rows)
    says = f"missing in {low:.1%} to {high:.1%} of rows"
    # The bounds are rounded outward: a share of exactly 1 - low must not fail by the last bit.
    return (
        ExpectColumnProportionOfNonNullValuesToBeBetween,
        says,
        {"min_value": max(0.0, 1 - high - 1e-12), "max_value": min(1.0, 1 - low + 1e-12)},
    )


def missing_band(missing: int, real_rows: int, synthetic_rows: int) -> tuple[float, float]:
    """Return the allowed shares of missing values, given those among real rows.

    ``p +- (0.02 + 4 sqrt(q (1 - q) (1 / n_real + 1 / n_synthetic)))`` with ``q = (missing + 1) / (n_real + 2)``: the
    standard error of a difference of two binomial shares, with Laplace's rule, so that a share of 0 has one too.
    """
    if not real_rows or not synthetic_rows:
        return 0.0, 1.0
    share = missing / real_rows
    smooth = (missing + 1) / (real_rows + 2)
    error = math.sqrt(smooth * (1 - smooth) * (1 / real_rows + 1 / synthetic_rows))
    slack = _MISSING_SLACK + _MISSING_SIGMAS * error
    return max(0.0, share - slack), min(1.0, share + slack)


def _nans(values: pa.ChunkedArray) -> int:
    return int(pc.sum(pc.is_nan(values)).as_py() or 0) if pa.types.is_floating(values.type) else 0


def _bounds(column: Column) -> dict[str, Any]:
    bounds = {"min_value": column.minimum, "max_value": column.maximum}
    if column.kind is Kind.DATETIME and column.dtype is not Dtype.TIME:
        epoch = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
        return {name: None if at is None else epoch + timedelta(seconds=at) for name, at in bounds.items()}
    return bounds


def _pattern(column: Column) -> str | None:
    """Return the regular expression for values that are made new, or None where anything goes."""
    if column.learned or column.dtype is not Dtype.STRING:
        return None
    if column.pii is not None:
        return _PII_FORMATS.get(column.pii, _NOT_BLANK)
    if column.kind is Kind.IDENTIFIER and column.format is not None:
        return _identifier_pattern(column.format)
    return _NOT_BLANK


def _identifier_pattern(template: str) -> str:
    r"""Turn the pattern of an identifier into a regular expression: ``CUST-{:06d}`` into ``^CUST\-\d{6,}$``."""
    if template == UUID_FORMAT:
        return _UUID
    counter = _COUNTER.fullmatch(template)
    if counter is None:
        # No place for a number: it stands behind.
        return f"^{re.escape(template)}"
    start, width, digits, end = counter.groups()
    start, end = (re.escape(part.replace("{{", "{").replace("}}", "}")) for part in (start, end))
    return f"^{start}{_DIGITS[digits]}{{{int(width or 1)},}}{end}$"


def _frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as pandas that keeps whole numbers whole beside missing ones; times of day become seconds."""
    extension = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    columns = [
        pc.divide(pc.cast(pc.cast(values, pa.int64()), pa.float64()), 1e6)
        if pa.types.is_time64(values.type)
        else values
        for values in table.columns
    ]
    table = pa.table(columns, names=table.column_names)
    frame: pd.DataFrame = table.to_pandas(types_mapper=extension.get, date_as_object=False)
    return frame
