"""Lambda functions on the real runtime interface, container images included.

ministack runs a Python function by a worker of its own that reports every exception as `Runtime.HandlerError`, so no
Retry or Catch by error name ever matches; and it runs container images only by Docker. It also has workers for
`provided.*` runtimes, which serve the Lambda Runtime API to any program: here they serve it to `awslambdaric`, the
client inside AWS's own Python runtime. A zip function runs in ministack's environment with its layers on the path; an
image function runs in the folder that its image is built from, in the project's environment (`local/images.json`).
"""

import hashlib
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc, stepfunctions

from plug import hooks, images

Config = dict[str, Any]
Result = dict[str, Any]

_IMAGE_MARK = b"image:"


class RuntimeWorker(lambda_runtime.ProvidedWorker):  # type: ignore[misc]  # ministack has no type hints
    """One execution environment of a Python function."""

    _exit_code: int | None = None

    def _await_init(self, init_timeout: float | None = None) -> None:
        """As AWS names it, an exception while the module is imported keeps its own name."""
        try:
            super()._await_init(init_timeout)
        except lambda_runtime.ProvidedInitTimeout:
            raise
        except RuntimeError as failure:
            reported = self._init_error
            if isinstance(reported, dict) and "errorType" in reported:
                raise lambda_runtime.ProvidedRuntimeError(
                    reported.get("errorMessage", ""), reported["errorType"]
                ) from failure
            raise lambda_runtime.ProvidedRuntimeError(str(failure), "Runtime.ExitError") from failure

    def _teardown(self) -> None:
        if self._proc is not None:
            self._exit_code = self._proc.poll()
        super()._teardown()

    def invoke(self, event: Any, request_id: str, **options: Any) -> Result:
        """Run one invocation; one that timed out or whose runtime died is reported in AWS's words."""
        result: Result = super().invoke(event, request_id, **options)
        payload = result.get("error_payload")
        if isinstance(payload, dict) and payload.get("errorType") == "Sandbox.Timedout":
            payload["errorMessage"] = f"RequestId: {request_id} Error: {payload['errorMessage']}"
        elif isinstance(payload, dict) and payload.get("errorType") == "Runtime.ExitError":
            payload["errorMessage"] = (
                f"RequestId: {request_id} Error: Runtime exited with error: {self._how_it_ended()}"
            )
        return result

    def _how_it_ended(self) -> str:
        if self._exit_code is None or self._exit_code >= 0:
            return f"exit status {self._exit_code}"
        return f"signal: {signal.strsignal(-self._exit_code)}".lower()


def _worker_class(old: Callable[[Config], type]) -> Callable[[Config], type]:
    def choose(config: Config) -> type:
        return RuntimeWorker if _is_python(config) or _is_image(config) else old(config)

    return choose


def _is_python(config: Config) -> bool:
    return str(config.get("Runtime") or "").startswith("python")


def _is_image(config: Config) -> bool:
    return config.get("PackageType") == "Image"


def _run_python(old: Callable[..., Result]) -> Callable[..., Result]:
    def run(function: Config, event: Any, request_id: str) -> Result:
        if not _is_python(function.get("config") or function):
            return old(function, event, request_id)
        return lambda_svc._execute_function_provided_warm(function, event, request_id)  # type: ignore[no-any-return]

    return run


def _run_image(old: Callable[..., Result]) -> Callable[..., Result]:
    def run(function: Config, event: Any, request_id: str) -> Result:
        config = function.get("config") or function
        if not _is_image(config):
            return old(function, event, request_id)
        # Stands where a zip function has its code: the worker hands it to `_code_folder` below.
        code = _IMAGE_MARK + str(config["ImageUri"]).encode()
        return lambda_svc._execute_function_provided_warm({**function, "code_zip": code}, event, request_id)  # type: ignore[no-any-return]

    return run


def _code_folder(old: Callable[[bytes], str]) -> Callable[[bytes], str]:
    """Add the program that ministack starts, `bootstrap`, to the folder with the code."""

    def folder(code: bytes) -> str:
        if code.startswith(_IMAGE_MARK):
            return _image_folder(code.removeprefix(_IMAGE_MARK).decode())
        place = Path(old(code))
        if not (place / "bootstrap").exists():
            _write_bootstrap(place, place, [sys.executable, "-m", "awslambdaric"], '"$_HANDLER"')
        return str(place)

    return folder


def _image_folder(uri: str) -> str:
    image = images.find(uri)
    place = Path(tempfile.gettempdir()) / f"image-{hashlib.sha256(uri.encode()).hexdigest()[:16]}"
    place.mkdir(parents=True, exist_ok=True)
    _write_bootstrap(place, image.folder, [image.python, *image.command("lambda")])
    return str(place)


def _write_bootstrap(place: Path, workdir: Path, command: list[str], last: str = "") -> None:
    text = f"#!/bin/sh\ncd {shlex.quote(str(workdir))} && exec {shlex.join(command)} {last}\n"
    # A program that is open for writing while another thread forks cannot be executed, hence ministack's lock.
    with lambda_svc._provided_code_lock:
        unfinished = place / f"bootstrap.{os.getpid()}"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.chmod(0o755)
        unfinished.rename(place / "bootstrap")


def _environment(old: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
    """Set what AWS's Python runtime sets: the search path with the layers, the log group, and unbuffered output."""

    def build(config: Config, code_dir: str, port: int) -> dict[str, str]:
        environment = old(config, code_dir, port)
        environment["AWS_LAMBDA_LOG_GROUP_NAME"] = _log_group(config)
        environment["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{config.get('Runtime') or 'Image'}"
        environment["AWS_LAMBDA_INITIALIZATION_TYPE"] = "on-demand"
        environment["PYTHONUNBUFFERED"] = "1"
        if _is_image(config):
            return {**images.find(config["ImageUri"]).environment, **environment}
        given = (config.get("Environment") or {}).get("Variables") or {}
        search = [code_dir, *given.get("PYTHONPATH", "").split(os.pathsep), *_layer_folders(config)]
        environment["PYTHONPATH"] = os.pathsep.join(part for part in search if part)
        return environment

    return build


def _log_group(config: Config) -> str:
    logging: dict[str, str] = config.get("LoggingConfig") or {}
    return logging.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"


def _layer_folders(config: Config) -> list[str]:
    """Return the python/ folder of each layer, on AWS together /opt/python. A later layer wins, as there."""
    folders = []
    for layer in config.get("Layers") or []:
        content = lambda_svc._resolve_layer_zip(layer)
        if content:
            folders.append(str(Path(lambda_svc._docker_extracted_dir(content, "layer")) / "python"))
    return folders[::-1]


def _as_task_error(old: Callable[..., Any]) -> Callable[..., Any]:
    """Name a throttled invocation `Lambda.TooManyRequestsException`, as a state machine sees it."""

    def call(function: Any, event: Any) -> Any:
        try:
            return old(function, event)
        except stepfunctions._ExecutionError as error:
            if "TooManyRequestsException" in str(error.cause):
                error.error = "Lambda.TooManyRequestsException"
            raise

    return call


def install() -> None:
    """Route Python and image functions to the runtime interface client."""
    hooks.wrap(lambda_runtime, "_worker_class_for", _worker_class)
    hooks.wrap(lambda_svc, "_execute_function_warm", _run_python)
    hooks.wrap(lambda_svc, "_execute_function_docker", _run_image)
    hooks.wrap(lambda_svc, "_provided_runtime_code_dir", _code_folder)
    hooks.wrap(lambda_svc, "_provided_worker_env", _environment)
    hooks.wrap(stepfunctions, "_call_lambda", _as_task_error)
    hooks.need(
        lambda_svc,
        *("_execute_function_provided_warm", "_resolve_layer_zip", "_docker_extracted_dir", "_provided_code_lock"),
    )
    hooks.need(stepfunctions, "_ExecutionError")
