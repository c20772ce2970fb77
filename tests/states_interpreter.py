"""A small interpreter of Amazon States Language: what this state machine uses, and not a word more."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from jsonata import Jsonata

Document = dict[str, Any]

UNCATCHABLE = ("States.Runtime", "States.DataLimitExceeded")
"""What `States.ALL` does not match."""


class TaskError(Exception):
    """A task that failed, as the state machine sees it."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.cause = cause


@dataclass(frozen=True)
class Call:
    """One call of a task."""

    state: str
    resource: str
    arguments: Document


Work = Callable[[Call], Any]


def evaluate(expression: str, states: Document) -> Any:
    """Evaluate one ``{% ... %}``; like AWS, refuse one that gives nothing."""
    compiled = Jsonata(expression.removeprefix("{%").removesuffix("%}"))
    compiled.assign("states", states)
    value = compiled.evaluate(None)
    if value is None:
        raise TaskError("States.QueryEvaluationError", expression)
    return value


def is_expression(value: object) -> bool:
    """Tell a JSONata expression from a text."""
    return isinstance(value, str) and value.startswith("{%")


def filled(template: Any, states: Document) -> Any:
    """Return a template with every expression evaluated."""
    if is_expression(template):
        return evaluate(template, states)
    if isinstance(template, dict):
        return {key: filled(value, states) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, states) for value in template]
    return template


def look_up(path: str, data: object, context: object) -> Any:
    """Follow a JSONPath of names: ``$.shards``, ``$$.Map.Item.Value``."""
    found = context if path.startswith("$$") else data
    if not re.fullmatch(r"\$\$?(\.\w+)*", path):
        raise ValueError(f"{path} is more than this interpreter reads")
    for name in path.lstrip("$").split(".")[1:]:
        found = found[name]  # type: ignore[index]
    return found


def selected(selector: Document, data: object, context: object) -> Document:
    """Return what an ItemSelector makes: keys that end in ``.$`` are paths."""
    return {
        key.removesuffix(".$"): look_up(value, data, context) if key.endswith(".$") else value
        for key, value in selector.items()
    }


@dataclass
class Machine:
    """A state machine and the work that its tasks do.

    Parameters
    ----------
    definition
        The machine, substitutions filled in.
    work
        Does a task: gets the call, returns its result or raises `TaskError`.
    """

    definition: Document
    work: Work
    context: Document = field(default_factory=lambda: {"Execution": {}, "State": {}})
    visited: list[str] = field(default_factory=list)

    def run(self, data: Any) -> Any:
        """Run to the end and return the output; raises the `TaskError` that the execution fails with."""
        return self._run(self.definition, data)

    def _run(self, machine: Document, data: Any) -> Any:
        name = machine["StartAt"]
        while True:
            state = machine["States"][name]
            self.visited.append(name)
            kind = state["Type"]
            if kind == "Succeed":
                return filled(state["Output"], self._states(data))
            if kind == "Fail":
                raise TaskError(*(filled(state[key], self._states(data)) for key in ("Error", "Cause")))
            if kind == "Choice":
                name = self._choose(state, data)
                continue
            try:
                data = self._map(state, data) if kind == "Map" else self._task(name, state, data)
            except TaskError as error:
                name, data = self._caught(state, data, error)
                continue
            if state.get("End"):
                return data
            name = state["Next"]

    def _states(self, data: Any, **more: Any) -> Document:
        return {"input": data, "context": self.context, **more}

    def _choose(self, state: Document, data: Any) -> str:
        for choice in state["Choices"]:
            if evaluate(choice["Condition"], self._states(data)) is True:
                return choice["Next"]
        return state["Default"]

    def _task(self, name: str, state: Document, data: Any) -> Any:
        tried: dict[int, int] = {}
        for retries in count():
            self.context["State"] = {"Name": name, "RetryCount": retries}
            try:
                result = self.work(Call(name, state["Resource"], filled(state["Arguments"], self._states(data))))
            except TaskError as error:
                if not _again(state, error, tried):
                    raise
                continue
            return filled(state["Output"], self._states(data, result=result))
        raise AssertionError

    def _map(self, state: Document, data: Any) -> Any:
        items = look_up(state["ItemsPath"], data, self.context)
        if look_up(state["MaxConcurrencyPath"], data, self.context) < 1:
            raise TaskError("States.Runtime", "MaxConcurrency")
        for index, item in enumerate(items):
            context = {**self.context, "Map": {"Item": {"Index": index, "Value": item}}}
            child = selected(state["ItemSelector"], data, context)
            try:
                self._run(state["ItemProcessor"], child)
            except TaskError as error:
                raise TaskError("States.ExceedToleratedFailureThreshold", error.error) from error
        if state["ResultPath"] is not None:
            raise ValueError("this interpreter knows a map that returns nothing")
        return data

    def _caught(self, state: Document, data: Any, error: TaskError) -> tuple[str, Any]:
        output = {"Error": error.error, "Cause": error.cause}
        for catcher in state.get("Catch", []):
            if _matches(catcher["ErrorEquals"], error):
                if state["Type"] == "Map":
                    return catcher["Next"], {**data, catcher["ResultPath"].removeprefix("$."): output}
                return catcher["Next"], filled(catcher["Output"], self._states(data, errorOutput=output))
        raise error


def _again(state: Document, error: TaskError, tried: dict[int, int]) -> bool:
    for number, retrier in enumerate(state.get("Retry", [])):
        if _matches(retrier["ErrorEquals"], error):
            tried[number] = tried.get(number, 0) + 1
            return tried[number] <= retrier["MaxAttempts"]
    return False


def _matches(names: list[str], error: TaskError) -> bool:
    return error.error in names or ("States.ALL" in names and error.error not in UNCATCHABLE)
