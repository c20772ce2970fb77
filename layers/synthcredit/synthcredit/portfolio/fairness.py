"""Fairness pairs: twins that differ in a protected attribute only, and a lender that treats them differently.

Each decided application is there twice. The twin of the first group has the book's own decision by policy; of the
second group's approvals a share, the disparity, becomes rejections, by chance and for nothing else. So the adverse
impact ratio (approval rate of the second group over the first's) is ``1 - disparity``, and the difference of the two
rates is the disparity times the first group's. With a disparity of 0 all twins are treated alike, to the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import applicants, arrays
from synthcredit.portfolio.draws import Bools, Draws, Ints
from synthcredit.portfolio.loan_applications import PENDING, REJECTED
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

DECISIONS = ("approved", "rejected")


def decisions(block: Block) -> tuple[Ints, Bools, Bools]:
    """Return the decided applications, whom policy approves, and whose twin is turned down for its group."""
    applied = block.applied
    rows = np.flatnonzero(applied.status != PENDING)
    approved = applied.status[rows] != REJECTED
    draws = Draws("fairness_pairs", applied.draws.seed, applied.draws.numbers[rows])
    refused = approved & draws.chance("turned down", block.world.scenario.answers.fairness.disparity)
    return rows, approved, refused


def make_pairs(block: Block) -> list[pa.Array]:
    """Return the columns of the pairs: one twin after the other."""
    rows, approved, refused = decisions(block)
    groups = block.world.scenario.answers.fairness.groups
    words = arrays.text(block.applied.words[rows])
    twin = np.tile(np.arange(2), len(rows))
    place = np.repeat(np.arange(len(rows)), 2)
    rejected = np.stack([~approved, ~approved | refused], axis=1).ravel()
    return [
        arrays.text(arrays.child_words(arrays.lettered(block.applied.words[rows], "T")[place], twin + 1)),
        arrays.labels(place, words),
        arrays.labels(twin, groups),
        *applicants.features(block, rows[place]),
        arrays.labels(rejected.astype(np.int64), DECISIONS),
    ]


def make_key(block: Block) -> list[pa.Array]:
    """Return the columns of the answer key."""
    rows, approved, refused = decisions(block)
    rules = block.world.scenario.answers.fairness
    return [
        arrays.text(block.applied.words[rows]),
        arrays.labels(np.zeros(len(rows), np.int64), (rules.attribute,)),
        arrays.labels((~approved).astype(np.int64), DECISIONS),
        arrays.flags(refused),
        arrays.real(np.full(len(rows), rules.disparity)),
    ]


PAIRS = Table(
    name="fairness_pairs",
    about="Every decided application twice: twins that differ in a protected attribute, and in nothing else.",
    key="twin_id",
    make=make_pairs,
    parents={"application_id": "loan_applications"},
    fields=(
        text_key("twin_id", "Key: T, the application's numbers, and 1 or 2."),
        text_key("application_id", "The application that both are made from: the pair."),
        Field("protected_group", "varchar(50)", "The protected attribute, which the scenario names.", categories=()),
        *applicants.FIELDS,
        Field("decision", "varchar(20)", "The lender's.", categories=DECISIONS),
    ),
)
KEY = Table(
    name="fairness_key",
    about="The answer key of the pairs: who is turned down for nothing but the group.",
    key="application_id",
    make=make_key,
    parents={"application_id": "loan_applications"},
    fields=(
        text_key("application_id", "The application: the pair."),
        Field("attribute", "varchar(50)", "The attribute that the twins differ in.", categories=()),
        Field("policy_decision", "varchar(20)", "What policy says of both.", categories=DECISIONS),
        Field("rejected_for_group", "boolean", "Whether the second twin is rejected although policy approves."),
        Field(
            "disparity", "decimal(12,8)", "Share of the second group's approvals that become rejections.", low=0, high=1
        ),
    ),
)
