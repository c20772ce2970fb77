import subprocess
import sys

import pytest
from pydantic import ValidationError

from synthcredit.aws.settings import Settings
from synthcredit.errors import InvalidInputError

NEEDED = {
    "SYNTHCREDIT_LAKE_BUCKET": "the-lake",
    "SYNTHCREDIT_INBOX_BUCKET": "the-inbox",
    "SYNTHCREDIT_JOBS_TABLE": "jobs",
    "SYNTHCREDIT_BUS": "bus",
    "SYNTHCREDIT_DATABASE": "lake",
}
ARN = "arn:aws:states:eu-central-1:123456789012:stateMachine:synthesis"


def test_what_is_needed_is_enough():
    settings = Settings.from_environment({**NEEDED, "PATH": "/bin", "SYNTHCREDIT_STATE_MACHINE": ""})
    assert (settings.lake_bucket, settings.inbox_bucket) == ("the-lake", "the-inbox")
    assert settings.state_machine is None
    assert settings.limits.lambda_memory_mb == settings.lambda_memory_mb == 3008


def test_every_setting_is_read_from_its_variable():
    given = {
        **NEEDED,
        "SYNTHCREDIT_STATE_MACHINE": ARN,
        "SYNTHCREDIT_SIGNING_KEY": "alias/synthcredit-signing",
        "SYNTHCREDIT_DATABASE_SECRET": "credit/db",
        "SYNTHCREDIT_MAX_ROWS": "500",
        "SYNTHCREDIT_MAX_COST_USD": "1.5",
        "SYNTHCREDIT_LINK_SECONDS": "60",
        "SYNTHCREDIT_LAMBDA_MEMORY_MB": "2048",
        "SYNTHCREDIT_LAMBDA_CONCURRENCY": "3",
        "SYNTHCREDIT_TRAINING_INSTANCE": "ml.c7i.xlarge",
        "SYNTHCREDIT_PROCESSING_INSTANCE": "ml.m5.4xlarge",
        "SYNTHCREDIT_PROCESSING_INSTANCES": "2",
    }
    settings = Settings.from_environment(given)
    assert {f"SYNTHCREDIT_{name.upper()}": str(value) for name, value in settings.model_dump().items()} == given
    limits = settings.limits
    assert (limits.training_instance, limits.processing_instance) == ("ml.c7i.xlarge", "ml.m5.4xlarge")
    assert (limits.processing_instances, limits.lambda_concurrency, limits.max_cost_usd) == (2, 3, 1.5)


def test_all_that_is_missing_or_malformed_is_named_at_once_and_no_value_is_repeated():
    given = {**NEEDED, "SYNTHCREDIT_BUS": "", "SYNTHCREDIT_LAKE_BUCKET": "Lake!", "SYNTHCREDIT_MAX_ROWS": "secret"}
    del given["SYNTHCREDIT_JOBS_TABLE"]
    with pytest.raises(InvalidInputError) as caught:
        Settings.from_environment(given)
    assert {problem.field.split()[-1] for problem in caught.value.problems} == {
        "SYNTHCREDIT_BUS",
        "SYNTHCREDIT_JOBS_TABLE",
        "SYNTHCREDIT_LAKE_BUCKET",
        "SYNTHCREDIT_MAX_ROWS",
    }
    assert "it is not set" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STATE_MACHINE", "synthesis"),
        ("STATE_MACHINE", ARN + ":alias"),
        ("TRAINING_INSTANCE", "m5.xlarge"),
        ("LAMBDA_MEMORY_MB", "64"),
        ("LINK_SECONDS", "604801"),
        ("MAX_COST_USD", "nan"),
    ],
)
def test_what_aws_would_refuse_is_refused_here(name, value):
    with pytest.raises(InvalidInputError, match=f"SYNTHCREDIT_{name}: .+ Correct it"):
        Settings.from_environment({**NEEDED, f"SYNTHCREDIT_{name}": value})


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings.from_environment(NEEDED).lake_bucket = "other"


def test_settings_need_neither_boto3_nor_numpy():
    code = "import sys, synthcredit.aws.settings; print({'boto3', 'botocore', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"set()\n"
