"""How much the library adds to the import of the API function: its cold start beside that of its parts alone.

    python benchmarks/api_import.py

Each figure is the median of five fresh interpreters, taken in turn and in processor time, so that other work on the
machine counts less. The parts are imported and set up just as the function does it: Powertools' resolver with
validation, logger, tracer and metrics, boto3, and pydantic with one model of one field, since pydantic imports most of
itself with the first model that it sees.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

RUNS = 5
ALLOWED = 1.3
FUNCTION = Path(__file__).parents[1] / "functions" / "api"

PARTS = """
import boto3, pydantic
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path, Query
from aws_lambda_powertools.metrics import MetricUnit
Logger(service="parts"), Tracer(service="parts", patch_modules=("botocore",)), Metrics(namespace="parts")
APIGatewayRestResolver(enable_validation=True)
class Probe(pydantic.BaseModel):
    probe: int
"""
TIMER = "import time; begun = time.process_time()\n{}\nprint(time.process_time() - begun)"


def measure(codes: Sequence[str]) -> list[float]:
    """Return the seconds that each of some codes takes in a fresh interpreter: medians, taken in turn."""
    with tempfile.TemporaryDirectory() as compiled:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        # In Lambda tracing is on, and botocore is patched. What is compiled already is compiled for all.
        environment |= {
            "LAMBDA_TASK_ROOT": str(FUNCTION),
            "PYTHONPATH": str(FUNCTION),
            "PYTHONPYCACHEPREFIX": compiled,
        }
        # The first round compiles.
        rounds = [[_run(code, environment) for code in codes] for _ in range(RUNS + 1)][1:]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def _run(code: str, environment: dict[str, str]) -> float:
    command = [sys.executable, "-c", TIMER.format(code)]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Measure, print, and tell by the exit code whether the figure holds."""
    parts, function = measure([PARTS, "import app"])
    ratio = function / parts
    print(f"Powertools, pydantic and boto3 alone  {parts * 1000:6.0f} ms")
    print(f"functions/api/app.py                  {function * 1000:6.0f} ms")
    print(f"ratio                                 {ratio:6.2f}    (at most {ALLOWED})")
    return int(ratio > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
