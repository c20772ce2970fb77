"""What the API says of itself; `python functions/api/openapi.py` writes it to docs/openapi.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from synthcredit import __version__
from synthcredit.answers import CONTENT_TYPE, ProblemBody
from synthcredit.synthesizers.card import ModelCard
from synthcredit.usecases.estimate import Estimate
from synthcredit.usecases.listing import JobPage, JobView, ModelPage
from synthcredit.usecases.results import Results
from synthcredit.usecases.upload import Upload

GOAL = Path(__file__).parents[2] / "docs" / "openapi.json"


class Health(BaseModel):
    """That the API answers."""

    ok: bool
    version: str


KEY = (
    "Name this request: sent again under the same key it finds the same job, so that it can be repeated after a lost "
    "answer. Without one, every request is a new job."
)

REQUESTS: dict[str, Any] = {
    "dataset": {
        "summary": "Learn a table and make rows like its own",
        "value": {
            "source": {"kind": "dataset", "uri": "s3://inbox/uploads/1f0c/applicants.csv", "target": "default"},
            "synthesizer": {"name": "trees"},
            "rows": 10000,
            "seed": 7,
        },
    },
    "model": {
        "summary": "More rows of a model that exists",
        "value": {
            "source": {"kind": "model", "model_id": "trees-applicants-0123456789ab"},
            "rows": 1000000,
            "deliver": ["parquet", "csv"],
        },
    },
    "portfolio": {
        "summary": "A simulated lender's whole book, from no data",
        "value": {"source": {"kind": "portfolio", "customers": 100000, "scenario": "downturn"}, "seed": 7},
    },
    "schema": {
        "summary": "Tables as they are declared, from no data",
        "value": {
            "source": {
                "kind": "schema",
                "declaration": {
                    "name": "accounts",
                    "tables": {
                        "customers": {
                            "rows": 1000,
                            "columns": {
                                "customer_id": {"type": "key", "format": "C{:06d}"},
                                "segment": {"type": "text", "categories": {"retail": 0.8, "private": 0.2}},
                            },
                        },
                        "transactions": {
                            "belongs_to": {"table": "customers", "children": {"kind": "poisson", "mean": 20}},
                            "columns": {
                                "customer_id": {"type": "foreign_key", "of": "customers"},
                                "amount": {"type": "number", "minimum": 0.01, "maximum": 5000},
                            },
                        },
                    },
                },
            },
            "seed": 7,
        },
    },
}
UPLOADS: dict[str, Any] = {
    "csv": {"summary": "A CSV file of 2 MB", "value": {"name": "applicants.csv", "size": 2000000}}
}

_PROBLEMS = {
    400: "What is asked cannot be worked with; `problems` names everything that is wrong, each with its fix.",
    403: "The request is not signed, or by somebody who may not. API Gateway answers this itself.",
    404: "What was named does not exist.",
    405: "The path does not have this method; the header Allow names those that it has.",
    409: "It is still being made.",
    410: "It was there, and has been cleared away.",
    413: "The body is larger than 200 KB.",
    415: "The body is not said to be JSON.",
    422: "The idempotency key was used for another request.",
    500: "A fault of the platform; `instance` leads to it in the log.",
    503: "Storage is out of reach; the header Retry-After says when to try again.",
}
_EXAMPLE = {
    "type": "urn:synthcredit:problem:InvalidInput",
    "title": "The request cannot be worked with",
    "status": 400,
    "detail": "rows: Input should be greater than or equal to 1. Correct the value.",
    "instance": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
    "error": "InvalidInput",
    "problems": [
        {"field": "rows", "problem": "Input should be greater than or equal to 1", "fix": "Correct the value."}
    ],
}
_LOCATION = {"Location": {"description": "Where the job is, relative to this request.", "schema": {"type": "string"}}}


def _route(
    summary: str, description: str, tag: str, good: tuple[int, str, type[BaseModel]], *problems: int, operation_id: str
) -> dict[str, Any]:
    status, meaning, model = good
    answer: dict[str, Any] = {"description": meaning, "content": {"application/json": {"model": model}}}
    if status == 202:
        answer["headers"] = _LOCATION
    bad = {
        code: {"description": _PROBLEMS[code], "content": {CONTENT_TYPE: {"model": ProblemBody}}}
        for code in (*problems, 500)
    }
    return {
        "summary": summary,
        "description": description,
        "tags": [tag],
        "responses": {status: answer, **bad},
        "operation_id": operation_id,
    }


_BODY = (400, 413, 415)
_AWS = (403, 503)

SUBMIT = _route(
    "Submit a request",
    "Puts a job and starts it: learn the source (or take a model that exists), generate, prove, gate, publish.",
    "jobs",
    (202, "The job, new or as it stands.", JobView),
    *_BODY, 404, 422, *_AWS,
    operation_id="submitJob",
)  # fmt: skip
LIST = _route(
    "List jobs", "Newest first, page by page.", "jobs", (200, "Some jobs.", JobPage), 400, *_AWS,
    operation_id="listJobs",
)  # fmt: skip
STATUS = _route(
    "Look at a job",
    "Where it stands, where and why each step runs, how long each took, and why it failed if it did.",
    "jobs",
    (200, "The job.", JobView),
    404, *_AWS,
    operation_id="getJob",
)  # fmt: skip
STOP = _route(
    "Stop a job",
    "Its rows are cleared away. A job that has ended stays as it is, so that stopping twice is stopping once.",
    "jobs",
    (202, "The job; it says `stopped` when it has stopped.", JobView),
    404, *_AWS,
    operation_id="stopJob",
)  # fmt: skip
RESULTS = _route(
    "Fetch what came of a job",
    "Links to report, evidence, manifest, plots and data, which work for a while, and the SQL that reads the rows. Of "
    "a job that failed, what there is to learn from.",
    "jobs",
    (200, "Links.", Results),
    404, 409, 410, *_AWS,
    operation_id="getResults",
)  # fmt: skip
ESTIMATE = _route(
    "Estimate a request",
    "Where each step would run and why, how long it would take and what it would cost; nothing is started.",
    "jobs",
    (200, "The estimate.", Estimate),
    *_BODY, 404, *_AWS,
    operation_id="estimateJob",
)  # fmt: skip
MODELS = _route(
    "List models", "Newest first, page by page.", "models", (200, "Some model cards.", ModelPage), 400, *_AWS,
    operation_id="listModels",
)  # fmt: skip
MODEL = _route(
    "Look at a model",
    "Its card: what it learned from, how, when it expires, and what was released from it.",
    "models",
    (200, "The card.", ModelCard),
    404, *_AWS,
    operation_id="getModel",
)  # fmt: skip
UPLOAD = _route(
    "Ask for an upload link",
    "PUT the file to `url` with the `headers`, then give `uri` as source.uri of a request.",
    "datasets",
    (200, "The link.", Upload),
    *_BODY, *_AWS,
    operation_id="uploadDataset",
)  # fmt: skip
HEALTH = _route(
    "Ask whether the API answers", "Needs no signature.", "health", (200, "It does.", Health), operation_id="getHealth",
)  # fmt: skip


def document() -> dict[str, Any]:
    """Return the OpenAPI document of the routes in app.py."""
    import app
    from aws_lambda_powertools.event_handler.openapi.models import APIKey, APIKeyIn

    signed = APIKey(
        name="Authorization",
        in_=APIKeyIn.header,
        description="AWS Signature Version 4, service execute-api.",
        **{"x-amazon-apigateway-authtype": "awsSigv4"},
    )
    made = json.loads(
        app.app.get_openapi_json_schema(
            title="synthcredit",
            version=__version__,
            description="Synthetic credit data that a bank can use, and the proof of it.",
            security_schemes={"sigv4": signed},
            security=[{"sigv4": []}],
        )
    )
    made["paths"]["/healthz"]["get"]["security"] = []
    for operation in (op for path in made["paths"].values() for op in path.values()):
        _mend(operation["responses"])
    for unused in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        made["components"]["schemas"].pop(unused, None)
    return made


def _mend(responses: dict[str, Any]) -> None:
    # Powertools notes its own validation error on every route; ours is 400.
    if "HTTPValidationError" in json.dumps(responses.get("422", {})):
        del responses["422"]
    for status, response in responses.items():
        if CONTENT_TYPE in response["content"]:
            response["content"][CONTENT_TYPE]["example"] = (
                {**_EXAMPLE, "status": int(status)} if status == "400" else None
            )
            if status != "400":
                del response["content"][CONTENT_TYPE]["example"]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    GOAL.write_text(json.dumps(document(), indent=1) + "\n", encoding="utf-8")
