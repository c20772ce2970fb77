"""The JSON schema of evidence.json; `python docs/schema/write.py` writes it to docs/schema/evidence.json."""

from __future__ import annotations

import json
from pathlib import Path

from synthcredit.evidence.model import Evidence

GOAL = Path(__file__).with_name("evidence.json")


def document() -> str:
    """Return the schema as it is checked in."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Evidence.model_json_schema()}
    return json.dumps(schema, indent=1) + "\n"


if __name__ == "__main__":
    GOAL.write_text(document(), encoding="utf-8")
