"""The SageMaker entry points of the tests' container image."""

import json
import os
import signal
import sys
import time
from pathlib import Path

ROOT = Path(os.environ["SYNTHCREDIT_ML_ROOT"])


def train():
    config = ROOT / "input" / "config"
    parameters = json.loads((config / "hyperparameters.json").read_text())
    channels = json.loads((config / "inputdataconfig.json").read_text())
    sys.stdout.write(f"training {parameters}\n")
    what = parameters.get("what")
    if what == "fail":
        (ROOT / "output" / "failure").write_text("InvalidInputError: no rows")
        sys.exit(3)
    if what == "sleep":
        signal.signal(signal.SIGTERM, lambda *_: Path(parameters["mark"]).write_text("stopped") and sys.exit(0))
        Path(parameters["mark"]).write_text("began")
        time.sleep(60)
    content = (ROOT / "input" / "data" / "train" / "rows.csv").read_text() if channels else ""
    (ROOT / "model" / "model.json").write_text(json.dumps({"seen": content, "stage": os.environ["STAGE"]}))


def process(step):
    resources = json.loads((ROOT / "config" / "resourceconfig.json").read_text())
    job = json.loads((ROOT / "config" / "processingjobconfig.json").read_text())
    output = ROOT / "processing" / "output"
    output.mkdir(parents=True, exist_ok=True)
    found = sorted(path.name for path in (ROOT / "processing" / "input").glob("*"))
    text = json.dumps({"step": step, "hosts": resources["hosts"], "job": job["ProcessingJobName"], "found": found})
    (output / f"{resources['current_host']}.json").write_text(text)


if __name__ == "__main__":
    train() if sys.argv[1] == "train" else process(sys.argv[3])
