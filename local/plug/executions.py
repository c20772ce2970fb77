"""Executions that stop, time out and retry as on AWS.

What ministack does otherwise:

- StopExecution only changes the status: tasks, retries and map items go on, and one that fails later turns the
  aborted execution into a failed one. Here nothing new starts, waits end at once, and a task stops being waited for.
  A Lambda invocation under way runs to its end, as on AWS; SageMaker jobs are stopped (`sagemaker.py`).
- TimeoutSeconds of the whole state machine is ignored, and no TIMED_OUT event is sent.
- Executions that ran when the server stopped end as FAILED without an event, so nothing closes their jobs.
- Retry ignores MaxDelaySeconds and JitterStrategy, a Distributed Map MaxConcurrencyPath.
- TimeoutSeconds of a JSONata state is not evaluated.
"""

import contextvars
import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import now_iso, set_request_account_id, set_request_region
from ministack.services import stepfunctions as states

from plug import hooks

Document = dict[str, Any]

STOPPED = "Synthcredit.Stopped"
_RESTART = "States.ServiceRestart"


@dataclass
class Run:
    """One execution under way."""

    arn: str
    stopped: threading.Event = field(default_factory=threading.Event)


_runs: dict[str, Run] = {}
_current: contextvars.ContextVar[Run | None] = contextvars.ContextVar("execution", default=None)


def current() -> Run | None:
    """Return the execution that this thread works for."""
    return _current.get()


def _refuse_when_stopped() -> None:
    run = current()
    if run and run.stopped.is_set():
        raise states._ExecutionError(STOPPED, "the execution was stopped")


def _run_with_clock(old: Callable[[str], None]) -> Callable[[str], None]:
    def run_execution(arn: str) -> None:
        run = _runs.setdefault(arn, Run(arn))
        _current.set(run)
        clock = _clock(run)
        try:
            old(arn)
        finally:
            clock.cancel()
            del _runs[arn]
            _close_children(arn)

    return run_execution


def _clock(run: Run) -> threading.Timer:
    limit = _definition(run.arn).get("TimeoutSeconds", 0)
    context = contextvars.copy_context()
    timer = threading.Timer(limit, context.run, (_time_out, run))
    timer.daemon = True
    if limit:
        timer.start()
    return timer


def _definition(arn: str) -> Document:
    machine = states._state_machines.get(states._executions[arn]["stateMachineArn"]) or {}
    try:
        definition: Document = json.loads(machine.get("definition", "{}"))
    except json.JSONDecodeError:  # ministack ends the execution itself
        return {}
    return definition


def _time_out(run: Run) -> None:
    execution = states._executions[run.arn]
    if execution["status"] != "RUNNING":
        return
    execution.update(status="TIMED_OUT", stopDate=now_iso())
    states._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
    run.stopped.set()
    states._emit_execution_status_event(execution)


def _stop_at_once(old: Callable[[Document], Any]) -> Callable[[Document], Any]:
    def stop(data: Document) -> Any:
        answer = old(data)
        run = _runs.get(data.get("executionArn", ""))
        if run and states._executions[run.arn]["status"] == "ABORTED":
            run.stopped.set()
        return answer

    return stop


def _close_children(arn: str) -> None:
    """Child executions of a stopped Distributed Map are aborted, not failed."""
    if states._executions[arn]["status"] not in ("ABORTED", "TIMED_OUT"):
        return
    for map_run in states._map_runs.values():
        if map_run["executionArn"] == arn and map_run["status"] != "SUCCEEDED":
            map_run["status"] = "ABORTED"
    for child in states._executions.values():
        if child.get("error") == STOPPED:
            child.update(status="ABORTED", error=None, cause=None)


def _fail_only_when_running(old: Callable[..., None]) -> Callable[..., None]:
    def fail(execution: Document, error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            old(execution, error, cause)

    return fail


def _sleep_until_stopped(_: Callable[[float], None]) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        run = current()
        stopped = run.stopped if run else threading.Event()
        stopped.wait(max(0.0, seconds * states._SFN_WAIT_SCALE))
        _refuse_when_stopped()

    return sleep


def _match_unless_stopped(old: Callable[..., bool]) -> Callable[..., bool]:
    return lambda names, error: error != STOPPED and old(names, error)


def _with_delay(old: Callable[..., tuple[Document | None, int]]) -> Callable[..., tuple[Document | None, int]]:
    """Give ministack the delay as a fixed interval: it knows neither a ceiling nor jitter."""

    def find(retriers: list[Document], error: str, counts: dict[int, int]) -> tuple[Document | None, int]:
        retrier, index = old(retriers, error, counts)
        if retrier is None:
            return None, index
        delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** counts.get(index, 0)
        delay = min(delay, retrier.get("MaxDelaySeconds", delay))
        if retrier.get("JitterStrategy") == "FULL":
            delay = random.uniform(0, delay)  # noqa: S311 - a delay, no secret
        return {**retrier, "IntervalSeconds": delay, "BackoffRate": 1}, index

    return find


def _refuse_to_start(old: Callable[..., Any]) -> Callable[..., Any]:
    def invoke(resource: str, content: Any) -> Any:
        _refuse_when_stopped()
        return old(resource, content)

    return invoke


def _evaluate_timeout(old: Callable[..., Any]) -> Callable[..., Any]:
    def execute(state: Document, content: Any, execution: Document, context: Document) -> Any:
        if isinstance(state.get("TimeoutSeconds"), str):
            seconds = states._jsonata_state_field(state, "TimeoutSeconds", "number", content, context)
            state = {**state, "TimeoutSeconds": seconds}
        return old({"TimeoutSeconds": 99999999, **state}, content, execution, context)

    return execute


def _invoke_and_watch(_: Callable[..., Any]) -> Callable[..., Any]:
    """Wait for a task until it ends, its time is over or its execution is stopped, whichever comes first."""

    def invoke(resource: str, content: Any, timeout: float) -> Any:
        outer = current()
        task = Run(outer.arn if outer else "")
        result: list[Any] = []
        failure: list[BaseException] = []
        done = threading.Event()

        def work() -> None:
            _current.set(task)
            try:
                result.append(states._invoke_resource(resource, content))
            except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
                failure.append(error)
            finally:
                done.set()

        threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()
        stopped = _wait_for_either(done, outer, timeout)
        if not done.is_set():
            task.stopped.set()
            if stopped:
                _refuse_when_stopped()
            raise states._ExecutionError("States.Timeout", f"Task timed out after {timeout} seconds")
        if failure:
            raise failure[0]
        return result[0]

    return invoke


def _wait_for_either(done: threading.Event, outer: Run | None, timeout: float) -> bool:
    """Wait for the task; true when the execution was stopped before the task ended."""
    end = time.monotonic() + timeout
    step = 0.02
    while (left := end - time.monotonic()) > 0:
        if done.wait(min(step, left)):
            return False
        if outer and outer.stopped.is_set():
            return True
        step = min(0.2, step * 1.2)
    return False


def _resolve_concurrency(old: Callable[..., Any]) -> Callable[..., Any]:
    def run(state: Document, content: Any, effective: Any, *rest: Any) -> Any:
        path = state.get("MaxConcurrencyPath")
        if path:
            state = {**state, "MaxConcurrency": states._resolve_path_or_ctx(path, effective, rest[-1])}
        return old(state, content, effective, *rest)

    return run


def _tell_orphans(old: Callable[[Document], None]) -> Callable[[Document], None]:
    def restore(data: Document) -> None:
        old(data)
        orphans = [
            one for one in states._executions.all_values() if one.get("error") == _RESTART and not one.get("told")
        ]
        threading.Thread(target=_send_events, args=(orphans,), daemon=True).start()

    return restore


def _send_events(orphans: list[Document]) -> None:
    _wait_for_server()
    for execution in orphans:
        _, _, _, region, account, *_ = execution["executionArn"].split(":")
        set_request_account_id(account)
        set_request_region(region)
        execution["told"] = True
        if not execution.get("mapRunArn"):
            states._emit_execution_status_event(execution)


def _wait_for_server() -> None:
    """Wait until the server answers: functions that the events start call back."""
    address = ("127.0.0.1", int(os.environ["GATEWAY_PORT"]))
    while True:
        try:
            socket.create_connection(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)


def install() -> None:
    """Replace ministack's handling of stops, timeouts and retries."""
    hooks.need(
        states,
        "_ExecutionError",
        "_SFN_WAIT_SCALE",
        "_jsonata_state_field",
        "_resolve_path_or_ctx",
        "_emit_execution_status_event",
    )
    hooks.wrap(states, "_run_execution", _run_with_clock)
    hooks.wrap(states, "_stop_execution", _stop_at_once)
    hooks.wrap(states, "_fail_execution", _fail_only_when_running)
    hooks.wrap(states, "_scaled_sleep", _sleep_until_stopped)
    hooks.wrap(states, "_error_matches", _match_unless_stopped)
    hooks.wrap(states, "_find_matching_retrier", _with_delay)
    hooks.wrap(states, "_invoke_resource", _refuse_to_start)
    hooks.wrap(states, "_invoke_resource_with_timeout", _invoke_and_watch)
    hooks.wrap(states, "_execute_task", _evaluate_timeout)
    hooks.wrap(states, "_run_distributed_map", _resolve_concurrency)
    hooks.wrap(states, "_restore_state", _tell_orphans)
