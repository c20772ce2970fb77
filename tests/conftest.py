"""What every test shares: no network, and the data."""

from pathlib import Path

import hypothesis
import pytest

# No test measures time: a busy machine must not fail one. Derandomised, so that a failure comes again.
hypothesis.settings.register_profile("synthcredit", deadline=None, derandomize=True)
hypothesis.settings.load_profile("synthcredit")

ROOT = Path(__file__).parents[1]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if (ROOT / "tests" / "unit") in item.path.parents:
            # Unit tests must not reach for the network; multiprocessing and the event loop talk over Unix sockets.
            item.add_marker(pytest.mark.disable_socket)
            item.add_marker(pytest.mark.allow_hosts(["127.0.0.1"]))
            if item.get_closest_marker("xdist_group") is None:
                # One process a file: what its tests share is then made once.
                item.add_marker(pytest.mark.xdist_group(item.path.relative_to(ROOT).as_posix()))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    # Without its groups pytest-xdist deploys a platform in every process: minutes that nobody would miss.
    grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if getattr(session.config.option, "loadgroup", False) and any("@" not in item.nodeid for item in grouped):
        raise pytest.UsageError("pytest-xdist does not group tests under this pytest: see requirements.txt")


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
