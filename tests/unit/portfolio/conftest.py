from __future__ import annotations

import pyarrow as pa
import pytest

from synthcredit.portfolio import arrays
from synthcredit.portfolio.book import Volumes, make_block
from synthcredit.portfolio.scenario import Scenario, load

SEED = 7
VOLUMES = Volumes(customers=9000)


def made(scenario: Scenario, volumes: Volumes = VOLUMES, seed: int = SEED) -> dict[str, pa.Table]:
    blocks = [make_block(scenario, volumes, seed, number) for number in range(volumes.blocks)]
    return {
        name: pa.concat_tables([arrays.plain(block[name]) for block in blocks if name in block]) for name in blocks[0]
    }


@pytest.fixture(scope="package")
def baseline() -> dict[str, pa.Table]:
    return made(load("baseline"))


@pytest.fixture(scope="package")
def downturn() -> dict[str, pa.Table]:
    return made(load("downturn"))
