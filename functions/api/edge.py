"""Around the routes: who asks, what is refused before it is parsed, and every error as a problem body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from synthcredit.answers import CONTENT_TYPE, Answer, http_answer, problem_answer
from synthcredit.aws.runtime import logger
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, SynthcreditError, problems_from
from synthcredit.jobs.request import parse_request
from synthcredit.usecases.listing import JobView

MAX_BODY_BYTES = 200 * 1024
"""Of a request. The schema of 500 columns, which is the largest thing that one holds, takes about 100 KB."""

_TAKES_A_REQUEST = ("/jobs", "/estimates")


def new_app() -> APIGatewayRestResolver:
    """Return the resolver, with every error answered as a problem."""
    app = APIGatewayRestResolver(enable_validation=True, json_body_deserializer=strict_json)

    @app.not_found
    def no_route(_: NoRouteError) -> Response[str]:
        return _response(_no_route(app))

    @app.exception_handler(RequestValidationError)
    def invalid(error: RequestValidationError) -> Response[str]:
        findings = error.errors()
        if any(finding["loc"][0] == "response" for finding in findings):
            # Powertools raises the same where an answer of ours does not fit its own model.
            return fault(error)
        return refused(_as_ours(findings, app))

    @app.exception_handler(SynthcreditError)
    def refused(error: SynthcreditError) -> Response[str]:
        answer = http_answer(error, _request_id(app))
        (logger.error if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else logger.info)("refused: %s", error)
        return _response(answer)

    @app.exception_handler(Exception)
    def fault(error: Exception) -> Response[str]:
        logger.exception("a fault of ours")
        return _response(http_answer(error, _request_id(app)))

    return app


def answer(app: APIGatewayRestResolver, event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401
    """Answer one request, of which nothing is parsed that is too large or no JSON."""
    refusal = _refusal(event)
    if refusal is None:
        return app.resolve(event, context)
    return {
        "statusCode": refusal.status,
        "headers": {"Content-Type": CONTENT_TYPE},
        "body": refusal.body.model_dump_json(),
        "isBase64Encoded": False,
    }


def accepted(app: APIGatewayRestResolver, job: JobView) -> Response[JobView]:
    """Answer that a job is accepted, or will be stopped, and where to look for it."""
    below = "" if app.current_event.path.endswith(("/", job.job_id)) else "jobs/"
    # Relative to the request's own URL: right with a stage in the path, without, and behind a domain of one's own.
    return Response(HTTPStatus.ACCEPTED, "application/json", job, headers={"Location": f"{below}{job.job_id}"})


def caller(app: APIGatewayRestResolver) -> str:
    """Return who asks: the IAM identity, whichever of its sessions it is in."""
    identity: Mapping[str, Any] = app.current_event.raw_event.get("requestContext", {}).get("identity") or {}
    arn = identity.get("userArn")
    if not arn:
        return str(identity.get("accountId") or "anonymous")
    if ":assumed-role/" in arn:
        return str(arn).rsplit("/", 1)[0]
    return str(arn)


def strict_json(body: str) -> Any:  # noqa: ANN401 - JSON is whatever it is
    """Parse a body, and refuse what Python would take for JSON and nobody else does."""
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise InvalidInputError(Problem("request", "the body is not JSON", "Send one JSON object, in UTF-8.")) from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _refusal(event: Mapping[str, Any]) -> Answer | None:
    body = event.get("body") or ""
    instance = (event.get("requestContext") or {}).get("requestId") or ""
    # Base64 takes four characters for three bytes.
    size = len(body) * 3 // 4 if event.get("isBase64Encoded") else len(body.encode(errors="replace"))
    if size > MAX_BODY_BYTES:
        too_large = Problem(
            "request",
            f"the body has {size:,} bytes, and at most {MAX_BODY_BYTES:,} are read",
            "Shorten the schema, or leave it to be detected; bring data in by POST /datasets.",
        )
        title = "The request is too large"
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return problem_answer(status, title, "TooLarge", [too_large], instance)
    kind = _header(event, "content-type").partition(";")[0].strip().lower()
    if body and kind not in ("", "application/json"):
        other = Problem("header Content-Type", "the body is not said to be JSON", "Send application/json.")
        title = "The request is not of a kind that is read"
        return problem_answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, title, "UnsupportedMediaType", [other], instance)
    return None


def _header(event: Mapping[str, Any], name: str) -> str:
    headers = event.get("headers") or {}
    return next((value for key, value in headers.items() if key.lower() == name and value), "")


def _as_ours(findings: list[dict[str, Any]], app: APIGatewayRestResolver) -> InvalidInputError:
    """Return what validation found as one of our errors, with everything that is wrong with the request at once."""
    places = {str(finding["loc"][0]) for finding in findings}
    if "path" in places:
        name = str(next(finding["loc"][1] for finding in findings if finding["loc"][0] == "path"))
        return NotFoundError(Problem(name, "it does not exist", "Look at the id."))
    outside = [{**finding, "loc": finding["loc"][1:]} for finding in findings]
    if "body" not in places or app.current_event.path.rstrip("/") not in _TAKES_A_REQUEST:
        return InvalidInputError(problems_from(outside))
    try:
        # Once more by our own parser: it knows the settings of every synthesizer too.
        parse_request(app.current_event.decoded_body or "")
    except InvalidInputError as error:
        rest = [there for there, finding in zip(outside, findings, strict=True) if finding["loc"][0] != "body"]
        return InvalidInputError([*error.problems, *problems_from(rest)])
    return InvalidInputError(problems_from(outside))


def _no_route(app: APIGatewayRestResolver) -> Answer:
    path = app.current_event.path
    # Powertools tells no one which methods a path has.
    routes = [*app._static_routes, *app._dynamic_routes]
    allowed = sorted({route.method for route in routes if route.rule.match(path)})
    if not allowed:
        nowhere = Problem("path", "nothing is there", "See docs/openapi.json for what there is.")
        return problem_answer(HTTPStatus.NOT_FOUND, "It does not exist", "NotFound", [nowhere], _request_id(app))
    methods = ", ".join(allowed)
    wrong = Problem("method", "this path does not have it", f"Use {methods}.")
    title = "The path does not have this method"
    status = HTTPStatus.METHOD_NOT_ALLOWED
    return problem_answer(status, title, "MethodNotAllowed", [wrong], _request_id(app), {"Allow": methods})


def _request_id(app: APIGatewayRestResolver) -> str:
    return str((app.current_event.raw_event.get("requestContext") or {}).get("requestId") or "")


def _response(answer: Answer) -> Response[str]:
    return Response(answer.status, CONTENT_TYPE, answer.body.model_dump_json(), headers=dict(answer.headers))
