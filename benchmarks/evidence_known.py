"""Known answers: the standard evidence of tables of which everyone knows what must come out.

    python benchmarks/evidence_known.py
    python benchmarks/evidence_known.py --data FILE.csv --target COLUMN --cuts 3 --results FOLDER

Real rows are cut three ways: train (40 %), holdout (30 %) and fresh (30 %). As synthetic rows stand in turn:

- fresh: real rows that nobody saw, what a perfect model would give;
- trees: what the default family makes of train, ten thousand rows or as many as it learned from;
- copy: train itself; noise: train with Gaussian noise on each numeric column, 1 % of its standard deviation;
- copied20: rows of `trees`, of which one in five is replaced by a row of train;
- independent: train, each column shuffled on its own; labels: train, the target shuffled.

Printed are the verdict of every profile (in how many cuts it passes), both scores, and every figure with its interval,
means over the cuts. Evidence that lies in --results already is read, not measured again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.read import read_table
from synthcredit.datasets.schema import TableSchema
from synthcredit.evidence.gate import Gate, judge, verdict
from synthcredit.evidence.limits import Profile
from synthcredit.evidence.model import Evidence, Figure, Measure
from synthcredit.evidence.scores import score
from synthcredit.synthesizers import registry

GERMAN_CREDIT = Path(__file__).parent.parent / "data" / "german_credit.csv"
SHARES = (0.4, 0.7)
COPIED = 0.2
NOISE = 0.01
TREES_ROWS = 10_000

Results = Mapping[str, Sequence[Evidence]]
"""The evidence of every cut, by case."""


class Cut:
    """One three-way cut of a real table, and the synthetic tables that are made of it."""

    def __init__(self, table: pa.Table, schema: TableSchema, seed: int) -> None:
        self.schema, self.seed = schema, seed
        self.rng = np.random.default_rng(seed)
        order = self.rng.permutation(table.num_rows)
        a, b = (int(table.num_rows * share) for share in SHARES)
        self.train, self.holdout, self.spare = (
            table.take(pa.array(part)) for part in (order[:a], order[a:b], order[b:])
        )

    def fresh(self) -> pa.Table:
        """Return real rows that are neither in train nor in the holdout."""
        return self.spare

    def trees(self) -> pa.Table:
        """Return rows of the default family."""
        model = registry.family("trees").load_class()(registry.settings_for("trees", {}))
        model.fit(self.train, self.schema, seed=self.seed)
        return pa.Table.from_batches(model.sample(max(TREES_ROWS, self.train.num_rows), 1))

    def copy(self) -> pa.Table:
        """Return the training rows."""
        return self.train

    def noise(self) -> pa.Table:
        """Return the training rows with 1 % of noise; whole numbers are rounded, so that the table stays valid."""
        made = self.train
        for position, column in enumerate(self.schema.columns):
            values = self.train.column(column.name)
            if column.discrete or column.kind.value not in ("integer", "continuous"):
                continue
            moved = values.to_numpy(zero_copy_only=False).astype(float)
            moved = moved + self.rng.normal(0, NOISE * np.nanstd(moved), len(moved))
            moved = moved if pa.types.is_floating(values.type) else np.rint(moved)
            made = made.set_column(position, column.name, pa.array(moved, from_pandas=True).cast(values.type))
        return made

    def copied20(self) -> pa.Table:
        """Return rows of the default family, one in five of them replaced by a training row."""
        made, rows = self.trees(), self.train.num_rows
        copies = int(rows * COPIED)
        chosen = self.train.take(pa.array(self.rng.permutation(rows)[:copies]))
        return pa.concat_tables([made.slice(0, rows - copies), chosen.cast(made.schema)])

    def independent(self) -> pa.Table:
        """Return the training rows, every column shuffled on its own."""
        return pa.table({name: self._shuffled(name) for name in self.train.column_names})

    def labels(self) -> pa.Table:
        """Return the training rows, the target shuffled."""
        target = str(self.schema.target)
        return self.train.set_column(self.train.column_names.index(target), target, self._shuffled(target))

    def _shuffled(self, name: str) -> pa.ChunkedArray:
        return self.train.column(name).take(pa.array(self.rng.permutation(self.train.num_rows)))


CASES: Mapping[str, Callable[[Cut], pa.Table]] = {
    "fresh": Cut.fresh,
    "trees": Cut.trees,
    "copy": Cut.copy,
    "noise": Cut.noise,
    "copied20": Cut.copied20,
    "independent": Cut.independent,
    "labels": Cut.labels,
}


def evidence_of(cut: Cut, case: str) -> Evidence:
    """Measure one case of one cut."""
    from synthcredit.evidence.assess import assess

    made, started = CASES[case](cut), time.perf_counter()
    found = assess(made, cut.train, cut.holdout, cut.schema, seed=cut.seed, rows_released=made.num_rows)
    print(f"cut {cut.seed}, {case}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return found


def collect(table: pa.Table, schema: TableSchema, cuts: int, cases: Sequence[str], results: Path, name: str) -> Results:
    """Return the evidence of all cases; what is in ``results`` as NAME_CUT_CASE.json is read from there."""
    found: dict[str, list[Evidence]] = {case: [] for case in cases}
    for seed in range(1, cuts + 1):
        for case in cases:
            path = results / f"{name}_{seed}_{case}.json"
            if not path.exists():
                path.write_text(evidence_of(Cut(table, schema, seed), case).model_dump_json())
            found[case].append(Evidence.model_validate_json(path.read_text()))
    return found


# --- what is printed -------------------------------------------------------------------------------------------------


def markdown(found: Results) -> str:
    """Return three tables: verdicts, scores, and every figure with its interval."""
    return "\n\n".join([
        _table(["verdict", *found], [_verdicts(found, profile) for profile in Profile]),
        _table(["score", *found], [_scores(found, name) for name in ("quality", "privacy")]),
        _table(["figure", "fresh by", *found], [row for figure in Figure if (row := _figures(found, figure))]),
    ])  # fmt: skip


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heading, ["---"] * len(heading), *rows))


def _verdicts(found: Results, profile: Profile) -> list[str]:
    """Say in how many cuts a profile passes, and which parts fail."""
    cells = [profile.value]
    for runs in found.values():
        findings = [judge(run, Gate(profile=profile)) for run in runs]
        passed = sum(verdict(of) for of in findings)
        failed = [finding.part for of in findings for finding in of if not verdict([finding])]
        by_count = sorted(dict.fromkeys(failed), key=lambda part: -failed.count(part))
        cells.append(f"{passed} of {len(runs)}" + (f" ({', '.join(by_count)})" if by_count else ""))
    return cells


def _scores(found: Results, name: str) -> list[str]:
    cells = [name]
    for runs in found.values():
        points = [of.points for run in runs for of in score(run).scores if of.name == name and of.points is not None]
        cells.append(f"{np.mean(points):.0f} ({min(points):.0f} to {max(points):.0f})" if points else "none")
    return cells


def _figures(found: Results, figure: Figure) -> list[str]:
    """Return a figure by case, means over the cuts of value and interval; nothing where no case has it."""
    by_case = [[measure for run in runs if (measure := run.measure(figure))] for runs in found.values()]
    if not any(measure.value is not None for runs in by_case for measure in runs):
        return []
    fresh = [measure.fresh for runs in by_case[:1] for measure in runs if measure.fresh is not None]
    return [f"`{figure.value}`", _short(float(np.mean(fresh))) if fresh else "", *map(_cell, by_case)]


def _cell(runs: Sequence[Measure]) -> str:
    judged = [run for run in runs if run.value is not None]
    if not judged:
        return "not judged"
    value, low, high = (
        [end for run in judged if (end := getattr(run, name)) is not None] for name in ("value", "low", "high")
    )
    interval = f" ({_short(float(np.mean(low)))} to {_short(float(np.mean(high)))})" if low and high else ""
    return _short(float(np.mean(value))) + interval


def _short(value: float) -> str:
    return f"{value:.3f}".replace("-0.", "-.").removeprefix("0").replace("-", "\N{MINUS SIGN}")


def main() -> None:
    """Measure every case of every cut and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=GERMAN_CREDIT, help="a real table (default: german_credit)")
    parser.add_argument("--target", help="its outcome column (default: creditability where --data is not given)")
    parser.add_argument("--cuts", type=int, default=3, help="cuts of the real rows, by seeds 1 to this")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--results", type=Path, default=Path("out/known"), help="folder of evidence, read and written")
    parser.add_argument("--name", help="how the files in it begin (default: the file's name)")
    given = parser.parse_args()
    target = given.target or ("creditability" if given.data == GERMAN_CREDIT else None)
    schema = detect_schema(given.data, target=target).schema
    table = read_table(given.data, schema)
    given.results.mkdir(parents=True, exist_ok=True)
    name = given.name or given.data.stem
    print(markdown(collect(table, schema, given.cuts, given.cases, given.results, name)))


if __name__ == "__main__":
    main()
