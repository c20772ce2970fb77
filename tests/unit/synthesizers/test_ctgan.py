from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from synthcredit.datasets.schema import Column, Dtype, Kind, TableSchema
from synthcredit.errors import InvalidInputError, ModelFileError, Problem, StoppedError
from synthcredit.randomness import BLOCK_ROWS, generator
from synthcredit.synthesizers import codec, ctgan_network, modelfile
from synthcredit.synthesizers.conditioning import resolve
from synthcredit.synthesizers.conditions import Conditions
from synthcredit.synthesizers.ctgan import CtganSynthesizer
from synthcredit.synthesizers.ctgan_network import Network, Part
from synthcredit.synthesizers.features import Discrete
from synthcredit.synthesizers.settings import CtganSettings

REPOSITORY = Path(__file__).parents[3]
ROWS = 400
SETTINGS = CtganSettings(epochs=3, batch_size=100)


def column(name: str, kind: Kind, dtype: Dtype, **more: object) -> Column:
    return Column(name=name, storage_name=name, kind=kind, dtype=dtype, **more)


SCHEMA = TableSchema(
    name="applicants",
    columns=(
        column("purpose", Kind.CATEGORICAL, Dtype.STRING, categories=("boat", "car", "house", "other"), nullable=True),
        column("owner", Kind.BOOLEAN, Dtype.BOOL, categories=(False, True)),
        column("children", Kind.INTEGER, Dtype.INT64, minimum=0, maximum=4),
        column("income", Kind.CONTINUOUS, Dtype.DOUBLE, decimals=2, minimum=0, maximum=1e6, nullable=True),
        column(
            "overdue",
            Kind.INTEGER,
            Dtype.INT64,
            minimum=-9,
            maximum=1000,
            special_values=(-9.0, 0.0),
            nullable=True,
        ),
        column("opened", Kind.DATETIME, Dtype.DATE, minimum=946_684_800, maximum=1_735_689_600),
        column("country", Kind.CATEGORICAL, Dtype.STRING, categories=("DE",)),
        column("branch", Kind.INTEGER, Dtype.INT64, minimum=7, maximum=7),
        column("unused", Kind.CONTINUOUS, Dtype.DOUBLE, nullable=True),
        column("default", Kind.BOOLEAN, Dtype.BOOL, categories=(False, True)),
    ),
    target="default",
)


def make_table(rows: int) -> pa.Table:
    rng = np.random.default_rng(3)
    income = np.round(rng.lognormal(8, 0.5, rows), 2)
    overdue = np.where(rng.random(rows) < 0.5, 0, rng.integers(1, 900, rows))
    overdue = np.where(rng.random(rows) < 0.1, -9, overdue)
    days = rng.integers(0, 9000, rows)
    columns = {
        # "boat" never occurs.
        "purpose": pa.array(
            rng.choice(["car", "house", "other"], rows, p=[0.2, 0.3, 0.5]), mask=rng.random(rows) < 0.1
        ),
        "owner": pa.array(rng.random(rows) < 0.5),
        "children": pa.array(rng.integers(0, 5, rows)),
        "income": pa.array(income, mask=rng.random(rows) < 0.2),
        "overdue": pa.array(overdue, mask=rng.random(rows) < 0.05),
        "opened": pa.array([date(2000, 1, 1) + timedelta(days=int(day)) for day in days]),
        "country": pa.array(["DE"] * rows),
        "branch": pa.array([7] * rows),
        "unused": pa.array([None] * rows, type=pa.float64()),
        "default": pa.array(rng.random(rows) < 0.25),
    }
    return pa.table(columns, schema=codec.arrow_schema(SCHEMA))


@pytest.fixture(scope="module")
def training():
    """The module that needs torch; a machine without it still runs the tests of sampling from other files."""
    pytest.importorskip("ctgan")
    return importlib.import_module("synthcredit.synthesizers.ctgan_fit")


@pytest.fixture(scope="module")
def heard() -> list[tuple[float, str]]:
    return []


@pytest.fixture(scope="module")
def model(training, heard) -> CtganSynthesizer:
    synthesizer = CtganSynthesizer(SETTINGS)
    return synthesizer.fit(make_table(ROWS), SCHEMA, seed=5, progress=lambda done, text: heard.append((done, text)))


@pytest.fixture(scope="module")
def model_file(model, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "applicants.model"
    model.save(path)
    return path


def sampled(model: CtganSynthesizer, rows: int, seed: int = 1, first_row: int = 0) -> pa.Table:
    return pa.Table.from_batches(list(model.sample(rows, seed, first_row=first_row)))


TARGET = len(SCHEMA.learned) - 1


def test_the_choice_has_the_distribution_of_the_gumbel_softmax():
    logits = np.array([1.5, -0.5, 0.0, -3.0], dtype=np.float32)
    rows = 400_000
    chosen = ctgan_network._choose(np.repeat(logits[:, None], rows, axis=1), np.random.default_rng(4))
    expected = np.exp(logits) / np.exp(logits).sum()
    # Five standard deviations of a share: at most 5 * .5 / sqrt(400,000).
    np.testing.assert_allclose(np.bincount(chosen, minlength=4) / rows, expected, atol=0.004)


def test_the_target_is_the_condition(model):
    rate = np.mean(make_table(ROWS)["default"].to_pylist())
    np.testing.assert_allclose(model._network.chances, [1 - rate, rate])
    # Five standard deviations of a share at 80,000 rows.
    assert abs(np.mean(sampled(model, 80_000)["default"].to_pylist()) - rate) < 5 * 0.5 / 80_000**0.5


class TestGivenTarget:
    def test_only_a_target_whose_every_category_was_learned_can_be_given(self, model):
        assert model.givable == {"default"}
        rare = SCHEMA.model_copy(update={"target": "purpose"})
        other = CtganSynthesizer(SETTINGS).fit(make_table(100), rare, seed=1)
        assert other._network.given is not None
        assert other.givable == frozenset()  # "boat" never occurs

    def test_the_target_rate_is_exact_and_the_rest_goes_with_it(self, model):
        codes = np.tile(np.array([1, 0, 0, 1], dtype=np.int32), BLOCK_ROWS // 4)
        drawn = model._draw(generator(1, "x"), {"default": Discrete(codes, 2)})
        np.testing.assert_array_equal(drawn["default"].codes, codes)
        alone = [
            model._draw(generator(1, "x"), {"default": Discrete(np.full(BLOCK_ROWS, code, np.int32), 2)})
            for code in (0, 1)
        ]
        assert not np.array_equal(alone[0]["opened"].values, alone[1]["opened"].values)

    def test_steered_to_a_rate(self, model):
        steering = resolve(Conditions(target_rate=0.4), codec.encode(make_table(ROWS), SCHEMA), SCHEMA)
        made = pa.Table.from_batches(model.sample(20_000, 1, steering=steering))
        assert sum(made["default"].to_pylist()) == 8_000


@pytest.mark.usefixtures("training")
class TestTraining:
    @pytest.mark.usefixtures("model")
    def test_progress_with_losses_and_time_left(self, heard):
        assert heard[0][0] == 0.0
        assert [done for done, _ in heard] == sorted(done for done, _ in heard)
        assert "epoch 3 of 3" in heard[-2][1]
        assert "loss" in heard[-2][1]
        assert "left" in heard[-2][1]
        assert heard[-1][0] == 1.0
        assert "best score" in heard[-1][1]

    def test_stop_between_epochs_restores_torch(self):
        import torch

        def stop(done: float, _message: str) -> None:
            if done > 0.03:
                raise StoppedError(Problem("job", "it was stopped", "Start it again."))

        before = torch.get_num_threads()
        random_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
        with pytest.raises(StoppedError):
            CtganSynthesizer(CtganSettings(epochs=10_000, batch_size=20, patience=None)).fit(
                make_table(30), SCHEMA, seed=1, progress=stop
            )
        assert torch.get_num_threads() == before
        np.testing.assert_array_equal(np.random.get_state()[1], random_before)  # noqa: NPY002
        assert torch.equal(torch.get_rng_state(), torch_before)

    def test_twenty_rows_are_enough_and_the_batch_may_be_larger(self):
        model = CtganSynthesizer(CtganSettings(epochs=1)).fit(make_table(20), SCHEMA, seed=1)
        assert sampled(model, 50).num_rows == 50

    def test_only_numeric_columns(self):
        schema = TableSchema(name="t", columns=(column("x", Kind.CONTINUOUS, Dtype.DOUBLE),))
        table = pa.table({"x": np.random.default_rng(0).normal(50, 2, 200)})
        model = CtganSynthesizer(CtganSettings(epochs=1, batch_size=100)).fit(table, schema, seed=1)
        assert model._network.chances.tolist() == [1.0]
        values = sampled(model, 2000)["x"].to_numpy()
        # Every mode spans eight deviations at most: nothing can be far from the data.
        assert 20 < values.min() < values.max() < 80

    @pytest.mark.parametrize("target", ["income", "country"])
    def test_a_target_that_cannot_be_a_condition(self, target):
        schema = SCHEMA.model_copy(update={"target": target})
        model = CtganSynthesizer(CtganSettings(epochs=1, batch_size=100)).fit(make_table(100), schema, seed=1)
        assert model._network.given is None
        assert sampled(model, 100).num_rows == 100

    def test_nothing_to_learn(self):
        constant = TableSchema(name="t", columns=tuple(SCHEMA[name] for name in ("country", "branch", "unused")))
        with pytest.raises(InvalidInputError, match="one value only"):
            CtganSynthesizer(SETTINGS).fit(make_table(30).select(constant.names), constant, seed=1)

    def test_too_many_categories(self):
        names = tuple(f"name {number}" for number in range(10_001))
        settings = CtganSettings(k=1)
        schema = TableSchema(
            name="t",
            columns=(
                SCHEMA["owner"],
                column("street", Kind.CATEGORICAL, Dtype.STRING, categories=names),
            ),
        )
        table = pa.table({"owner": [True, False] * 5000 + [True], "street": names})
        with pytest.raises(InvalidInputError, match=r"column 'street'.*trees"):
            CtganSynthesizer(settings).fit(table, schema, seed=1)

    @pytest.mark.parametrize("package", ["torch", "ctgan"])
    def test_missing_package_names_the_command(self, package):
        # In a process of its own: torch does not survive being unloaded.
        code = (
            "import sys\n"
            f"sys.modules[{package!r}] = None\n"
            "from synthcredit.errors import MissingPackageError\n"
            "from synthcredit.synthesizers.ctgan import CtganSynthesizer\n"
            "from tests.unit.synthesizers.test_ctgan import SCHEMA, SETTINGS, make_table\n"
            "try:\n"
            "    CtganSynthesizer(SETTINGS).fit(make_table(30), SCHEMA, seed=1)\n"
            "except MissingPackageError as error:\n"
            "    print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
        assert f"'{package}'" in done.stdout
        assert "pip install 'synthcredit[ctgan]'" in done.stdout

    def test_training_says_nothing(self, capfd, recwarn):
        CtganSynthesizer(CtganSettings(epochs=1, batch_size=20)).fit(make_table(30), SCHEMA, seed=1)
        out, err = capfd.readouterr()
        assert (out, err) == ("", "")
        assert not list(recwarn)


class TestSampling:
    def test_same_seed_same_rows(self, model, model_file):
        loaded = CtganSynthesizer.load(model_file)
        assert sampled(model, 10_000).equals(sampled(loaded, 10_000))
        assert not sampled(model, 1000, seed=1).equals(sampled(model, 1000, seed=2))

    def test_shards_equal_one_piece(self, model):
        whole = sampled(model, 2 * BLOCK_ROWS + 100)
        shards = [sampled(model, BLOCK_ROWS, first_row=0), sampled(model, BLOCK_ROWS + 100, first_row=BLOCK_ROWS)]
        assert whole.equals(pa.concat_tables(shards).combine_chunks())

    @pytest.mark.parametrize("rows", [1, 1023, BLOCK_ROWS, BLOCK_ROWS + 1])
    def test_fewer_rows_are_a_prefix(self, model, rows):
        assert sampled(model, 2 * BLOCK_ROWS).slice(0, rows).equals(sampled(model, rows))

    def test_blocks_differ(self, model):
        whole = sampled(model, 2 * BLOCK_ROWS)
        assert not whole.slice(0, BLOCK_ROWS)["income"].equals(whole.slice(BLOCK_ROWS)["income"])

    def test_values_stay_in_their_domains(self, model):
        table = sampled(model, BLOCK_ROWS)
        assert table.schema == codec.arrow_schema(SCHEMA)
        assert set(table["purpose"].to_pylist()) <= {"car", "house", "other", None}
        assert set(table["children"].to_pylist()) <= {0, 1, 2, 3, 4}
        assert set(table["country"].to_pylist()) == {"DE"}
        assert set(table["branch"].to_pylist()) == {7}
        assert set(table["unused"].to_pylist()) == {None}
        assert table["owner"].null_count == table["opened"].null_count == table["children"].null_count == 0
        assert 1999 <= min(table["opened"].to_pylist()).year <= max(table["opened"].to_pylist()).year <= 2025

    def test_missing_and_special_values_come_back(self, model):
        table = sampled(model, BLOCK_ROWS)
        # Three epochs teach little; that every state occurs, and none alone, is what the encoding answers for.
        assert 0.02 < table["income"].null_count / BLOCK_ROWS < 0.7
        overdue = np.array([np.nan if v is None else v for v in table["overdue"].to_pylist()])
        for share in (np.mean(overdue == -9), np.mean(overdue == 0), np.mean(np.isnan(overdue)), np.mean(overdue > 0)):
            assert 0 < share < 0.95

    def test_blas_threads_do_not_matter(self, model):
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=2, user_api="blas"):
            two = sampled(model, 100)
        with threadpool_limits(limits=1, user_api="blas"):
            assert two.equals(sampled(model, 100))

    def test_unfitted(self):
        unfitted = CtganSynthesizer(SETTINGS)
        unfitted._schema = SCHEMA
        with pytest.raises(RuntimeError, match="not been fitted"):
            next(unfitted.sample(1, 1))

    def test_needs_neither_torch_nor_sdv(self, model, model_file):
        code = (
            "import sys, hashlib\n"
            "for name in ('torch', 'sdv', 'ctgan', 'rdt', 'sklearn'): sys.modules[name] = None\n"
            "from pathlib import Path\n"
            "from synthcredit.synthesizers.ctgan import CtganSynthesizer\n"
            "for batch in CtganSynthesizer.load(Path(sys.argv[1])).sample(9000, 1):\n"
            "    print(hashlib.sha256(repr(batch.to_pydict()).encode()).hexdigest())\n"
        )
        done = subprocess.run([sys.executable, "-c", code, model_file], capture_output=True, text=True, check=True)
        import hashlib

        here = [hashlib.sha256(repr(batch.to_pydict()).encode()).hexdigest() for batch in model.sample(9000, 1)]
        assert done.stdout.split() == here


@pytest.mark.usefixtures("training")
class TestLearning:
    @pytest.mark.slow
    def test_marginals_missing_shares_and_target_rate(self):
        """Loose bounds: 400 steps on 1,000 rows. They still fail if states, modes or conditions are swapped."""
        table = make_table(1000)
        model = CtganSynthesizer(CtganSettings(epochs=20, batch_size=50)).fit(table, SCHEMA, seed=2)
        made = sampled(model, 20_000)
        assert abs(np.mean(made["default"].to_pylist()) - np.mean(table["default"].to_pylist())) < 0.08
        for name in ("purpose", "income", "overdue"):
            assert abs(made[name].null_count / 20_000 - table[name].null_count / 1000) < 0.1
        for name in ("car", "house", "other"):
            real = np.mean([v == name for v in table["purpose"].to_pylist()])
            assert abs(np.mean([v == name for v in made["purpose"].to_pylist()]) - real) < 0.12
        medians = [np.median(t["income"].drop_null().to_numpy()) for t in (table, made)]
        assert 0.5 < medians[1] / medians[0] < 2


def rewrite(source: Path, target: Path, *, config=None, drop=(), **changes) -> Path:
    """Write a model file like another one, with other arrays or another config."""
    content = modelfile.read(source)
    arrays = {name: array for name, array in {**content.arrays, **changes}.items() if name not in drop}
    state = config if config is not None else content.state
    schema = content.schema.model_dump(mode="json")
    modelfile.write(target, "ctgan", content.settings, {"schema": schema, "state": state}, arrays)
    return target


class TestHostileFiles:
    @pytest.fixture
    def arrays(self, model_file):
        return load_file(model_file)

    def refuses(self, path: Path, match: str = "cannot be used") -> None:
        with pytest.raises(ModelFileError, match=match):
            CtganSynthesizer.load(path)

    def test_a_rewritten_file_is_still_good(self, model_file, tmp_path):
        good = rewrite(model_file, tmp_path / "good")
        assert good.read_bytes() == model_file.read_bytes()
        CtganSynthesizer.load(good)

    @hypothesis_settings(max_examples=50, deadline=None)
    @given(st.binary(max_size=300))
    def test_random_bytes(self, tmp_path_factory, noise):
        path = tmp_path_factory.mktemp("noise") / "x.model"
        path.write_bytes(noise)
        self.refuses(path)

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.999])
    def test_truncated(self, model_file, tmp_path, share):
        whole = model_file.read_bytes()
        path = tmp_path / "cut.model"
        path.write_bytes(whole[: int(len(whole) * share)])
        self.refuses(path)

    @pytest.mark.parametrize("name", ["states", "means", "scales", "direct", "hidden0", "hidden1", "chances"])
    def test_wrong_arrays(self, model_file, arrays, tmp_path, name):
        array = arrays[name]
        self.refuses(rewrite(model_file, tmp_path / "missing", drop=(name,)))
        self.refuses(rewrite(model_file, tmp_path / "short", **{name: array[:-1]}), "array")
        self.refuses(rewrite(model_file, tmp_path / "flat", **{name: array[None]}), name)
        whole = np.zeros(array.shape, dtype=np.int32)
        self.refuses(rewrite(model_file, tmp_path / "whole", **{name: whole}), name)
        half = np.float64 if array.dtype == np.float32 else np.float32
        self.refuses(rewrite(model_file, tmp_path / "dtype", **{name: array.astype(half)}), name)
        self.refuses(rewrite(model_file, tmp_path / "empty", **{name: array[:0]}), name)

    @pytest.mark.parametrize("name", ["direct", "hidden0", "hidden1", "means", "scales", "chances"])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e30])
    def test_nonsense_numbers(self, model_file, arrays, tmp_path, name, value):
        array = arrays[name].copy()
        array.flat[-1] = value if name != "means" or not np.isfinite(value) else -1.7e308
        self.refuses(rewrite(model_file, tmp_path / "bad", **{name: array}))

    # The states lie one column after the other: purpose 4, owner 2, children 5, income 2, overdue 4, and so on.
    @pytest.mark.parametrize(
        ("place", "value"),
        [(0, -1.0), (0, 5.0), (0, 0.5), (0, np.nan), (3, np.inf), (5, 2.0), (6, np.nan), (11, np.nan), (6, np.inf)],
    )
    def test_states_outside_of_their_columns(self, model_file, arrays, tmp_path, place, value):
        states = arrays["states"].copy()
        states[place] = value
        self.refuses(rewrite(model_file, tmp_path / "bad", states=states), "state")

    def test_negative_scale(self, model_file, arrays, tmp_path):
        self.refuses(rewrite(model_file, tmp_path / "bad", scales=-arrays["scales"]), "mode")

    def test_chances_that_do_not_sum_to_one(self, model_file, arrays, tmp_path):
        self.refuses(rewrite(model_file, tmp_path / "bad", chances=arrays["chances"] * 2), "sum 1")

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"columns": [], "given": None},
            {"columns": [{"states": 1, "modes": 0}], "given": None},
            {"columns": [{"states": 0, "modes": 1}], "given": None},
            {"columns": [{"states": 10**18, "modes": 0}], "given": None},
            {"columns": [{"states": 1.5, "modes": 0}], "given": None},
            {"columns": [{"states": 2, "modes": -1}], "given": None},
            {"columns": [], "given": None, "code": "import os"},
        ],
    )
    def test_wrong_config(self, model_file, tmp_path, config):
        self.refuses(rewrite(model_file, tmp_path / "bad", config=config))

    @pytest.mark.parametrize("given", [None, -1, 0, 3, 1000, "9"])
    def test_another_given_column(self, model_file, tmp_path, given):
        config = {**modelfile.read(model_file).state, "given": given}
        self.refuses(rewrite(model_file, tmp_path / "bad", config=config))

    def test_columns_that_do_not_fit_the_outputs(self, model_file, arrays, tmp_path):
        columns = modelfile.read(model_file).state["columns"]
        columns[0]["states"] += 1
        states = np.concatenate([[0.0], arrays["states"]])
        self.refuses(
            rewrite(model_file, tmp_path / "bad", config={"columns": columns, "given": TARGET}, states=states),
            "outputs",
        )

    def test_modes_in_a_discrete_column(self, model_file, arrays, tmp_path):
        columns = modelfile.read(model_file).state["columns"]
        columns[0]["modes"] = 1
        more = {name: np.concatenate([[1.0], arrays[name]]) for name in ("means", "scales")}
        self.refuses(
            rewrite(model_file, tmp_path / "bad", config={"columns": columns, "given": TARGET}, **more), "category"
        )

    def test_another_family(self, model_file):
        content = modelfile.read(model_file)
        assert content.schema == SCHEMA
        with pytest.raises(ModelFileError, match="'ctgan' model, not 'trees'"):
            modelfile.read(model_file, "trees")

    def test_largest_weights_that_pass_give_values_in_range(self):
        """Weights at the limit must neither crash the sampling nor leave the categories."""
        limit = np.float32(1e6)
        network = Network(
            direct=np.full((9, 4), limit, dtype=np.float32),
            hidden0=np.full((7, 2), limit, dtype=np.float32),
            hidden1=np.full((5, 2), limit, dtype=np.float32),
            chances=np.ones(1),
            given=None,
        )
        network.check()
        parts = (
            Part(np.array([0.0, 1.0]), np.empty(0), np.empty(0)),
            Part(np.array([0.0]), np.array([1.0, 2.0]), np.array([1.0, 1.0])),
        )
        noise = np.random.default_rng(0).standard_normal((3, 1000), dtype=np.float32)
        conditions = np.zeros(1000, dtype=np.intp)
        outputs = network.forward(noise, conditions)
        codes, values = ctgan_network.read_outputs(
            outputs, parts, np.random.default_rng(0), given=None, conditions=conditions
        )
        assert set(codes) <= {0.0, 1.0}
        assert np.isfinite(values).all()


def test_no_training_row_is_in_the_file(model_file):
    """All that is kept beside weights are states and modes: no array has anything of the length of the table."""
    for name, array in load_file(model_file).items():
        assert ROWS not in array.shape, name


def test_network_is_immutable(model):
    with pytest.raises(dataclasses.FrozenInstanceError):
        model._network.direct = None
