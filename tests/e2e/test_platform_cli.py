"""The verbs of a platform as a person meets them, against a small platform on loopback that answers like ours."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.e2e.conftest import SYNTHCREDIT
from tests.fake_api import serving

import synthcredit
from synthcredit.jobs.job import Failure, State
from synthcredit.jobs.placement import Placement, Where
from synthcredit.usecases.results import LakeTable

ROOT = Path(__file__).parents[2]
GERMAN = ("--data", ROOT / "data" / "german_credit.csv", "--target", "creditability", "--rows", "2000")
PLACES = (
    Placement(step="train", where=Where.LAMBDA, seconds=2.0, cost_usd=0.0001, why="1,000 rows fit in a function"),
    Placement(step="generate", where=Where.LAMBDA, instances=8, seconds=1.0, cost_usd=0.0001, why="2,000 rows are few"),
)
SECONDS = {"train": 1.5, "plan": 0.5, "generate": 0.25, "assess": 3.0, "gate": 0.1, "publish": 0.2}


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A job that was really done, in one process."""
    home = tmp_path_factory.mktemp("made")
    return synthcredit.run(
        GERMAN[1], target="creditability", rows=2000, evidence="basic", home=home, out=home / "out"
    ), synthcredit.models(home)


@pytest.fixture(autouse=True)
def _no_own_settings(monkeypatch):
    for name in ("SYNTHCREDIT_ENDPOINT", "SYNTHCREDIT_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def api(made, tmp_path):
    result, cards = made
    with serving() as api:
        api.platform_file(tmp_path / ".synthcredit")
        api.models = cards
        api.course = [
            {"state": State.RUNNING, "step": "plan"},
            {"state": State.RUNNING, "step": "train", "seconds": {"plan": 0.5}, "placement": PLACES},
            {"state": State.SUCCEEDED, "step": "notify", "seconds": SECONDS, "placement": PLACES},
        ]
        api.table = LakeTable(database="synthcredit", name="german_credit", partition="synthetic_job=1")
        api.answer = [["creditability", "rows", "percent"], ["good", "1400", "70.0"], ["bad", "600", "30.0"]]
        files = {path.relative_to(result.folder).as_posix(): path.read_bytes() for path in result.folder.rglob("*.*")}
        api.everything = files
        yield api


@pytest.fixture
def submit(api, cli):
    """Submit, with the files of the job that was done for whichever job comes of it."""

    def run(*args, **kwargs):
        api.files = _Always(api.everything)
        return cli("submit", *args, **kwargs)

    return run


class _Always(dict):
    def __init__(self, content):
        super().__init__()
        self._content = content

    def get(self, key, default=None):
        return self._content

    def __getitem__(self, key):
        return self._content


def test_submit_uploads_follows_fetches_and_asks(submit, api, tmp_path, made):
    done = submit(*GERMAN)
    assert done.returncode == 0, done.stderr
    for words in (
        "Scores", "Gate", "Time", "Where it lies", "A taste", "PASSED: 2,000 synthetic rows",
        'SELECT "creditability", count(*) AS "rows"', "\"synthetic_job\" = '1'", "good           1400  70.0",
        "table     synthcredit.german_credit",
    ):  # fmt: skip
        assert words in done.stdout, words
    assert "train       ..  lambda: 1,000 rows fit in a function" in done.stderr
    assert "generate  100%  0.2 s, lambda x 8: 2,000 rows are few" in done.stderr
    (folder,) = (tmp_path / "out").iterdir()
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} == set(api.everything)
    assert list(api.inbox.values()) == [(ROOT / "data" / "german_credit.csv").read_bytes()]
    # In the order of the steps, whatever order the store has.
    times = done.stdout[done.stdout.index("Time ") :]
    assert times.index("plan ") < times.index("train ") < times.index("generate ")


def test_the_same_command_again_finds_the_same_job_and_again_runs_it_anew(submit, api):
    first = json.loads(submit(*GERMAN, "--json").stdout)
    second = submit(*GERMAN)
    assert "done before" in second.stdout
    assert len(api.of("PUT", ".*")) == 1
    assert len(api.jobs) == 1
    anew = json.loads(submit(*GERMAN, "--again", "--json").stdout)
    assert anew["job_id"] != first["job_id"]
    assert first["answer"] == [
        {"creditability": "good", "rows": "1400", "percent": "70.0"},
        {"creditability": "bad", "rows": "600", "percent": "30.0"},
    ]


def test_an_upload_that_was_cleared_away_is_sent_again(submit, api, tmp_path):
    submit(*GERMAN, "--no-wait")
    api.inbox.clear()
    done = submit(*GERMAN[:-1], "1999", "--no-wait")
    assert done.returncode == 0, done.stderr
    assert len(api.inbox) == 1


def test_no_wait_only_submits(submit, api):
    done = submit(*GERMAN, "--no-wait", "--key", "monday")
    (job_id,) = api.jobs
    assert f"Job {job_id}: accepted" in done.stdout
    assert api.of("POST", "/jobs")[0].headers["Idempotency-Key"] == "monday"
    assert not api.of("GET", "/jobs/.*")
    assert json.loads(submit(*GERMAN, "--no-wait", "--key", "monday", "--json").stdout)["job_id"] == job_id


def test_one_file(submit, api, tmp_path):
    assert submit(*GERMAN, "--out", "made.parquet").returncode == 0
    assert (tmp_path / "made.parquet").exists()
    assert api.of("POST", "/jobs")[0].json()["deliver"] == ["parquet"]
    assert not (tmp_path / "out").exists()


def test_a_missed_gate_is_exit_3_with_the_report(submit, api, tmp_path):
    problem = {"field": "pair trends", "problem": "they agree to 0.5", "fix": "Train longer."}
    failure = Failure(step="gate", error="GateNotMet", problems=(problem,))
    api.course = [{"state": State.FAILED, "step": "gate", "failure": failure}]
    done = submit(*GERMAN)
    assert done.returncode == 3
    for words in ("NOT MET", "pair trends: they agree to 0.5. Train longer.", "Report: "):
        assert words in done.stderr
    report = Path(done.stderr.split("Report: ")[1].strip())
    assert report.read_bytes() == api.everything["report.html"]
    assert not (tmp_path / "out").exists()
    again = submit(*GERMAN)
    assert "--again runs it anew" in again.stderr
    assert json.loads(submit(*GERMAN, "--json").stdout)["error"] == "GateNotMet"


def test_a_job_that_made_nothing_has_no_report(submit, api):
    api.course = [{"state": State.FAILED, "step": "plan"}]
    api.everything = {}
    done = submit(*GERMAN)
    assert done.returncode == 1
    assert "it failed" in done.stderr
    assert "Report" not in done.stderr


def test_a_question_that_is_not_answered_takes_nothing_from_the_job(submit, api):
    api.athena = {"State": "FAILED", "StateChangeReason": "no such table"}
    done = submit(*GERMAN)
    assert done.returncode == 0
    assert "Not asked" in done.stdout
    assert "no such table" in done.stdout
    assert "PASSED" in done.stdout


def test_too_many_files_for_links_are_left_where_they_are(submit, api, tmp_path):
    api.left_out = 1
    done = submit(*GERMAN)
    assert done.returncode == 0, done.stderr
    assert "too many files to fetch by links" in done.stdout
    (folder,) = (tmp_path / "out").iterdir()
    assert not (folder / "data").exists()


def test_bad_input_is_found_before_anything_is_sent(submit, api):
    done = submit("--data", "nowhere.csv", "--rows", "0")
    assert done.returncode == 2
    assert "rows" in done.stderr
    missing = submit("--data", "nowhere.csv")
    assert "does not exist" in missing.stderr
    assert submit().returncode == 2
    assert not api.asked


def test_ctrl_c_leaves_the_job_running(api, tmp_path):
    api.course = [{"state": State.RUNNING, "step": "plan"}]
    process = subprocess.Popen(
        [SYNTHCREDIT, "submit", *map(str, GERMAN)], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        # Whatever runs the tests in the background has it ignored, and its children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(api.of("GET", "/jobs/.*")) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    (job_id,) = api.jobs
    assert process.returncode == 130
    assert f"synthcredit status {job_id}" in said
    assert f"synthcredit stop {job_id}" in said
    assert not api.of("DELETE", ".*")


def test_status_lists_and_shows_and_stop_stops(submit, cli, api):
    assert "no job yet" in cli("status").stdout
    submit(*GERMAN, "--no-wait")
    (job_id,) = api.jobs
    listed = cli("status")
    assert f"The embedded platform is up: {api.url}" in listed.stdout
    assert f"{job_id}  accepted  claim" in listed.stdout
    assert json.loads(cli("status", "--json").stdout)["jobs"][0]["rows"] == 2000
    assert f"Job {job_id} is stopped" in cli("stop", job_id).stdout
    assert "Job stopped" in cli("status", job_id).stdout.replace(f" {job_id}:", "")
    assert json.loads(cli("stop", job_id, "--json").stdout)["state"] == "stopped"
    absent = cli("status", "0" * 24)
    assert absent.returncode == 2
    assert "no such job" in absent.stderr


def test_a_platform_that_is_down_or_never_was_is_named_with_the_fix(cli, tmp_path):
    never = cli("status")
    assert never.returncode == 2
    assert "synthcredit up" in never.stderr
    with serving() as api:
        api.platform_file(tmp_path / ".synthcredit")
    down = cli("status")
    assert down.returncode == 1
    assert "not up" in down.stderr
    assert "synthcredit up" in down.stderr


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like a clone, with scripts that say how they were started."""
    folder = tmp_path / "clone"
    (folder / "local").mkdir(parents=True)
    (folder / "template.yaml").touch()
    (folder / "below").mkdir()
    for name, code in {"up": 0, "down": 4}.items():
        (folder / "local" / f"{name}.py").write_text(f"import sys\nprint('{name}', *sys.argv[1:])\nsys.exit({code})\n")
    return folder


def test_up_and_down_run_the_scripts_of_the_checkout(cli, checkout):
    up = cli("up", "--port", "4600", "--parameter", "MaxRows=5", "--home", "there", cwd=checkout / "below")
    there = str(checkout / "below" / "there")
    assert up.returncode == 0
    assert up.stdout.split() == ["up", "--port", "4600", "--parameter", "MaxRows=5", "--home", there]
    down = cli("down", "--delete", cwd=checkout)
    assert (down.returncode, down.stdout.split()) == (4, ["down", "--delete", "--home", str(checkout / ".synthcredit")])


@pytest.mark.parametrize("verb", ["submit", "status", "stop", "up", "down"])
def test_every_verb_explains_itself_with_an_example(cli, verb):
    done = cli(verb, "--help")
    assert done.returncode == 0
    assert f"synthcredit {verb}" in done.stdout.replace("Usage: synthcredit", "", 1)
