"""The state machine, without AWS: linted, every expression evaluated, every request validated, every way walked."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from copy import deepcopy
from itertools import product
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from tests.states_interpreter import Call, Machine, TaskError, evaluate, filled, is_expression, look_up, selected
from tests.template_files import MACHINE, ROOT, functions, load_machine, load_template, placeholders, texts

from synthcredit import errors
from synthcredit.answers import reason_for
from synthcredit.aws import runtime  # noqa: F401 - the image imports it, and its tracer opens a socket, which no test may
from synthcredit.jobs.job import Job, job_id_for, now
from synthcredit.jobs.placement import SAGEMAKER_LIMIT, Limits, Where, training_limit
from synthcredit.jobs.planning import cut_into_shards
from synthcredit.jobs.request import MAX_ROWS, DatasetSource, JobRequest
from synthcredit.randomness import BLOCK_ROWS

Document = dict[str, Any]

JOB = job_id_for("caller", "key")
SPOT_WAIT = 86_400
PAYLOAD_LIMIT = 262_144
"""Bytes of what a state takes or gives: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html."""
SUBSTITUTED = {
    "SynthesisImageUri": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/synthcredit:1.0",
    "SageMakerRoleArn": "arn:aws:iam::123456789012:role/synthcredit-SageMakerRole-0123456789AB",
    "KeyArn": "arn:aws:kms:eu-west-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
    "SigningKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/89abcdef-4567-cdef-0123-456789abcdef",
    "TrainingInstanceType": "ml.m5.xlarge",
    "SpotTraining": "no",
    "ProcessingInstanceType": "ml.m5.xlarge",
    "LakeBucket": "synthcredit-lake-0123456789ab",
    "InboxBucket": "synthcredit-inbox-0123456789ab",
    "JobsTable": "synthcredit-Jobs-0123456789AB",
    "BusName": "synthcredit",
    "Database": "synthcredit_dev",
} | {
    f"{name}FunctionArn": f"arn:aws:lambda:eu-west-1:123456789012:function:synthcredit-{name.lower()}"
    for name in ("Claim", "Plan", "Mark", "Gate", "Notify", "Fail", "Synthesis")
}
AWS_ERRORS = {
    # https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html, and of Lambda
    # https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html and bp-lambda-serviceexception.html
    "States.Timeout",
    "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException", "Lambda.Unknown",
    # What Lambda's runtime says of a process that ended or was ended.
    "Runtime.ExitError", "Runtime.OutOfMemory", "Sandbox.Timedout",
    # Optimised integrations name errors SERVICE.ERROR.
    "SageMaker.AmazonSageMakerException", "SageMaker.ThrottlingException",
}  # fmt: skip
OWN_ERRORS = {
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SynthcreditError)
}


def rendered(**changes: str) -> Document:
    """The machine with every substitution filled in."""
    text = MACHINE.read_text(encoding="utf-8")
    for name, value in (SUBSTITUTED | changes).items():
        text = text.replace(f"${{{name}}}", value)
    return load_machine(text)


RENDERED = rendered()
STATES: Document = RENDERED["States"]
SHARDS = STATES["GenerateOnLambda"]
ALL_STATES: Document = STATES | SHARDS["ItemProcessor"]["States"]
TASKS = {name: state for name, state in ALL_STATES.items() if state["Type"] == "Task"}
ON_LAMBDA = {name: state for name, state in TASKS.items() if state["Resource"].endswith(":lambda:invoke")}
ON_SAGEMAKER = {name: state for name, state in TASKS.items() if ":sagemaker:" in state["Resource"]}
FUNCTIONS = functions(load_template()["Resources"])
FUNCTION_TIMEOUT = load_template()["Globals"]["Function"]["Timeout"]


def planned(
    train: str = "lambda",
    generate: str = "lambda",
    assess: str = "lambda",
    publish: str = "lambda",
    load: str = "nowhere",
) -> Document:
    """What plan answers."""
    shards = [0, 1, 2] if generate == "lambda" else []
    instances = 2 if generate == "lambda" else 4
    places = {"train": train, "generate": generate, "assess": assess, "publish": publish, "load": load}
    limits = {"train_seconds": training_limit({}), "trainings": 1}
    return {"job_id": JOB, **places, "shards": shards, "instances": instances, **limits}


def states_of(name: str, **more: Any) -> Document:
    """What `$states` is in a state, from the richest input that reaches it."""
    data: Document = {"job_id": JOB} if name in ("Claim", "Plan") else planned()
    if name == "WasTrainingKilled":
        data["error"] = {"Error": "States.TaskFailed", "Cause": json.dumps({"FailureReason": "exit code: 137"})}
    if name in ("Fail", "Failed"):
        data = {"job_id": JOB, "error": {"Error": "GateNotMetError", "Cause": "{}"}}
    if name == "Generate":
        data = {"step": "generate", "job_id": JOB, "shard": 0}
    context = {"Execution": {"Name": JOB, "RedriveCount": 0}, "State": {"Name": name, "RetryCount": 0}}
    return {"input": data, "context": context, **more}


# ---------------------------------------------------------------- what cfn-lint says


def as_template(machine: Document) -> str:
    """A template with the machine as a resource that cfn-lint looks into."""
    # cfn-lint 1.58 knows no query language of a Succeed state; AWS does
    # (https://docs.aws.amazon.com/step-functions/latest/dg/state-succeed.html, "Output (Optional, JSONata only)").
    known = {
        name: {key: value for key, value in state.items() if (state["Type"], key) != ("Succeed", "QueryLanguage")}
        for name, state in machine["States"].items()
    }
    resource = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"RoleArn": SUBSTITUTED["SageMakerRoleArn"], "Definition": {**machine, "States": known}},
    }
    return json.dumps({"Resources": {"Machine": resource}})


def only_jsonata(machine: Document) -> Document:
    """The states that are JSONata as machines of that language.

    cfn-lint goes by the language at the top alone, and so would not see a JSONPath field in a JSONata state.
    """
    alone = deepcopy(machine)
    shards = alone["States"]["GenerateOnLambda"]
    # In the place of the one JSONPath state stands one that goes the same ways; its child run is looked at with it.
    alone["States"]["GenerateOnLambda"] = {
        "Type": "Parallel",
        "Branches": [{key: shards["ItemProcessor"][key] for key in ("StartAt", "States")}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": shards["Catch"][0]["Next"]}],
        "Next": shards["Next"],
    }
    return {**alone, "QueryLanguage": "JSONata"}


def findings(machine: Document) -> list[str]:
    """What cfn-lint says of a machine, as a whole and of its JSONata states."""
    return [
        f"{match.rule.id} {match.message}"
        for view in (machine, only_jsonata(machine))
        for match in lint(as_template(view), config=ManualArgs(regions=["eu-west-1"]))
    ]


def _start_nowhere(machine: Document) -> None:
    machine["StartAt"] = "Claimed"


def _child_starts_nowhere(machine: Document) -> None:
    machine["States"]["GenerateOnLambda"]["ItemProcessor"]["StartAt"] = "Generated"


def _path_in_jsonata(machine: Document) -> None:
    machine["States"]["Gate"]["ResultPath"] = "$.gate"


def _path_in_child(machine: Document) -> None:
    machine["States"]["GenerateOnLambda"]["ItemProcessor"]["States"]["Generate"]["InputPath"] = "$.job_id"


def _misspelt(machine: Document) -> None:
    machine["States"]["Gate"]["TimeoutSecond"] = 5


def _time_limit_on_map(machine: Document) -> None:
    # ASL has TimeoutSeconds for tasks and for the whole; a map has none.
    machine["States"]["GenerateOnLambda"]["TimeoutSeconds"] = 5


class TestLint:
    def test_clean(self):
        assert findings(RENDERED) == []

    @pytest.mark.parametrize(
        "spoil",
        [_start_nowhere, _child_starts_nowhere, _path_in_jsonata, _path_in_child, _misspelt, _time_limit_on_map],
    )
    def test_the_linter_bites(self, spoil: Callable[[Document], None]):
        broken = deepcopy(RENDERED)
        spoil(broken)
        assert any(finding.startswith("E3601") for finding in findings(broken))

    def test_nothing_is_left_to_fill_in(self):
        assert placeholders(RENDERED) == set()
        assert placeholders(load_machine()) == set(SUBSTITUTED)

    def test_every_state_is_reached_and_every_way_leads_somewhere(self):
        for machine in (RENDERED, SHARDS["ItemProcessor"]):
            targets = {machine["StartAt"]}
            for state in machine["States"].values():
                targets |= {state[key] for key in ("Next", "Default") if key in state}
                targets |= {way["Next"] for way in (*state.get("Catch", []), *state.get("Choices", []))}
            assert targets == set(machine["States"])


# ---------------------------------------------------------------- the rules of the house


class TestTasks:
    @pytest.mark.parametrize("name", ALL_STATES)
    def test_language(self, name):
        assert ALL_STATES[name].get("QueryLanguage") == (None if name == "GenerateOnLambda" else "JSONata")
        assert RENDERED["QueryLanguage"] == "JSONPath"

    @pytest.mark.parametrize("name", TASKS)
    def test_limit_of_time_without_heartbeat(self, name):
        assert TASKS[name]["TimeoutSeconds"] > 0
        # Nothing sends heartbeats, and AWS ends a task that should and does not.
        assert not [key for key in TASKS[name] if key.startswith("Heartbeat")]
        assert TASKS[name]["TimeoutSeconds"] < RENDERED["TimeoutSeconds"]

    @pytest.mark.parametrize("name", TASKS)
    def test_retries_by_name_with_backoff_and_jitter(self, name):
        retriers = TASKS[name]["Retry"]
        assert retriers
        named = [error for retrier in retriers for error in retrier["ErrorEquals"]]
        assert len(named) == len(set(named))
        assert set(named) <= AWS_ERRORS | {kind.__name__ for kind in OWN_ERRORS}
        for retrier in retriers:
            assert retrier["IntervalSeconds"] >= 1
            assert retrier["BackoffRate"] > 1
            assert retrier["MaxDelaySeconds"] > retrier["IntervalSeconds"]
            assert retrier["JitterStrategy"] == "FULL"
            assert 1 <= retrier["MaxAttempts"] <= 5

    @pytest.mark.parametrize("name", TASKS)
    def test_what_cannot_get_better_is_not_tried_again(self, name):
        named = {error for retrier in TASKS[name]["Retry"] for error in retrier["ErrorEquals"]}
        hopeless = {kind.__name__ for kind in OWN_ERRORS if kind is not errors.StorageError}
        assert not named & (hopeless | {"States.ALL", "States.TaskFailed"})

    @pytest.mark.parametrize("name", ON_LAMBDA)
    def test_storage_out_of_reach_is_tried_again(self, name):
        assert errors.StorageError.__name__ in ON_LAMBDA[name]["Retry"][0]["ErrorEquals"]

    @pytest.mark.parametrize("name", STATES)
    def test_catch_leads_to_fail(self, name):
        catching = STATES[name]["Type"] in ("Task", "Map") and name != "Fail"
        ways = [(one["ErrorEquals"], one["Next"]) for one in STATES[name].get("Catch", [])]
        if name == "TrainOnSageMaker":
            assert ways.pop(0) == (["States.TaskFailed"], "WasTrainingKilled")
        assert ways == ([(["States.ALL"], "Fail")] if catching else [])

    @pytest.mark.parametrize("name", ON_LAMBDA)
    def test_a_function_ends_before_its_state_gives_up(self, name):
        called = ON_LAMBDA[name]["Arguments"]["FunctionName"].rsplit("-", 1)[1]
        own = FUNCTIONS[f"{called.capitalize()}Function"].get("Timeout", FUNCTION_TIMEOUT)
        assert ON_LAMBDA[name]["TimeoutSeconds"] > own

    @pytest.mark.parametrize("name", ON_SAGEMAKER)
    def test_sagemaker_ends_before_its_state_gives_up(self, name):
        kind = "training" if name == "TrainOnSageMaker" else "processing"
        condition = request_of(name)["StoppingCondition"]
        assert condition == {"MaxRuntimeInSeconds": SAGEMAKER_LIMIT[kind]}
        wait = SPOT_WAIT if kind == "training" else 0
        assert ON_SAGEMAKER[name]["TimeoutSeconds"] > SAGEMAKER_LIMIT[kind] + wait

    def test_a_training_ends_when_its_budget_says(self):
        budget = training_limit({"max_minutes": 30})
        states = states_of("TrainOnSageMaker")
        states["input"]["train_seconds"] = budget
        asked = filled(ON_SAGEMAKER["TrainOnSageMaker"]["Arguments"], states)
        assert asked["StoppingCondition"] == {"MaxRuntimeInSeconds": budget}
        assert 30 * 60 < budget < SAGEMAKER_LIMIT["training"]

    def test_a_machine_at_spot_price_is_waited_for(self):
        arguments = rendered(SpotTraining="yes")["States"]["TrainOnSageMaker"]["Arguments"]
        asked = filled(arguments, states_of("TrainOnSageMaker"))
        assert asked["EnableManagedSpotTraining"] is True
        assert asked["StoppingCondition"] == {
            "MaxRuntimeInSeconds": SAGEMAKER_LIMIT["training"],
            "MaxWaitTimeInSeconds": SAGEMAKER_LIMIT["training"] + SPOT_WAIT,
        }
        assert ParamValidator().validate(asked, shape_of("TrainOnSageMaker")).generate_report() == ""
        assert request_of("TrainOnSageMaker")["EnableManagedSpotTraining"] is False

    def test_every_step_has_its_state_and_its_function(self):
        verbs = {path.stem for path in (ROOT / "layers/synthcredit/synthcredit/steps").glob("*.py")}
        steps = {"claim", "plan", "train", "generate", "assess", "gate", "publish", "load", "notify", "fail"}
        assert steps <= verbs
        begun = {re.match(r"[A-Z][a-z]+", name)[0].lower() for name in TASKS}
        assert begun == steps
        called = {state["Arguments"]["FunctionName"].rsplit("-", 1)[1] for state in ON_LAMBDA.values()}
        folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
        assert called - {"synthesis"} == folders - {"api", "drop", "close"}

    def test_both_places_have_the_same_settings(self):
        image = FUNCTIONS["SynthesisFunction"]["Environment"]["Variables"]
        ours = {name for name in image if name.startswith("SYNTHCREDIT_")}
        for state in ON_SAGEMAKER.values():
            assert set(state["Arguments"]["Environment"]) == ours


# ---------------------------------------------------------------- expressions


def expressions() -> list[tuple[str, str]]:
    return [
        (name, text)
        for name, state in ALL_STATES.items()
        if name != "GenerateOnLambda"
        for text in texts(state)
        if is_expression(text)
    ]


class TestExpressions:
    @pytest.mark.parametrize(("name", "expression"), sorted(set(expressions())))
    def test_each_gives_what_it_should(self, name, expression):
        result = {"Payload": {"job_id": JOB}}
        output = {"Error": "GateNotMetError", "Cause": "{}"}
        value = evaluate(expression, states_of(name, result=result, errorOutput=output))
        if "$merge" in expression:
            assert isinstance(value, dict)
        elif "$contains" in expression or " = '" in expression:
            assert isinstance(value, bool)
        elif expression.endswith(("input %}", "Payload %}", "errorOutput %}", "input.error %}")):
            assert isinstance(value, dict)
        elif expression.endswith(("instances %}", "shard %}")):
            assert type(value) is int
        else:
            assert isinstance(value, str)
            assert JOB in value or value in ("generate", "GateNotMetError")

    def test_there_are_expressions_to_evaluate(self):
        assert len(expressions()) > 60

    def test_a_misspelt_name_gives_nothing(self):
        with pytest.raises(TaskError):
            evaluate("{% $states.input.job %}", states_of("Gate"))

    def test_no_path_hides_in_a_jsonata_state(self):
        for name, state in ALL_STATES.items():
            if name != "GenerateOnLambda":
                assert not [text for text in texts(state) if text.startswith("$")], name


# ---------------------------------------------------------------- what SageMaker is asked


SAGEMAKER = botocore.session.get_session().get_service_model("sagemaker")


def request_of(name: str, redrive: int | None = 0, retry: int = 0, instances: int = 4, trainings: int = 1) -> Document:
    states = states_of(name)
    states["input"] = planned(generate="sagemaker") | {"instances": instances, "trainings": trainings}
    states["context"]["Execution"] = {"Name": JOB} | ({} if redrive is None else {"RedriveCount": redrive})
    states["context"]["State"]["RetryCount"] = retry
    return filled(ON_SAGEMAKER[name]["Arguments"], states)


def shape_of(name: str):
    action = ON_SAGEMAKER[name]["Resource"].rsplit(":", 1)[1].removesuffix(".sync")
    return SAGEMAKER.operation_model(action[0].upper() + action[1:]).input_shape


def name_field(name: str) -> str:
    return "TrainingJobName" if name == "TrainOnSageMaker" else "ProcessingJobName"


def refused(shape, value: Any, path: str = "") -> list[str]:
    """The texts that miss the pattern of their shape, which botocore's own validator does not look at."""
    if shape.type_name == "structure":
        return [text for key, one in value.items() for text in refused(shape.members[key], one, f"{path}.{key}")]
    if shape.type_name == "list":
        return [text for one in value for text in refused(shape.member, one, f"{path}[]")]
    if shape.type_name == "map":
        pairs = [*((shape.key, key) for key in value), *((shape.value, one) for one in value.values())]
        return [text for kind, one in pairs for text in refused(kind, one, path)]
    pattern = shape.metadata.get("pattern")
    wrong = pattern is not None and not re.fullmatch(pattern.replace(r"\p{L}\p{Z}\p{N}", r"\w\s"), str(value))
    known = getattr(shape, "enum", [])
    return [f"{path}: {value}"] if wrong or (known and value not in known) else []


class TestSageMaker:
    @pytest.mark.parametrize("name", ON_SAGEMAKER)
    def test_requests_are_as_the_api_wants_them(self, name):
        request = request_of(name)
        report = ParamValidator().validate(request, shape_of(name))
        assert report.generate_report() == ""
        assert refused(shape_of(name), request) == []

    @pytest.mark.parametrize(("key", "value"), [("InstanceCount", 1), ("HyperParameters", {"job_id": 5})])
    def test_the_validator_bites(self, key, value):
        wrong = request_of("TrainOnSageMaker") | {key: value}
        assert ParamValidator().validate(wrong, shape_of("TrainOnSageMaker")).has_errors()
        assert refused(shape_of("TrainOnSageMaker"), {"TrainingJobName": "no_underscores"}) != []

    @pytest.mark.parametrize("name", ON_SAGEMAKER)
    def test_names_are_short_and_never_come_twice(self, name):
        trainings = range(1, 4) if name == "TrainOnSageMaker" else (1,)
        names = [
            request_of(name, redrive, retry, trainings=training)[name_field(name)]
            for training in trainings
            for redrive in range(3)
            for retry in range(12)
        ]
        assert len(set(names)) == len(names)
        assert all(len(one) < 63 for one in names)
        assert request_of(name, None)[name_field(name)] == request_of(name, 0)[name_field(name)]

    def test_names_of_the_steps_differ(self):
        assert len({request_of(name)[name_field(name)] for name in ON_SAGEMAKER}) == len(ON_SAGEMAKER)

    def test_generation_has_as_many_machines_as_planned_and_all_else_one(self):
        counts = {
            name: request_of(name)["ProcessingResources"]["ClusterConfig"]["InstanceCount"]
            for name in ON_SAGEMAKER
            if name != "TrainOnSageMaker"
        }
        assert counts == {
            "GenerateOnSageMaker": 4, "AssessOnSageMaker": 1, "PublishOnSageMaker": 1, "LoadOnSageMaker": 1,
        }  # fmt: skip

    def test_what_training_leaves_lies_with_its_job(self):
        request = request_of("TrainOnSageMaker")
        assert request["OutputDataConfig"]["S3OutputPath"] == f"s3://{SUBSTITUTED['LakeBucket']}/jobs/{JOB}/training/"
        assert request["HyperParameters"] == {"job_id": JOB}

    @pytest.mark.parametrize("name", sorted(set(ON_SAGEMAKER) - {"TrainOnSageMaker"}))
    def test_the_container_understands_its_arguments(self, name, monkeypatch):
        monkeypatch.syspath_prepend(str(ROOT / "containers" / "synthesis"))
        parser = importlib.import_module("entrypoint")._parser()
        options = parser.parse_args(request_of(name)["AppSpecification"]["ContainerArguments"])
        assert (options.role, options.job_id) == ("process", JOB)
        assert name.lower().startswith(options.step)


# ---------------------------------------------------------------- the map


class TestShards:
    def test_paths_lead_somewhere_in_what_plan_answers(self):
        answer = planned()
        assert look_up(SHARDS["ItemsPath"], answer, {}) == [0, 1, 2]
        assert look_up(SHARDS["MaxConcurrencyPath"], answer, {}) == 2
        child = selected(SHARDS["ItemSelector"], answer, {"Map": {"Item": {"Value": 7}}})
        assert child == {"step": "generate", "job_id": JOB, "shard": 7}

    def test_is_distributed_and_named(self):
        assert SHARDS["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", SHARDS["Label"])
        # One shard that stays away fails the job: rows must not be missing.
        assert not [key for key in SHARDS if key.startswith("Tolerated")]

    def test_no_plan_is_too_large_to_be_passed_on(self):
        shards = cut_into_shards(MAX_ROWS, BLOCK_ROWS)
        assert 5_000 < len(shards) <= 10_000
        answer = planned() | {"shards": list(range(10_000))}
        assert len(json.dumps(answer)) < PAYLOAD_LIMIT / 2

    def test_children_give_back_next_to_nothing(self):
        output = filled(ALL_STATES["Generate"]["Output"], states_of("Generate", result={"Payload": {"job_id": JOB}}))
        assert output == 0
        assert SHARDS["ResultPath"] is None


# ---------------------------------------------------------------- ways through


class Works:
    """Tasks that succeed, but for those that are told not to; keeps every call."""

    def __init__(self, plan: Document, failing: dict[str, list[TaskError]] | None = None) -> None:
        self.plan = plan
        self.failing = failing or {}
        self.calls: list[Call] = []

    def __call__(self, call: Call) -> Document:
        self.calls.append(call)
        left = self.failing.get(call.state)
        if left:
            raise left.pop(0)
        if call.resource.endswith(".sync"):
            return {"Status": "Completed"}
        return {"StatusCode": 200, "Payload": self.plan if call.state == "Plan" else {"job_id": JOB}}

    @property
    def order(self) -> list[str]:
        return [call.state for call in self.calls]

    def payloads(self, state: str) -> list[Document]:
        return [call.arguments["Payload"] for call in self.calls if call.state == state]


def expected(plan: Document) -> list[str]:
    place = {"lambda": "OnLambda", "sagemaker": "OnSageMaker"}
    train = [] if plan["train"] == "nowhere" else [f"Train{place[plan['train']]}"]
    generate = ["Generate"] * 3 if plan["generate"] == "lambda" else ["GenerateOnSageMaker"]
    load = [] if plan["load"] == "nowhere" else [f"Load{place[plan['load']]}"]
    return [
        "Claim", "Plan", *train, "GenerateBegins", *generate, "GenerateEnds",
        f"Assess{place[plan['assess']]}", "Gate", f"Publish{place[plan['publish']]}", *load, "Notify",
    ]  # fmt: skip


PLACES = [str(Where.LAMBDA), str(Where.SAGEMAKER)]
PLANS = [
    *product([str(Where.NOWHERE), *PLACES], PLACES, PLACES, PLACES),
    # Where a database is loaded says nothing of the steps before.
    *([place] * 5 for place in PLACES),
]


class TestWays:
    @pytest.mark.parametrize("places", PLANS, ids="-".join)
    def test_every_plan_leads_to_success(self, places):
        works = Works(planned(*places))
        machine = Machine(RENDERED, works)
        assert machine.run({"job_id": JOB}) == {"job_id": JOB}
        assert works.order == expected(works.plan)
        assert machine.visited[-1] == "Succeeded"

    def test_each_is_told_what_it_needs(self, monkeypatch):
        monkeypatch.syspath_prepend(str(ROOT / "containers" / "synthesis"))
        task = importlib.import_module("handler").Task
        works = Works(planned(load="lambda"))
        Machine(RENDERED, works).run({"job_id": JOB})
        assert [shard["shard"] for shard in works.payloads("Generate")] == [0, 1, 2]
        for call in works.calls:
            payload = call.arguments["Payload"]
            if call.arguments["FunctionName"].endswith("-synthesis"):
                assert call.state.lower().startswith(task.model_validate(payload).step)
            elif call.arguments["FunctionName"].endswith("-mark"):
                assert payload in [{"job_id": JOB, "step": "generate", "phase": phase} for phase in ("begin", "end")]
            else:
                assert payload == {"job_id": JOB}

    @pytest.mark.parametrize("name", sorted(set(TASKS) - {"Fail"}))
    def test_an_error_anywhere_closes_the_job(self, name):
        place = str(Where.SAGEMAKER if name.endswith("OnSageMaker") else Where.LAMBDA)
        error = TaskError("GateNotMetError", '{"errorMessage": "told"}')
        works = Works(planned(*[place] * 5), {name: [error]})
        machine = Machine(RENDERED, works)
        with pytest.raises(TaskError) as failed:
            machine.run({"job_id": JOB})
        assert machine.visited[-2:] == ["Fail", "Failed"]
        # A map tells of its child only that one failed; why is on the job.
        seen = "States.ExceedToleratedFailureThreshold" if name == "Generate" else "GateNotMetError"
        (payload,) = works.payloads("Fail")
        assert payload["job_id"] == JOB
        assert payload["error"]["Error"] == failed.value.error == seen
        assert JOB in failed.value.cause
        assert works.order.count(name) == 1

    def test_what_fail_is_told_it_understands(self):
        works = Works(planned(), {"Gate": [TaskError("GateNotMetError", '{"errorMessage": "column pairs: too low."}')]})
        with pytest.raises(TaskError):
            Machine(RENDERED, works).run({"job_id": JOB})
        request = JobRequest(source=DatasetSource(kind="dataset", uri="s3://inbox/a.csv"), rows=1)
        job = Job(job_id=JOB, caller="c", request=request, step="gate", created_at=now(), updated_at=now())
        told = works.payloads("Fail")[0]["error"]
        assert isinstance(reason_for(job, told["Error"], told["Cause"]), errors.GateNotMetError)

    def test_fail_itself_fails_without_a_circle(self):
        works = Works(planned(), {"Claim": [TaskError("X")], "Fail": [TaskError("Y")]})
        with pytest.raises(TaskError, match="Y"):
            Machine(RENDERED, works).run({"job_id": JOB})
        assert works.order == ["Claim", "Fail"]

    @pytest.mark.parametrize("name", sorted(TASKS))
    def test_what_passes_is_tried_again(self, name):
        place = str(Where.SAGEMAKER if name.endswith("OnSageMaker") else Where.LAMBDA)
        error = TASKS[name]["Retry"][0]["ErrorEquals"][0]
        failing = {name: [TaskError(error), TaskError(error)]}
        if name == "Fail":
            failing["Claim"] = [TaskError("X")]
        works = Works(planned(*[place] * 5), failing)
        machine = Machine(RENDERED, works)
        if name == "Fail":
            with pytest.raises(TaskError, match="X"):
                machine.run({"job_id": JOB})
        else:
            assert machine.run({"job_id": JOB}) == {"job_id": JOB}
        again = [call for call in works.calls if call.state == name]
        assert len(again) >= 3
        if name in ON_SAGEMAKER:
            assert len({call.arguments[name_field(name)] for call in again}) == 3

    @pytest.mark.parametrize("name", ["Claim", "GenerateOnSageMaker"])
    def test_not_for_ever(self, name):
        place = str(Where.SAGEMAKER)
        retrier = TASKS[name]["Retry"][0]
        works = Works(planned(*[place] * 5), {name: [TaskError(retrier["ErrorEquals"][0]) for _ in range(50)]})
        with pytest.raises(TaskError):
            Machine(RENDERED, works).run({"job_id": JOB})
        assert works.order.count(name) == 1 + retrier["MaxAttempts"]

    def test_a_killed_shard_is_made_again_and_no_other(self):
        works = Works(planned(), {"Generate": [TaskError("Runtime.ExitError")]})
        assert Machine(RENDERED, works).run({"job_id": JOB}) == {"job_id": JOB}
        assert [shard["shard"] for shard in works.payloads("Generate")] == [0, 0, 1, 2]

    @pytest.mark.parametrize(
        ("reason", "trainings"),
        [("AlgorithmError: , exit code: 137", 3), ("InternalServerError: try again", 3), ("exit code: 1", 1)],
        ids=["killed", "lost", "failed by itself"],
    )
    def test_a_killed_training_is_started_again_and_one_that_fails_is_not(self, reason, trainings):
        cause = json.dumps({"TrainingJobStatus": "Failed", "FailureReason": reason})
        errors_ = [TaskError("States.TaskFailed", cause) for _ in range(9)]
        works = Works(planned("sagemaker"), {"TrainOnSageMaker": errors_})
        with pytest.raises(TaskError, match=r"States\.TaskFailed"):
            Machine(RENDERED, works).run({"job_id": JOB})
        names = [call.arguments["TrainingJobName"] for call in works.calls if call.state == "TrainOnSageMaker"]
        assert len(names) == len(set(names)) == trainings
        assert works.payloads("Fail") == [{"job_id": JOB, "error": {"Error": "States.TaskFailed", "Cause": cause}}]

    def test_a_training_that_was_killed_once_ends_well(self):
        killed = TaskError("States.TaskFailed", json.dumps({"FailureReason": "AlgorithmError: , exit code: 137"}))
        works = Works(planned("sagemaker"), {"TrainOnSageMaker": [killed]})
        assert Machine(RENDERED, works).run({"job_id": JOB}) == {"job_id": JOB}
        assert works.order.count("TrainOnSageMaker") == 2

    def test_what_no_catch_sees_ends_the_run(self):
        # The rule on the execution's end closes such a job: functions/close.
        works = Works(planned(), {"Gate": [TaskError("States.Runtime")]})
        with pytest.raises(TaskError, match=r"States\.Runtime"):
            Machine(RENDERED, works).run({"job_id": JOB})
        assert "Fail" not in works.order


def test_a_lambda_call_may_take_as_long_as_plan_allows():
    assert ALL_STATES["Generate"]["TimeoutSeconds"] > Limits().lambda_seconds
