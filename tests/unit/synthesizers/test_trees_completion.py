"""Completing partly given rows by trees."""

import numpy as np
import pyarrow as pa
import pytest

from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers.settings import TreesSettings
from synthcredit.synthesizers.trees import TreesSynthesizer
from synthcredit.synthesizers.trees_completion import CANDIDATES, complete, likelihood


@pytest.fixture(scope="module", params=[3_000, 6_000], ids=["pooled target", "large"])
def made(request, make_table, made_schema):
    table = make_table(request.param)
    return table, TreesSynthesizer(TreesSettings(trees=4)).fit(table, made_schema, seed=1)


def completed(model, table: pa.Table, seed: int = 3) -> pa.Table:
    return pa.Table.from_batches(model.complete(table, seed))


def test_given_values_are_kept_and_gaps_are_filled(made, make_table, made_schema):
    _, model = made
    rows = make_table(900).slice(0, 700)
    gaps = np.random.default_rng(1).random((rows.num_columns, rows.num_rows)) < 0.4
    asked = pa.table({
        name: pa.array(
            rows[name].to_pylist(), type=rows.schema.field(name).type, mask=gaps[at] | rows[name].is_null().to_numpy()
        )
        for at, name in enumerate(rows.column_names)
    })  # fmt: skip
    done = completed(model, asked)
    assert done.schema.names == made_schema.names
    for name in asked.column_names:
        before, after = asked[name].to_pylist(), done[name].to_pylist()
        assert all(was is None or was == now for was, now in zip(before, after, strict=True))
        if not made_schema[name].nullable:
            assert None not in after
    assert completed(model, asked).equals(done)
    assert not completed(model, asked, seed=4).equals(done)


def test_completing_nothing_gives_the_models_rows(made):
    _, model = made
    asked = pa.table({"country": pa.nulls(6_000, pa.string())})
    done, drawn = completed(model, asked), pa.Table.from_batches(model.sample(6_000, 9))
    # Shares of 6,000 rows on both sides: four standard deviations of their difference.
    for name in ("purpose", "default", "owner"):
        shares = [part[name].value_counts().to_pylist() for part in (done, drawn)]
        found = [{each["values"]: each["counts"] / 6_000 for each in part} for part in shares]
        assert found[0] == pytest.approx(found[1], abs=0.037)
    for name in ("income", "limit"):
        middle = [np.nanmedian(part[name].to_numpy()) for part in (done, drawn)]
        assert middle[0] == pytest.approx(middle[1], rel=0.1)


def test_the_target_is_completed_as_the_model_tells_it(made, make_table):
    table, model = made
    late = table["overdue"].to_numpy() > 800

    def rates(part: pa.Table) -> list[float]:
        defaults = np.array(part["default"].to_pylist()) == "yes"
        return [float(defaults[of].mean()) for of in (late, ~late)]

    # Of some 570 late rows a rate has a standard deviation of .021; five completions bring it below .01.
    found = np.mean([rates(completed(model, table.drop_columns(["default"]), seed)) for seed in range(5)], axis=0)
    assert found == pytest.approx(rates(table), abs=0.06)


def test_a_cell_given_late_changes_those_drawn_before_it(made):
    _, model = made
    assert model._order[-1] == "default"

    def late(outcome: str) -> float:
        done = completed(model, pa.table({"default": [outcome] * 3_000}))
        assert set(done["default"].to_pylist()) == {outcome}
        return float(np.mean(done["overdue"].to_numpy() > 800))

    # In truth, of those who default .46 are late, of the others .13.
    assert late("yes") > 2 * late("no")


def test_an_amount_given_late_moves_the_one_it_came_from(made):
    table, model = made
    first, then = sorted(("income", "limit"), key=model._order.index)
    amounts = {name: table[name].to_numpy() for name in (first, then)}
    for given in (1_000, 6_000):
        near = np.abs(amounts[then] - given) < 300
        asked = pa.table({then: pa.array([given] * 600, type=table.schema.field(then).type)})
        middle = np.nanmedian(completed(model, asked)[first].to_numpy())
        # The median of all rows is 2,500: a cell that did not count would miss both.
        assert middle == pytest.approx(np.nanmedian(amounts[first][near]), rel=0.3)


def test_what_no_training_row_has_is_completed_all_the_same(made):
    _, model = made
    asked = pa.table({
        "limit": pa.array([40_000, 500, None]),
        "overdue": pa.array([1_999, -9, 77]),
        "purpose": pa.array(["boat", None, "house"]),
        "income": pa.array([59_999.0, None, 100.0]),
    })  # fmt: skip
    done = completed(model, asked)
    assert done["limit"].to_pylist()[:2] == [40_000, 500]
    assert None not in done["limit"].to_pylist()


def test_more_rows_than_a_block_are_completed_block_by_block(made, make_table):
    _, model = made
    table = make_table(BLOCK_ROWS + 50).select(["purpose", "limit"])
    assert completed(model, table).slice(0, BLOCK_ROWS).equals(completed(model, table.slice(0, BLOCK_ROWS)))


def test_candidates_follow_bayes(made):
    """The first column, given the target: the model's own rows of that outcome are the answer."""
    _, model = made
    sizes = [states.size for states in model._states]
    known = np.zeros((len(sizes), 4_000), dtype=np.int32)
    given = np.zeros(known.shape, dtype=bool)
    known[-1], given[-1] = 1, True
    done = complete(model._forests, sizes, known, given, generator(1, "complete"))
    drawn = model._drawn_states(generator(1, "drawn"))
    drawn = drawn[:, drawn[-1] == 1]
    at = model._order.index("overdue")
    middle = np.median(drawn[at])
    shares = [np.mean(part[at] > middle) for part in (done, drawn)]
    assert (done[-1] == 1).all()
    assert shares[0] == pytest.approx(shares[1], abs=0.06)
    assert CANDIDATES >= 32


def test_likelihoods_of_all_groups_add_up(made):
    _, model = made
    for at, (forest, states) in enumerate(zip(model._forests, model._states, strict=True)):
        tell = likelihood(forest, states.size)
        earlier = model._drawn_states(generator(1, "rows"))[:at, :20]
        if hasattr(tell, "group"):
            each = [np.flatnonzero(tell.group == group)[0] for group in range(tell.group.max() + 1)]
        else:
            each = range(states.size)
        total = sum(tell(earlier, np.full(20, state, dtype=np.int32)) for state in each)
        assert total == pytest.approx(np.ones(20))
