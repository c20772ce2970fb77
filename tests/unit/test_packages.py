import subprocess
import sys

import pytest

from synthcredit.packages import hidden


def test_a_hidden_package_is_found_again_afterwards():
    sys.modules.pop("this", None)
    with hidden("colorsys"), pytest.raises(ModuleNotFoundError, match="colorsys"):
        sys.modules.pop("colorsys", None)
        __import__("colorsys")
    assert __import__("colorsys").rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)


def test_what_was_imported_before_stays():
    with hidden("json"):
        assert __import__("json").loads("1") == 1


def test_assessing_brings_in_no_torch():
    code = "import sys, synthcredit.steps.assess; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
