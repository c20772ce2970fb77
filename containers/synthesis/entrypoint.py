"""The one entry point of the image: it tells by its arguments what it is to be.

entrypoint.py train                                   a SageMaker training job
entrypoint.py process --step generate --job-id ID     a SageMaker processing job (generate, assess, publish, load)
entrypoint.py lambda                                  a Lambda function; the image's default
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

HANDLER = "handler.handler"
EMULATOR = "aws-lambda-rie"


def main(arguments: Sequence[str]) -> None:
    """Be what the arguments say."""
    options = _parser().parse_args(arguments)
    if options.role == "train":
        from training import train

        train()
    elif options.role == "process":
        from processing import process

        process(options.step, options.job_id)
    else:
        command = lambda_command()
        os.chdir(Path(__file__).parent)
        os.execv(command[0], command)  # noqa: S606 - becomes AWS's runtime client, with the signals of the container


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="synthesis", description="Trains, generates, assesses, publishes and loads.")
    roles = parser.add_subparsers(dest="role", required=True)
    roles.add_parser("lambda", help="serve the Lambda Runtime API")
    roles.add_parser("train", help="SageMaker training: the job id is in the hyperparameters")
    process = roles.add_parser("process", help="SageMaker processing")
    process.add_argument("--step", required=True, choices=("generate", "assess", "publish", "load"))
    process.add_argument("--job-id", required=True)
    return parser


def lambda_command() -> list[str]:
    """Return the program that serves the Lambda Runtime API.

    Raises
    ------
    SystemExit
        There is no Lambda here, and no emulator of it.
    """
    client = [sys.executable, "-m", "awslambdaric", HANDLER]
    if os.environ.get("AWS_LAMBDA_RUNTIME_API"):
        return client
    emulator = shutil.which(EMULATOR)
    if emulator is None:
        raise SystemExit(
            f"This is not Lambda: AWS_LAMBDA_RUNTIME_API is not set. Say train or process, or put {EMULATOR} on the "
            "path (https://github.com/aws/aws-lambda-runtime-interface-emulator)."
        )
    return [emulator, *client]


if __name__ == "__main__":
    main(sys.argv[1:])
