"""The HTTP API: one function a route. What it does is in `synthcredit.usecases`, what is said of it in openapi.py."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

import edge
import openapi
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path, Query

from synthcredit import __version__
from synthcredit.aws.runtime import about, count, desk, entry, executions, links, settings, world
from synthcredit.jobs.job import State
from synthcredit.jobs.request import JobRequest
from synthcredit.synthesizers.card import ModelCard
from synthcredit.usecases import listing
from synthcredit.usecases.estimate import Estimate, estimate
from synthcredit.usecases.listing import JobPage, JobView, ModelPage
from synthcredit.usecases.results import Results, results
from synthcredit.usecases.stop import stop
from synthcredit.usecases.submit import submit
from synthcredit.usecases.upload import Upload, UploadRequest, upload

app = edge.new_app()

JobId = Annotated[str, Path(pattern="^[0-9a-f]{24}$", description="The job's id.")]
ModelId = Annotated[str, Path(pattern="^[a-z0-9_-]{1,200}$", description="The model's id.")]
Request = Annotated[JobRequest, Body(openapi_examples=openapi.REQUESTS)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200, description=openapi.KEY)]
Limit = Annotated[int, Query(ge=1, le=listing.MAX_PAGE, description="How many at the most.")]
Next = Annotated[str | None, Query(max_length=400, description="The `next` of the page before.")]
OfState = Annotated[State | None, Query(description="Only jobs that stand so.")]


@app.post("/jobs", **openapi.SUBMIT)
def post_job(request: Request, key: Key = None) -> Response[JobView]:
    """Submit a request."""
    job, new = submit(request, desk(), executions(), caller=edge.caller(app), key=key or uuid4().hex)
    about(job.job_id)
    if new:
        count("JobsAccepted")
    return edge.accepted(app, listing.show_job(job))


@app.get("/jobs", **openapi.LIST)
def get_jobs(limit: Limit = 20, state: OfState = None, next: Next = None) -> JobPage:  # noqa: A002 - its name outside
    """List jobs."""
    return listing.list_jobs(world(), limit=limit, state=state, after=next)


@app.get("/jobs/<job_id>", **openapi.STATUS)
def get_job(job_id: JobId) -> JobView:
    """Look at a job."""
    return listing.show_job(world().jobs.get(job_id))


@app.delete("/jobs/<job_id>", **openapi.STOP)
def delete_job(job_id: JobId) -> Response[JobView]:
    """Stop a job."""
    about(job_id)
    return edge.accepted(app, listing.show_job(stop(job_id, world(), executions(), caller=edge.caller(app))))


@app.get("/jobs/<job_id>/results", **openapi.RESULTS)
def get_results(job_id: JobId) -> Results:
    """Fetch what came of a job."""
    return results(job_id, world(), links(), database=settings().database)


@app.post("/estimates", **openapi.ESTIMATE)
def post_estimate(request: Request) -> Estimate:
    """Estimate a request."""
    return estimate(request, desk())


@app.get("/models", **openapi.MODELS)
def get_models(limit: Limit = 50, next: Next = None) -> ModelPage:  # noqa: A002 - its name outside
    """List models."""
    return listing.list_models(world().models, limit=limit, after=next)


@app.get("/models/<model_id>", **openapi.MODEL)
def get_model(model_id: ModelId) -> ModelCard:
    """Look at a model."""
    return listing.get_model(model_id, world().models)


@app.post("/datasets", **openapi.UPLOAD)
def post_dataset(request: Annotated[UploadRequest, Body(openapi_examples=openapi.UPLOADS)]) -> Upload:
    """Ask for an upload link."""
    return upload(request, links())


@app.get("/healthz", **openapi.HEALTH)
def get_health() -> openapi.Health:
    """Tell that the API answers."""
    return openapi.Health(ok=True, version=__version__)


@entry
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context
    """Answer one HTTP request."""
    return edge.answer(app, event, context)
