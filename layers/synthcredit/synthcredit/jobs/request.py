"""One request, from whichever channel, validated once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from synthcredit.datasets import constraints, contradictions
from synthcredit.datasets.schema import TableSchema
from synthcredit.errors import InvalidInputError, Problem, SynthcreditError, from_validation
from synthcredit.evidence.gate import Gate
from synthcredit.evidence.model import Level
from synthcredit.portfolio.volumes import Volumes
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.conditions import Conditions

MAX_ROWS = 10_000_000_000
"""Above this a request is a slip of the finger; a channel may set a lower ceiling of its own."""


TableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")]


class Format(StrEnum):
    """A form in which synthetic data is delivered."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, populate_by_name=True)


class DatasetSource(_Model):
    """Learn a dataset, or reuse the model that has learned it."""

    kind: Literal["dataset"]
    uri: Annotated[str, Field(min_length=1, description="The real data: a CSV or Parquet file.")]
    target: Annotated[str | None, Field(description="The outcome column, e.g. default.")] = None
    holdout: Annotated[
        str | None,
        Field(description="Real rows kept apart by you. Then all rows of `uri` train; else a part is held out."),
    ] = None
    table_schema: Annotated[
        TableSchema | None,
        Field(alias="schema", description="The schema to read the data by; detected where none is given."),
    ] = None
    reuse: Annotated[bool, Field(description="Use a suitable model if there is one.")] = True
    continue_from: Annotated[
        str | None,
        Field(min_length=1, description="A model of the same family and columns to continue from on these rows."),
    ] = None


class ModelSource(_Model):
    """Generate from a model that exists."""

    kind: Literal["model"]
    model_id: Annotated[str, Field(min_length=1)]
    uri: Annotated[
        str | None,
        Field(description="The data that the model was trained on, to prove the result against, if it has moved."),
    ] = None
    holdout: Annotated[str | None, Field(description="The holdout file that was given at training, if it moved.")] = (
        None
    )


class PortfolioSource(Volumes):
    """Simulate a lender's whole book, from nothing: its customers decide how many rows there are."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    kind: Literal["portfolio"]
    scenario: Annotated[
        str | dict[str, Any],
        Field(
            description="A shipped scenario by name, or what a scenario file would say; baseline is what it extends."
        ),
    ] = "baseline"
    tables: Annotated[
        tuple[TableName, ...] | None, Field(min_length=1, description="The tables to deliver; all where not given.")
    ] = None

    @property
    def volumes(self) -> Volumes:
        """How much is made."""
        return Volumes(**{name: getattr(self, name) for name in Volumes.model_fields})


class SchemaSource(_Model):
    """Make the rows of declared tables, from nothing: the declaration says how many there are."""

    kind: Literal["schema"]
    declaration: Annotated[
        dict[str, Any], Field(description="What the file of a declaration says: see docs/declared.md.")
    ]
    rows: Annotated[
        dict[TableName, Annotated[int, Field(ge=1)]] | None,
        Field(min_length=1, description="Rows of tables that belong to none, where not as many as declared."),
    ] = None


Learned = DatasetSource | ModelSource
"""Sources whose rows a model makes."""
Source = Annotated[DatasetSource | ModelSource | PortfolioSource | SchemaSource, Field(discriminator="kind")]
_HOW_MANY: dict[type, str] = {
    PortfolioSource: "a portfolio has as many rows as its customers need: give source.customers instead",
    SchemaSource: "the declaration says how many rows each table has: give source.rows by table instead",
}
"""What makes rows by rules, and where it is said how many."""
_WHAT_LIKE: dict[type, str] = {
    PortfolioSource: "a portfolio is simulated, not learned: its scenario says what it is like",
    SchemaSource: "declared tables are made, not learned: the declaration says what they are like",
}


class Destination(_Model):
    """A database that the rows are loaded into; never with its password, since requests are kept."""

    url: Annotated[
        str | None, Field(description="Its URL without password: postgresql://host/db; user and password come apart.")
    ] = None
    secret: Annotated[
        str | None, Field(min_length=1, description="The name of a secret that says where it is and how to get in.")
    ] = None

    @field_validator("url")
    @classmethod
    def _without_password(cls, value: str | None) -> str | None:
        # Not by urlsplit's password: it must be found in a URL that is wrong as well.
        place = (value or "").partition("://")[2].rpartition("@")[0]
        if ":" in place or "?" in (value or ""):
            raise ValueError("it holds a password or options, and requests are kept: name a secret instead")
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.url is None) == (self.secret is None):
            raise ValueError("it takes either a url or a secret")
        return self

    @property
    def named(self) -> str:
        """The database as `synthcredit.stores.deliver` takes it."""
        return self.url if self.url is not None else f"secret:{self.secret}"


class SynthesizerChoice(BaseModel):
    """A model family and its settings."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    name: str = registry.DEFAULT

    @property
    def given(self) -> dict[str, Any]:
        """The settings that were given."""
        return dict(self.model_extra or {})


class JobRequest(_Model):
    """What is asked: synthetic rows like those of a source, proven, in some form."""

    source: Source
    synthesizer: SynthesizerChoice = SynthesizerChoice()
    rows: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_ROWS,
            validate_default=True,
            description="How many synthetic rows; not for a portfolio, which has customers, nor for declared tables.",
        ),
    ] = None
    seed: Annotated[int, Field(ge=0, lt=2**63, description="Same request and seed give the same bytes.")] = 0
    conditions: Annotated[
        Conditions, Field(description="What the rows are asked to be like; like the training rows where nothing is.")
    ] = Conditions()
    gate: Gate = Gate()
    evidence: Annotated[
        Level, Field(description="How much is measured: basic is for haste, and not for data that is shared.")
    ] = Level.STANDARD
    deliver: Annotated[tuple[Format, ...], Field(min_length=1, description="In which forms the data is delivered.")] = (
        Format.PARQUET,
    )
    to: Annotated[Destination | None, Field(description="A database that the rows are loaded into besides.")] = None

    @field_validator("rows")
    @classmethod
    def _rows_as_the_source_wants(cls, value: int | None, info: ValidationInfo) -> int | None:
        if "source" in info.data:
            elsewhere = _HOW_MANY.get(type(info.data["source"]))
            if value is None and elsewhere is None:
                raise ValueError("it is missing")
            if value is not None and elsewhere is not None:
                raise ValueError(elsewhere)
        return value

    @field_validator("synthesizer", "conditions")
    @classmethod
    def _only_for_models(cls, value: SynthesizerChoice | Conditions, info: ValidationInfo) -> Any:  # noqa: ANN401
        # What is stored has every field, so that only what says something is refused.
        elsewhere = _WHAT_LIKE.get(type(info.data.get("source")))
        if elsewhere is not None and value != type(value)():
            raise ValueError(elsewhere)
        return value

    @field_validator("deliver")
    @classmethod
    def _once(cls, value: tuple[Format, ...]) -> tuple[Format, ...]:
        return tuple(dict.fromkeys(value))

    @property
    def made_by(self) -> str:
        """What makes the rows, in one word: a family, `portfolio` or `schema`."""
        return self.synthesizer.name if isinstance(self.source, Learned) else self.source.kind

    @property
    def asked(self) -> dict[str, int]:
        """How much is asked for: rows, customers, or declared tables."""
        if isinstance(self.source, PortfolioSource):
            return {"customers": self.source.customers}
        if isinstance(self.source, SchemaSource):
            return {"tables": len(self.source.declaration["tables"])}
        return {"rows": self.rows_wanted}

    @property
    def rows_wanted(self) -> int:
        """The rows that a model is to make."""
        assert self.rows is not None  # noqa: S101 - the validator above
        return self.rows

    @property
    def digest(self) -> str:
        """SHA-256 of the request, in hex: equal requests have equal digests."""
        content = self.model_dump(mode="json", by_alias=True)
        if self.to is None:
            # So that requests from before there were databases keep their digests.
            del content["to"]
        if isinstance(self.source, SchemaSource):
            # Tables and columns are made in the order in which they are declared.
            content["source"]["declaration"] = json.dumps(content["source"]["declaration"])
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def parse_request(content: str | bytes | dict[str, Any]) -> JobRequest:
    """Parse a request from any channel.

    Raises
    ------
    InvalidInputError
        Everything that is wrong with it, at once, each with field and fix.
    """
    problems: list[Problem] = []
    request = None
    try:
        if isinstance(content, dict):
            request = JobRequest.model_validate(content)
        else:
            request = JobRequest.model_validate_json(content)
    except ValidationError as error:
        problems += [
            replace(problem, field=_without_kind(problem.field)) for problem in from_validation(error).problems
        ]
    if request is not None:
        problems += _constraint_problems(request)
    given = content if isinstance(content, dict) else _loaded(content)
    problems += _source_problems(given.get("source"), given)
    problems += _synthesizer_problems(given)
    if problems or request is None:
        # The same field may be missed twice.
        raise InvalidInputError(list({(p.field, p.problem): p for p in problems}.values()))
    return request


def _without_kind(field: str) -> str:
    # pydantic puts the kind into the path, and a type where there are several: source.dataset.uri is source.uri to
    # whoever wrote the request.
    field = re.sub(r"^source\.(dataset|model|portfolio|schema)\.", "source.", field)
    return constraints.without_kind(re.sub(r"^source\.scenario\.(str|dict\[str,any\])$", "source.scenario", field))


def _constraint_problems(request: JobRequest) -> list[Problem]:
    schema = request.source.table_schema if isinstance(request.source, DatasetSource) else None
    if schema is None:
        return []
    field = "source.schema.constraints"
    return contradictions.problems(schema, field) or list(contradictions.too_many(schema, request.rows_wanted, field))


def _source_problems(source: Any, content: dict[str, Any]) -> Iterator[Problem]:  # noqa: ANN401 - not parsed yet
    """Yield what the kind of source asks of the request, also where the source itself has faults."""
    if isinstance(source, BaseModel):
        source = source.model_dump()
    if not isinstance(source, dict):
        return
    if source.get("kind") == "portfolio":
        yield from scenario_problems(source.get("scenario", "baseline"))
    elif source.get("kind") == "schema":
        yield from declaration_problems(source.get("declaration"), source.get("rows"))
    elif "rows" not in content:
        yield Problem("rows", "it is missing", "Say how many synthetic rows are wanted.")


def scenario_problems(given: object) -> tuple[Problem, ...]:
    """Return what is wrong with the scenario of a portfolio; what is none at all, the request's own types refuse."""
    if not isinstance(given, str | dict):
        return ()
    # Here, since other requests need no scenario.
    from synthcredit.portfolio.scenario import parameters_of

    try:
        parameters_of(given, "source.scenario")
    except InvalidInputError as error:
        return error.problems
    return ()


def declaration_problems(given: object, rows: object = None) -> tuple[Problem, ...]:
    """Return what is wrong with a declaration; what is none at all, the request's own types refuse."""
    if not isinstance(given, dict):
        return ()
    from synthcredit.jobs.declarations import planned

    counts = rows if isinstance(rows, dict) else {}
    whole = {name: count for name, count in counts.items() if isinstance(name, str) and type(count) is int}
    try:
        planned(given, whole)
    except InvalidInputError as error:
        return error.problems
    return ()


def _loaded(content: str | bytes) -> dict[str, Any]:
    try:
        loaded = json.loads(content)
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _synthesizer_problems(content: dict[str, Any]) -> tuple[Problem, ...]:
    choice = content.get("synthesizer", {})
    if isinstance(choice, SynthesizerChoice):
        choice = choice.model_dump()
    if not isinstance(choice, dict) or not isinstance(choice.get("name", registry.DEFAULT), str):
        return ()
    given = {key: value for key, value in choice.items() if key != "name"}
    try:
        registry.settings_for(choice.get("name", registry.DEFAULT), given)
    except SynthcreditError as error:
        return error.problems
    return ()
