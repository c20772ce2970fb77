"""The same job with the emulator's IAM enforcement on, every heavy step on SageMaker: least privilege is enough."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from botocore.credentials import Credentials

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("iam")]


@pytest.fixture(scope="module")
def done(guarded, source):
    job = guarded.end_of(guarded.submit({"source": source, "rows": 9_000, "seed": 5}))
    assert job["state"] == "succeeded", job
    return job


def test_a_job_on_sagemaker_succeeds_with_the_rights_that_the_template_gives(guarded, done):
    placed = {placement["step"]: placement for placement in done["placement"]}
    assert {placement["where"] for placement in placed.values()} == {"sagemaker"}
    assert all("memory" in placement["why"] for placement in placed.values())
    entered = [
        event["stateEnteredEventDetails"]["name"]
        for event in guarded.history(guarded.execution(done["job_id"]))
        if event["type"] == "TaskStateEntered"
    ]
    assert [name for name in entered if name.endswith("OnSageMaker")] == [
        "TrainOnSageMaker", "GenerateOnSageMaker", "AssessOnSageMaker", "PublishOnSageMaker",
    ]  # fmt: skip
    table = guarded.http("GET", f"/jobs/{done['job_id']}/results").body["table"]
    name, _, job_id = table["partition"].partition("=")
    asked = f"SELECT count(*) FROM {table['database']}.{table['name']} WHERE {name} = '{job_id}'"
    rows = guarded.sql(asked)
    assert rows == [["9000"]]


def _user(platform, statement):
    iam = platform.client("iam")
    name = f"user-{abs(hash(json.dumps(statement))) % 10**8}"
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return replace(platform, keys=Credentials(key["AccessKeyId"], key["SecretAccessKey"]))


def test_a_caller_may_do_what_his_policy_says_and_no_more(guarded, source):
    reader = _user(guarded, {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*/GET/*"})
    assert reader.http("GET", "/jobs").status == 200
    assert reader.http("POST", "/jobs", {"source": source, "rows": 10}).status == 403
    nobody = _user(guarded, {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"})
    assert nobody.http("GET", "/jobs").status == 403


def test_a_refusal_that_passes_is_retried_by_its_name(guarded, source, done):
    """A step that may not write the table for a while fails with StorageError, which the machine retries."""
    iam = guarded.client("iam")
    (role,) = [r["RoleName"] for r in iam.list_roles()["Roles"] if "GateFunctionRole" in r["RoleName"]]
    table = guarded.client("dynamodb").describe_table(TableName=guarded.outputs["JobsTable"])["Table"]["TableArn"]
    denied = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": table}
    document = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    iam.put_role_policy(RoleName=role, PolicyName="outage", PolicyDocument=document)
    try:
        job_id = guarded.submit({"source": source, "rows": 200, "seed": 5})
        arn = guarded.execution(job_id)

        def refused():
            failed = [e for e in guarded.history(arn) if e["type"] == "TaskFailed"]
            return [event["taskFailedEventDetails"]["error"] for event in failed]

        assert set(guarded.wait_until(refused, "the refused step", 120)) == {"StorageError"}
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="outage")
    job = guarded.end_of(job_id)
    assert job["state"] == "succeeded", job
    assert job["failure"] is None
