"""What `ctgan`, `copulagan` and `tvae` must do beyond what every family must."""

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("torch")
pytest.importorskip("ctgan")

from pydantic import ValidationError

from synthcredit.datasets.schema import Column, TableSchema
from synthcredit.errors import InvalidInputError, Problem, StoppedError
from synthcredit.synthesizers import ctgan_fit, neural, registry
from synthcredit.synthesizers.copulagan_margins import margin
from synthcredit.synthesizers.ctgan_encoding import DEVIATIONS, encode, encode_as
from synthcredit.synthesizers.ctgan_network import KNOT_PLACES, KNOTS, Part
from synthcredit.synthesizers.features import Discrete, Numeric
from synthcredit.synthesizers.settings import CtganSettings, TvaeSettings

FAMILIES = ("ctgan", "copulagan", "tvae")
QUICK = {"epochs": 60, "batch_size": 100}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> str:
    return request.param


def new(family: str, **settings: object):
    return registry.family(family).load_class()(registry.settings_for(family, {**QUICK, **settings}))


def drawn(model, rows: int, seed: int = 3) -> pa.Table:
    return pa.Table.from_batches(model.sample(rows, seed))


class Memory:
    def __init__(self):
        self.content = None

    def read(self):
        return self.content

    def write(self, content):
        self.content = content


@pytest.fixture(scope="module")
def model(family, make_table, made_schema):
    return new(family).fit(make_table(600), made_schema, seed=1)


class TestKilled:
    def test_a_training_that_was_killed_gives_the_same_bytes(
        self, family, make_table, made_schema, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(neural, "CHECKPOINT_SECONDS", 0.0)
        monkeypatch.setattr(neural, "TELL_SECONDS", 0.0)
        table, quick = make_table(400), {"epochs": 12}

        def kill(done: float, _: str) -> None:
            if done > 0.6:
                raise StoppedError(Problem("job", "it was stopped", "Start it again."))

        memory, heard = Memory(), []
        new(family, **quick).fit(table, made_schema, seed=1).save(tmp_path / "whole")
        with pytest.raises(StoppedError):
            new(family, **quick).fit(table, made_schema, seed=1, progress=kill, checkpoints=memory)
        again = new(family, **quick).fit(
            table, made_schema, seed=1, progress=lambda _, text: heard.append(text), checkpoints=memory
        )
        again.save(tmp_path / "resumed")
        assert any("goes on at step" in text for text in heard)
        assert (tmp_path / "whole").read_bytes() == (tmp_path / "resumed").read_bytes()

    def test_a_state_of_other_rows_is_not_used(self, family, make_table, made_schema):
        memory, heard = Memory(), []
        new(family, epochs=2).fit(make_table(300), made_schema, seed=1, checkpoints=memory)
        new(family, epochs=2).fit(
            make_table(310), made_schema, seed=1, checkpoints=memory, progress=lambda _, text: heard.append(text)
        )
        assert any("begins anew" in text for text in heard)


class TestBudgets:
    def test_a_time_budget_ends_a_training_with_what_there_is(self, family, make_table, made_schema):
        heard = []
        model = new(family, epochs=100_000, patience=None, max_minutes=0.01).fit(
            make_table(300), made_schema, seed=1, progress=lambda _, text: heard.append(text)
        )
        assert "time was up" in heard[-1]
        assert drawn(model, 50).num_rows == 50

    def test_a_memory_budget_refuses_before_training(self, family, make_table, made_schema):
        with pytest.raises(InvalidInputError, match="max_memory_mb"):
            new(family, max_memory_mb=200).fit(make_table(300), made_schema, seed=1)
        new(family, epochs=1, max_memory_mb=2_000).fit(make_table(300), made_schema, seed=1)

    @pytest.mark.parametrize(
        "wrong",
        [{"epochs": 0}, {"batch_size": 25}, {"batch_size": 10}, {"patience": 0}, {"max_minutes": 0}, {"device": "tpu"},
         {"pack": 3}],
    )  # fmt: skip
    def test_settings_out_of_range(self, wrong):
        with pytest.raises(ValidationError):
            CtganSettings(**wrong)

    @pytest.mark.parametrize(("rows", "batch", "epochs"), [(20, 50, 12_000), (700, 100, 1_715), (20_000, 500, 300)])
    def test_batches_and_epochs_by_rows(self, rows, batch, epochs):
        assert CtganSettings().batch_for(rows) == batch
        assert CtganSettings().epochs_for(rows) == epochs
        assert CtganSettings(epochs=3, batch_size=30).batch_for(rows) == 30
        assert CtganSettings(epochs=3).epochs_for(rows) == 3

    @pytest.mark.parametrize(("rows", "pack"), [(20, 10), (700, 10), (3_000, 1), (20_000, 10)])
    def test_packs_by_rows(self, rows, pack):
        assert CtganSettings().pack_for(rows) == pack
        assert CtganSettings(pack=5).pack_for(rows) == 5

    def test_an_autoencoder_sees_few_rows_less_often(self):
        assert [TvaeSettings().epochs_for(rows) for rows in (20, 700, 200_000)] == [300, 300, 30]
        assert TvaeSettings(epochs=1_000).epochs_for(700) == 1_000


class TestContinuing:
    def test_it_goes_on_where_the_model_is(self, family, model, make_table, made_schema, tmp_path):
        one = new(family, epochs=1).fit(make_table(600), made_schema, seed=2, previous=model)
        two = new(family, epochs=1).fit(make_table(600), made_schema, seed=2, previous=model)
        one.save(tmp_path / "one")
        two.save(tmp_path / "two")
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
        for found, known in zip(one._parts, model._parts, strict=True):
            np.testing.assert_array_equal(found.states, known.states)
            np.testing.assert_array_equal(found.means, known.means)
        score = _score(make_table(2_000), made_schema)
        # The critic, or the encoder, is new; what the network had learned must not be lost by that.
        assert score(one) > score(model) - 0.05

    def test_a_loaded_model_continues(self, family, model, make_table, made_schema, tmp_path):
        model.save(tmp_path / "model")
        loaded = type(model).load(tmp_path / "model")
        assert new(family, epochs=1).fit(make_table(400), made_schema, seed=2, previous=loaded)

    def test_what_the_model_cannot_express_is_refused(self, family, model, make_table, made_schema):
        table = make_table(600)
        far = table.column_names.index("limit")
        table = table.set_column(far, "limit", pa.array(np.full(600, 10**7) + np.arange(600)))
        with pytest.raises(InvalidInputError, match=r"column 'limit'.*far from all"):
            new(family, epochs=1).fit(table, made_schema, seed=2, previous=model)

    def test_an_unknown_code_is_refused(self):
        part = Part(np.array([0.0, -9.0]), np.array([5.0]), np.array([4.0]))
        rng = np.random.default_rng(0)
        known = encode_as("x", Numeric(np.array([4.0, -9.0, 6.0])), part, rng)
        np.testing.assert_array_equal(known.states, [0, 1, 0])
        with pytest.raises(InvalidInputError, match=r"column 'x'.*1 rows"):
            encode_as("x", Numeric(np.array([4.0, np.nan])), part, rng)
        with pytest.raises(InvalidInputError, match=r"column 'y'.*2 rows"):
            encode_as("y", Discrete(np.array([0, 2, 2], dtype=np.int32), 3), Part(np.array([0.0, 1.0])), rng)


def _score(table: pa.Table, schema: TableSchema):
    from synthcredit.synthesizers import codec

    real = codec.encode(table, schema)
    likeness = neural.Likeness(real, real)
    return lambda model: likeness.score(codec.encode(drawn(model, 4_000), schema))


class TestPrivacy:
    def test_nothing_that_fewer_than_k_people_share_is_in_the_file(self, family, made_schema, make_table):
        table = make_table(400)
        owner, odd = table.column_names.index("children"), table.column_names.index("limit")
        children = np.where(np.arange(400) < 4, 5, np.arange(400) % 3)
        limit = np.append(np.arange(1_000, 1_399), 39_999)
        table = table.set_column(owner, "children", pa.array(children)).set_column(odd, "limit", pa.array(limit))
        model = new(family, epochs=1, k=10).fit(table, made_schema, seed=1)
        places = [column.name for column in made_schema.learned]
        assert 5 not in model._parts[places.index("children")].states
        part = model._parts[places.index("limit")]
        made = drawn(model, 5_000)["limit"].to_numpy()
        assert made.max() < 39_999 / 2 if not len(part.bend) else part.bend[-1] < 39_999

    def test_too_few_people_for_k(self, family, make_table, made_schema):
        with pytest.raises(InvalidInputError, match="synthesizer.k"):
            new(family, k=500).fit(make_table(300), made_schema, seed=1)


@pytest.mark.slow
def test_the_target_rate_and_the_shares_of_others_are_the_real_ones(family, model, make_table):
    """The model has 360 steps: what is right by construction must be right; for tvae, by calibration."""
    made, real = drawn(model, 30_000), make_table(600)

    def rate(table):
        return np.mean(np.array(table["default"].to_pylist()) == "yes")

    assert abs(rate(made) - rate(real)) < 0.02
    assert abs(made["income"].null_count / 30_000 - real["income"].null_count / 600) < 0.03
    for name in ("boat", "car", "house"):
        shares = [np.mean(np.array(table["purpose"].to_pylist()) == name) for table in (made, real)]
        assert abs(shares[0] - shares[1]) < 0.03


class TestEncoding:
    def encode(self, values, special=(), **more):
        return encode(Numeric(np.asarray(values, dtype=float)), special, np.random.default_rng(0), **more)

    def test_few_values_become_states(self):
        encoded = self.encode([1, 2, 3, np.nan] * 10)
        assert not len(encoded.part.means)
        np.testing.assert_array_equal(encoded.part.states, [1, 2, 3, np.nan])
        np.testing.assert_array_equal(encoded.states[:4], [0, 1, 2, 3])

    def test_many_values_keep_missing_and_special_as_states(self):
        values = np.concatenate([[np.nan, -9, 0], np.arange(100.0, 200)])
        encoded = self.encode(values, special=(-9.0, 0.0, 55.0))
        np.testing.assert_array_equal(encoded.part.states, [0, -9, 0, np.nan])
        np.testing.assert_array_equal(encoded.states[:4], [3, 1, 2, 0])
        part = encoded.part
        restored = part.means[encoded.modes] + part.scales[encoded.modes] * encoded.values
        np.testing.assert_allclose(restored[3:], values[3:], atol=2)
        assert (np.abs(encoded.values) <= 0.99).all()

    def test_modes_are_rdts(self):
        from rdt.transformers import ClusterBasedNormalizer

        rng = np.random.default_rng(2)
        values = np.concatenate([rng.normal(0, 1, 1_500), rng.normal(30, 2, 1_500)])
        encoded = self.encode(values)
        theirs = ClusterBasedNormalizer()
        theirs.fit(pa.table({"x": values}).to_pandas(), "x")
        mixture, kept = theirs._bgm_transformer, theirs.valid_component_indicator
        assert len(encoded.part.means) <= 10
        for means, scales in (
            (encoded.part.means, encoded.part.scales),
            (mixture.means_[kept, 0], DEVIATIONS * np.sqrt(mixture.covariances_[kept].reshape(-1))),
        ):
            for centre, width in ((0, 1), (30, 2)):
                near = np.abs(means - centre) < 5
                assert np.abs(means[near] - centre).min() < 0.8
                assert 0.3 * 4 * width < scales[near].max() < 2 * 4 * width

    def test_no_mode_of_fewer_than_k(self):
        rng = np.random.default_rng(2)
        values = np.concatenate([rng.normal(0, 1, 994), rng.normal(1_000, 1, 6)])
        assert self.encode(values, k=1).part.means.max() > 500
        assert self.encode(values, k=20).part.means.max() < 500

    def test_only_special_values_are_states(self):
        values = np.arange(30.0)
        assert not len(self.encode(values, special=tuple(values)).part.means)

    def test_categories_that_do_not_occur_have_no_state(self):
        encoded = encode(Discrete(np.array([3, 1, 3], dtype=np.int32), 4), (), np.random.default_rng(0))
        np.testing.assert_array_equal(encoded.part.states, [1, 3])
        np.testing.assert_array_equal(encoded.states, [1, 0, 1])


class TestMargins:
    @pytest.mark.parametrize("distribution", ["best", "beta", "gamma", "norm"])
    def test_there_and_back_is_exact(self, distribution):
        rng = np.random.default_rng(1)
        values = np.exp(rng.normal(8, 0.6, 3_000))
        bend = margin(distribution)(values, rng)
        assert bend.shape == (KNOTS,)
        assert (np.diff(bend) >= 0).all()
        inside = values[(values > bend[0]) & (values < bend[-1])]
        assert len(inside) > 0.95 * len(values)
        there = np.interp(inside, bend, KNOT_PLACES)
        np.testing.assert_allclose(np.interp(there, KNOT_PLACES, bend), inside, rtol=1e-9)

    def test_a_normal_column_becomes_standard_normal_as_in_rdt(self):
        from rdt.transformers import GaussianNormalizer

        rng = np.random.default_rng(1)
        values = rng.normal(50, 10, 2_000)
        there = np.interp(values, margin("norm")(values, rng), KNOT_PLACES)
        theirs = GaussianNormalizer(distribution="norm", missing_value_generation=None)
        expected = theirs.fit_transform(pa.table({"x": values}).to_pandas(), "x")["x"].to_numpy()
        np.testing.assert_allclose(there, expected, atol=1e-3)

    def test_the_best_is_nearer_than_a_normal(self):
        rng = np.random.default_rng(1)
        values = rng.gamma(1.2, 1_000, 2_000)
        best, normal = (np.interp(values, margin(name)(values, rng), KNOT_PLACES) for name in ("best", "norm"))
        assert abs(np.mean(best**3)) < 0.2 < abs(np.mean(normal**3))

    def test_what_cannot_be_fitted_is_normal(self):
        rng = np.random.default_rng(1)
        values = np.concatenate([np.zeros(50), [1e12]])
        bend = margin("beta")(values, rng)
        assert np.isfinite(bend).all()
        assert bend[-1] > bend[0]


def test_memory_estimate_rises_with_everything():
    small = _layout([3, 4])
    base = ctgan_fit.memory_mb(ctgan_fit.KINDS["ctgan"], small, 1_000, 500)
    assert base > neural.BASE_MB
    assert ctgan_fit.memory_mb(ctgan_fit.KINDS["ctgan"], small, 1_000_000, 500) > base + 20
    assert ctgan_fit.memory_mb(ctgan_fit.KINDS["ctgan"], small, 1_000, 5_000) > base + 50
    assert ctgan_fit.memory_mb(ctgan_fit.KINDS["ctgan"], _layout([3, 4_000]), 1_000, 500) > base + 250
    assert ctgan_fit.memory_mb(ctgan_fit.KINDS["ctgan"], _layout([3, 4_000]), 1_000, 500, pack=10) > base + 700
    assert ctgan_fit.memory_mb(ctgan_fit.KINDS["tvae"], small, 1_000, 500) < base


def _layout(sizes: list[int]):
    from synthcredit.synthesizers.ctgan_encoding import Layout

    return Layout.of(tuple(Part(np.arange(float(size))) for size in sizes))


def test_a_column_of_one_schema_only():
    column = Column(name="x", storage_name="x", kind="continuous", dtype="double")
    schema = TableSchema(name="t", columns=(column,))
    values = np.random.default_rng(0).gamma(2, 50, 400)
    model = new("copulagan", epochs=5).fit(pa.table({"x": values}), schema, seed=1)
    made = drawn(model, 2_000)["x"].to_numpy()
    assert values.min() - 20 < made.min() < made.max() < 3 * values.max()
