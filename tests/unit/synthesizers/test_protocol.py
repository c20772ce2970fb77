"""What every model family must do."""

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file

from synthcredit.datasets.arrow import arrow_schema
from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import InvalidInputError, ModelFileError, Problem, StoppedError
from synthcredit.randomness import BLOCK_ROWS
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.fitting import silent
from synthcredit.synthesizers.protocol import MIN_ROWS

# Small enough to train within a test; `packages` are what the family trains with.
QUICK = {
    "trees": {"settings": {"trees": 2}, "packages": ["sklearn"]},
    "copula": {"settings": {}, "packages": []},
    "ctgan": {"settings": {"epochs": 1, "batch_size": 100}, "packages": ["torch", "ctgan"]},
    "tvae": {"settings": {"epochs": 1, "batch_size": 100}, "packages": ["torch", "ctgan"]},
    "copulagan": {"settings": {"epochs": 1, "batch_size": 100}, "packages": ["torch", "ctgan"]},
    "diffusion": {
        "settings": {"max_steps": 40, "width": 32, "batch_size": 64, "steps": 4, "layers": 1},
        "packages": ["torch"],
    },
}
ROWS = 300


def new(family: str):
    for package in QUICK[family]["packages"]:
        pytest.importorskip(package)
    return registry.family(family).load_class()(registry.settings_for(family, QUICK[family]["settings"]))


def together(model, rows: int, seed: int = 3, first_row: int = 0) -> pa.Table:
    return pa.Table.from_batches(model.sample(rows, seed, first_row=first_row))


def test_every_family_is_in_the_suite():
    assert set(QUICK) == set(registry.FAMILIES)


@pytest.fixture(scope="module", params=list(registry.FAMILIES))
def family(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(family, make_table, made_schema):
    return new(family).fit(make_table(ROWS), made_schema, seed=1)


def assert_conforms(table: pa.Table, made_schema: TableSchema) -> None:
    assert table.schema == arrow_schema(made_schema)
    assert len(set(table["id"].to_pylist())) == table.num_rows
    for column in made_schema.learned:
        values = table[column.name]
        if not column.nullable:
            assert values.null_count == 0
        if column.discrete:
            assert set(values.drop_null().to_pylist()) <= set(column.categories)
        elif column.kind != "datetime" and column.minimum is not None:
            numbers = values.drop_null().to_numpy()
            assert column.minimum <= numbers.min()
            assert numbers.max() <= column.maximum
            if column.decimals is not None:
                assert np.array_equal(numbers, numbers.round(column.decimals))


def test_rows_conform_to_the_schema(model, made_schema):
    table = together(model, 2 * BLOCK_ROWS + 100)
    assert table.num_rows == 2 * BLOCK_ROWS + 100
    assert_conforms(table, made_schema)
    assert table["unused"].null_count == table["nothing"].null_count == table.num_rows
    assert set(table["branch"].to_pylist()) == {7}


def test_a_seed_gives_the_same_rows_and_another_gives_others(model):
    assert together(model, 500, seed=3).equals(together(model, 500, seed=3))
    assert not together(model, 500, seed=3).equals(together(model, 500, seed=4))


def test_blocks_differ(model, made_schema):
    table = together(model, 2 * BLOCK_ROWS).select([column.name for column in made_schema.learned])
    assert not table.slice(0, BLOCK_ROWS).equals(table.slice(BLOCK_ROWS))


def test_a_sample_begins_like_a_longer_one(model):
    longer = together(model, 2 * BLOCK_ROWS)
    assert together(model, 77).equals(longer.slice(0, 77))
    assert together(model, BLOCK_ROWS + 5).equals(longer.slice(0, BLOCK_ROWS + 5))


def test_shards_equal_one_piece(model):
    whole = together(model, 3 * BLOCK_ROWS - 10)
    shards = [together(model, 2 * BLOCK_ROWS), together(model, BLOCK_ROWS - 10, first_row=2 * BLOCK_ROWS)]
    assert pa.concat_tables(shards).equals(whole)


def test_a_shard_begins_with_a_block(model):
    with pytest.raises(ValueError, match="multiple"):
        next(model.sample(10, 3, first_row=5))


def test_a_saved_model_gives_the_same_rows(model, tmp_path):
    path = tmp_path / "model"
    model.save(path)
    loaded = type(model).load(path)
    assert loaded.schema == model.schema
    assert loaded.settings == model.settings
    assert together(loaded, 1_000).equals(together(model, 1_000))


def test_the_same_fit_gives_the_same_bytes(model, family, make_table, made_schema, tmp_path):
    again = new(family).fit(make_table(ROWS), made_schema, seed=1)
    model.save(tmp_path / "one")
    again.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_another_seed_gives_another_model(model, family, make_table, made_schema, tmp_path):
    other = new(family).fit(make_table(ROWS), made_schema, seed=2)
    model.save(tmp_path / "one")
    other.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() != (tmp_path / "two").read_bytes()


def test_a_file_without_one_of_its_arrays_is_refused(model, tmp_path, monkeypatch):
    path = tmp_path / "model"
    model.save(path)
    for missing in load_file(path):
        arrays = {name: array for name, array in model._arrays().items() if name != missing}
        monkeypatch.setattr(model, "_arrays", lambda arrays=arrays: arrays)
        model.save(path)
        monkeypatch.undo()
        with pytest.raises(ModelFileError):
            type(model).load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array.ravel()[:-1],
        lambda array: array[None],
        lambda array: np.ascontiguousarray(array).view(np.uint8),
        lambda array: np.repeat(array, 2, axis=0),
        lambda array: np.full_like(array, np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max),
    ],
    ids=["short", "deep", "other type", "doubled", "nonsense"],
)
def test_arrays_that_do_not_fit_are_refused_or_harmless(model, change, made_schema, tmp_path, monkeypatch):
    path = tmp_path / "model"
    kept = model._arrays()
    refused = 0
    for name, array in kept.items():
        if not array.size:
            continue
        monkeypatch.setattr(model, "_arrays", lambda name=name, array=array: kept | {name: change(array)})
        model.save(path)
        monkeypatch.undo()
        try:
            loaded = type(model).load(path)
        except ModelFileError:
            refused += 1
        else:
            assert_conforms(together(loaded, 100), made_schema)
    assert refused


def test_a_model_that_was_not_fitted_has_no_schema(family):
    with pytest.raises(RuntimeError):
        _ = new(family).schema


def test_progress_rises_to_the_end(family, make_table, made_schema):
    heard = []
    new(family).fit(make_table(ROWS), made_schema, seed=1, progress=lambda done, _: heard.append(done))
    assert len(heard) > 1
    assert heard == sorted(heard)
    assert heard[0] >= 0
    assert heard[-1] == pytest.approx(1.0)


def test_progress_can_stop_the_fit(family, make_table, made_schema):
    def stop(*_: object) -> None:
        raise StoppedError(Problem("job", "it was stopped", "Start it again."))

    with pytest.raises(StoppedError):
        new(family).fit(make_table(ROWS), made_schema, seed=1, progress=stop)


def test_too_little_is_refused_with_all_problems_at_once(family):
    schema = TableSchema(name="people", columns=(Column(name="id", storage_name="id", kind="text", dtype="string"),))
    with pytest.raises(InvalidInputError) as refused:
        new(family).fit(pa.table({"id": ["a"] * (MIN_ROWS - 1)}), schema, seed=1, progress=silent)
    assert [problem.field for problem in refused.value.problems] == ["table 'people'"] * 2
    assert "nothing to learn" in str(refused.value)
    assert "19 rows" in str(refused.value)


def test_the_fewest_rows_are_enough(family, make_table, made_schema):
    model = new(family).fit(make_table(MIN_ROWS), made_schema, seed=1)
    assert together(model, 50).num_rows == 50


@pytest.mark.parametrize("name", ["purpose", "owner", "income", "overdue", "seen", "branch", "unused", "nothing"])
def test_one_column_is_enough(family, make_table, made_schema, name):
    table = make_table(100).select([name])
    schema = TableSchema(name="one", columns=(made_schema[name],))
    try:
        drawn = together(new(family).fit(table, schema, seed=1), 500)
    except InvalidInputError as refused:
        # A family may refuse what never varies, in words.
        assert "one value" in str(refused)
        assert len(set(table[name].to_pylist())) == 1
        return
    assert drawn.num_rows == 500
    kept = set(table[name].to_pylist())
    if len(kept) == 1:
        assert set(drawn[name].to_pylist()) == kept
    else:
        assert len(set(drawn[name].to_pylist())) > 1


def test_two_rows_are_refused(family, make_table, made_schema):
    with pytest.raises(InvalidInputError, match="2 rows"):
        new(family).fit(make_table(2), made_schema, seed=1)


def test_a_target_of_one_value_is_learned(family, make_table, made_schema):
    table = make_table(100)
    at = table.column_names.index("default")
    table = table.set_column(at, "default", pa.array(["no"] * 100))
    assert set(together(new(family).fit(table, made_schema, seed=1), 500)["default"].to_pylist()) == {"no"}
