"""Constraints are kept in every row, whatever the model, the block or the shard."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthcredit.datasets import rules
from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import InvalidInputError, ModelFileError
from synthcredit.randomness import BLOCK_ROWS
from synthcredit.synthesizers import constrained, registry
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.conditioning import resolve
from synthcredit.synthesizers.conditions import Conditions, Range
from synthcredit.synthesizers.copula import CopulaSynthesizer
from synthcredit.synthesizers.features import Discrete, Numeric, take
from synthcredit.synthesizers.protocol import Synthesizer, load_model
from synthcredit.synthesizers.settings import CopulaSettings, Settings

DAY = 86_400
ROWS = 400
FAMILIES = {"trees": {"trees": 1}, "copula": {}}
"""Those that train without torch."""


def column(name, kind, dtype, **more):
    return Column(name=name, storage_name=name, kind=kind, dtype=dtype, **more)


COLUMNS = (
    column("id", "identifier", "string", format="A-{:06d}"),
    column("city", "categorical", "string", categories=tuple(f"c{i}" for i in range(12))),
    column("state", "categorical", "string", categories=("north", "south", "west")),
    column("term", "integer", "int64", minimum=12, maximum=60),
    column("own", "continuous", "double", decimals=2, minimum=0, maximum=4_000),
    column("partner", "continuous", "double", decimals=1, minimum=0, maximum=3_000, nullable=True),
    column("total", "continuous", "double", decimals=2, minimum=-100, maximum=7_500, nullable=True),
    column("married", "boolean", "bool", categories=(False, True)),
    column("opened", "datetime", "date32", minimum=10_000 * DAY, maximum=15_000 * DAY),
    column("due", "datetime", "date32", minimum=10_000 * DAY, maximum=17_000 * DAY, nullable=True),
    column("closed", "datetime", "timestamp[us]", minimum=10_000 * DAY, maximum=18_000 * DAY, nullable=True),
    column("score", "integer", "int64", minimum=300, maximum=850),
)  # fmt: skip
POOL = (
    {"kind": "range", "column": "score", "minimum": 400, "maximum": 800},
    {"kind": "range", "column": "opened", "minimum": "1998-01-01"},
    {"kind": "order", "columns": ["opened", "due", "closed"]},
    {"kind": "order", "columns": ["opened", "due"], "strict": True},
    {"kind": "order", "columns": ["term", "own"]},
    {"kind": "combinations", "columns": ["city", "state"]},
    {"kind": "combinations", "columns": ["state", "term", "married"]},
    {"kind": "formula", "column": "total", "terms": {"own": 1, "partner": 1}, "constant": -20},
    {"kind": "nulls", "column": "partner", "when": {"married": [False]}},
    {"kind": "nulls", "column": "closed", "when": {"due": [None]}, "only": False},
    {"kind": "unique", "columns": ["id"]},
)


def table(seed: int, rows: int = ROWS) -> pa.Table:
    rng = np.random.default_rng(seed)
    city = rng.choice(12, rows)
    state = city // 4
    term = np.array([12, 24, 36, 60])[np.minimum(rng.integers(0, 3, rows) + (state == 2), 3)]
    own = np.clip(rng.gamma(2, 500, rows), 100, 4_000).round(2)
    partner = np.clip(rng.gamma(2, 400, rows), 0, 3_000).round(1)
    married = rng.random(rows) < 0.6
    opened = rng.integers(10_250, 15_000, rows)
    due = opened + rng.integers(1, 2_000, rows)
    closed = (due + 1) * DAY + rng.integers(0, 900 * DAY, rows)
    no_due = rng.random(rows) < 0.2
    return pa.table(
        {
            "id": [f"A-{row:06d}" for row in range(rows)],
            "city": [f"c{i}" for i in city],
            "state": np.array(["north", "south", "west"])[state],
            "term": term,
            "own": own,
            "partner": pa.array(partner, mask=~married),
            "total": pa.array((own + partner - 20).round(2), mask=~married | (rng.random(rows) < 0.1)),
            "married": married,
            "opened": pa.array(opened.astype(np.int32)).cast(pa.date32()),
            "due": pa.array(due.astype(np.int32), mask=no_due).cast(pa.date32()),
            "closed": pa.array(closed * 1_000_000, mask=no_due | (rng.random(rows) < 0.1)).cast(pa.timestamp("us")),
            "score": rng.integers(450, 780, rows),
        }
    )


def schema_of(*constraints, columns=COLUMNS) -> TableSchema:
    return TableSchema(name="loans", columns=columns, constraints=constraints)


def fitted(family: str, schema: TableSchema, rows: pa.Table) -> Synthesizer:
    if family == "trees":
        pytest.importorskip("sklearn")
    return (
        registry.family(family).load_class()(registry.settings_for(family, FAMILIES[family])).fit(rows, schema, seed=1)
    )


def together(model, rows, seed=3, first_row=0, steering=None) -> pa.Table:
    return pa.Table.from_batches(model.sample(rows, seed, first_row=first_row, steering=steering))


def assert_kept(made: pa.Table, schema: TableSchema, real: pa.Table) -> None:
    values = rules.table_values(made, schema)
    known = rules.table_values(real, schema)
    for one in schema.constraints:
        allowed = None
        if one.kind == "combinations":
            rows = np.stack([known[name] for name in one.columns], axis=1)
            allowed, _ = rules.learn_combinations(rows, None, 10)
        assert rules.keeps(one, values, schema, allowed).all(), one


@pytest.mark.parametrize("family", list(FAMILIES))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(chosen=st.sets(st.sampled_from(range(len(POOL))), min_size=1), seed=st.integers(0, 1_000))
def test_every_row_of_every_block_keeps_all_constraints(family, chosen, seed):
    real, schema = table(seed), schema_of(*(POOL[at] for at in sorted(chosen)))
    model = fitted(family, schema, real)
    whole = together(model, 3 * BLOCK_ROWS - 10)
    assert_kept(whole, schema, real)
    shards = [together(model, 2 * BLOCK_ROWS), together(model, BLOCK_ROWS - 10, first_row=2 * BLOCK_ROWS)]
    assert pa.concat_tables(shards).equals(whole)
    assert together(model, 77).equals(whole.slice(0, 77))


@pytest.fixture(scope="module", params=list(FAMILIES))
def model(request) -> Synthesizer:
    return fitted(request.param, schema_of(*POOL), table(0))


def test_a_saved_model_keeps_them_the_same_way(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.schema == model.schema
    assert together(loaded, 2_000).equals(together(model, 2_000))


def test_rows_that_keep_them_are_left_as_the_model_drew_them(model):
    """Rejection keeps the distribution among the rows that keep the constraints: those drawn first come first."""
    free = [one for one in model.schema.constraints if one.kind == "order" and not one.strict][:1]
    schema = schema_of(*(one.model_dump() for one in free))
    plain = type(model)(model.settings).fit(table(0), schema_of(), seed=1)
    bound = type(model)(model.settings).fit(table(0), schema, seed=1)
    drawn = together(plain, BLOCK_ROWS).drop_columns(["id"])
    kept = drawn.filter(pa.array(rules.keeps(free[0], rules.table_values(drawn, schema, schema.names[1:]), schema)))
    assert 0 < kept.num_rows < BLOCK_ROWS
    assert together(bound, kept.num_rows).drop_columns(["id"]).equals(kept)


def test_without_constraints_the_bytes_are_those_of_the_family(model):
    plain = type(model)(model.settings).fit(table(0), schema_of(), seed=1)
    identifiers_only = type(model)(model.settings).fit(table(0), schema_of(POOL[-1]), seed=1)
    assert together(plain, 500).equals(together(identifiers_only, 500))


def test_conditions_and_constraints_hold_together(model):
    real, schema = table(0), model.schema
    steering = resolve(
        Conditions(where={"total": Range(min=500, max=1_500), "opened": Range(max="2008-12-31")}, balance="state"),
        encode(real, schema), schema,
    )  # fmt: skip
    made = together(model, 3_000, steering=steering)
    assert_kept(made, schema, real)
    totals = made["total"].to_numpy()
    assert np.isfinite(totals).all()
    assert 500 <= totals.min() <= totals.max() <= 1_500
    counts = made["state"].value_counts().field("counts").to_pylist()
    assert counts == [1_000] * 3


def test_conditions_that_contradict_a_constraint_are_refused_at_once():
    schema = schema_of(POOL[0], POOL[8])
    with pytest.raises(InvalidInputError) as refused:
        resolve(
            Conditions(where={"score": Range(max=399), "married": False, "partner": 5}),
            encode(table(0), schema),
            schema,
        )
    assert {problem.field for problem in refused.value.problems} == {
        "conditions.where.score",
        "conditions.where.partner",
    }


def test_a_model_that_never_keeps_them_has_its_rows_repaired():
    """Independent columns break a long chain of orders in 719 of 720 rows."""
    columns = tuple(column(f"x{at}", "integer", "int64", minimum=0, maximum=10**6) for at in range(6))
    rng = np.random.default_rng(0)
    names = [one.name for one in columns]
    loose = schema_of(columns=columns)
    model = fitted("copula", loose, pa.table(dict(zip(names, rng.integers(0, 10**6, (6, 500)), strict=True))))
    strict = {"kind": "order", "columns": names, "strict": True}
    sorted_rows = pa.table(
        dict(zip(names, np.sort(rng.permuted(np.arange(600)).reshape(100, 6), axis=1).T, strict=True))
    )
    schema = schema_of(strict, columns=columns)
    bound = CopulaSynthesizer(CopulaSettings()).fit(sorted_rows, schema, seed=1)
    # The keeper of one and the draws of the other: a model that knows nothing of the order.
    model._schema, model._keeper = schema, bound._keeper
    made = together(model, BLOCK_ROWS + 50)
    assert_kept(made, schema, sorted_rows)
    assert together(model, 50, first_row=BLOCK_ROWS).equals(made.slice(BLOCK_ROWS))


@pytest.mark.parametrize("strict", [False, True])
def test_repair_puts_neighbours_on_their_grids(strict):
    columns = (
        column("a", "integer", "int64", minimum=0, maximum=5),
        column("b", "continuous", "double", decimals=1, minimum=0, maximum=5.5, nullable=True),
        column("c", "integer", "int64", minimum=0, maximum=6),
    )
    schema = schema_of({"kind": "order", "columns": ["a", "b", "c"], "strict": strict}, columns=columns)
    keeper = constrained.Keeper(schema, {})
    rng = np.random.default_rng(2)
    values = {
        "a": rng.integers(0, 6, 500) + 0.0,
        "b": rng.uniform(0, 5.5, 500).round(1),
        "c": rng.integers(0, 7, 500) + 0.0,
    }
    values["b"][::7] = np.nan
    broken = ~keeper.keeps(values)
    assert broken.any()
    made = keeper.repair(values, broken, rng)
    assert keeper.keeps(made).all()
    for name, own in values.items():
        assert np.array_equal(own[~broken], made[name][~broken], equal_nan=True)
        assert np.array_equal(np.isnan(own), np.isnan(made[name]))


def test_repair_of_gaps_and_combinations():
    schema = schema_of(POOL[5], POOL[8])
    real = table(1)
    keeper = constrained.Keeper.learn(real, schema, 10)
    values = keeper.read(encode(real, schema))
    rng = np.random.default_rng(3)
    shuffled = {name: rng.permutation(own) for name, own in values.items()}
    broken = ~keeper.keeps(shuffled)
    assert keeper.keeps(keeper.repair(shuffled, broken, rng)).all()


# Unique


def unique_schema(*names: str) -> TableSchema:
    return schema_of({"kind": "unique", "columns": names})


def test_values_come_once_over_all_blocks_and_from_any_row_on():
    real = table(0)
    real = real.set_column(4, "own", pa.array(np.arange(ROWS) / 100.0))
    schema = unique_schema("own", "opened")
    model = fitted("copula", schema, real)
    made = together(model, 3 * BLOCK_ROWS - 5)
    assert_kept(made, schema, real)
    assert together(model, BLOCK_ROWS, first_row=BLOCK_ROWS).equals(made.slice(BLOCK_ROWS, BLOCK_ROWS))
    assert together(model, BLOCK_ROWS + 9).equals(made.slice(0, BLOCK_ROWS + 9))


def test_unique_combinations_that_are_nearly_used_up():
    """Of 12 x 551 values, 5,000 are wanted, and the dates with them make it possible."""
    real = table(0).slice(0, 100)
    real = real.set_column(11, "score", pa.array(np.arange(400, 500)))
    schema = unique_schema("score", "city")
    made = together(fitted("copula", schema, real), 900)
    assert_kept(made, schema, real)


def test_more_unique_values_than_there_are_is_an_error_that_says_so():
    real = table(0).slice(0, 100)
    real = real.set_column(11, "score", pa.array(np.arange(400, 500)))
    model = fitted("copula", unique_schema("score"), real)
    with pytest.raises(InvalidInputError, match="constraints: the model seldom gives rows that keep them"):
        together(model, 600)


# Fitting


def test_real_rows_that_break_constraints_are_counted_and_placed():
    real = table(0)
    score = real["score"].to_numpy().copy()
    score[[2, 4, 9, 11, 20, 21, 22]] = 300
    schema = schema_of(*POOL)
    with pytest.raises(InvalidInputError) as refused:
        fitted("copula", schema, real.set_column(11, "score", pa.array(score)))
    (problem,) = refused.value.problems
    assert problem.field == "constraints.0"
    assert "7 of 400 real rows break it" in problem.problem
    assert "rows 3, 5, 10, 12, 21 and 2 more" in problem.problem
    assert "300" not in problem.problem
    assert "clean the rows" in problem.fix


def test_contradictions_are_refused_before_anything_is_learned():
    with pytest.raises(InvalidInputError, match=r"constraints\.0\.columns: 'nowhere' is not a column"):
        fitted("copula", schema_of({"kind": "order", "columns": ["term", "nowhere"]}), table(0))


def test_combinations_of_few_people_are_dropped_by_the_family_s_own_k():
    schema, real = schema_of(POOL[5]), table(0, 100)
    counts = {k: len(constrained.Keeper.learn(real, schema, k).allowed[0]) for k in (2, 10)}
    assert counts[2] > counts[10]
    model = CopulaSynthesizer(CopulaSettings(k=2)).fit(real, schema, seed=1)
    assert len(model._keeper.allowed[0]) == counts[2]
    assert constrained.fewest_people(Settings()) == constrained.FEWEST
    with pytest.raises(InvalidInputError, match="no combination of its columns is that of 60 people"):
        constrained.Keeper.learn(real, schema, 60)


def test_one_customer_is_one_person():
    columns = (column("who", "identifier", "string", rows_per_value=20.0), *COLUMNS[1:3])
    schema = TableSchema(
        name="t", columns=columns, customer="who", constraints=[{"kind": "combinations", "columns": ["city", "state"]}]
    )
    who = [f"p{row // 20}" for row in range(400)]
    real = pa.table({"who": who, "city": ["c0"] * 200 + ["c1"] * 200, "state": ["north"] * 400})
    assert len(constrained.Keeper.learn(real, schema, 10).allowed[0]) == 2
    with pytest.raises(InvalidInputError):
        constrained.Keeper.learn(real, schema, 11)
    (notice,) = constrained.notices(real, schema, 11)
    assert "(combinations of city, state): 400 of 400 rows have one of fewer than 11 people" in notice
    assert list(constrained.notices(real, schema, 10)) == []


# Hostile model files


def changed(arrays: dict, name: str, array) -> dict:
    return {key: kept for key, kept in arrays.items() if key != name} | ({} if array is None else {name: array})


VALUES, COUNTS = "constraints.0.values", "constraints.0.counts"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (VALUES, lambda array: None),
        (COUNTS, lambda array: None),
        (VALUES, lambda array: array[:, :1]),
        (VALUES, lambda array: array.ravel()),
        (VALUES, lambda array: array.astype(np.float32)),
        (VALUES, lambda array: array[:0]),
        (VALUES, lambda array: array[:-1]),
        (VALUES, lambda array: array + 0.5),
        (VALUES, lambda array: array + 1_000),
        (VALUES, lambda array: array - 1_000),
        (VALUES, lambda array: np.full_like(array, np.nan)),
        (VALUES, lambda array: np.full_like(array, np.inf)),
        (VALUES, lambda array: np.tile(array[:1], (len(array), 1))),
        (COUNTS, lambda array: array.astype(np.float64)),
        (COUNTS, lambda array: array * 0),
        (COUNTS, lambda array: -array),
        (COUNTS, lambda array: array + 2**50),
        (COUNTS, lambda array: array[None]),
        ("constraints.1.values", lambda array: np.zeros((2, 2))),
        ("constraints.0.more", lambda array: np.zeros(2)),
    ],
)
def test_combinations_of_a_hostile_file_are_refused(name, change, tmp_path: Path, monkeypatch):
    model = fitted("copula", schema_of(POOL[6], POOL[0]), table(0))
    arrays = model._keeper.arrays()
    bad = changed(arrays, name, change(arrays.get(name)))
    monkeypatch.setattr(model._keeper, "arrays", lambda: bad)
    model.save(tmp_path / "model")
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "model")


def test_contradictions_in_a_hostile_file_are_refused(tmp_path: Path):
    model = fitted("copula", schema_of(), table(0))
    model._schema = schema_of({"kind": "order", "columns": ["term", "city"]})
    model.save(tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"constraints\.0\.columns"):
        load_model(tmp_path / "model")


# Completing given rows


class Dealer(Synthesizer):
    """Completes rows with values dealt from a table, column by column: it knows nothing of constraints."""

    name = "dealer"
    completes = True

    def _fit(self, features, fitting):
        self._features = features

    def _draw(self, rng, given):
        raise NotImplementedError

    def _complete(self, rng, known, given):
        made = {}
        for name, feature in known.items():
            own = self._features[name]
            dealt = take({name: own}, rng.integers(0, ROWS, len(given[name])))[name]
            if isinstance(feature, Discrete):
                made[name] = Discrete(np.where(given[name], feature.codes, dealt.codes), own.size)
            else:
                made[name] = Numeric(np.where(given[name], feature.values, dealt.values))
        return made

    def _config(self):
        return {}

    def _arrays(self):
        return {}

    def _restore(self, config, arrays):
        raise NotImplementedError


@pytest.fixture(scope="module")
def dealer() -> Dealer:
    # Given identifiers are kept, and may repeat.
    schema = schema_of(*POOL[:-1], {"kind": "unique", "columns": ["own", "opened", "closed"]})
    return Dealer(Settings()).fit(table(0), schema, seed=1)


def some_given(rows: int, names: list[str]) -> pa.Table:
    """Return rows of which some columns are given, each in half of them."""
    real = table(7, rows).select(names)
    rng = np.random.default_rng(8)
    open_ = {name: pa.array(rng.random(rows) < 0.5) for name in names}
    return pa.table({name: pa.compute.if_else(open_[name], real[name], None) for name in names})


@pytest.mark.parametrize(
    "names", [["married"], ["city", "opened", "own"], ["total", "own"], ["due", "score", "state"], ["id", "term"]]
)
def test_completed_rows_keep_the_constraints_and_what_was_given(dealer, names):
    rows = some_given(BLOCK_ROWS // 4, names)
    made = pa.Table.from_batches(dealer.complete(rows, 5))
    assert_kept(made, dealer.schema, table(0))
    for name in names:
        there = rows[name].is_valid()
        assert made[name].filter(there).equals(rows[name].filter(there))
    assert pa.Table.from_batches(dealer.complete(rows, 5)).equals(made)


def test_given_rows_that_break_a_constraint_are_named(dealer):
    rows = pa.table({"score": pa.array([None, 500, 300, 301]), "term": pa.array([12, 24, 12, 12])})
    with pytest.raises(InvalidInputError, match="rows 3, 4"):
        list(dealer.complete(rows, 5))
