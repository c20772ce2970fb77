"""On a container's PYTHONPATH: makes the family of `tests/training_families.py` known to it."""

from tests.training_families import register

register()
