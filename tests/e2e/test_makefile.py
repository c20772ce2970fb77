"""What the two README commands do, without doing it: `make -n` prints the commands.

A set-up that was done before is not printed again; with `-B`, make prints it as on a clean clone.
"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALL_PACKAGES = "pip install --quiet --disable-pip-version-check -r requirements.txt"


def _printed(*args: str) -> str:
    done = subprocess.run(["make", "-n", "-s", *args], cwd=ROOT, capture_output=True, text=True, check=True)
    return " ".join(done.stdout.replace("\\\n", " ").split())


def test_the_main_job_learns_german_credit_on_the_embedded_aws():
    commands = _printed("run")
    up, submit = commands.index(".venv/bin/synthcredit up"), commands.index(".venv/bin/synthcredit submit")
    assert up < submit
    assert '--data "data/german_credit.csv" --target "creditability" --rows 10000' in commands[submit:]
    assert "--synthesizer trees" in commands[submit:]
    assert '--out "out"' in commands[submit:]


def test_the_users_own_file_goes_the_same_way():
    command = _printed("run", "DATA=my applicants.csv", "TARGET=default", "ROWS=5", "SEED=3", "OUT=there")
    assert 'submit --data "my applicants.csv" --target "default" --rows 5 --seed 3' in command
    assert '--out "there"' in command
    assert "creditability" not in command


def test_a_file_without_a_target_has_none():
    assert "--target" not in _printed("run", "DATA=applicants.csv")


def test_settings_reach_the_synthesizer():
    assert "--synthesizer ctgan --set epochs=10" in _printed("run", "SYNTHESIZER=ctgan", "EPOCHS=10")
    assert "--set" not in _printed("run", "SYNTHESIZER=ctgan")


@pytest.mark.parametrize(
    ("args", "trains"),
    [
        (["SYNTHESIZER=ctgan"], False),
        (["SYNTHESIZER=ctgan", "EPOCHS=10"], True),
        (["SYNTHESIZER=ctgan", "DATA=applicants.csv"], True),
        (["DATA=applicants.csv"], False),
    ],
)
def test_torch_is_set_up_only_where_a_ctgan_is_trained(args, trains):
    commands = _printed("-B", "run", *args)
    assert (ALL_PACKAGES in commands) is trains
    assert ('-e ".[standard,aws]"' in commands) is not trains


@pytest.mark.parametrize(
    ("goal", "environments"),
    [
        ("run", {".venv", ".venv-aws", ".venv-sam"}),
        ("up", {".venv", ".venv-aws", ".venv-sam"}),
        ("test", {".venv", ".venv-aws", ".venv-sam", ".venv-checkov"}),
        ("lint", {".venv"}),
    ],
)
def test_a_goal_sets_up_what_it_needs_and_no_more(goal, environments):
    commands = _printed("-B", goal)
    assert set(re.findall(r"sh \.ci/venv python3 (\S+)", commands)) == environments
    # A set-up that breaks off is done again: its stamp comes last.
    for environment in environments - {".venv"}:
        assert commands.index(f"{environment}/bin/pip install") < commands.index(f"touch {environment}/.done")


def test_the_tests_come_after_style_types_and_walls():
    commands = _printed("test")
    places = [commands.index(f".venv/bin/{tool}") for tool in ("ruff", "mypy", "lint-imports", "pytest")]
    assert places == sorted(places)


def test_down_only_stops():
    assert _printed("down") == ".venv/bin/synthcredit down"


def test_clean_stops_the_embedded_aws_before_its_files_go():
    commands = _printed("clean")
    assert commands.index(".venv/bin/synthcredit down --delete") < commands.index("rm -rf .venv ")
    for name in (".venv-aws", ".venv-sam", ".venv-checkov", ".synthcredit", "out"):
        assert f" {name} " in commands


def test_openapi_is_written_by_the_function_that_it_describes():
    assert ".venv/bin/python functions/api/openapi.py" in _printed("openapi")


@pytest.mark.parametrize(
    ("args", "flags"),
    [
        ([], ""),
        (["REGION=eu-west-1", "TAG=1.0"], "--region eu-west-1 --tag 1.0"),
        (["WITH_CTGAN=yes", "COMPUTE=gpu"], "--with-ctgan --gpu"),
        (["WITH_CTGAN=no", "COMPUTE=cpu"], ""),
    ],
)
def test_image_hands_its_choices_on(args, flags):
    assert _printed("image", *args).endswith(f".venv/bin/python containers/synthesis/push.py {flags}".strip())


def test_bench_prints_the_import_of_the_api_function():
    assert ".venv/bin/python benchmarks/api_import.py" in _printed("bench")


def test_help_lists_every_target():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (targets,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"run", "up", "down", "test", "openapi", "image"} <= set(targets.split())
    for target in targets.split():
        assert f"make {target}" in shown
