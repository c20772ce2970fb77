"""The verbs of a platform: the embedded one on this machine, or one on AWS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthcredit import console
from synthcredit.cli.common import (
    AsJson,
    AskedRows,
    Balance,
    ContinueFrom,
    Customers,
    Data,
    DeclarationFile,
    Deliver,
    EvidenceLevel,
    Holdout,
    MaxTstrLoss,
    Out,
    Portfolio,
    Request,
    Retrain,
    SchemaFile,
    Seed,
    Setting,
    Share,
    Synthesizer,
    Target,
    TargetRate,
    Where,
    answering,
    conditions_of,
    request_body,
)
from synthcredit.errors import NotFoundError, Problem, SynthcreditError
from synthcredit.evidence.limits import Profile as GateLevel
from synthcredit.evidence.model import Level
from synthcredit.local.world import default_home

if TYPE_CHECKING:
    from synthcredit.api import Result
    from synthcredit.client import JobStatus, Platform, Results

Endpoint = Annotated[str | None, typer.Option("--endpoint", help="The platform's URL; else $SYNTHCREDIT_ENDPOINT.")]
Profile = Annotated[str | None, typer.Option("--profile", help="Whose AWS credentials to use, by profile.")]
Stack = Annotated[str | None, typer.Option("--stack", help="The platform's CloudFormation stack, by name.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, see `synthcredit status`.")]
Home = Annotated[
    Path | None,
    typer.Option("--home", help="Where the embedded platform lies: $SYNTHCREDIT_HOME, or .synthcredit here."),
]


def submit(
    request: Request = None,
    data: Data = None,
    target: Target = None,
    synthesizer: Synthesizer = "trees",
    rows: AskedRows = None,
    portfolio: Portfolio = None,
    customers: Customers = None,
    declaration: DeclarationFile = None,
    seed: Seed = 0,
    out_path: Out = Path("out"),
    holdout: Holdout = None,
    schema: SchemaFile = None,
    setting: Setting = None,
    target_rate: TargetRate = None,
    where: Where = None,
    balance: Balance = None,
    share: Share = None,
    deliver: Deliver = None,
    gate_profile: Annotated[
        GateLevel | None, typer.Option("--gate-profile", help="Gate: development, sharing or strict.")
    ] = None,
    evidence: EvidenceLevel = Level.STANDARD,
    max_tstr_loss: MaxTstrLoss = None,
    retrain: Retrain = False,
    continue_from: ContinueFrom = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Submit only; do not wait for the end.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Run it anew, though it was submitted before.")] = False,
    key: Annotated[str | None, typer.Option("--key", help="The idempotency key; made from request and data.")] = None,
    endpoint: Endpoint = None,
    profile: Profile = None,
    stack: Stack = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Submit a request to a platform, follow it, and fetch its results.

    Local files are uploaded first; s3://bucket/key is read where it is. The same command again finds the same job.

    For example:

      synthcredit submit --data applicants.csv --target default --rows 10000

      synthcredit submit --data s3://bucket/applicants.csv --target default --stack synthcredit --profile bank

      synthcredit submit --portfolio downturn --customers 100000

      synthcredit submit request.json --no-wait
    """
    with answering(as_json):
        from synthcredit import api, client
        from synthcredit.jobs.request import parse_request

        body = request_body(
            request, data=data, target=target, synthesizer=synthesizer, rows=rows, seed=seed, holdout=holdout,
            schema=schema, setting=setting, deliver=deliver, profile=gate_profile, evidence=evidence,
            max_tstr_loss=max_tstr_loss, retrain=retrain, continue_from=continue_from,
            portfolio=portfolio, customers=customers, declaration=declaration,
            conditions=conditions_of(target_rate, where, balance, share),
        )  # fmt: skip
        form = api.single_form(out_path)
        if form:
            body["deliver"] = [form]
        # All that is wrong with it, before a file is sent.
        parsed = parse_request(body)
        if form:
            api.require_one_table(parsed, out_path)
        platform = client.Platform.open(endpoint, profile, stack, home)
        place = home or default_home()
        job = platform.submit_files(body, client.Uploads(place, platform.place.api_url), key=key, again=again)
        if no_wait:
            _print_job(job, as_json=as_json)
            return
        new = not job.state.closed
        if new:
            job = _follow(platform, job)
        _raise_unless_succeeded(platform, job, place, new=new)
        results = platform.results(job.job_id)
        result = platform.result(job, platform.download(results, place / "out" if form else out_path))
        if form:
            result = api.in_one_file(result, out_path)
        asked = _ask(platform, results, result)
        if as_json:
            console.print_json(console.as_json(result) | console.asked_as_json(asked))
        else:
            console.summary(result, new=new, places=_places(results), asked=asked)


def status(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="One job, by its id; else the newest.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many jobs to list.")] = 20,
    endpoint: Endpoint = None,
    profile: Profile = None,
    stack: Stack = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show whether the platform is up and its newest jobs, or where one job stands.

    Example:

      synthcredit status 0123456789abcdef01234567
    """
    with answering(as_json):
        from synthcredit import client

        platform = client.Platform.open(endpoint, profile, stack, home)
        if job is not None:
            _print_job(platform.job(job), as_json=as_json)
            return
        platform.require_healthy()
        jobs = list(platform.jobs(limit))
        if as_json:
            console.print_json(
                {"platform": platform.place.api_url, "embedded": platform.place.embedded, "up": True}
                | {"jobs": [each.model_dump(mode="json") for each in jobs]}
            )
            return
        kind = "The embedded platform" if platform.place.embedded else "The platform"
        console.out.print(f"{kind} is up: {platform.place.api_url}\n", soft_wrap=True)
        console.out.print(console.jobs_table(jobs) if jobs else "It has no job yet: `synthcredit submit` makes one.")


def stop(
    job: JobId,
    endpoint: Endpoint = None,
    profile: Profile = None,
    stack: Stack = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Stop a job; what it made is taken away.

    Example:

      synthcredit stop 0123456789abcdef01234567
    """
    with answering(as_json):
        from synthcredit import client

        stopped = client.Platform.open(endpoint, profile, stack, home).stop(job)
        if as_json:
            console.print_json(stopped.model_dump(mode="json"))
        elif stopped.state == "stopped" or not stopped.state.closed:
            console.out.print(f"Job {stopped.job_id} is stopped.")
        else:
            console.out.print(f"Job {stopped.job_id} had ended already: {stopped.state}.")


def up(
    port: Annotated[int | None, typer.Option("--port", help="The port on 127.0.0.1 that it listens on.")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME=VALUE", help="A parameter of the template; may be repeated."),
    ] = None,
    home: Home = None,
) -> None:
    """Start the embedded platform on this machine, without Docker or an account, and deploy to it.

    Example:

      synthcredit up --parameter MaxRows=1000000
    """
    with answering(False):
        ports = [] if port is None else ["--port", str(port)]
        _local("up", ports + [word for pair in parameter or () for word in ("--parameter", pair)], home)


def down(
    delete: Annotated[bool, typer.Option("--delete", help="Delete its jobs, models and data too.")] = False,
    home: Home = None,
) -> None:
    """Stop the embedded platform; its jobs, models and data are kept for the next start.

    Example:

      synthcredit down --delete
    """
    with answering(False):
        _local("down", ["--delete"] if delete else [], home)


def _local(verb: str, args: list[str], home: Path | None) -> None:
    """Run one of the scripts of the embedded platform and end as it ends."""
    script = checkout() / "local" / f"{verb}.py"
    where = ["--home", str((home or default_home()).absolute())]
    done = subprocess.run([sys.executable, str(script), *args, *where], check=False)  # noqa: S603 - our own script
    if done.returncode:
        raise typer.Exit(done.returncode)


def checkout() -> Path:
    """Return the checkout that has the template and the embedded platform: from here upward, else the package's own.

    Raises
    ------
    NotFoundError
        There is none: synthcredit was installed from a wheel.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[4]):
        if (folder / "local" / "up.py").is_file() and (folder / "template.yaml").is_file():
            return folder
    raise NotFoundError(
        Problem(
            "local/up.py",
            "the embedded platform is part of the repository, and neither this folder nor the package is in one",
            "Give the command inside a clone of the repository; or use a platform on AWS, with --stack or --endpoint.",
        )
    )


def _follow(platform: Platform, job: JobStatus) -> JobStatus:
    """Show a job's progress until its end. Whoever stops watching does not stop the job."""
    try:
        with console.progress(elsewhere=True) as listener:
            return platform.follow(job.job_id, console.Watch(listener))
    except KeyboardInterrupt:
        console.err.print(
            f"\nJob {job.job_id} goes on.\n"
            f"  synthcredit status {job.job_id}   shows it\n"
            f"  synthcredit stop {job.job_id}     stops it\n"
            "The same command again waits for it and fetches its results.",
            soft_wrap=True,
        )
        raise typer.Exit(130) from None
    except SynthcreditError as error:
        error.add_note(f"Job {job.job_id} goes on; the same command again finds it.")
        raise


def _raise_unless_succeeded(platform: Platform, job: JobStatus, home: Path, *, new: bool) -> None:
    """Raise the error that a job ended with, with the way to its report."""
    from synthcredit.client import raise_unless_succeeded

    try:
        raise_unless_succeeded(job)
    except SynthcreditError as error:
        report = home / "reports" / job.job_id / "report.html"
        try:
            if platform.download_report(platform.results(job.job_id), report):
                error.add_note(f"Report: {report.absolute()}")
        except NotFoundError:
            # It ended before it had made one.
            pass
        if not new:
            error.add_note("This job ended before; --again runs it anew.")
        raise


def _places(results: Results) -> dict[str, str]:
    places = {} if results.table is None else {"table": f"{results.table.database}.{results.table.name}"}
    if results.data_files_left_out:
        places["data"] = f"{results.data_uri} (too many files to fetch by links)"
    return places


def _ask(platform: Platform, results: Results, result: Result) -> console.Asked | None:
    """Put a question to the published rows. That it cannot be answered takes nothing from the job."""
    from synthcredit.client import question

    if results.table is None:
        return None
    sql = question(result.schema, results.table)
    try:
        return console.Asked(sql, platform.query(sql))
    except SynthcreditError as error:
        return console.Asked(sql, why_not=str(error))


def _print_job(job: JobStatus, *, as_json: bool) -> None:
    if as_json:
        console.print_json(job.model_dump(mode="json"))
    else:
        console.print_job(job)
