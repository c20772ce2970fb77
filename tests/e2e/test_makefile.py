"""What the two README commands do, without doing it: `make -n` prints the commands."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _printed(*args: str) -> str:
    done = subprocess.run(["make", "-n", "-s", *args], cwd=ROOT, capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


def test_the_main_job_learns_german_credit():
    command = _printed("run")
    assert '--data "data/german_credit.csv" --target "creditability" --rows 10000' in command
    assert "--synthesizer trees" in command
    assert "requirements.txt" not in command


def test_the_users_own_file_goes_the_same_way():
    command = _printed("run", "DATA=my applicants.csv", "TARGET=default", "ROWS=5", "SEED=3", "OUT=there")
    assert '--data "my applicants.csv" --target "default" --rows 5 --seed 3' in command
    assert '--out "there"' in command
    assert "creditability" not in command


def test_a_file_without_a_target_has_none():
    assert "--target" not in _printed("run", "DATA=applicants.csv")


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
    text = (ROOT / "Makefile").read_text()
    assert "TRAINS_CTGAN" in text
    printed = subprocess.run(
        ["make", "-s", "-f", "-", "show", *args],
        cwd=ROOT,
        input=text + "\nshow:\n\t@echo $(if $(TRAINS_CTGAN),yes,no)\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == ("yes" if trains else "no")


def test_help_lists_every_target():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "lint", "bench", "wheel", "clean"):
        assert f"make {target}" in shown
