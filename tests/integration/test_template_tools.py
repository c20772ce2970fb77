"""What others' tools say of the template: SAM, checkov, and cfn-lint of what SAM makes of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from cfnlint.api import lint
from cfnlint.config import ManualArgs

ROOT = Path(__file__).parents[2]
DEAD_END = "http://127.0.0.1:9"
"""Nobody answers there, so that a tool that calls home fails."""


def program(variable: str, usual: str) -> str:
    """A program that has an environment of its own, or a failure that says how to get it."""
    path = Path(os.environ.get(variable) or ROOT / usual)
    if not path.is_file():
        folder = Path(usual).parts[0]
        pytest.fail(
            f"{path} is missing: `make test` (or `make {folder}/.done`) installs it; ${variable} may name another"
        )
    return str(path)


@pytest.fixture(scope="module")
def sam() -> str:
    return program("SYNTHCREDIT_SAM", ".venv-sam/bin/sam")


@pytest.fixture(scope="module")
def checkov() -> str:
    return program("SYNTHCREDIT_CHECKOV", ".venv-checkov/bin/checkov")


def ask(*command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a tool without network, account or telemetry."""
    cut_off = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), DEAD_END)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **cut_off,
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_sam_finds_the_template_valid(sam):
    done = ask(sam, "validate", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is a valid SAM Template" in done.stdout


def test_sam_bites(sam, tmp_path):
    shutil.copytree(ROOT / "statemachine", tmp_path / "statemachine")
    text = (ROOT / "template.yaml").read_text()
    (tmp_path / "template.yaml").write_text(text.replace("MessageRetentionPeriod:", "MessageRetention:"))
    assert ask(sam, "validate", "--lint", folder=tmp_path).returncode != 0


TRANSLATE = """
import json, sys
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

class Policies:
    def load(self):
        names = ("AWSLambdaBasicExecutionRole", "AWSXRayDaemonWriteAccess")
        return {name: f"arn:aws:iam::aws:policy/{name}" for name in names}
    def get(self, name):
        return None

template = yaml_parse(open("template.yaml").read())
for resource in template["Resources"].values():
    for uri in ("CodeUri", "ContentUri", "DefinitionUri"):
        if uri in resource.get("Properties", {}):
            resource["Properties"][uri] = "s3://some-bucket/key"
json.dump(transform(template, {}, Policies()), sys.stdout, default=str)
"""


@pytest.fixture(scope="module")
def translated(sam) -> dict:
    """What CloudFormation gets once SAM has translated the template."""
    done = ask(str(Path(sam).parent / "python"), "-c", TRANSLATE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_cloudformation_gets_is_clean_too(translated):
    # Circles among resources, for one, show only here.
    assert lint(json.dumps(translated), config=ManualArgs(regions=["eu-west-1"])) == []


def test_functions_are_called_by_the_apis_right(translated):
    operations = [
        operation
        for methods in translated["Resources"]["Api"]["Properties"]["Body"]["paths"].values()
        for operation in methods.values()
    ]
    assert len(operations) >= 10
    assert not [one for one in operations if "credentials" in one["x-amazon-apigateway-integration"]]
    unsigned = [one for one in operations if one["security"] != [{"AWS_IAM": []}]]
    assert len(unsigned) == 1


def test_there_is_one_stage_and_it_waits_for_its_role(translated):
    resources = translated["Resources"].values()
    (stage,) = [one for one in resources if one["Type"] == "AWS::ApiGateway::Stage"]
    (deployment,) = [one for one in resources if one["Type"] == "AWS::ApiGateway::Deployment"]
    assert "StageName" not in deployment["Properties"]
    assert {"Ref": "ApiGatewayAccount"} in stage["Properties"]["Variables"]["LogRole"]["Fn::If"]


def test_checkov_is_content(checkov):
    done = ask(checkov, "-f", "template.yaml", "--config-file", ".checkov.yaml", "-o", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    # A traceback there says that it called home.
    assert done.stderr == ""
    summary = json.loads(done.stdout)["summary"]
    assert (summary["failed"], summary["parsing_errors"]) == (0, 0)
    assert summary["passed"] > 100


def test_every_check_that_is_skipped_would_fail(checkov, tmp_path):
    # In a folder without .checkov.yaml, which checkov reads by itself.
    shutil.copy(ROOT / "template.yaml", tmp_path)
    options = ["--framework", "cloudformation", "--skip-download", "-o", "json"]
    done = ask(checkov, "-f", "template.yaml", *options, folder=tmp_path)
    results = json.loads(done.stdout)["results"]
    failed = {check["check_id"] for check in results["failed_checks"]}
    assert failed == set(yaml.safe_load((ROOT / ".checkov.yaml").read_text())["skip-check"])
    skipped = {(check["check_id"], check["resource"]) for check in results["skipped_checks"]}
    assert skipped == {("CKV_AWS_18", "AWS::S3::Bucket.AccessLogs")}
