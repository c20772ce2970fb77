"""The scenario: every parameter of the simulated lender, read from one YAML file and checked as a whole.

In the file a parameter is a value alone, or a mapping of ``value``, ``unit`` and ``why`` (its source or reason); the
shipped files have all three for each. ``extends: baseline`` takes every parameter that a file does not state from
another scenario.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from synthcredit.errors import InvalidInputError, NotFoundError, Problem, from_validation, raise_all

SHIPPED = ("baseline", "downturn", "rapid_growth", "thin_file")
ANSWERS = ("reject_inference", "drift", "fairness")
"""The answer keys that are made when they are asked for, by their sections in the scenario."""
DriftColumn = Literal[
    "customers.annual_income",
    "loan_applications.requested_amount",
    "loan_applications.credit_score",
    "loan_applications.credit_utilization",
]
SERIES = ("policy_rate", "unemployment_rate", "house_price_index", "credit_spread", "inflation_rate")
"""What the macro path consists of, by its names in market_data."""
CUSTOM = "custom"
"""The name of a scenario that a request states without one."""
_DRIFT_MONTHS = 6
"""Months of the window that there are at least before and after a drift sets in."""
_LEAF = {"value", "unit", "why"}

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Cents = Annotated[int, Field(gt=0)]
Shares = Annotated[tuple[Share, ...], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Time(_Section):
    """The window that the book is watched through."""

    start: dt.date
    months: Annotated[int, Field(ge=24, le=120)]

    @model_validator(mode="after")
    def _first_of_month(self) -> Self:
        if self.start.day != 1:
            raise ValueError("start must be the first day of a month")
        return self


class Job(_Section):
    """One kind of employment: what it earns, and how common it is at each age."""

    name: Annotated[str, Field(min_length=1, max_length=50)]
    income: Positive
    shares: Shares


class Population(_Section):
    """Who the customers are."""

    share_at_start: Share
    growth: Annotated[float, Field(gt=-0.9, le=5)]
    age_edges: Annotated[tuple[Annotated[float, Field(ge=18, le=100)], ...], Field(min_length=2)]
    age_shares: Shares
    jobs: Annotated[tuple[Job, ...], Field(min_length=1)]
    income_ages: tuple[Annotated[float, Field(ge=18, le=110)], ...]
    income_by_age: tuple[Positive, ...]
    income_spread: Annotated[float, Field(ge=0, le=2)]
    region_strength: Annotated[float, Field(ge=0, le=3)]
    income_risk_correlation: Share
    thin_file: Share

    @model_validator(mode="after")
    def _fits(self) -> Self:
        bands = len(self.age_edges) - 1
        wrong = []
        if list(self.age_edges) != sorted(set(self.age_edges)):
            wrong.append("age_edges must rise")
        if len(self.age_shares) != bands:
            wrong.append(f"age_shares must have {bands} values, one a band of age_edges")
        wrong += [f"job '{job.name}' must have {bands} shares" for job in self.jobs if len(job.shares) != bands]
        if not wrong and any(sum(job.shares[band] for job in self.jobs) <= 0 for band in range(bands)):
            wrong.append("jobs: an age band has no job with a share above 0")
        if sum(self.age_shares) <= 0:
            wrong.append("age_shares must not all be 0")
        if len(self.income_ages) != len(self.income_by_age) or not self.income_ages:
            wrong.append("income_ages and income_by_age must be of one length")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


class Bureau(_Section):
    """Credit scores, utilisation of cards, and arrears elsewhere."""

    score_mean: Annotated[float, Field(ge=300, le=850)]
    score_spread: Annotated[float, Field(ge=0, le=200)]
    score_noise: Annotated[float, Field(ge=0, le=100)]
    thin_file_discount: Annotated[float, Field(ge=0, le=200)]
    thin_file_noise: Annotated[float, Field(ge=0, le=200)]
    penalties: Annotated[tuple[Annotated[float, Field(ge=0, le=300)], ...], Field(min_length=4, max_length=4)]
    elsewhere_late: Share
    utilisation_level: float
    utilisation_risk: float
    utilisation_spread: Annotated[float, Field(ge=0, le=5)]
    utilisation_noise: Annotated[float, Field(ge=0, le=0.5)]
    utilisation_macro: Annotated[float, Field(ge=0, le=1)]
    limit_share: Positive
    external_debt: Share
    external_debt_spread: Annotated[float, Field(ge=0, le=2)]


class Product(_Section):
    """One type of loan."""

    name: Annotated[str, Field(min_length=1, max_length=50)]
    share: Share
    income_multiple: Positive
    spread: Annotated[float, Field(ge=0, le=2)]
    minimum: Cents
    maximum: Cents
    terms: Annotated[tuple[Annotated[int, Field(ge=12, le=360)], ...], Field(min_length=1)]
    margin: Annotated[int, Field(ge=0, le=3000)]
    severe: Share
    purposes: Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError("minimum is above maximum")
        return self


class Policy(_Section):
    """Whom the lender lends to, and at what price."""

    min_score: Annotated[int, Field(ge=300, le=850)]
    max_debt_to_income: Annotated[float, Field(gt=0, le=2)]
    min_income: Annotated[float, Field(ge=0)]
    override: Share
    take_up: Share
    decision_days: Annotated[int, Field(ge=1, le=25)]
    base_score: Annotated[int, Field(ge=300, le=850)]
    risk_price: Annotated[int, Field(ge=0, le=2000)]
    max_rate: Annotated[int, Field(ge=100, le=10000)]


class Index(_Section):
    """The weights of the logistic risk index."""

    score: float
    income: float
    debt: float
    utilisation: float
    frailty: Annotated[float, Field(ge=0, le=3)]
    macro: Annotated[float, Field(ge=0, le=5)]


class Hazard(_Section):
    """One monthly hazard: ``1 / (1 + exp(-(level + slope * index)))``."""

    level: Annotated[float, Field(ge=-20, le=10)]
    slope: Annotated[float, Field(ge=0, le=3)]


class Hazards(_Section):
    """How loans move between days past due, month by month."""

    index: Index
    current: Hazard
    one_missed: Hazard
    two_missed: Hazard
    unlikely_to_pay: Hazard
    catch_up: Share
    catch_up_from_two: Share
    part_from_two: Share
    prepayment: Annotated[float, Field(ge=0, le=0.2)]
    season_depth: Annotated[float, Field(ge=0, le=5)]
    season_months: Positive
    fade_depth: Annotated[float, Field(ge=0, le=5)]
    fade_months: Positive

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.catch_up_from_two + self.part_from_two > 1:
            raise ValueError("catch_up_from_two and part_from_two are more than 1 together")
        return self


class DefaultRules(_Section):
    """What default is, how it is cured, and what is lost."""

    materiality_amount: Cents
    materiality_share: Share
    cure: Share
    cure_months: Annotated[int, Field(ge=0, le=5)]
    probation_months: Annotated[int, Field(ge=1, le=24)]
    recovery_months: Annotated[tuple[Annotated[int, Field(ge=6, le=48)], ...], Field(min_length=3, max_length=3)]
    mild_loss: Share
    mild_spread: Annotated[float, Field(gt=0, le=0.3)]
    severe_loss: Share
    severe_spread: Annotated[float, Field(gt=0, le=0.3)]
    macro_severity: Annotated[float, Field(ge=0, le=5)]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if list(self.recovery_months) != sorted(set(self.recovery_months)):
            raise ValueError("recovery_months must rise")
        if self.mild_loss >= self.severe_loss:
            raise ValueError("mild_loss must be below severe_loss")
        return self


class Ifrs9(_Section):
    """Stages and expected credit loss."""

    relative: Annotated[float, Field(gt=1, le=20)]
    absolute: Share
    backstop_days: Annotated[int, Field(ge=1, le=90)]
    report_every: Annotated[int, Field(ge=1, le=12)]


class SeriesPath(_Section):
    """One macro series: it returns to its long-run level, is shaken every month, and may take a shock."""

    start: float
    long_run: float
    persistence: Annotated[float, Field(ge=0, lt=1)]
    shaken: Annotated[float, Field(ge=0)]
    lowest: float
    stress: float
    weight: float


class Shock(_Section):
    """When the shock comes, and how it goes."""

    month: Annotated[int, Field(ge=0)]
    rise: Annotated[int, Field(ge=1)]
    stay: Annotated[int, Field(ge=0)]
    fade: Annotated[int, Field(ge=1)]


class Macro(_Section):
    """The macro path that drives the rest."""

    shock: Shock
    policy_rate: SeriesPath
    unemployment_rate: SeriesPath
    house_price_index: SeriesPath
    credit_spread: SeriesPath
    inflation_rate: SeriesPath

    def series(self, name: str) -> SeriesPath:
        """Return one of `SERIES`."""
        found = getattr(self, name)
        assert isinstance(found, SeriesPath)  # noqa: S101 - the fields above
        return found


class RejectInference(_Section):
    """Two modelling sets in which the outcomes of rejected applicants are hidden."""

    wanted: bool
    middle: Annotated[float, Field(ge=300, le=850)]
    width: Annotated[float, Field(ge=1, le=200)]
    override_goods: Annotated[float, Field(ge=0, le=0.9)]
    override_strength: Annotated[float, Field(ge=0, le=4)]


class Move(_Section):
    """One column that is moved from a date on."""

    column: DriftColumn
    since: dt.date
    psi: Annotated[float, Field(gt=0, le=1)]
    direction: Literal["up", "down"]


class Drift(_Section):
    """Columns whose distribution is moved to a stated population stability index."""

    wanted: bool
    moves: Annotated[tuple[Move, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        names = [move.column for move in self.moves]
        if len(set(names)) < len(names):
            raise ValueError("moves: two are of one column")
        return self


class Fairness(_Section):
    """Twins that differ in a protected attribute only, and a lender that treats them differently."""

    wanted: bool
    attribute: Annotated[str, Field(min_length=1, max_length=50)]
    groups: tuple[
        Annotated[str, Field(min_length=1, max_length=50)],
        Annotated[str, Field(min_length=1, max_length=50)],
    ]
    disparity: Share

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.groups[0] == self.groups[1]:
            raise ValueError("groups: both have one name")
        return self


class Answers(_Section):
    """The answer keys that are made when they are asked for."""

    reject_inference: RejectInference
    drift: Drift
    fairness: Fairness


class Scenario(_Section):
    """Every parameter of a simulated lender."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
    description: str
    time: Time
    population: Population
    bureau: Bureau
    products: Annotated[tuple[Product, ...], Field(min_length=1)]
    policy: Policy
    hazards: Hazards
    default: DefaultRules
    ifrs9: Ifrs9
    macro: Macro
    answers: Answers

    @property
    def moves(self) -> tuple[Move, ...]:
        """The columns that drift; none unless drift is asked for."""
        return self.answers.drift.moves if self.answers.drift.wanted else ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = self._early_or_late()
        names = [product.name for product in self.products]
        if len(set(names)) < len(names):
            wrong.append("products: two have one name")
        if sum(product.share for product in self.products) <= 0:
            wrong.append("products: shares must not all be 0")
        # Without interest a loan of the smallest amount over the longest term pays least.
        for product in self.products:
            three = 3 * product.minimum // max(product.terms)
            if three < self.default.materiality_amount:
                wrong.append(
                    f"products '{product.name}': three instalments of the smallest loan come to {three} cents, below "
                    f"default.materiality_amount, so 90 days past due would be no default"
                )
            if 3 / max(product.terms) < self.default.materiality_share * 0.8:
                wrong.append(f"products '{product.name}': three instalments may be below default.materiality_share")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _early_or_late(self) -> list[str]:
        """Return what is wrong with the dates of drifts: there must be enough rows on both sides."""
        low, high = (
            _months_after(self.time.start, months) for months in (_DRIFT_MONTHS, self.time.months - _DRIFT_MONTHS)
        )
        return [
            f"answers.drift '{move.column}': since must be from {low} to {high}, {_DRIFT_MONTHS} months into the window"
            for move in self.moves
            if not low <= move.since <= high
        ]


def _months_after(first: dt.date, months: int) -> dt.date:
    """Return the first of a month so many months later."""
    month = first.month - 1 + months
    return dt.date(first.year + month // 12, month % 12 + 1, 1)


def shipped_text(name: str) -> str:
    """Return the YAML of a shipped scenario."""
    return resources.files(__package__).joinpath("scenarios", f"{name}.yaml").read_text(encoding="utf-8")


def load(name: str | Path) -> Scenario:
    """Read a shipped scenario by name, or one of the user's own from a file.

    Raises
    ------
    NotFoundError
        It is neither.
    InvalidInputError
        It is no YAML, or parameters are missing, unknown or out of range: all of them at once.
    """
    try:
        return Scenario.model_validate(parameters(name))
    except ValidationError as error:
        raise from_validation(error, str(name)) from None


def parameters(name: str | Path) -> dict[str, Any]:
    """Return the bare parameters of a scenario, with those that it takes from others, before they are checked."""
    found: dict[str, Any] = _bare(_raw(name, ()))
    return found


def parameters_of(given: str | Mapping[str, Any], field: str) -> dict[str, Any]:
    """Return the parameters of a scenario as a request names it, checked: files of this machine are none of its.

    Parameters
    ----------
    given
        The name of a shipped scenario, or what a scenario file would say; without ``extends`` it extends baseline.
    field
        What to call it in problems.

    Returns
    -------
    dict
        Every parameter, as JSON has it.

    Raises
    ------
    InvalidInputError
        There is none of this name, or parameters are unknown or out of range: all of them at once.
    """
    content = {"extends": given} if isinstance(given, str) else {"extends": "baseline", "name": CUSTOM, **given}
    base = content.pop("extends")
    if base not in SHIPPED:
        raise InvalidInputError(
            Problem(
                field if isinstance(given, str) else f"{field}.extends",
                "there is no shipped scenario of this name",
                f"Name one of {', '.join(SHIPPED)}, or give parameters as a scenario file has them.",
            )
        )
    try:
        found = Scenario.model_validate(_bare(_merged(_raw(base, ()), content)))
    except ValidationError as error:
        raise from_validation(error, field) from None
    return found.model_dump(mode="json")


def with_changes(scenario: Scenario, changes: dict[str, Any]) -> Scenario:
    """Return a scenario with some parameters changed, named by their path, such as ``hazards.index.score``.

    Raises
    ------
    InvalidInputError
        A path or a value is wrong: all of them at once.
    """
    content = scenario.model_dump()
    for path, value in changes.items():
        *sections, last = path.split(".")
        place: Any = content
        for section in sections:
            place = place[int(section)] if isinstance(place, list | tuple) else place.setdefault(section, {})
        place[last] = value
    try:
        return Scenario.model_validate(content)
    except ValidationError as error:
        raise from_validation(error, scenario.name) from None


def unknown_answers(names: Sequence[str]) -> list[Problem]:
    """Return a problem for each name that is no answer key's."""
    fix = f"Name some of {', '.join(ANSWERS)}."
    return [Problem("answers", f"there is no '{name}'", fix) for name in names if name not in ANSWERS]


def with_answers(scenario: Scenario, names: Sequence[str]) -> Scenario:
    """Return a scenario that makes some answer keys more: names among `ANSWERS`.

    Raises
    ------
    InvalidInputError
        There is none of a name, or what it asks for does not fit: all of them at once.
    """
    raise_all(unknown_answers(names))
    return with_changes(scenario, {f"answers.{name}.wanted": True for name in names})


def _raw(name: str | Path, seen: tuple[str, ...]) -> dict[str, Any]:
    content = _parsed(name)
    base = content.pop("extends", None)
    if base is None:
        return content
    if base in seen or str(base) == str(name):
        raise InvalidInputError(Problem(f"{name}: extends", "it extends itself", "Name another scenario."))
    return _merged(_raw(base, (*seen, str(name))), content)


def _parsed(name: str | Path) -> dict[str, Any]:
    # Here, for whoever has a scenario's parameters already needs no YAML.
    import yaml

    try:
        content = yaml.safe_load(_read(name))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise InvalidInputError(Problem(str(name), f"it is no YAML{place}", "Correct the file.")) from None
    if not isinstance(content, dict):
        raise InvalidInputError(Problem(str(name), "it is no mapping of parameters", "See the shipped baseline."))
    return content


def _read(name: str | Path) -> str:
    if str(name) in SHIPPED:
        return shipped_text(str(name))
    try:
        return Path(name).read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        fix = f"Name one of {', '.join(SHIPPED)}, or a YAML file."
        raise NotFoundError(Problem(f"scenario {name}", "there is none of this name", fix)) from None
    except (OSError, UnicodeDecodeError):
        raise InvalidInputError(Problem(str(name), "it cannot be read as text", "Check the file.")) from None


def _merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in more.items():
        old = both.get(key)
        whole = not (isinstance(old, dict) and isinstance(value, dict)) or "value" in value or "value" in old
        both[key] = value if whole else _merged(old, value)  # type: ignore[arg-type]
    return both


def _bare(content: Any) -> Any:  # noqa: ANN401 - YAML is whatever it is; pydantic decides
    """Take the values out of their mappings of value, unit and why."""
    if isinstance(content, dict):
        if "value" in content and set(content) <= _LEAF:
            return _bare(content["value"])
        return {key: _bare(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_bare(value) for value in content]
    return content
