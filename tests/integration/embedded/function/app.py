"""A zip function of the tests: it does what the event says."""

import os
import signal
import time
from pathlib import Path

import tiny


class GateNotMetError(Exception):
    """A name that Retry and Catch look for."""


def handler(event, context):
    what = event.get("what", "echo")
    if what == "raise":
        raise GateNotMetError("too few rows")
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "look":
        import boto3

        found = boto3.client("s3").list_objects_v2(Bucket="tiny-data", Prefix="kept")
        return [one["Key"] for one in found["Contents"]]
    if what == "say":
        import boto3

        entry = {"Source": event["source"], "DetailType": "Said", "Detail": "{}"}
        return boto3.client("events").put_events(Entries=[entry])["FailedEntryCount"]
    if what == "count":
        return _fail_until(event)
    return {
        "layer": tiny.NAME,
        "event": event,
        "request": context.aws_request_id,
        "function": context.function_name,
        "left_ms": context.get_remaining_time_in_millis(),
        "stage": os.environ["STAGE"],
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
        "process": os.getpid(),
        "started": time.time(),
    }


def _fail_until(event):
    """Fail the first `failures` times; a file in the given folder counts the calls."""
    with (Path(event["folder"]) / "calls").open("a+", encoding="utf-8") as calls:
        calls.write("x")
        calls.seek(0)
        made = len(calls.read())
    if made <= event["failures"]:
        raise GateNotMetError("not yet")
    return {"calls": made}
