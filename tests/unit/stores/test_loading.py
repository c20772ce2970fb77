import pytest
from tests.store_cases import *  # noqa: F403 - every case, on files


@pytest.fixture(params=["sqlite", "duckdb"])
def url(request, tmp_path):
    return f"{request.param}:///{tmp_path}/store.db"
