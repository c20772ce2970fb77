"""What training and processing on a SageMaker machine share: the file of failure, the order to stop, the log."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthcredit.aws.runtime import logger
from synthcredit.errors import Problem, StoppedError, SynthcreditError

ROOT_VARIABLE = "SYNTHCREDIT_ML_ROOT"
REASON_BYTES = 1024
"""What SageMaker keeps of a failure: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
and, for processing, ExitMessage."""
STEP_OF_PROGRESS = 0.05
"""How much has to be done for another line in the log."""

_stop = threading.Event()


def root() -> Path:
    """Return where SageMaker's files are: /opt/ml, or what $SYNTHCREDIT_ML_ROOT says."""
    return Path(os.environ.get(ROOT_VARIABLE) or "/opt/ml")


def read_config(path: Path) -> dict[str, Any]:
    """Read a file that SageMaker wrote for this job.

    Raises
    ------
    RuntimeError
        It is not there, or no JSON object: the container was not started by SageMaker.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise RuntimeError(f"{path} is missing or no JSON object; ${ROOT_VARIABLE} names the folder to look in")
    return content


def heed_stop() -> None:
    """Note the order to stop, SIGTERM; 120 s later SageMaker kills the container."""
    _stop.clear()
    signal.signal(signal.SIGTERM, lambda *_: _stop.set())


def check_stop() -> None:
    """End the work here if the order to stop has come.

    Raises
    ------
    StoppedError
        It has.
    """
    if _stop.is_set():
        raise StoppedError(Problem("job", "SageMaker was told to stop it", "Submit it again to run it."))


class Progress:
    """Writes a line of log now and then, and ends the work when it is to stop.

    Parameters
    ----------
    step
        What is under way.
    """

    def __init__(self, step: str) -> None:
        self._step = step
        self._said = -1.0

    def __call__(self, done: float, message: str) -> None:
        """Take note: ``done`` from 0 to 1, and what is being done."""
        check_stop()
        if done - self._said >= STEP_OF_PROGRESS or (done >= 1.0 > self._said):
            self._said = done
            logger.info("%s: %.0f %%, %s", self._step, 100 * done, message)


@contextmanager
def failure_written(path: Path) -> Iterator[None]:
    """Write down why the work failed, and end the process with 1; what is written already stays.

    Of what was not raised on purpose only the kind is written: its text may hold anything.
    """
    try:
        yield
    except SynthcreditError as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        logger.error(reason)
    except Exception as error:  # noqa: BLE001 - the last place before the process ends
        reason = type(error).__name__
        logger.exception("a fault of our own")
    else:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(reason.encode()[:REASON_BYTES].decode(errors="ignore").encode())
    raise SystemExit(1)
