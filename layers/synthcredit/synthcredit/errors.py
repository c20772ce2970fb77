"""Every error that the platform raises on purpose, and how each one reads.

One place maps these to an answer for each channel (exit code, HTTP status, state-machine error name);
everything else that is raised is a fault of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with what was given.

    Parameters
    ----------
    field
        What is wrong: a request field (``source.target``), a column (``column 'age'``) or a file.
    problem
        What is wrong with it, with its place. Never a value from a data row.
    fix
        What to do about it.
    """

    field: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}. {self.fix}"


class SynthcreditError(Exception):
    """Base of all errors that are meant for the person who asked."""

    name: ClassVar[str] = "Failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[SynthcreditError], tuple[tuple[Problem, ...]]]:
        # Exceptions cross process borders from the generating workers.
        return type(self), (self.problems,)


class InvalidInputError(SynthcreditError):
    """The request or the data cannot be worked with; says all that is wrong at once."""

    name = "InvalidInput"
    exit_code = 2


class ModelFileError(InvalidInputError):
    """A model file is damaged, hostile, or of another version."""

    name = "InvalidModelFile"


class NotFoundError(InvalidInputError):
    """A job, model or object that was named does not exist."""

    name = "NotFound"


class GoneError(NotFoundError):
    """What was asked for was there, and has been cleared away."""

    name = "Gone"


class NotReadyError(InvalidInputError):
    """What was asked for is still being made."""

    name = "NotReady"


class ConflictError(InvalidInputError):
    """The same idempotency key came with another request."""

    name = "Conflict"


class GateNotMetError(SynthcreditError):
    """The evidence does not meet the gate, so that nothing is published."""

    name = "GateNotMet"
    exit_code = 3


class StoppedError(SynthcreditError):
    """Somebody stopped the job."""

    name = "Stopped"


class StorageError(SynthcreditError):
    """A disk or bucket refused a read or a write: full, read-only, or gone."""

    name = "Storage"


class MissingPackageError(SynthcreditError):
    """An optional package that this request needs is not installed."""

    name = "MissingPackage"


def from_validation(error: ValidationError, prefix: str = "") -> InvalidInputError:
    """Turn pydantic's findings into problems, without the values that were given."""
    return InvalidInputError(problems_from(error.errors(include_url=False, include_input=False), prefix))


def problems_from(findings: Iterable[Mapping[str, Any]], prefix: str = "") -> list[Problem]:
    """Turn findings as pydantic lists them into problems, without the values that were given."""
    return [
        Problem(
            field=".".join(str(part) for part in (*filter(None, (prefix,)), *item["loc"])) or "request",
            problem=_sentence(item["msg"]),
            fix=_fix(item["type"], item.get("ctx", {})),
        )
        for item in findings
    ]


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".")


def _fix(kind: str, context: dict[str, object]) -> str:
    if kind == "extra_forbidden":
        return "Remove it, or look at its spelling."
    if kind == "missing":
        return "Give it a value."
    if "expected" in context:
        return f"Give {context['expected']}."
    return "Correct the value."


def raise_all(problems: Iterable[Problem]) -> None:
    """Raise one `InvalidInputError` with every problem, if there is any."""
    found = tuple(problems)
    if found:
        raise InvalidInputError(found)
