import json
import logging
import os
import signal
import sys
from types import SimpleNamespace

import pytest

from synthcredit import stores
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, StoppedError

# Powertools' tracer opens a socket for its daemon, which is not there.
pytestmark = pytest.mark.enable_socket

PROBLEM = Problem("rows", "they are\ntoo many", "Ask for fewer.")


@pytest.fixture
def machine(image_module):
    before = signal.getsignal(signal.SIGTERM)
    yield image_module("machine")
    signal.signal(signal.SIGTERM, before)


def test_a_failure_is_one_short_line(machine, tmp_path):
    path = tmp_path / "output" / "failure"
    with pytest.raises(SystemExit) as ended, machine.failure_written(path):
        raise InvalidInputError([PROBLEM] * 100)
    assert ended.value.code == 1
    written = path.read_bytes()
    assert written.startswith(b"InvalidInputError: rows: they are too many. Ask for fewer. rows:")
    assert len(written) == 1024
    assert b"\n" not in written


def test_a_cut_does_not_break_a_character(machine, tmp_path):
    with pytest.raises(SystemExit), machine.failure_written(tmp_path / "failure"):
        raise InvalidInputError(Problem("x", "€" * 2000, "y"))
    assert 1020 < len((tmp_path / "failure").read_text(encoding="utf-8").encode()) <= 1024


def test_of_a_fault_of_ours_only_the_kind_is_written(machine, tmp_path):
    with pytest.raises(SystemExit), machine.failure_written(tmp_path / "failure"):
        raise ZeroDivisionError("customer 4711")
    assert (tmp_path / "failure").read_text() == "ZeroDivisionError"


def test_the_first_failure_stays(machine, tmp_path):
    (tmp_path / "failure").write_text("the first")
    with pytest.raises(SystemExit), machine.failure_written(tmp_path / "failure"):
        raise InvalidInputError(PROBLEM)
    assert (tmp_path / "failure").read_text() == "the first"


def test_nothing_is_written_where_nothing_fails(machine, tmp_path):
    with machine.failure_written(tmp_path / "output" / "failure"):
        pass
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("content", [None, "no json", "[1]", "\xff"])
def test_a_config_that_is_none_is_refused(machine, tmp_path, content):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(RuntimeError, match="SYNTHCREDIT_ML_ROOT"):
        machine.read_config(path)


def test_the_folder_is_sagemakers_unless_another_is_named(machine, monkeypatch):
    monkeypatch.delenv("SYNTHCREDIT_ML_ROOT", raising=False)
    assert str(machine.root()) == "/opt/ml"
    monkeypatch.setenv("SYNTHCREDIT_ML_ROOT", "/elsewhere")
    assert str(machine.root()) == "/elsewhere"


def test_progress_is_said_now_and_then(machine, monkeypatch):
    said = []
    monkeypatch.setattr(machine, "logger", SimpleNamespace(info=lambda *words: said.append(words)))
    progress = machine.Progress("train")
    for done in range(1001):
        progress(done / 1000, "a tree")
    assert 20 <= len(said) <= 22
    assert said[-1][2] == 100


def test_the_order_to_stop_ends_the_work_at_its_next_progress(machine):
    machine.heed_stop()
    progress = machine.Progress("train")
    progress(0.1, "")
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(StoppedError):
        progress(0.2, "")
    machine.heed_stop()
    progress(0.3, "")


def test_the_entry_point_tells_lambda_from_an_emulator_from_neither(image_module, monkeypatch, tmp_path):
    entrypoint = image_module("entrypoint")
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    client = [sys.executable, "-m", "awslambdaric", "handler.handler"]
    assert entrypoint.lambda_command() == client
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="This is not Lambda"):
        entrypoint.lambda_command()
    emulator = tmp_path / "aws-lambda-rie"
    emulator.touch(0o755)
    assert entrypoint.lambda_command() == [str(emulator), *client]


@pytest.mark.parametrize(
    "arguments",
    [[], ["sing"], ["process"], ["process", "--step", "train", "--job-id", "x"], ["process", "--step", "assess"]],
)
def test_the_entry_point_refuses_what_it_does_not_know(image_module, arguments):
    with pytest.raises(SystemExit) as ended:
        image_module("entrypoint").main(arguments)
    assert ended.value.code == 2


def test_the_entry_point_hands_over(image_module, monkeypatch):
    entrypoint = image_module("entrypoint")
    called = []
    monkeypatch.setattr(image_module("training"), "train", lambda: called.append("train"))
    monkeypatch.setattr(image_module("processing"), "process", lambda *words: called.append(words))
    entrypoint.main(["train"])
    entrypoint.main(["process", "--step", "assess", "--job-id", "j1"])
    assert called == ["train", ("assess", "j1")]


def test_work_knows_its_steps(image_module):
    work = image_module("work")
    with pytest.raises(ValueError, match="there is no step 'sing'"):
        work.do("sing", "j", None)
    with pytest.raises(ValueError, match="a shard has to be named"):
        work.do("generate", "j", None)


def test_loading_is_handed_what_delivers(image_module, monkeypatch):
    called = []
    monkeypatch.setattr("synthcredit.steps.load.load", lambda *given: called.append(given))
    image_module("work").do("load", "j", "world", progress="progress")
    assert called == [("j", "world", stores.deliver_tables, "progress")]


EVENTS = [
    ({"step": "generate", "job_id": "j"}, "shard"),
    ({"step": "assess", "job_id": "j", "shard": 1}, "shard"),
    ({"step": "sing", "job_id": "j"}, "event.step"),
    ({"step": "train"}, "event.job_id"),
    ({"step": "train", "job_id": "j", "more": 1}, "event.more"),
    ({"step": "generate", "job_id": "j", "shard": -1}, "event.shard"),
]


@pytest.fixture
def handler(image_module, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "1")
    module = image_module("handler")
    yield module
    module.logger.remove_keys(["job_id", "shard"])


CONTEXT = SimpleNamespace(
    function_name="synthesis", memory_limit_in_mb=3008, invoked_function_arn="arn:f", aws_request_id="1"
)  # fmt: skip


@pytest.mark.parametrize(("event", "words"), EVENTS)
def test_the_handler_refuses_an_event_that_is_none(handler, event, words):
    with pytest.raises(InvalidInputError, match=words):
        handler.handler(event, CONTEXT)


def test_the_handler_does_what_it_is_told(handler, monkeypatch):
    done = []
    monkeypatch.setattr(handler, "world", lambda: "the world")
    monkeypatch.setattr(handler, "do", lambda *words, **more: done.append((words, more)))
    assert handler.handler({"step": "generate", "job_id": "j", "shard": 2}, CONTEXT) == {"job_id": "j"}
    assert done == [(("generate", "j", "the world"), {"shard": 2})]


@pytest.fixture
def processing(image_module, machine, monkeypatch, tmp_path):
    module = image_module("processing")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "resourceconfig.json").write_text(
        json.dumps({"current_host": "b", "hosts": ["c", "a", "b"]})
    )
    monkeypatch.setenv("SYNTHCREDIT_ML_ROOT", str(tmp_path))
    monkeypatch.setenv("SYNTHCREDIT_WORKERS", "1")
    monkeypatch.setattr(module, "world", lambda: SimpleNamespace(objects=None))
    return module


def test_machines_share_the_shards_by_their_order(processing, monkeypatch):
    plan = SimpleNamespace(shards=[SimpleNamespace(number=number) for number in range(8)])
    monkeypatch.setattr(processing, "read_document", lambda *_: plan)
    made = []
    monkeypatch.setattr(processing, "do", lambda step, job, _, shard: made.append((step, job, shard)))
    processing.process("generate", "j")
    assert made == [("generate", "j", 1), ("generate", "j", 4), ("generate", "j", 7)]


def test_killed_processes_are_made_good_one_by_one_and_then_given_up(processing, monkeypatch):
    from concurrent.futures.process import BrokenProcessPool

    asked = []

    def broken(_, shards, workers):
        asked.append((shards, workers))
        if len(asked) == 1:
            yield shards[0]
        raise BrokenProcessPool

    monkeypatch.setattr(processing, "_in_processes", broken)
    monkeypatch.setenv("SYNTHCREDIT_WORKERS", "4")
    with pytest.raises(MemoryError):
        list(processing._finished("j", [1, 3, 5]))
    assert asked == [([1, 3, 5], 3), ([3, 5], 1)]


def test_a_machine_without_shards_has_nothing_to_do(processing, monkeypatch):
    monkeypatch.setattr(processing, "read_document", lambda *_: SimpleNamespace(shards=[SimpleNamespace(number=0)]))
    processing.process("generate", "j")


def test_errors_reach_the_file(processing, monkeypatch, tmp_path, caplog):
    def fail(*_):
        raise NotFoundError(PROBLEM)

    monkeypatch.setattr(processing, "read_document", fail)
    with caplog.at_level(logging.ERROR), pytest.raises(SystemExit):
        processing.process("generate", "j")
    assert (tmp_path / "output" / "message").read_text().startswith("NotFoundError: rows")
