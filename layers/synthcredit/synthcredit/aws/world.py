"""The world on AWS: every port, with the clients they share."""

from __future__ import annotations

from synthcredit.aws.catalogue import GlueCatalogue
from synthcredit.aws.clients import make_client, session
from synthcredit.aws.events import BusEvents
from synthcredit.aws.executions import StateMachine
from synthcredit.aws.jobs import DynamoJobs
from synthcredit.aws.links import S3Links
from synthcredit.aws.models import S3Models
from synthcredit.aws.objects import S3Objects
from synthcredit.aws.settings import PREFIX, Settings, unset
from synthcredit.aws.signer import KmsSigner
from synthcredit.errors import InvalidInputError
from synthcredit.ports import World


def open_world(settings: Settings) -> World:
    """Return the ports on AWS that the steps need."""
    objects = S3Objects(make_client("s3"), settings.lake_bucket)
    return World(
        objects=objects,
        jobs=DynamoJobs(make_client("dynamodb"), settings.jobs_table),
        models=S3Models(objects),
        catalogue=GlueCatalogue(session(), make_client("glue"), settings.database, objects),
        events=BusEvents(make_client("events"), settings.bus),
        signer=KmsSigner(make_client("kms"), settings.signing_key) if settings.signing_key else None,
    )


def open_executions(settings: Settings) -> StateMachine:
    """Return the state machine.

    Raises
    ------
    InvalidInputError
        The settings name none.
    """
    if settings.state_machine is None:
        raise InvalidInputError(unset(f"{PREFIX}STATE_MACHINE"))
    return StateMachine(make_client("stepfunctions"), settings.state_machine)


def open_links(settings: Settings) -> S3Links:
    """Return the links into the lake and the inbox."""
    # Named by its region: a new bucket's general name is redirected for hours, and a signature does not survive that.
    client = make_client("s3", addressing="virtual")
    return S3Links(client, settings.lake_bucket, settings.inbox_bucket, settings.link_seconds)
