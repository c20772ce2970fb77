"""A book that is proven block by block is proven as one that is looked at whole."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.portfolio.conftest import SEED

from synthcredit.evidence.model import About, Check
from synthcredit.portfolio import arrays, book, checks, drift, volumes
from synthcredit.portfolio.book import make_block
from synthcredit.portfolio.proof import Proof
from synthcredit.portfolio.scenario import load, with_answers
from synthcredit.portfolio.volumes import Volumes

VOLUMES = Volumes(customers=1_500)


@pytest.fixture(scope="module")
def blocks() -> list[dict[str, pa.Table]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book, "BLOCK_CUSTOMERS", 500)
        patch.setattr(volumes, "BLOCK_CUSTOMERS", 500)
        made = [make_block(load("baseline"), VOLUMES, SEED, number) for number in range(3)]
    return [{name: arrays.plain(batch) for name, batch in block.items()} for block in made]


def _proven(blocks: list[dict[str, pa.Table]]) -> tuple[Check, ...]:
    proof = Proof(load("baseline"), VOLUMES, SEED)
    for block in blocks:
        proof.add(block)
    return proof.checks()


def _broken(found: tuple[Check, ...]) -> set[tuple[str, str | None]]:
    return {(check.expectation, check.column) for check in found if not check.passed}


def test_blocks_say_what_the_whole_says(blocks: list[dict[str, pa.Table]]) -> None:
    found = _proven(blocks)
    assert {check.about for check in found} == set(About)
    assert not _broken(found)
    whole = {name: pa.concat_tables([block[name] for block in blocks if name in block]) for name in blocks[0]}
    one = {check.detail for check in checks.check_book(whole, load("baseline"), SEED)}
    by_blocks = {check.detail for check in found if check.expectation not in ("unique_over_blocks", "rows_as_asked")}
    assert by_blocks == one


def test_what_is_wrong_in_one_block_is_found(blocks: list[dict[str, pa.Table]]) -> None:
    wrong = dict(blocks[1])
    wrong["loans"] = wrong["loans"].slice(1)
    assert ("foreign_key_known", "loan_id") in _broken(_proven([blocks[0], wrong, blocks[2]]))


def test_a_block_that_comes_twice_is_found(blocks: list[dict[str, pa.Table]]) -> None:
    found = _broken(_proven([blocks[0], blocks[1], blocks[1]]))
    assert {("unique_over_blocks", name) for name in ("customer_id", "email", "ssn", "loan_id")} <= found


def test_a_block_that_is_missing_is_found(blocks: list[dict[str, pa.Table]]) -> None:
    found = [check for check in _proven(blocks[:2]) if not check.passed]
    assert {check.expectation for check in found} == {"rows_as_asked"}
    assert any("there are 1,000" in check.detail for check in found)


def test_answer_keys_are_proven_by_blocks_too() -> None:
    scenario = with_answers(load("baseline"), ["reject_inference", "fairness"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book, "BLOCK_CUSTOMERS", 800)
        patch.setattr(volumes, "BLOCK_CUSTOMERS", 800)
        made = [make_block(scenario, Volumes(customers=1_600), SEED, number) for number in range(2)]
    proof = Proof(scenario, Volumes(customers=1_600), SEED)
    tables = [{name: arrays.plain(batch) for name, batch in block.items()} for block in made]
    for block in tables:
        proof.add(block)
    found = proof.checks()
    assert not _broken(found)
    assert {"reject_by_score", "override", "disparity"} <= {check.expectation for check in found}
    whole = {name: pa.concat_tables([block[name] for block in tables if name in block]) for name in tables[0]}
    one = {check.detail for check in checks.check_book(whole, scenario, SEED)}
    assert one <= {check.detail for check in found}


def test_an_index_of_counts_is_that_of_the_values() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.lognormal(10, 0.5, 20_000), rng.lognormal(10.2, 0.5, 15_000)
    counts = [
        np.bincount(np.searchsorted(checks._VALUE_EDGES, side), minlength=len(checks._VALUE_EDGES) + 1)
        for side in (before, after)
    ]
    assert drift.psi_of_counts(*counts) == pytest.approx(drift.psi(before, after), rel=0.01)
