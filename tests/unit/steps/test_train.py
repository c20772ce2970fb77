"""Training: it goes on where it was killed, continues models on new rows, and counts once however many train."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from tests import training_families

import synthcredit
from synthcredit.errors import ConflictError, InvalidInputError, NotFoundError, Problem, StoppedError
from synthcredit.jobs.request import DatasetSource, SynthesizerChoice, parse_request
from synthcredit.local.world import open_world
from synthcredit.steps import remaining, train
from synthcredit.steps.checkpoints import StoredCheckpoints
from synthcredit.steps.claim import claim
from synthcredit.steps.learned_plan import plan_training
from synthcredit.steps.plan import plan
from synthcredit.synthesizers import registry
from synthcredit.synthesizers.protocol import load_model

ROOT = Path(__file__).parents[3]
PACKAGES = {"ctgan": "ctgan", "tvae": "ctgan", "copulagan": "ctgan", "diffusion": "torch"}
"""What a family trains with, where that may be missing."""
SLOW = {
    "stepper": {"steps": 40, "seconds": 0.03, "keep_every": 4},
    "diffusion": {"max_steps": 60, "batch_size": 64, "width": 32},
}
"""Settings under which a family trains for some seconds and leaves checkpoints on the way."""
OTHERS = {"epochs": 4, "batch_size": 50}


@pytest.fixture(autouse=True)
def stepper(monkeypatch):
    monkeypatch.setattr(registry, "FAMILIES", dict(registry.FAMILIES))
    training_families.register()


@pytest.fixture
def rows(tmp_path, german_credit) -> Path:
    return _cut(german_credit, tmp_path / "applicants.csv", 0, 400)


@pytest.fixture
def new_rows(tmp_path, german_credit) -> Path:
    return _cut(german_credit, tmp_path / "applicants_2027.csv", 400, 1000)


def _cut(source: Path, goal: Path, first: int, last: int) -> Path:
    # The file is sorted.
    pd.read_csv(source).sample(frac=1, random_state=0).iloc[first:last].to_csv(goal, index=False)
    return goal


def _train(data, home, **more):
    given = {"synthesizer": "stepper", "target": "creditability", **more}
    return synthcredit.train(data, home=home, **given)


def _walk(home: Path, model_id: str):
    with open_world(home, home).models.fetch(model_id) as path:
        return load_model(path).walk


# ---------------------------------------------------------------- killed

CHILD = """
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
from tests import training_families
training_families.register()
import json, synthcredit
from importlib import import_module
from pathlib import Path
data, home, family, settings = sys.argv[1:]
# Families that leave a checkpoint every so many seconds leave one after every step here.
for path in (Path(synthcredit.__file__).parent / "synthesizers").glob("*.py"):
    if family != "stepper" and "CHECKPOINT_SECONDS" in path.read_text():
        try:
            import_module(f"synthcredit.synthesizers.{path.stem}").CHECKPOINT_SECONDS = 0.0
        except ModuleNotFoundError:
            pass
card = synthcredit.train(data, target="creditability", synthesizer=family, settings=json.loads(settings), home=home)
print(card.model_hash)
"""


def _process(data: Path, home: Path, family: str) -> subprocess.Popen[str]:
    settings = json.dumps(SLOW.get(family, OTHERS))
    package = str(Path(synthcredit.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), package])}
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, data, home, family, settings],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _hash_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip(), err


def _resuming_families() -> list[str]:
    return [name for name, family in registry.FAMILIES.items() if family.load_class().resumes]


@pytest.mark.parametrize("family", ["stepper", *_resuming_families()])
def test_a_training_that_is_killed_goes_on_to_the_model_of_one_that_was_not(rows, tmp_path, family):
    pytest.importorskip(PACKAGES.get(family, "numpy"))
    undisturbed, _ = _hash_of(_process(rows, tmp_path / "undisturbed", family))
    home = tmp_path / "killed"
    process = _process(rows, home, family)
    while not list(home.glob("lake/training/*/checkpoint")):
        assert process.poll() is None, "it ended without a checkpoint"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert list(open_world(home, home).models.root.glob("*/card.json")) == []
    again, said = _hash_of(_process(rows, home, family))
    assert "train: goes on from a checkpoint" in said
    assert again == undisturbed
    assert not list(home.glob("lake/training/*")), "what is registered needs no checkpoint"


def test_two_processes_train_one_model_once(rows, tmp_path):
    home = tmp_path / "home"
    processes = [_process(rows, home, "stepper") for _ in range(2)]
    (first, said), (second, also_said) = map(_hash_of, processes)
    assert first == second
    assert sum("step 40" in log for log in (said, also_said)) == 1


# ---------------------------------------------------------------- stopped, damaged, overtaken


def test_a_training_that_is_stopped_keeps_its_checkpoint(rows, tmp_path):
    settings = {"steps": 10, "keep_every": 2}

    def stop(done: float, message: str) -> None:
        if done >= 0.5:
            raise StoppedError(Problem("job", "stopped by hand", "Submit it again."))

    with pytest.raises(StoppedError):
        _train(rows, tmp_path / "home", settings=settings, progress=stop)
    heard: list[float] = []
    card = _train(rows, tmp_path / "home", settings=settings, progress=lambda done, _: heard.append(done))
    assert heard == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert card.model_hash == _train(rows, tmp_path / "other", settings=settings).model_hash


@pytest.mark.parametrize("content", [b"nonsense", b""], ids=repr)
def test_a_checkpoint_that_the_family_refuses_costs_only_time(rows, tmp_path, caplog, content):
    world = open_world(tmp_path / "home", tmp_path / "home")
    source = DatasetSource(kind="dataset", uri=str(rows.absolute()), target="creditability")
    choice = SynthesizerChoice.model_validate({"name": "stepper"})
    training, _ = plan_training(source, choice, 0, world)
    StoredCheckpoints(world.objects, training.model_id).write(content)
    with caplog.at_level(logging.WARNING):
        card = train.train_model(training, world)
    assert "the family refuses the checkpoint" in caplog.text
    assert card.model_id == training.model_id
    assert card.model_hash == _train(rows, tmp_path / "other").model_hash


def test_a_training_that_was_overtaken_takes_the_model_that_there_is(rows, tmp_path, monkeypatch):
    """Machines of their own do not wait for each other: whoever registers first counts."""
    home = tmp_path / "home"
    card = _train(rows, home, settings={"steps": 10})
    world = open_world(home, home)
    source = DatasetSource(kind="dataset", uri=str(rows.absolute()), target="creditability")
    choice = SynthesizerChoice.model_validate({"name": "stepper", "steps": 10})
    training, _ = plan_training(source, choice, 0, world)
    registered = world.models.find
    looks = iter([None])
    monkeypatch.setattr(world.models, "find", lambda model_id: next(looks, registered(model_id)))
    monkeypatch.setattr(remaining, "LOOK_SECONDS", 0.0)
    heard: list[float] = []
    assert train.train_model(training, world, lambda done, _: heard.append(done)) == card
    assert len(heard) == 1
    assert not list(home.glob("lake/training/*"))


def test_whoever_waits_for_another_training_may_be_stopped(rows, tmp_path):
    home = tmp_path / "home"
    card = _train(rows, home)
    models = open_world(home, home).models
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with models.alone(card.model_id, lambda: None):
            holding.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holding.wait(10)

    def stop() -> None:
        raise StoppedError(Problem("job", "stopped by hand", "Submit it again."))

    with pytest.raises(StoppedError), open_world(home, home).models.alone(card.model_id, stop):
        pass
    done.set()
    thread.join()
    with open_world(home, home).models.alone(card.model_id, stop):
        pass
    with pytest.raises(NotFoundError), models.alone("../elsewhere", stop):
        pass


# ---------------------------------------------------------------- continued


@pytest.fixture
def home(tmp_path, rows) -> Path:
    return tmp_path / "home"


@pytest.fixture
def first(rows, home):
    return _train(rows, home)


def test_a_model_is_continued_on_new_rows(first, new_rows, home):
    card = _train(new_rows, home, continue_from=first.model_id)
    assert card.continued_from == first.model_id
    assert card.table_schema == first.table_schema
    assert card.data_hash != first.data_hash
    assert card.split.train_rows == 420
    anew = _train(new_rows, home)
    assert (anew.continued_from, anew.model_id) != (first.model_id, card.model_id)
    assert list(_walk(home, anew.model_id)) != list(_walk(home, card.model_id))
    # Asked for again it is the same model, and another can continue that one.
    assert _train(new_rows, home, continue_from=first.model_id) == card
    assert _train(new_rows, home, continue_from=card.model_id, seed=1).continued_from == card.model_id


def test_a_job_continues_a_model_and_says_so(first, new_rows, home):
    world = open_world(home, home)
    source = {"kind": "dataset", "uri": str(new_rows.absolute()), "continue_from": first.model_id}
    request = parse_request({"source": source, "synthesizer": {"name": "stepper"}, "rows": 10})
    job, _ = claim(request, world, caller="me", key="1")
    made = plan(job.job_id, world)
    assert made.notices[0].startswith(f"It continues model {first.model_id}")
    card = world.models.find(train.train(job.job_id, world))
    assert (card.model_id, card.continued_from) == (made.model_id, first.model_id)
    # Neither is taken for the other, though both learned the same rows.
    anew = parse_request({"source": source | {"continue_from": None}, "synthesizer": {"name": "stepper"}, "rows": 10})
    assert plan(claim(anew, world, caller="me", key="2")[0].job_id, world).train


REFUSED = {
    "unknown": ({"continue_from": "stepper-x-0"}, NotFoundError, "there is no model 'stepper-x-0'"),
    "another family": ({"synthesizer": "trees"}, InvalidInputError, "is of family 'stepper', and 'trees' is asked for"),
    "another target": ({"target": "purpose"}, InvalidInputError, "has the target 'creditability'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_continued_is_refused_before_anything_is_trained(first, new_rows, home, kind):
    changes, error, words = REFUSED[kind]
    with pytest.raises(error, match=words):
        _train(new_rows, home, **{"continue_from": first.model_id, **changes})


def test_a_family_that_cannot_continue_says_so(first, new_rows, home, monkeypatch):
    monkeypatch.setattr(training_families.Stepper, "continues", False)
    with pytest.raises(InvalidInputError, match="'stepper' cannot continue a training"):
        _train(new_rows, home, continue_from=first.model_id)


def test_other_columns_are_refused(first, new_rows, home):
    schema = first.table_schema
    fewer = schema.model_copy(update={"columns": schema.columns[1:]})
    with pytest.raises(InvalidInputError, match="has other columns"):
        _train(new_rows, home, continue_from=first.model_id, schema=fewer)
    renamed = schema.model_copy(update={"name": "applicants_2027"})
    assert _train(new_rows, home, continue_from=first.model_id, schema=renamed).continued_from == first.model_id
    frame = pd.read_csv(new_rows)
    for rows, words in (
        (frame.drop(columns="purpose"), "column 'purpose'"),
        (frame.assign(purpose="yacht"), "420 value.s. are no|600 value.s. are no"),
    ):
        with pytest.raises(InvalidInputError, match=words) as refused:
            _train(rows, home, continue_from=first.model_id)
        assert "train a new model on all rows" in refused.value.problems[-1].fix


def test_other_values_in_a_schema_are_refused(first, new_rows, home):
    schema = first.table_schema
    columns = tuple(
        column.model_copy(update={"maximum": column.maximum + 1}) if column.kind == "integer" else column
        for column in schema.columns
    )
    with pytest.raises(InvalidInputError, match="other values than the schema of the model"):
        _train(new_rows, home, continue_from=first.model_id, schema=schema.model_copy(update={"columns": columns}))


def test_rows_that_the_earlier_model_learned_are_no_holdout(first, rows, new_rows, home, tmp_path):
    both = tmp_path / "both.csv"
    pd.concat([pd.read_csv(rows), pd.read_csv(new_rows)]).to_csv(both, index=False)
    with pytest.raises(InvalidInputError, match=f"rows that model '{first.model_id}' learned from"):
        _train(both, home, continue_from=first.model_id)


def test_rows_that_are_gone_are_said_to_be(first, rows, new_rows, home, tmp_path):
    from synthcredit.steps.continuing import require_unseen
    from synthcredit.steps.sides import read_sides

    rows.rename(tmp_path / "moved.csv")
    world = open_world(home, home)
    source = DatasetSource(
        kind="dataset", uri=str(new_rows.absolute()), target="creditability", continue_from=first.model_id
    )
    training, notices = plan_training(source, SynthesizerChoice.model_validate({"name": "stepper"}), 0, world)
    assert first.model_id in notices[0]
    (note,) = require_unseen(training, read_sides(training, world)[1], world)
    assert f"model {first.model_id} learned from could not be read" in note


def test_the_id_of_a_model_that_starts_anew_is_what_it_was_before_there_was_continuing(first):
    """The models that were shipped and registered before keep their names and signatures."""
    assert b"continued_from" not in first.signed_content
    continued = first.model_copy(update={"continued_from": "stepper-x-0"})
    assert b"continued_from" in continued.signed_content


def test_data_that_changed_meanwhile_is_not_trained_on(rows, home):
    world = open_world(home, home)
    source = DatasetSource(kind="dataset", uri=str(rows.absolute()), target="creditability")
    training, _ = plan_training(source, SynthesizerChoice.model_validate({"name": "stepper"}), 0, world)
    rows.write_text(rows.read_text().replace("0", "1"))
    with pytest.raises(ConflictError):
        train.train_model(training, world)
