"""Where each step of a job runs, what that takes and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.errors import InvalidInputError, Problem, raise_all
from synthcredit.jobs import prices, speeds
from synthcredit.jobs.speeds import Load, Work


class Where(StrEnum):
    """What a step runs on."""

    NOWHERE = "nowhere"
    """The step has nothing to do: a model that is reused is not trained."""
    LAMBDA = "lambda"
    SAGEMAKER = "sagemaker"


class Placement(BaseModel):
    """Where one step runs, and why there."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    step: str
    where: Where
    instances: Annotated[int, Field(ge=1, description="Machines, or Lambda functions at a time.")] = 1
    seconds: Annotated[float, Field(description="Estimated wall time.")]
    cost_usd: Annotated[float, Field(description="Estimated cost, list price.")]
    why: str


Kind = Literal["training", "processing"]
"""A kind of SageMaker job."""

VCPU_SPEED = 0.7
"""A vCPU of AWS beside the core that was measured; taken to be, not measured."""
VCPU_MB = 1769
"""Memory with which a function has one vCPU (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""
LAMBDA_START = 10.0
"""Seconds until an image of some 800 MB answers for the first time; taken to be, not measured."""
SAGEMAKER_START: dict[Kind, float] = {"training": 240.0, "processing": 300.0}
"""Seconds until the container runs. Users report 1 to 5 minutes of training, up to 8 of processing
(https://github.com/aws/sagemaker-python-sdk/issues/4358)."""
SAGEMAKER_BILLED_START = 60.0
"""Of these the seconds that are paid: the machine's own provisioning is not."""
SAGEMAKER_LIMIT: dict[Kind, float] = {"training": 172_800.0, "processing": 86_400.0}
"""Seconds after which the state machine has SageMaker stop a job."""
DOUBT = 2.0
"""An estimate may be wrong by this factor, so what has to end in time gets that much more of it."""
TRAINING_MARGIN = 1800.0
"""Seconds beside the minutes that a training is allowed, until SageMaker stops it."""
LAMBDA_MARGIN = 60.0
"""Seconds of a call beside those that a training is allowed."""
WAITING_USD_HOUR = 1.0
"""What an hour of waiting is worth: it decides between cheap and soon."""

_PARAMETER: dict[Kind, str] = {"training": "TrainingInstanceType", "processing": "ProcessingInstanceType"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may use; the names are those of the platform's settings.

    Parameters
    ----------
    lambda_memory_mb, lambda_disk_mb
        Memory and /tmp of the image function.
    lambda_seconds
        How long one call may take.
    lambda_concurrency
        Shards that Lambda generates at a time.
    training_instance, processing_instance
        SageMaker instance types.
    processing_instances
        Machines of one generation, at most.
    volume_gb
        Disk of a SageMaker machine.
    max_cost_usd
        Jobs that are estimated to cost more are refused.
    """

    lambda_memory_mb: int = 3008
    lambda_disk_mb: int = 10_240
    lambda_seconds: float = 900.0
    lambda_concurrency: int = 8
    training_instance: str = "ml.m5.xlarge"
    processing_instance: str = "ml.m5.xlarge"
    processing_instances: int = 4
    volume_gb: int = 100
    max_cost_usd: float = 50.0

    def instance(self, kind: Kind) -> str:
        """Return the instance type for a kind of SageMaker job, ``training`` or ``processing``."""
        return self.training_instance if kind == "training" else self.processing_instance


@dataclass(frozen=True, slots=True)
class _Offer:
    """One place for a step."""

    where: Where
    instances: int
    seconds: float
    cost_usd: float

    @property
    def weight(self) -> float:
        return self.cost_usd + self.seconds / 3600 * WAITING_USD_HOUR


Quotas = Mapping[tuple[Kind, str], int | None]
"""How many instances an account may use, by kind of job and instance type; None or absent where nobody knows."""


def place(load: Load, limits: Limits, quotas: Quotas | None = None, *, database: bool = False) -> tuple[Placement, ...]:
    """Say where train, generate, assess and publish run, and load where a database is named.

    Of the places that can do a step, the one is taken whose cost and waiting time, at `WAITING_USD_HOUR`, are least. So
    small work goes to Lambda, which starts at once, and large work to SageMaker, which computes for less.

    Parameters
    ----------
    load
        What decides how much work it is.
    limits
        What may be used.
    quotas
        What the account has of SageMaker; a quota below what was meant gives fewer machines.
    database
        Whether a database is loaded too.

    Returns
    -------
    tuple of Placement
        In the order of the steps.

    Raises
    ------
    InvalidInputError
        No place can do a step, or the job would cost too much; everything found is said at once.
    """
    raise_all(_unknown_instances(limits))
    raise_all(over_budget(load, VCPU_SPEED))
    works = dict(load.works())
    if database:
        works["load"] = speeds.loading(load.values)
    placements: list[Placement] = []
    problems: list[Problem] = []
    for step, work in works.items():
        if work is None:
            placements.append(_nowhere(step, load.untrained))
            continue
        try:
            placements.append(_place(step, work, load.shards if step == "generate" else 1, limits, quotas or {}))
        except InvalidInputError as error:
            problems += error.problems
    problems += _too_dear(placements, limits)
    # Several steps may lack the same machine; and what is asked less of has a name of its own in each kind of request.
    raise_all(dict.fromkeys(replace(p, field=load.field) if p.field == "rows" else p for p in problems))
    return tuple(placements)


def over_budget(load: Load, speed: float = 1.0) -> Iterator[Problem]:
    """Yield what a training cannot keep to of the time and memory that its settings allow.

    Parameters
    ----------
    load
        What decides how much work it is.
    speed
        Of the core that trains; 1 is the one that was measured.
    """
    least = load.least
    if least is None:
        return
    minutes, memory = load.settings.get("max_minutes"), load.settings.get("max_memory_mb")
    # Only what is out of reach even where the estimate is too high by all that it may be.
    if minutes is not None and least.seconds / speed / DOUBT > 60.0 * float(minutes):
        yield Problem(
            "synthesizer.max_minutes",
            f"only to get ready to train takes about {_span(least.seconds / speed)}, and {minutes:g} min are allowed",
            "Allow more minutes, or give fewer rows or columns.",
        )
    if memory is not None and least.memory_mb / DOUBT > float(memory):
        yield Problem(
            "synthesizer.max_memory_mb",
            f"to train needs about {_gigabytes(least.memory_mb)} of memory, and {_gigabytes(memory)} are allowed",
            "Allow more memory, or give fewer rows or columns.",
        )


def training_limit(settings: Mapping[str, Any]) -> int:
    """Return the seconds after which SageMaker is to stop a training: those that its settings allow, and some more.

    The family ends by itself when its minutes are over, and then has to calibrate, save and register; the rows have
    to be read before. SageMaker's clock also runs then.
    """
    minutes = settings.get("max_minutes")
    most = SAGEMAKER_LIMIT["training"]
    return int(most if minutes is None else min(most, math.ceil(60.0 * float(minutes) * DOUBT + TRAINING_MARGIN)))


def kind_of(step: str) -> Kind:
    """Return the kind of SageMaker job that does a step."""
    return "training" if step == "train" else "processing"


def totals(placements: Iterable[Placement]) -> tuple[float, float]:
    """Return the estimated wall time in seconds and cost in US dollars of all steps together."""
    chosen = list(placements)
    return sum(placement.seconds for placement in chosen), sum(placement.cost_usd for placement in chosen)


def _nowhere(step: str, why: str) -> Placement:
    return Placement(step=step, where=Where.NOWHERE, seconds=0.0, cost_usd=0.0, why=why)


def _place(step: str, work: Work, parts: int, limits: Limits, quotas: Quotas) -> Placement:
    kind = kind_of(step)
    on_lambda = _on_lambda(work, parts, limits)
    obstacle = _obstacle(work, limits)
    quota = quotas.get((kind, limits.instance(kind)))
    wanted = limits.processing_instances if step == "generate" else 1
    machines = wanted if quota is None else min(wanted, quota)
    short = None if machines >= wanted else f"the account's quota of {limits.instance(kind)} is {quota}"
    offers = list(_on_sagemaker(work, parts, kind, machines, limits))
    if obstacle is None:
        offers.insert(0, on_lambda)
    elif refusals := list(_refusals(step, work, kind, quota, machines, offers, limits)):
        raise InvalidInputError(refusals)
    best = min(offers, key=lambda offer: offer.weight)
    return Placement(
        step=step,
        where=best.where,
        instances=best.instances,
        seconds=round(best.seconds, 1),
        cost_usd=round(best.cost_usd, 6),
        why=_why(best, on_lambda, obstacle, short, kind, limits),
    )


def _on_lambda(work: Work, parts: int, limits: Limits) -> _Offer:
    seconds = work.wall(_lambda_speed(limits))
    at_once = min(parts, limits.lambda_concurrency)
    billed = parts * seconds + at_once * LAMBDA_START
    disk_gb = max(0, limits.lambda_disk_mb - prices.LAMBDA_FREE_DISK_MB) / 1024
    second = limits.lambda_memory_mb / 1024 * prices.LAMBDA_GB_SECOND + disk_gb * prices.LAMBDA_DISK_GB_SECOND
    return _Offer(
        Where.LAMBDA,
        at_once,
        LAMBDA_START + math.ceil(parts / at_once) * seconds,
        billed * second + parts * prices.LAMBDA_REQUEST,
    )


def _lambda_speed(limits: Limits) -> float:
    # A step keeps one core busy, so that more than one vCPU does not help.
    return VCPU_SPEED * min(1.0, limits.lambda_memory_mb / VCPU_MB)


def _obstacle(work: Work, limits: Limits) -> str | None:
    """Say why Lambda cannot do a piece of work, or None where it can."""
    speed = _lambda_speed(limits)
    seconds = work.wall(speed)
    # What ends by itself needs no more time than that, and some to read and to save.
    if min(DOUBT * work.seconds / speed, work.most_seconds + LAMBDA_MARGIN) > limits.lambda_seconds:
        return f"{_span(seconds)} of work may not end within the {_span(limits.lambda_seconds)} of a Lambda call"
    if work.memory_mb > limits.lambda_memory_mb:
        return f"it needs {_gigabytes(work.memory_mb)} of memory and Lambda has {_gigabytes(limits.lambda_memory_mb)}"
    if work.disk_mb > limits.lambda_disk_mb:
        return f"it needs {_gigabytes(work.disk_mb)} of disk and Lambda has {_gigabytes(limits.lambda_disk_mb)}"
    return None


def _on_sagemaker(work: Work, parts: int, kind: Kind, machines: int, limits: Limits) -> Iterator[_Offer]:
    """Yield what one machine, two machines and so on would take."""
    instance = prices.INSTANCES[limits.instance(kind)]
    hour = instance.usd_hour + limits.volume_gb * prices.VOLUME_GB_HOUR
    for count in range(1, min(machines, parts) + 1):
        busy = math.ceil(parts / (count * instance.vcpus)) * work.wall(VCPU_SPEED)
        cost = count * hour * (busy + SAGEMAKER_BILLED_START) / 3600
        yield _Offer(Where.SAGEMAKER, count, SAGEMAKER_START[kind] + busy, cost)


def _refusals(
    step: str, work: Work, kind: Kind, quota: int | None, machines: int, offers: list[_Offer], limits: Limits
) -> Iterator[Problem]:
    """Say why SageMaker cannot do what Lambda cannot do either."""
    name = limits.instance(kind)
    if machines < 1:
        yield Problem(
            f"quota '{name} for {kind} job usage'",
            f"Lambda cannot do this job, and SageMaker may use {quota} of these machines in this account",
            "Request an increase in Service Quotas (Amazon SageMaker), or set the template's parameter "
            f"{_PARAMETER[kind]} to an instance type that the account may use.",
        )
        return
    memory = prices.INSTANCES[name].memory_gb * 1024
    if work.memory_mb > memory:
        yield Problem(
            "source.uri" if step == "train" else "rows",
            f"to {step} needs {_gigabytes(work.memory_mb)} of memory and {name} has {_gigabytes(memory)}",
            f"Give fewer rows or columns, or set the template's parameter {_PARAMETER[kind]} to a larger type.",
        )
    if work.disk_mb > limits.volume_gb * 1024:
        yield Problem(
            "deliver" if step == "publish" else "rows",
            f"to {step} needs {_gigabytes(work.disk_mb)} of disk and a machine has {limits.volume_gb} GB",
            "Ask for fewer rows, or deliver Parquet, which is not written again.",
        )
    soonest = min(offer.seconds for offer in offers) - SAGEMAKER_START[kind]
    if soonest > SAGEMAKER_LIMIT[kind]:
        yield Problem(
            "synthesizer" if step == "train" else "rows",
            f"to {step} takes {_span(soonest)} and {_span(SAGEMAKER_LIMIT[kind])} are allowed",
            "Ask for less: rows, epochs, or forms of delivery.",
        )


def _too_dear(placements: list[Placement], limits: Limits) -> Iterator[Problem]:
    _, cost = totals(placements)
    if cost > limits.max_cost_usd:
        yield Problem(
            "rows",
            f"the job would cost about {_dollars(cost)}, and {_dollars(limits.max_cost_usd)} is the most here",
            "Ask for fewer rows or less training, or raise the template's parameter MaxCostUsd.",
        )


def _unknown_instances(limits: Limits) -> Iterator[Problem]:
    for kind, parameter in _PARAMETER.items():
        name = limits.instance(kind)
        if name not in prices.INSTANCES:
            yield Problem(
                f"template parameter {parameter}",
                f"what '{name}' can do and costs is not known here",
                f"Choose one of: {', '.join(prices.INSTANCES)}.",
            )


def _why(best: _Offer, on_lambda: _Offer, obstacle: str | None, short: str | None, kind: Kind, limits: Limits) -> str:
    more = f"; {short}" if short else ""
    if best.where is Where.LAMBDA:
        at_once = f", {best.instances} calls at a time," if best.instances > 1 else ""
        start = _span(SAGEMAKER_START[kind])
        return (
            f"{_span(best.seconds)} on Lambda{at_once} for {_dollars(best.cost_usd)}; "
            f"SageMaker would take {start} to start{more}"
        )
    machines = f"{best.instances} machine{'s' if best.instances > 1 else ''} of type {limits.instance(kind)}"
    reason = obstacle or f"Lambda would take {_span(on_lambda.seconds)} for {_dollars(on_lambda.cost_usd)}"
    return f"{_span(best.seconds)} on {machines} for {_dollars(best.cost_usd)}; {reason}{more}"


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _gigabytes(megabytes: float) -> str:
    return f"{megabytes / 1024:,.1f} GB"


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 0.01 else f"${amount:.4f}"
