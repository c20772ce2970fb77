"""What a zip function weighs with its layers: Lambda unpacks 250 MB at the most."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.template_files import ROOT, load_template, of_type

LIMIT = 250 * 2**20


@pytest.fixture(scope="module")
def layers(tmp_path_factory) -> dict[str, int]:
    """Build the layers as for AWS, for Lambda's machine and python, and weigh them."""
    own = {name: value for name, value in os.environ.items() if name != "SYNTHCREDIT_LAYER_PIP_FLAGS"}
    sizes = {}
    for name, folder in (("SynthcreditLayer", "synthcredit"), ("TablesLayer", "tables")):
        goal = tmp_path_factory.mktemp(name)
        environment = {**own, "ARTIFACTS_DIR": str(goal), "SYNTHCREDIT_LAYER_PYTHON": sys.executable}
        command = ["make", f"build-{name}"]
        subprocess.run(command, cwd=ROOT / "layers" / folder, env=environment, check=True, capture_output=True)
        sizes[name] = _size(goal)
    return sizes


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_no_zip_function_is_over_lambdas_limit(layers):
    template = load_template()
    zips = of_type(template["Resources"], "AWS::Serverless::Function")
    functions = {name: resource["Properties"] for name, resource in zips.items()}
    everywhere = template["Globals"]["Function"]["Layers"]
    weights = {}
    for name, properties in functions.items():
        used = {layer["Ref"] for layer in (*everywhere, *properties.get("Layers", []))}
        weights[name] = _size(ROOT / properties["CodeUri"]) + sum(layers[layer] for layer in used)
    assert len(weights) == 9
    assert "TablesLayer" in {layer["Ref"] for layer in functions["PlanFunction"]["Layers"]}
    heaviest = max(weights, key=lambda name: weights[name])
    assert weights[heaviest] < LIMIT, f"{heaviest}: {weights[heaviest] / 2**20:.0f} MB"
    # Plan reads tables, and whoever takes requests may have to check a declaration; the others are light.
    heavy = {"PlanFunction", "ApiFunction", "DropFunction"}
    assert all(weight < LIMIT / 4 for name, weight in weights.items() if name not in heavy)
