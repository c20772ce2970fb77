import json

from synthcredit.local.events import FolderEvents


def test_events_are_lines_of_json_in_eventbridge_form(tmp_path):
    events = FolderEvents(tmp_path / "home" / "events.jsonl")
    events.emit("JobAccepted", {"job_id": "1"})
    events.emit("JobFailed", {"job_id": "1", "problems": ["naïve"]})
    first, second = (json.loads(line) for line in events.path.read_text().splitlines())
    assert (first["source"], first["detail-type"], first["detail"]) == ("synthcredit", "JobAccepted", {"job_id": "1"})
    assert second["detail"]["problems"] == ["naïve"]
