"""The `diffusion` family: its export equals torch's forward pass, and a training survives whatever happens to it."""

import json

import numpy as np
import pyarrow as pa
import pytest

from synthcredit.errors import InvalidInputError, MissingPackageError, ModelFileError
from synthcredit.synthesizers.codec import encode
from synthcredit.synthesizers.conditioning import resolve
from synthcredit.synthesizers.conditions import Conditions
from synthcredit.synthesizers.diffusion import DiffusionSynthesizer
from synthcredit.synthesizers.diffusion_columns import UNUSED
from synthcredit.synthesizers.diffusion_network import Layout, noise_levels, scalings
from synthcredit.synthesizers.settings import DiffusionSettings

torch = pytest.importorskip("torch")

QUICK = {"max_steps": 60, "width": 32, "batch_size": 64, "steps": 4, "layers": 2}


class Memory:
    """Checkpoints that keep everything that was written."""

    def __init__(self, content: bytes | None = None) -> None:
        self.kept = [] if content is None else [content]

    def read(self) -> bytes | None:
        return self.kept[-1] if self.kept else None

    def write(self, content: bytes) -> None:
        self.kept.append(content)


def fitted(table, schema, seed=1, *, checkpoints=None, previous=None, progress=None, **settings):
    model = DiffusionSynthesizer(DiffusionSettings(**QUICK | settings))
    more = {} if progress is None else {"progress": progress}
    return model.fit(table, schema, seed=seed, checkpoints=checkpoints, previous=previous, **more)


def saved(model, path) -> bytes:
    model.save(path)
    return path.read_bytes()


def drawn(model, rows=2_000, **more) -> pa.Table:
    return pa.Table.from_batches(model.sample(rows, 3, **more))


@pytest.fixture(scope="module")
def table(make_table):
    return make_table(400)


@pytest.fixture(scope="module")
def model(table, made_schema):
    return fitted(table, made_schema)


@pytest.fixture
def at_every_step(monkeypatch):
    """Write a checkpoint after every step."""
    from synthcredit.synthesizers import diffusion_training

    monkeypatch.setattr(diffusion_training, "CHECKPOINT_SECONDS", -1.0)


@pytest.fixture(scope="module")
def whole(table, made_schema):
    """A training that was never stopped, and what it wrote after every step."""
    memory = Memory()
    with pytest.MonkeyPatch.context() as patch:
        from synthcredit.synthesizers import diffusion_training

        patch.setattr(diffusion_training, "CHECKPOINT_SECONDS", -1.0)
        model = fitted(table, made_schema, checkpoints=memory)
    return model, memory.kept


@pytest.mark.parametrize("part", ["classes", "numbers"])
def test_the_export_equals_torch(model, part):
    from synthcredit.synthesizers import diffusion_training as training

    layout, own = model._layout, model._weights[part]
    weights = {name: torch.from_numpy(array) for name, array in own.items()}
    rng = np.random.default_rng(3)
    count = 4 * 40
    codes = [rng.permutation(np.resize(np.arange(size), count)) for size in (layout.target, *layout.classes)]
    one_hot = np.concatenate(
        [np.eye(size)[own] for size, own in zip((layout.target, *layout.classes), codes, strict=True)], axis=1
    )
    known = one_hot.T.astype(np.float32)
    if part == "classes":
        rows = training.Rows(
            layout,
            torch.from_numpy(np.stack(codes[1:])),
            torch.from_numpy(one_hot.astype(np.uint8)),
            torch.empty(count, 0),
            torch.empty(count, 0),
        )
        loss = float(training.ClassPart(rows, model.settings).loss(weights, torch.arange(count), rng))
        ours = 0.0
        for column in range(len(layout.classes)):
            logits = model._classes.logits(column, known).astype(np.float64)
            logits -= np.log(np.exp(logits).sum(axis=0))
            ours -= logits[codes[1 + column], np.arange(count)].mean()
        assert ours == pytest.approx(loss, rel=1e-5)
    else:
        noisy = rng.standard_normal((4, 40, layout.numbers)).astype(np.float32)
        rows = training.Rows(layout, *[torch.empty(0)] * 4)
        scale = scalings(noise_levels(4))[0].astype(np.float32)[:, None, None]
        shaped = torch.from_numpy(one_hot.astype(np.float32)).view(4, 40, -1)
        theirs = training.NumberPart(rows, model.settings)._outputs(weights, torch.from_numpy(noisy * scale), shaped)
        for step in range(4):
            own_known = np.ascontiguousarray(known[:, step * 40 : (step + 1) * 40])
            conditions = model._numbers.conditions[step] @ own_known
            ours = model._numbers.outputs(step, np.ascontiguousarray(noisy[step].T), conditions)
            assert np.allclose(ours.T, theirs[step].numpy(), rtol=1e-4, atol=1e-5)


def test_checkpoints_change_nothing(whole, model, tmp_path):
    assert saved(whole[0], tmp_path / "whole") == saved(model, tmp_path / "model")


@pytest.mark.parametrize("share", [0.0, 0.4, 0.7, 0.95])
def test_a_training_that_was_killed_ends_like_one_that_was_not(whole, share, table, made_schema, tmp_path):
    unbroken, kept = whole
    resumed = fitted(table, made_schema, checkpoints=Memory(kept[int(share * len(kept))]))
    assert saved(resumed, tmp_path / "resumed") == saved(unbroken, tmp_path / "whole")


def test_a_resumed_training_does_not_begin_again(whole, table, made_schema, at_every_step):
    again = Memory(whole[1][-2])
    fitted(table, made_schema, checkpoints=again)
    assert len(again.kept) < 5


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"\xff" * 100,
        lambda content: content[:-10],
        lambda content: content.replace(b"second_moment", b"second_m0ment"),
        lambda content: content.replace(b'"step', b'"st3p'),
        lambda content: content[:-4] + np.float32(np.nan).tobytes(),
    ],
    ids=["empty", "noise", "cut", "without a set", "other header", "not a number"],
)
def test_a_damaged_checkpoint_is_not_used(damage, whole, table, made_schema):
    from synthcredit.synthesizers.diffusion_state import State, from_bytes
    from synthcredit.synthesizers.diffusion_training import SETS

    content = whole[1][len(whole[1]) // 2]
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    training = json.loads(header["__metadata__"]["synthcredit"])["training"]
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for part, own in whole[0]._weights.items():
        shapes[part] = {name: array.shape for name, array in own.items()}
    read = from_bytes(content, training, shapes)
    assert isinstance(read, State)
    assert set(read.current) == set(SETS)
    assert from_bytes(content, "another", shapes) is None
    assert from_bytes(damage(content), training, shapes) is None


def test_a_training_goes_on_whatever_the_checkpoint_is(table, made_schema, model, tmp_path):
    resumed = fitted(table, made_schema, checkpoints=Memory(b"nonsense"))
    assert saved(resumed, tmp_path / "resumed") == saved(model, tmp_path / "model")


def test_a_training_continues_on_new_rows(make_table, made_schema):
    before = fitted(make_table(2_000), made_schema, max_steps=400)
    more = make_table(2_900).slice(2_000)
    first: dict[str, float] = {}

    def heard(_: float, message: str) -> None:
        part, _, told = message.partition(": ")
        if "loss" in told and part not in first:
            first[part] = float(told.split("held-out loss ")[1].split(";")[0])

    continued = fitted(more, made_schema, previous=before, progress=heard)
    warm = dict(first)
    first.clear()
    fitted(more, made_schema, progress=heard)
    assert warm["classes"] < first["classes"]
    assert warm["numbers"] < first["numbers"]
    assert drawn(continued).num_rows == 2_000
    assert all(
        now.states is was.states for now, was in zip(continued._codings, before._codings, strict=True)
    )  # No value of the new rows is in it.


def test_a_training_of_another_shape_cannot_be_continued(model, table, made_schema):
    with pytest.raises(InvalidInputError) as refused:
        fitted(table, made_schema, previous=model, width=48, layers=1)
    assert [problem.field for problem in refused.value.problems] == ["synthesizer.width", "synthesizer.layers"]


def test_the_target_rate_is_exact(model, table, made_schema):
    assert model.givable == {"default"}
    steering = resolve(Conditions(target_rate=0.37), encode(table, made_schema), made_schema)
    rows = drawn(model, 1_000, steering=steering)
    assert rows["default"].to_pylist().count("yes") == 370


@pytest.fixture(scope="module")
def trained(make_table, made_schema):
    """A model that was trained for long enough to be of use."""
    return fitted(make_table(3_000), made_schema, max_steps=800, width=64, steps=8, batch_size=512, learning_rate=0.01)


def test_what_is_given_steers_the_rest(trained, make_table, made_schema):
    """Overdue rows default in the made table, so rows that are told to default must be overdue more often."""
    overdue = {}
    for wanted in ("no", "yes"):
        steering = resolve(Conditions(where={"default": wanted}), encode(make_table(2_000), made_schema), made_schema)
        rows = drawn(trained, 4_000, steering=steering)
        assert set(rows["default"].to_pylist()) == {wanted}
        overdue[wanted] = np.mean(rows["overdue"].to_numpy() > 800)
    # In the made table .64 and .12; a short training gets so far.
    assert overdue["yes"] > 0.4
    assert overdue["no"] < 0.2


def test_margins_and_associations_are_kept(trained, make_table):
    real = make_table(3_000)
    rows = drawn(trained, 6_000)
    for name in ("purpose", "children", "default", "owner"):
        for value in set(real[name].to_pylist()):
            wanted, found = (t[name].to_pylist().count(value) / t.num_rows for t in (real, rows))
            assert found == pytest.approx(wanted, abs=0.03)
    for name in ("income", "limit", "overdue"):
        quantiles = [
            np.nanquantile(t[name].to_numpy().astype(float), [0.1, 0.25, 0.5, 0.75, 0.9]) for t in (real, rows)
        ]
        assert quantiles[1] == pytest.approx(quantiles[0], rel=0.1, abs=30)
    assert rows["income"].null_count / 6_000 == pytest.approx(real["income"].null_count / 3_000, abs=0.03)

    def by_purpose(table):
        income = table["income"].to_numpy().astype(float)
        purpose = np.array(table["purpose"].to_pylist())
        return np.log([np.nanmedian(income[purpose == each]) for each in ("boat", "car", "house")])

    assert by_purpose(rows) == pytest.approx(by_purpose(real), abs=0.25)


def test_an_early_stop_ends_a_part(table, made_schema):
    heard = []
    fitted(table, made_schema, max_steps=2_000, patience=1, progress=lambda done, message: heard.append(message))
    steps = [int(message.split("in ")[1].split()[0].replace(",", "")) for message in heard if "trained in" in message]
    assert len(steps) == 2
    assert min(steps) < 500


def test_time_is_kept(table, made_schema):
    heard = []
    fitted(table, made_schema, max_minutes=1e-6, progress=lambda done, message: heard.append(message))
    assert [message for message in heard if "trained in 0 steps" in message]


def test_memory_is_kept(table, made_schema, make_table):
    with pytest.raises(InvalidInputError, match="max_memory_mb"):
        fitted(table, made_schema, max_memory_mb=512, width=1024, batch_size=65_536)


def test_rare_categories_and_values_are_not_learned(make_table, made_schema):
    """With k of 30, what 9 rows have is nowhere in the model."""
    table = make_table(400)
    purpose = np.array(table["purpose"].to_pylist(), dtype=object)
    purpose[purpose == "boat"] = "car"
    purpose[:9] = "boat"
    limit = np.where(np.arange(400) < 9, 39_500, np.minimum(table["limit"].to_numpy(), 20_000))
    at = table.column_names.index
    table = table.set_column(at("purpose"), "purpose", pa.array(purpose.tolist()))
    table = table.set_column(at("limit"), "limit", pa.array(limit))
    rows = drawn(fitted(table, made_schema, k=30), 4_000)
    assert "boat" not in set(rows["purpose"].to_pylist())
    assert rows["limit"].to_numpy().max() < 39_500


def test_a_column_equal_to_another_stays_so(make_table, made_schema):
    from synthcredit.datasets.schema import Column, TableSchema

    rng = np.random.default_rng(2)
    bill = np.exp(rng.normal(7, 1, 2_000)).round(2)
    paid = np.where(rng.random(2_000) < 0.3, bill, (bill * rng.random(2_000)).round(2))
    columns = [Column(name=name, storage_name=name, kind="continuous", dtype="double", decimals=2, minimum=0.0,
                      maximum=1e5) for name in ("bill", "paid")]  # fmt: skip
    schema = TableSchema(name="bills", columns=tuple(columns))
    rows = drawn(fitted(pa.table({"bill": bill, "paid": paid}), schema, max_steps=200, batch_size=256), 4_000)
    assert np.mean(rows["bill"].to_numpy() == rows["paid"].to_numpy()) == pytest.approx(0.3, abs=0.05)


def test_a_partner_must_be_an_earlier_number(model, tmp_path, monkeypatch):
    arrays = model._arrays()
    place = [column.name for column in model.schema.learned].index("income")
    for partner in (0, place, -1, 10**6):
        bad = arrays | {
            f"{place}.partners": np.array([partner], dtype=np.int32),
            f"{place}.knots": np.tile(arrays[f"{place}.knots"][:1], (model._codings[place].size + 1, 1)),
        }
        monkeypatch.setattr(model, "_arrays", lambda bad=bad: bad)
        model.save(tmp_path / "bad")
        monkeypatch.undo()
        with pytest.raises(ModelFileError):
            DiffusionSynthesizer.load(tmp_path / "bad")


def test_without_torch_training_says_what_to_install(table, made_schema, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "synthcredit.synthesizers.diffusion_training", raising=False)
    monkeypatch.delattr("synthcredit.synthesizers.diffusion_training", raising=False)
    with pytest.raises(MissingPackageError, match="torch"):
        fitted(table, made_schema)


def test_sampling_needs_no_torch(model, tmp_path):
    import subprocess
    import sys

    model.save(tmp_path / "model")
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['sklearn'] = None\n"
        "from pathlib import Path\n"
        "from synthcredit.synthesizers.protocol import load_model\n"
        f"assert sum(b.num_rows for b in load_model(Path({str(tmp_path / 'model')!r})).sample(100, 1)) == 100"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_is_used(table, made_schema, monkeypatch):
    before = torch.cuda.memory_stats().get("allocation.all.allocated", 0)
    fitted(table, made_schema)
    assert torch.cuda.memory_stats()["allocation.all.allocated"] > before


def test_a_layout_counts_inputs():
    layout = Layout(2, (3, 4), 1)
    assert (layout.starts, layout.inputs) == ((2, 5), 9)
    assert UNUSED < 0
