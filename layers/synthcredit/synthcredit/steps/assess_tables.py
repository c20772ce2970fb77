"""Assess several tables: each by itself, and how they hang together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from synthcredit.datasets.schema import DatasetSchema, Relation
from synthcredit.evidence.gate import Gate, verdict
from synthcredit.evidence.model import Evidence, Finding, Level
from synthcredit.evidence.pages import page
from synthcredit.evidence.relations import Pair, RelationEvidence, TablesEvidence, assess_relation
from synthcredit.evidence.relations import passed as relations_passed
from synthcredit.randomness import generator
from synthcredit.steps.assess_files import CUT_BY_US, Files, Table, assess_table, read_tables
from synthcredit.synthesizers.fitting import Progress, silent


@dataclass(frozen=True, slots=True)
class TableResult:
    """What was found of one of the tables."""

    evidence: Evidence
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether it meets the gate by itself."""
        return verdict(self.findings)


def assess_tables(
    files: Files,
    schema: DatasetSchema,
    gate: Gate,
    folder: Path,
    *,
    seed: int = 0,
    level: Level = Level.STANDARD,
    progress: Progress = silent,
) -> tuple[TablesEvidence, dict[str, TableResult]]:
    """Judge the tables of a dataset; write a report each, ``index.html`` and ``evidence.json`` into a folder.

    Raises
    ------
    InvalidInputError
        Tables are missing or cannot be read, or a holdout is contaminated.
    """
    tables = read_tables(files, schema)
    results: dict[str, TableResult] = {}
    for position, (name, table) in enumerate(tables.items()):
        place = folder / name
        place.mkdir(exist_ok=True)
        evidence, findings = assess_table(
            table, gate, place, seed=seed, level=level,
            progress=lambda done, message, p=position, n=name: progress((p + done) / len(tables), f"{n}: {message}"),
        )  # fmt: skip
        results[name] = TableResult(evidence, tuple(findings))
    relations = tuple(_relation(relation, schema, tables, seed) for relation in schema.relations)
    together = _together(results, relations, tables)
    (folder / "evidence.json").write_text(together.model_dump_json(indent=1) + "\n", encoding="utf-8")
    index = page("index.html.jinja", together=together, results=results)
    (folder / "index.html").write_text(index, encoding="utf-8")
    return together, results


def _relation(relation: Relation, schema: DatasetSchema, tables: Mapping[str, Table], seed: int) -> RelationEvidence:
    parent, child = tables[relation.parent], tables[relation.child]
    return assess_relation(
        relation,
        schema,
        Pair(parent.synthetic, child.synthetic),
        Pair(parent.train, child.train),
        Pair(parent.holdout, child.holdout),
        generator(seed, f"evidence/{relation.name}"),
    )


def _together(
    results: Mapping[str, TableResult], relations: tuple[RelationEvidence, ...], tables: Mapping[str, Table]
) -> TablesEvidence:
    return TablesEvidence(
        tables={name: f"{name}/evidence.json" for name in results},
        tables_passed={name: result.passed for name, result in results.items()},
        relations=relations,
        passed=all(result.passed for result in results.values()) and relations_passed(relations),
        notes=(CUT_BY_US,) if any(table.cut_by_us for table in tables.values()) else (),
    )
