import numpy as np
import pytest

from synthcredit.evidence import seeds
from synthcredit.evidence.assess import assess
from synthcredit.evidence.model import Figure, Measure
from synthcredit.evidence.sides import Sides
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.features import rows_of


@pytest.fixture(scope="module")
def made(tables):
    frames = [tables.applicants(1_000, seed) for seed in range(5)]
    schema = tables.schema_of(tables.pd.concat(frames), "default")
    return schema, [tables.table_of(frame, schema) for frame in frames]


def test_equal_generations_have_no_spread_and_others_have_one(made):
    schema, (train, holdout, one, two, three) = made
    sides = Sides(*(encode(table, schema) for table in (one, train, holdout)))
    spread, detail = seeds.measure(sides, [encode(table, schema) for table in (two, three)], schema, 1)
    assert {Figure.PAIR_TRENDS, Figure.TSTR_LOSS, Figure.CLOSENESS_EXCESS} <= set(spread)
    assert 0 < spread[Figure.TSTR_LOSS] < 0.05
    assert detail.heading == ("figure", "delivered", "seed 2", "seed 3", "standard deviation")
    assert all(row[-1] == pytest.approx(np.std(row[1:-1], ddof=1)) for row in detail.rows)
    same, _ = seeds.measure(sides, [sides.synthetic] * 2, schema, 1)
    assert max(same.values()) < 1e-12


def test_generations_are_compared_at_equal_rows(made, monkeypatch):
    schema, (train, holdout, one, two, _) = made
    seen = []
    monkeypatch.setattr(seeds, "_figures", lambda sides, *_: seen.append(rows_of(sides.synthetic)) or {})
    sides = Sides(*(encode(table, schema) for table in (one, train, holdout)))
    seeds.measure(sides, [encode(two.slice(0, 700), schema)], schema, 1)
    assert seen == [700, 700]


def test_an_interval_is_widened_by_the_variance_between_seeds():
    loss = Measure(name=Figure.TSTR_LOSS, title="Loss", value=0.02, low=-0.01, high=0.06, reading="A figure.")
    wide = seeds.widen(loss, {Figure.TSTR_LOSS: 0.03 / 1.959964})
    assert wide.low == pytest.approx(0.02 - np.hypot(0.03, 0.03))
    assert wide.high == pytest.approx(0.02 + np.hypot(0.04, 0.03))
    assert seeds.widen(loss, {}) == loss
    other = loss.model_copy(update={"name": Figure.CLOSENESS_EXCESS})
    assert seeds.widen(other, {Figure.CLOSENESS_EXCESS: 1.0}) == other


def test_the_evidence_shows_the_seeds(made):
    schema, (train, holdout, one, two, three) = made
    given = {"seed": 1, "rows_released": 1_000}
    alone, several = (assess(one, train, holdout, schema, **given, again=again) for again in ((), (two, three)))
    assert "seeds" not in {detail.name for detail in alone.details}
    assert "seeds" in {detail.name for detail in several.details}
    before, after = (evidence.measure(Figure.TSTR_LOSS) for evidence in (alone, several))
    assert after.value == before.value
    assert after.low < before.low
    assert after.high > before.high
