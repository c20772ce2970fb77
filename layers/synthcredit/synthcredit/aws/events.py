"""The event bus on EventBridge."""

from __future__ import annotations

import json
from typing import Any

from synthcredit.aws.clients import Client
from synthcredit.aws.refusals import refusals
from synthcredit.errors import Problem, StorageError

SOURCE = "synthcredit"
MAX_BYTES = 8 * 1024
"""What the platform promises to those who listen."""


class BusEvents:
    """Events on one bus.

    Parameters
    ----------
    client
        An EventBridge client of boto3.
    bus
        The name of the bus.
    """

    def __init__(self, client: Client, bus: str) -> None:
        self._client = client
        self._bus = bus

    def emit(self, detail_type: str, detail: dict[str, Any]) -> None:
        """Announce something.

        Raises
        ------
        ValueError
            The detail is larger than `MAX_BYTES`: a fault of whoever emits, who should have sent a link.
        """
        content = json.dumps(detail)
        if len(content) > MAX_BYTES:
            raise ValueError(f"the detail of {detail_type} has {len(content)} bytes, and at most {MAX_BYTES} are sent")
        entry = {"Source": SOURCE, "DetailType": detail_type, "Detail": content, "EventBusName": self._bus}
        with refusals(f"bus {self._bus}"):
            answer = self._client.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            code = answer["Entries"][0].get("ErrorCode", "no reason given")
            raise StorageError(Problem(f"bus {self._bus}", f"AWS refused an event: {code}", "Try again."))
