"""The template by the rules of the house: nothing open, nothing unencrypted, nobody with more rights than needed."""

from __future__ import annotations

import json
import re
import tomllib

import jsonschema
import pytest
import yaml
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from tests.template_files import (
    ROOT,
    TEMPLATE,
    as_list,
    functions,
    load_machine,
    load_template,
    of_type,
    placeholders,
    texts,
)

from synthcredit.aws.settings import Settings
from synthcredit.jobs.placement import Limits
from synthcredit.jobs.prices import INSTANCES
from synthcredit.jobs.request import JobRequest
from synthcredit.steps import checkpoints
from synthcredit.usecases.upload import UploadRequest

REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-2")
DOCUMENT = load_template()
RESOURCES = DOCUMENT["Resources"]
PARAMETERS = DOCUMENT["Parameters"]
GLOBALS = DOCUMENT["Globals"]["Function"]
FUNCTIONS = functions(RESOURCES)
ZIPPED = {name: one for name, one in FUNCTIONS.items() if RESOURCES[name]["Type"] == "AWS::Serverless::Function"}
SAMPLE_SETTINGS = {
    "SYNTHCREDIT_LAKE_BUCKET": "lake-bucket",
    "SYNTHCREDIT_INBOX_BUCKET": "inbox-bucket",
    "SYNTHCREDIT_JOBS_TABLE": "jobs",
    "SYNTHCREDIT_BUS": "bus",
    "SYNTHCREDIT_DATABASE": "synthcredit_dev",
}


def folder(name: str) -> str:
    """ApiFunction is functions/api."""
    return name.removesuffix("Function").lower()


def property_of(name: str, key: str) -> object:
    """A function's property, its own or that of all."""
    own = FUNCTIONS[name]
    return own.get(key, GLOBALS.get(key)) if name in ZIPPED else own.get(key)


def findings(text: str, regions: tuple[str, ...] = ("eu-west-1",)) -> set[str]:
    """The ids of what cfn-lint, with the rules for serverless, says of a template."""
    arguments = ManualArgs(regions=list(regions), append_rules=["cfn_lint_serverless.rules"])
    return {match.rule.id for match in lint(text, config=arguments)}


class TestLint:
    def test_clean_in_every_region(self):
        assert findings(TEMPLATE.read_text(), REGIONS) == set()

    @pytest.mark.parametrize(
        ("good", "bad", "rule"),
        [
            ("    Tracing: Active\n", "", "WS1000"),
            ("      SSESpecification:", "      SseSpecification:", "E3002"),
            ("TargetKeyId: !Ref Key", "TargetKeyId: !Ref Kye", "E1020"),
        ],
    )
    def test_the_linter_bites(self, good, bad, rule):
        text = TEMPLATE.read_text()
        assert good in text
        assert rule in findings(text.replace(good, bad))

    def test_every_rule_that_is_ignored_would_say_something(self):
        text = TEMPLATE.read_text()
        ignored = set(re.findall(r"\b[EW]S?\d{4}\b", text))
        assert ignored
        assert findings(re.sub(r"\b[EW]S?\d{4}\b", "I0000", text)) == ignored


class TestSuppressions:
    def test_every_rule_that_cfn_lint_ignores_has_its_reason(self):
        lines = TEMPLATE.read_text().splitlines()
        ignoring = [number for number, line in enumerate(lines) if re.search(r"(- |\[)[EW]S?\d{4}\b", line)]
        assert ignoring
        for number in ignoring:
            assert lines[number - 1].strip().startswith("# "), lines[number]

    def test_every_check_that_is_skipped_in_the_template_has_its_reason(self):
        skipped = [
            skip for one in RESOURCES.values() for skip in one.get("Metadata", {}).get("checkov", {}).get("skip", [])
        ]
        assert skipped
        assert all(len(skip["comment"]) > 20 for skip in skipped)

    def test_every_check_that_is_skipped_everywhere_has_its_reason(self):
        text = (ROOT / ".checkov.yaml").read_text()
        lines = text.splitlines()
        skipping = [number for number, line in enumerate(lines) if line.strip().startswith("- CKV")]
        assert len(skipping) == len(yaml.safe_load(text)["skip-check"])
        for number in skipping:
            assert lines[number - 1].strip().startswith("# "), lines[number]


class TestFunctions:
    def test_folders_and_functions_are_the_same(self):
        folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
        assert {folder(name) for name in ZIPPED} == folders
        assert all(one["CodeUri"] == f"functions/{folder(name)}/" for name, one in ZIPPED.items())
        # The image is the one function that is no folder there.
        assert set(FUNCTIONS) - set(ZIPPED) == {"SynthesisFunction"}

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_log_group_of_its_own(self, name):
        logging = FUNCTIONS[name]["LoggingConfig"]
        assert logging == {"LogFormat": "JSON", "LogGroup": {"Ref": f"{name}Logs"}}
        group = RESOURCES[f"{name}Logs"]["Properties"]
        assert group["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/${{AWS::StackName}}-{folder(name)}"}
        assert FUNCTIONS[name]["FunctionName"] == {"Fn::Sub": f"${{AWS::StackName}}-{folder(name)}"}

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_dead_letters_trace_time_limit_and_key(self, name):
        letters = property_of(name, "DeadLetterQueue") or property_of(name, "DeadLetterConfig")
        assert letters["TargetArn"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}
        tracing = property_of(name, "Tracing") or property_of(name, "TracingConfig")["Mode"]
        assert tracing == "Active"
        assert 0 < property_of(name, "Timeout") <= 900
        assert property_of(name, "KmsKeyArn") == {"Fn::GetAtt": ["Key", "Arn"]}

    def test_the_api_answers_before_api_gateway_gives_up(self):
        assert FUNCTIONS["ApiFunction"]["Timeout"] <= 29

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_memory_that_a_new_account_has(self, name):
        memory = property_of(name, "MemorySize")
        if memory == {"Ref": "LambdaMemory"}:
            memory = PARAMETERS["LambdaMemory"]["Default"]
        assert memory <= 3008

    def test_the_image_function_is_what_plan_takes_it_to_be(self):
        image = FUNCTIONS["SynthesisFunction"]
        assert image["Timeout"] == Limits().lambda_seconds
        assert image["EphemeralStorage"]["Size"] == Limits().lambda_disk_mb
        assert image["MemorySize"] == {"Ref": "LambdaMemory"}

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_environment_is_what_the_settings_read(self, name):
        given = dict(FUNCTIONS[name]["Environment"]["Variables"])
        if name in ZIPPED:
            given = GLOBALS["Environment"]["Variables"] | given
        known = {f"SYNTHCREDIT_{field.upper()}" for field in Settings.model_fields}
        required = {f"SYNTHCREDIT_{key.upper()}" for key, field in Settings.model_fields.items() if field.is_required()}
        ours = {variable for variable in given if variable.startswith("SYNTHCREDIT_")}
        assert required <= ours <= known
        assert given["POWERTOOLS_SERVICE_NAME"] == folder(name)
        assert given["POWERTOOLS_METRICS_NAMESPACE"] == "synthcredit"
        # Nothing but settings goes there, least of all a secret.
        assert {variable for variable in given if variable not in ours} <= {
            "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL",
        }  # fmt: skip
        starts = "SYNTHCREDIT_STATE_MACHINE" in given
        assert starts == (name in ("ApiFunction", "DropFunction"))

    @pytest.mark.parametrize("name", ["DropFunction", "CloseFunction"])
    def test_an_event_is_not_lost(self, name):
        (event,) = FUNCTIONS[name]["Events"].values()
        assert event["Properties"]["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}
        assert event["Properties"]["RetryPolicy"]["MaximumRetryAttempts"] > 0
        failed = FUNCTIONS[name]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
        assert failed["Destination"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}

    def test_close_hears_of_this_machine_alone(self):
        detail = FUNCTIONS["CloseFunction"]["Events"]["Ended"]["Properties"]["Pattern"]["detail"]
        (arn,) = detail["stateMachineArn"]
        assert arn["Fn::Sub"].endswith(":stateMachine:${AWS::StackName}-synthesis")
        assert RESOURCES["Synthesis"]["Properties"]["Name"] == {"Fn::Sub": "${AWS::StackName}-synthesis"}
        assert detail["status"] == ["FAILED", "TIMED_OUT", "ABORTED"]


class TestLayers:
    @pytest.mark.parametrize("layer", ["synthcredit", "tables"])
    def test_versions_are_those_that_were_tested(self, layer):
        pinned = _pins(ROOT / "constraints.txt")
        wanted = _pins(ROOT / "layers" / layer / "requirements.txt")
        assert wanted
        assert {name: pinned.get(name) for name in wanted} == wanted

    @pytest.mark.parametrize("name", of_type(RESOURCES, "AWS::Serverless::LayerVersion"))
    def test_each_layer_is_built_for_the_runtime(self, name):
        layer = RESOURCES[name]
        assert layer["Properties"]["CompatibleRuntimes"] == [{"Ref": "PyRuntime"}]
        method = layer["Metadata"]["BuildMethod"]
        if method == "makefile":
            recipe = (ROOT / layer["Properties"]["ContentUri"] / "Makefile").read_text()
            assert f"build-{name}:" in recipe
        else:
            assert method == {"Ref": "PyRuntime"}

    def test_only_what_reads_tables_or_their_declarations_carries_arrow(self):
        carrying = {name for name, one in ZIPPED.items() if "Layers" in one}
        assert carrying == {"PlanFunction", "ApiFunction", "DropFunction"}


def _pins(path) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==([^\s;]+)", path.read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


class TestEncryption:
    @pytest.mark.parametrize("name", of_type(RESOURCES, "AWS::Logs::LogGroup"))
    def test_log_groups(self, name):
        group = RESOURCES[name]["Properties"]
        assert group["RetentionInDays"] == {"Ref": "LogDays"}
        assert group["KmsKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}

    @pytest.mark.parametrize("name", of_type(RESOURCES, "AWS::S3::Bucket"))
    def test_buckets(self, name):
        bucket = RESOURCES[name]["Properties"]
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        encryption = rule["ServerSideEncryptionByDefault"]
        if name == "AccessLogs":
            assert encryption == {"SSEAlgorithm": "AES256"}
        else:
            assert encryption == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]}}
            assert bucket["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": "AccessLogs"}
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
        assert any("NoncurrentVersionExpiration" in rule for rule in rules)

    def test_table_queue_topic_and_answers(self):
        key = ({"Fn::GetAtt": ["Key", "Arn"]}, {"Ref": "Key"})
        for one in of_type(RESOURCES, "AWS::DynamoDB::Table").values():
            assert one["Properties"]["SSESpecification"]["KMSMasterKeyId"] in key
            assert one["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        for one in of_type(RESOURCES, "AWS::SQS::Queue", "AWS::SNS::Topic").values():
            assert one["Properties"]["KmsMasterKeyId"] in key
        for one in of_type(RESOURCES, "AWS::Athena::WorkGroup").values():
            configuration = one["Properties"]["WorkGroupConfiguration"]
            assert configuration["EnforceWorkGroupConfiguration"] is True
            assert configuration["ResultConfiguration"]["EncryptionConfiguration"]["KmsKey"] in key

    def test_machines(self):
        # What SageMaker writes to its disks and to the lake; a machine of several has one key.
        for state in load_machine()["States"].values():
            if "sagemaker" in state.get("Resource", ""):
                config = (
                    state["Arguments"].get("ResourceConfig")
                    or state["Arguments"]["ProcessingResources"]["ClusterConfig"]
                )
                assert config["VolumeKmsKeyId"] == "${KeyArn}"
                assert config["VolumeSizeInGB"] == Limits().volume_gb

    def test_the_key_turns_itself(self):
        assert RESOURCES["Key"]["Properties"]["EnableKeyRotation"] is True

    @pytest.mark.parametrize("name", of_type(RESOURCES, "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key"))
    def test_data_outlives_the_stack(self, name):
        assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


class TestOnlyOverTls:
    @pytest.mark.parametrize("name", of_type(RESOURCES, "AWS::S3::Bucket"))
    def test_buckets(self, name):
        policies = of_type(RESOURCES, "AWS::S3::BucketPolicy").values()
        (policy,) = [one["Properties"] for one in policies if one["Properties"]["Bucket"] == {"Ref": name}]
        (denies,) = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
        assert denies["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert (denies["Principal"], denies["Action"]) == ("*", "s3:*")
        assert denies["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]

    def test_queue(self):
        statements = RESOURCES["DeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        (denies,) = [one for one in statements if one["Effect"] == "Deny"]
        assert denies["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


WITHOUT_RESOURCES = {
    "xray:PutTraceSegments": "X-Ray has no resources to name",
    "xray:PutTelemetryRecords": "X-Ray has no resources to name",
    "xray:GetSamplingRules": "X-Ray has no resources to name",
    "xray:GetSamplingTargets": "X-Ray has no resources to name",
    "servicequotas:ListServiceQuotas": "a list of all; read only",
    "servicequotas:ListAWSDefaultServiceQuotas": "a list of all; read only",
    "cloudwatch:PutMetricData": "has no resources; the namespace is its condition",
    "ecr:GetAuthorizationToken": "the login of the account; reading an image is another right",
    "logs:CreateLogDelivery": "the delivery of logs has no resources to name",
    "logs:GetLogDelivery": "the delivery of logs has no resources to name",
    "logs:UpdateLogDelivery": "the delivery of logs has no resources to name",
    "logs:DeleteLogDelivery": "the delivery of logs has no resources to name",
    "logs:ListLogDeliveries": "the delivery of logs has no resources to name",
    "logs:PutResourcePolicy": "Step Functions lets the delivery of logs write",
    "logs:DescribeResourcePolicies": "Step Functions looks whether it may",
    "logs:DescribeLogGroups": "a list of all; read only",
}
"""What may stand with `Resource: "*"`, and why: the service knows no resources for it."""


def statements() -> dict[str, list[dict]]:
    """Every statement that a role has, by the role; for a function's generated role, ApiFunctionRole and so on."""
    found: dict[str, list[dict]] = {f"{name}Role": [] for name in ZIPPED}
    for name, one in ZIPPED.items():
        found[f"{name}Role"] += [each for policy in one.get("Policies", []) for each in policy["Statement"]]
    for name, one in of_type(RESOURCES, "AWS::IAM::Role").items():
        policies = one["Properties"].get("Policies", [])
        found[name] = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    for one in of_type(RESOURCES, "AWS::IAM::ManagedPolicy").values():
        for role in one["Properties"]["Roles"]:
            found[role["Ref"]] += one["Properties"]["PolicyDocument"]["Statement"]
    return found


STATEMENTS = statements()


def who_may(pattern: str) -> set[str]:
    """The roles that are allowed an action."""
    return {
        role
        for role, allowed in STATEMENTS.items()
        if any(re.fullmatch(pattern, action) for one in allowed for action in as_list(one["Action"]))
    }


def where(role: str, pattern: str) -> set[str]:
    """What a role may do an action to, as the names and paths in the statement."""
    return {
        text
        for one in STATEMENTS[role]
        if any(re.fullmatch(pattern, action) for action in as_list(one["Action"]))
        for text in texts(one["Resource"])
    }


class TestRights:
    @pytest.mark.parametrize("role", STATEMENTS)
    def test_no_stars(self, role):
        for one in STATEMENTS[role]:
            assert one["Effect"] == "Allow"
            assert not [action for action in as_list(one["Action"]) if "*" in action], one
            if "*" in as_list(one["Resource"]):
                assert set(as_list(one["Action"])) <= set(WITHOUT_RESOURCES), one

    def test_every_reason_is_needed(self):
        starred = {
            action
            for allowed in STATEMENTS.values()
            for one in allowed
            if "*" in as_list(one["Resource"])
            for action in as_list(one["Action"])
        }
        assert starred == set(WITHOUT_RESOURCES)

    def test_who_starts_and_stops_jobs(self):
        assert who_may("states:StartExecution") == {"ApiFunctionRole", "DropFunctionRole", "SynthesisMachineRole"}
        assert who_may("states:StopExecution") == {"ApiFunctionRole", "DropFunctionRole", "SynthesisMachineRole"}

    def test_who_takes_rows_away(self):
        closing = {f"{name}FunctionRole" for name in ("Api", "Fail", "Close")}
        assert who_may("s3:DeleteObject.*") == closing | {"SynthesisRole", "SageMakerRole"}
        for role in who_may("s3:DeleteObject.*"):
            trains = role in ("SynthesisRole", "SageMakerRole")
            checkpoints = {"${Lake.Arn}/training/*"} if trains else set()
            assert where(role, "s3:DeleteObject.*") == {"${Lake.Arn}/jobs/*"} | checkpoints

    def test_who_sees_a_state_of_training(self):
        for role in STATEMENTS:
            seen = {place for place in where(role, "s3:(Get|Put)Object") if "training" in place}
            assert seen == ({"${Lake.Arn}/training/*"} if role in ("SynthesisRole", "SageMakerRole") else set())

    def test_an_abandoned_checkpoint_goes_when_the_code_says(self):
        rules = RESOURCES["Lake"]["Properties"]["LifecycleConfiguration"]["Rules"]
        (rule,) = [one for one in rules if one.get("Prefix") == checkpoints.PREFIX]
        assert rule["ExpirationInDays"] == checkpoints.KEPT_DAYS

    def test_who_shows_rows(self):
        assert who_may("glue:(CreatePartition|BatchCreatePartition|CreateTable|UpdateTable)") == {
            "SynthesisRole", "SageMakerRole",
        }  # fmt: skip

    def test_nobody_changes_what_users_brought(self):
        for role in STATEMENTS:
            written = {place for place in where(role, "s3:(Put|Delete|Abort).*") if "Inbox" in place}
            assert written <= ({"${Inbox.Arn}/uploads/*"} if role == "ApiFunctionRole" else set())

    def test_a_role_is_passed_to_sagemaker_alone(self):
        assert who_may("iam:.*") == {"SynthesisMachineRole"}
        (passing,) = [one for one in STATEMENTS["SynthesisMachineRole"] if one["Action"] == "iam:PassRole"]
        assert passing["Resource"] == {"Fn::GetAtt": ["SageMakerRole", "Arn"]}
        assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}

    def test_the_machine_may_call_the_functions_that_it_calls(self):
        (invoking,) = [one for one in STATEMENTS["SynthesisMachineRole"] if one["Action"] == "lambda:InvokeFunction"]
        named = {resource["Fn::GetAtt"][0] for resource in invoking["Resource"]}
        called = {name.removesuffix("Arn") for name in placeholders(load_machine()) if name.endswith("FunctionArn")}
        assert named == called

    @pytest.mark.parametrize("role", of_type(RESOURCES, "AWS::IAM::Role"))
    def test_who_takes_a_role_comes_from_this_account(self, role):
        for one in RESOURCES[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
            service = one["Principal"]["Service"]
            # Lambda and API Gateway say in a role of theirs nothing of the account.
            if service not in ("lambda.amazonaws.com", "apigateway.amazonaws.com"):
                assert one["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}

    def test_missing_files_are_told_from_forbidden_ones(self):
        # With a condition on the prefix, S3 answers 403 for a missing key, and `exists` would raise.
        listing = [one for one in STATEMENTS["SynthesisRole"] if "s3:ListBucket" in as_list(one["Action"])]
        plain = {text for one in listing if "Condition" not in one for text in texts(one["Resource"])}
        assert {"Lake", "Inbox"} <= plain


class TestParameters:
    def test_only_the_image_has_to_be_given(self):
        assert [name for name, one in PARAMETERS.items() if "Default" not in one] == ["SynthesisImageUri"]

    def test_a_new_account_can_deploy(self):
        assert PARAMETERS["LambdaMemory"]["Default"] <= 3008
        assert PARAMETERS["SynthesisReservedConcurrency"]["Default"] == 0
        assert PARAMETERS["ShardConcurrency"]["Default"] < 10
        assert PARAMETERS["ApiGatewayLogRole"]["Default"] == "create"
        reserved = FUNCTIONS["SynthesisFunction"]["ReservedConcurrentExecutions"]["Fn::If"]
        assert reserved == ["ReservesConcurrency", {"Ref": "SynthesisReservedConcurrency"}, {"Ref": "AWS::NoValue"}]
        for name in ("TrainingInstanceType", "ProcessingInstanceType"):
            assert PARAMETERS[name]["Default"] in INSTANCES
            assert re.fullmatch(PARAMETERS[name]["AllowedPattern"], PARAMETERS[name]["Default"])

    def test_every_one_is_described_grouped_and_used(self):
        groups = DOCUMENT["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        assert sorted(name for group in groups for name in group["Parameters"]) == sorted(PARAMETERS)
        used = set(re.findall(r"!Ref (\w+)|\$\{(\w+)\}", TEMPLATE.read_text()))
        assert set(PARAMETERS) <= {name for pair in used for name in pair}
        assert all(one["Description"].endswith(".") for one in PARAMETERS.values())

    def test_every_value_that_can_be_given_is_a_setting(self):
        variables = GLOBALS["Environment"]["Variables"]
        referred = {
            variable: PARAMETERS[value["Ref"]]
            for variable, value in variables.items()
            if isinstance(value, dict) and value.get("Ref") in PARAMETERS
        }
        assert len(referred) == 9
        for bound in ("Default", "MinValue", "MaxValue"):
            given = {variable: str(one[bound]) for variable, one in referred.items() if bound in one}
            settings = Settings.from_environment(SAMPLE_SETTINGS | given)
            assert settings.max_cost_usd > 0

    def test_a_callback_has_a_key(self):
        rule = DOCUMENT["Rules"]["CallbackHasKey"]
        assert rule["Assertions"][0]["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "CallbackKey"}, ""]}]}
        assert PARAMETERS["CallbackKey"]["NoEcho"] is True

    def test_samconfig_says_where_what_is_uploaded_goes(self):
        # Without either, `sam deploy` refuses a template with an image function.
        for name, environment in tomllib.loads((ROOT / "samconfig.toml").read_text()).items():
            if isinstance(environment, dict) and "deploy" in environment:
                assert environment["deploy"]["parameters"]["resolve_s3"] is True, name
                assert environment["deploy"]["parameters"]["resolve_image_repos"] is True, name

    def test_samconfig_names_parameters_that_there_are(self):
        text = (ROOT / "samconfig.toml").read_text()
        named = set(re.findall(r'"(\w+)=[^"]*"', text)) - {"project", "stage"}
        assert named
        assert named <= set(PARAMETERS)


class TestApi:
    events = FUNCTIONS["ApiFunction"]["Events"].values()

    def routes(self) -> dict[tuple[str, str], dict]:
        return {
            (one["Properties"]["Path"], one["Properties"]["Method"].lower()): one["Properties"] for one in self.events
        }

    def test_routes_are_those_that_are_published(self):
        published = json.loads((ROOT / "docs" / "openapi.json").read_text())
        operations = {
            (path, method): one for path, methods in published["paths"].items() for method, one in methods.items()
        }
        assert set(self.routes()) == set(operations)
        is_open = {route for route, one in operations.items() if one.get("security", published["security"]) == []}
        assert is_open == {("/healthz", "get")}

    def test_only_healthz_is_open(self):
        auth = RESOURCES["Api"]["Properties"]["Auth"]
        assert auth["DefaultAuthorizer"] == "AWS_IAM"
        # Else every caller would need the right to call the function itself.
        assert auth["InvokeRole"] == "NONE"
        exempt = {route for route, one in self.routes().items() if "Auth" in one}
        assert exempt == {("/healthz", "get")}
        assert self.routes()["/healthz", "get"]["Auth"] == {"Authorizer": "NONE"}

    def test_every_body_is_checked(self):
        for (path, method), one in self.routes().items():
            if method == "post":
                assert one["RequestModel"]["ValidateBody"] is True, path
                assert one["RequestModel"]["Model"] in RESOURCES["Api"]["Properties"]["Models"]

    @pytest.mark.parametrize(("name", "parsed"), [("JobRequest", JobRequest), ("Upload", UploadRequest)])
    def test_models_ask_for_no_more_than_the_function(self, name, parsed):
        model = RESOURCES["Api"]["Properties"]["Models"][name]
        jsonschema.Draft4Validator.check_schema(model)
        full = parsed.model_json_schema()
        assert model["required"] == full["required"]
        assert set(model["properties"]) == set(full["properties"])

    def test_what_is_published_as_an_example_passes(self):
        published = json.loads((ROOT / "docs" / "openapi.json").read_text())
        models = RESOURCES["Api"]["Properties"]["Models"]
        tried = 0
        for (path, method), one in self.routes().items():
            if method != "post":
                continue
            body = published["paths"][path]["post"]["requestBody"]["content"]["application/json"]
            for example in body["examples"].values():
                jsonschema.validate(example["value"], models[one["RequestModel"]["Model"]], jsonschema.Draft4Validator)
                tried += 1
        assert tried >= 3

    def test_what_is_wrong_at_first_sight_does_not_pass(self):
        model = RESOURCES["Api"]["Properties"]["Models"]["JobRequest"]
        for wrong in (
            {"rows": 5},
            {"source": {"kind": "dataset"}},
            {"source": {}, "rows": 1},
            {"source": {"kind": "x"}, "rows": "5"},
        ):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(wrong, model, jsonschema.Draft4Validator)

    def test_its_own_answers_are_problem_bodies(self):
        for name, one in RESOURCES["Api"]["Properties"]["GatewayResponses"].items():
            assert one["ResponseParameters"]["Headers"]["Content-Type"] == "'application/problem+json'"
            template = one["ResponseTemplates"]["application/json"]
            # API Gateway puts quotes around messageString itself, and around nothing else.
            body = json.loads(template.replace("$context.error.messageString", '"said"'))
            assert body["problems"][0].keys() == {"field", "problem", "fix"}, name

    def test_each_request_is_logged_without_its_body(self):
        api = RESOURCES["Api"]["Properties"]
        line = json.loads(api["AccessLogSetting"]["Format"].replace("$context.", ""))
        assert {"requestId", "caller", "status", "path"} <= line.keys()
        (method,) = api["MethodSettings"]
        assert method["DataTraceEnabled"] is False
        assert method["ThrottlingRateLimit"] > 0

    def test_the_stage_waits_for_the_role_by_which_it_logs(self):
        assert RESOURCES["Api"]["Properties"]["Variables"]["LogRole"]["Fn::If"][1] == {"Ref": "ApiGatewayAccount"}

    def test_there_is_no_second_stage(self):
        # SAM makes one of the name "Stage", without logs and limits, unless a version is said.
        assert DOCUMENT["Globals"]["Api"]["OpenApiVersion"] == "2.0"


class TestStateMachine:
    def test_substitutions_are_those_of_the_file(self):
        given = RESOURCES["Synthesis"]["Properties"]["DefinitionSubstitutions"]
        assert set(given) == placeholders(load_machine())
        assert (ROOT / RESOURCES["Synthesis"]["Properties"]["DefinitionUri"]).is_file()

    def test_each_stands_for_what_its_name_says(self):
        given = RESOURCES["Synthesis"]["Properties"]["DefinitionSubstitutions"]
        for name, value in given.items():
            (target,) = {value.get("Ref"), *value.get("Fn::GetAtt", [])[:1]} - {None}
            assert name.removesuffix("Arn").removesuffix("Bucket").removesuffix("Table").removesuffix("Name") == target

    def test_data_stays_out_of_its_log(self):
        assert RESOURCES["Synthesis"]["Properties"]["Logging"]["IncludeExecutionData"] is False


class TestWatching:
    @pytest.mark.parametrize("name", of_type(RESOURCES, "AWS::CloudWatch::Alarm"))
    def test_alarms_tell_somebody(self, name):
        alarm = RESOURCES[name]["Properties"]
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmDescription"].endswith(".")

    def test_dashboard_is_json_and_shows_what_there_is(self):
        body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        shown = re.findall(r"\$\{(\w+)[}.]", body)
        assert set(shown) <= set(RESOURCES) | set(PARAMETERS)
        widgets = json.loads(body)["widgets"]
        assert len(widgets) == 5

    def test_outputs_are_those_that_clients_read(self):
        assert {
            "ApiUrl", "LakeBucket", "InboxBucket", "JobsTable", "StateMachineArn", "BusName", "Database", "Workgroup",
        } <= set(DOCUMENT["Outputs"])  # fmt: skip


class TestDatabase:
    def test_who_reads_the_one_secret(self):
        policy = RESOURCES["ReadDatabaseSecret"]
        assert policy["Condition"] == "HasDatabase"
        assert who_may("secretsmanager:.*") == {"SynthesisRole", "SageMakerRole"}
        for role in who_may("secretsmanager:.*"):
            (place,) = where(role, "secretsmanager:GetSecretValue")
            # Secrets Manager ends an ARN with a hyphen and six characters: no longer name fits.
            assert place.endswith(":secret:${DatabaseSecret}-??????")

    def test_nobody_is_told_of_a_secret_by_default(self):
        assert PARAMETERS["DatabaseSecret"]["Default"] == ""
        assert GLOBALS["Environment"]["Variables"]["SYNTHCREDIT_DATABASE_SECRET"] == {"Ref": "DatabaseSecret"}
