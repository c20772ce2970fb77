"""What every test shares: no network, and the data."""

from pathlib import Path

import hypothesis
import pytest

# No test measures time: a busy machine must not fail one. Derandomised, so that a failure comes again.
hypothesis.settings.register_profile("synthcredit", deadline=None, derandomize=True)
hypothesis.settings.load_profile("synthcredit")

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Unit tests must not reach for the network; multiprocessing and the event loop talk over Unix sockets.
    for item in items:
        if (ROOT / "tests" / "unit") in item.path.parents:
            item.add_marker(pytest.mark.disable_socket)
            item.add_marker(pytest.mark.allow_hosts(["127.0.0.1"]))


@pytest.fixture(scope="session")
def german_credit() -> Path:
    return ROOT / "data" / "german_credit.csv"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real credit data beside the checkout, where it is present."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("there is no real credit data beside the checkout")
    return folder
