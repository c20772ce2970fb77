"""Read a declaration from YAML or JSON, and say where in it something is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from synthcredit.declared.consistency import NOTHING_FILLS, faults
from synthcredit.declared.faults import Fault
from synthcredit.declared.faults import Path as Where
from synthcredit.declared.model import TAG, Declaration
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, problems_from, raise_all

LARGEST_FILE = 5_000_000
"""Bytes: a declaration that was written by a person is far smaller."""
_Lines = Mapping[Where, int]


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # PyYAML has no types
    """YAML as JSON means it.

    True and false alone are truth values (`no` is a category of many a column), 1e5 is a number, and a date is text
    until a column makes it one.
    """


_OTHERWISE = {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "timestamp")}
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, regexp) for tag, regexp in known if tag not in _OTHERWISE]
    for letter, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|false|True|False|TRUE|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?$"),
    list("-+.0123456789"),
)


def load(path: Path) -> Declaration:
    """Read a declaration.

    Raises
    ------
    NotFoundError
        There is no such file.
    InvalidInputError
        It is no YAML or JSON, or something in it is wrong: all of it at once, each with its line.
    """
    content, lines = _content(path)
    return parse(content, str(path), lines)


def load_content(path: Path) -> dict[str, Any]:
    """Read a declaration as the file has it, to be put into a request.

    Raises
    ------
    NotFoundError, InvalidInputError
        What `load` raises.
    """
    content, lines = _content(path)
    parse(content, str(path), lines)
    return dict(content)


def _content(path: Path) -> tuple[Any, _Lines]:
    text = _read(path)
    # JSON is YAML but for tabs between its parts; inside its strings there are none.
    text = text.expandtabs(1) if path.suffix == ".json" else text
    lines: dict[Where, int] = {}
    wrong: list[Fault] = []
    try:
        _gather(yaml.compose(text, Loader=_Loader), (), lines, wrong, set())
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of the safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise InvalidInputError(Problem(str(path), f"it is no YAML or JSON{place}", "Correct the file.")) from None
    raise_all(_problem(fault, str(path), lines) for fault in wrong)
    return content, lines


def parse(content: Any, place: str, lines: _Lines | None = None) -> Declaration:  # noqa: ANN401 - pydantic decides
    """Check a declaration that was read.

    Parameters
    ----------
    place
        What it is called where it was given: a file, or a field of a request.
    lines
        The lines of its parts, where it has any.

    Raises
    ------
    InvalidInputError
        Something is wrong: all of it at once.
    """
    if not isinstance(content, Mapping):
        raise InvalidInputError(Problem(place, "it is no mapping of name and tables", "See docs/declared.md."))
    try:
        declaration = Declaration.model_validate(content)
    except ValidationError as error:
        wrong = [*_found(error, content), *_unfilled(content)]
        raise InvalidInputError([_problem(fault, place, lines or {}) for fault in wrong]) from None
    raise_all(_problem(fault, place, lines or {}) for fault in faults(declaration))
    return declaration


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            problem = f"it has more than {LARGEST_FILE:,} bytes"
            raise InvalidInputError(Problem(str(path), problem, "Check that it is a declaration."))
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(Problem(str(path), "it does not exist", "Check the path.")) from None
    except (OSError, UnicodeDecodeError):
        raise InvalidInputError(Problem(str(path), "it cannot be read as text", "Check the file.")) from None


def _gather(node: yaml.Node | None, path: Where, lines: dict[Where, int], wrong: list[Fault], seen: set[int]) -> None:
    """Note the line of every part, and what stands twice in one mapping, which YAML would pass over."""
    if node is None:
        return
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode):
        return
    if id(node) in seen:
        # A few aliases of aliases would be more than any memory holds.
        wrong.append(Fault(path, "it is an alias of another part", "Write it out."))
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            _gather(value, (*path, at), lines, wrong, seen)
        return
    names = set()
    for key, value in node.value:
        own = (*path, str(key.value))
        if own in names:
            wrong.append(Fault(own, f"it stands twice, again in line {key.start_mark.line + 1}", "Keep one."))
        names.add(own)
        lines[own] = key.start_mark.line + 1
        _gather(value, own, lines, wrong, seen)


def _found(error: ValidationError, content: Any) -> list[Fault]:  # noqa: ANN401 - whatever the file says
    findings = error.errors(include_url=False, include_input=False)
    plain = problems_from(findings)
    return [
        Fault(_own_path(finding["loc"], content), problem.problem, problem.fix)
        for finding, problem in zip(findings, plain, strict=True)
    ]


def _parts(content: Any) -> list[tuple[str, Mapping[str, Any]]]:  # noqa: ANN401 - as above
    """Return those parts of a mapping that are mappings."""
    found = content.items() if isinstance(content, Mapping) else ()
    return [(str(name), part) for name, part in found if isinstance(part, Mapping)]


def _listed(content: Any) -> list[Any]:  # noqa: ANN401 - as above
    return content if isinstance(content, list) else []


def _unfilled(content: Any) -> Iterator[Fault]:  # noqa: ANN401 - as above
    """Yield columns of numbers that nothing fills, which is judged later where nothing else is wrong."""
    for name, table in _parts(content.get("tables")):
        filled = {str(rule.get("column")) for rule in _listed(table.get("rules")) if isinstance(rule, Mapping)}
        for column, own in _parts(table.get("columns")):
            said = [own.get(part) is not None for part in ("categories", "given", "distribution")]
            bounded = own.get("minimum") is not None and own.get("maximum") is not None
            if own.get("type") in ("number", "integer") and column not in filled and not bounded and not any(said):
                yield Fault(("tables", name, "columns", column), NOTHING_FILLS, "Give both.")


def _own_path(loc: Where, content: Any) -> Where:  # noqa: ANN401 - as above
    """Return where something stands in the file: pydantic puts types and kinds into its paths."""
    path: list[str | int] = []
    node = content
    for part in loc:
        kinds = (node.get("type"), node.get("kind")) if isinstance(node, Mapping) else ()
        inside = _inside(node, part)
        if part == "[key]" or str(part).startswith(TAG) or (not inside and part in kinds):
            continue
        path.append(part)
        node = node[part] if inside else None
    return tuple(path)


def _inside(node: Any, part: str | int) -> bool:  # noqa: ANN401 - as above
    if isinstance(node, Mapping):
        return part in node
    return isinstance(node, list) and isinstance(part, int) and 0 <= part < len(node)


def _problem(fault: Fault, place: str, lines: _Lines) -> Problem:
    field = ".".join(map(str, fault.path))
    line = next(
        (lines[fault.path[:size]] for size in range(len(fault.path), -1, -1) if fault.path[:size] in lines), None
    )
    if line is None:
        return Problem(f"{place}.{field}" if field else place, fault.problem, fault.fix)
    return Problem(f"{place}, line {line}: {field}" if field else f"{place}, line {line}", fault.problem, fault.fix)
