"""Every registered family through the platform: trained on SageMaker, registered, reused, generated in shards.

A job is stopped once it has shown what it is looked at for: how rows are proven and published does not depend on the
family, and other tests follow it to the end.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from synthcredit.synthesizers import registry

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("iam")]

ROWS = 9_000
"""Two shards."""
QUICK = {
    "trees": {"trees": 2},
    "ctgan": {"epochs": 1},
    "tvae": {"epochs": 1},
    "copulagan": {"epochs": 1},
    "diffusion": {"max_steps": 20, "batch_size": 64, "width": 32},
}
FAMILIES = list(registry.FAMILIES)
PACKAGES = {"ctgan": "ctgan", "tvae": "ctgan", "copulagan": "ctgan", "diffusion": "torch"}


def _asked(family: str, source: dict[str, object], **more) -> dict[str, object]:
    return {"source": source, "synthesizer": {"name": family, **QUICK.get(family, {})}, "rows": ROWS, **more}


@pytest.fixture(scope="module")
def first(guarded, source):
    """A job a family, all submitted at once."""
    able = [name for name in FAMILIES if name not in PACKAGES or _installed(PACKAGES[name])]
    # Nothing of theirs is to be reused: the models that ship with the package are of the same data.
    fresh = {**source, "reuse": False}
    return {family: guarded.submit(_asked(family, fresh, seed=21)) for family in able}


def _installed(package: str) -> bool:
    try:
        __import__(package)
    except ImportError:
        return False
    return True


def _trained(platform, job_id: str) -> dict[str, object]:
    """Wait for the end of a job's training, and stop what follows."""

    def trained():
        job = platform.job(job_id)
        assert job["state"] not in ("failed", "stopped"), job
        return job if "train" in job["seconds"] else None

    job = platform.wait_until(trained, "the end of the training", 300)
    platform.http("DELETE", f"/jobs/{job_id}")
    return job


def _keys(platform, prefix: str) -> list[str]:
    listed = platform.client("s3").list_objects_v2(Bucket=platform.outputs["LakeBucket"], Prefix=prefix)
    return [item["Key"] for item in listed.get("Contents", [])]


def _model_of(platform, family: str) -> dict[str, object]:
    models = platform.http("GET", "/models?limit=100").body["models"]
    return next(card for card in models if card["synthesizer"] == family and card["seed"] == 21)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_trained_on_sagemaker_registered_and_generates_in_shards(guarded, source, first, family):
    if family not in first:
        pytest.skip(f"{family} trains with a package that is not installed")
    job = _trained(guarded, first[family])
    placed = {placement["step"]: placement["where"] for placement in job["placement"]}
    assert placed["train"] == "sagemaker"
    card = _model_of(guarded, family)
    assert card["signature"]
    assert _keys(guarded, f"training/{card['model_id']}/") == []

    again = guarded.submit(_asked(family, source, seed=22))
    guarded.wait_until(lambda: len(guarded.rows_in_lake(again)) == 2, "two shards", 120)
    job = guarded.job(again)
    guarded.http("DELETE", f"/jobs/{again}")
    assert "train" not in job["seconds"]
    (train,) = [placement for placement in job["placement"] if placement["step"] == "train"]
    assert train["where"] == "nowhere"
    assert guarded.end_of(again)["state"] == "stopped"
    assert guarded.rows_in_lake(again) == []


def _training_processes(platform, job_id: str) -> list[int]:
    """Return the processes that are a job's training container."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            environment = (path / "environ").read_bytes()
        except OSError:
            continue
        if b"train" in words and f"TRAINING_JOB_NAME={job_id}-train-".encode() in environment:
            found.append(int(path.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes by /proc")
def test_a_training_container_that_is_killed_is_started_again(guarded, source):
    """That it goes on from its checkpoint, to the byte, is shown where a training can be told when to leave one."""
    asked = _asked("trees", {**source, "reuse": False}, seed=23)
    asked["synthesizer"] = {"name": "trees", "trees": 16}
    job_id = guarded.submit(asked)
    (container,) = guarded.wait_until(lambda: _training_processes(guarded, job_id), "the training container", 120)
    os.kill(container, signal.SIGKILL)
    _trained(guarded, job_id)
    entered = [
        event["stateEnteredEventDetails"]["name"]
        for event in guarded.history(guarded.execution(job_id))
        if event["type"].endswith("StateEntered")
    ]
    assert entered.count("TrainOnSageMaker") == 2
    assert entered.count("WasTrainingKilled") == 1
