"""Reject inference with the answer: two modelling sets in which the outcomes of rejected applicants are hidden.

Every applicant of the book takes part whose twelve months are over; the decisions are those of an experiment, not the
book's. In both sets the score alone accepts, by chance, with probability ``1 / (1 + exp(-(score - middle) / width))``:
outcomes are missing at random given the score. In the second, somebody who sees more than the file does also turns
down, among those whom the score accepts, a share ``g`` of the good and ``1 - (1 - g) exp(-strength)`` of the bad. So at
each score the odds of default of the accepted are ``exp(-strength)`` times those of all applicants: a model that is
fitted to the accepted has an intercept that is too low by the strength, in logits, and the right slopes (as in
case-control sampling: Prentice and Pyke, "Logistic disease incidence models and case-control studies", 1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synthcredit.portfolio import applicants, arrays
from synthcredit.portfolio.draws import Bools, Draws, Floats, Ints
from synthcredit.portfolio.hazards import HORIZON
from synthcredit.portfolio.scenario import RejectInference
from synthcredit.portfolio.spec import Field, Table, text_key

if TYPE_CHECKING:
    from synthcredit.portfolio.book import Block

DECISIONS = ("accepted", "rejected")
OUTCOMES = ("good", "bad")
REASONS = ("none", "score", "override")


@dataclass(frozen=True, slots=True)
class Experiment:
    """Who takes part and what is decided; arrays of shape (n,)."""

    rows: Ints
    """Places of the applications in the block."""
    chance: Floats
    """Probability that the score accepts."""
    by_score: Bools
    """Whether the score turned down."""
    by_override: Bools
    """Whether somebody turned down whom the score accepts."""
    bad: Bools
    """Whether the loan defaults, or would have, within twelve months."""


def accept_chance(rules: RejectInference, score: Ints) -> Floats:
    """Return the probability that the score accepts."""
    return np.asarray(1.0 / (1.0 + np.exp(-(score - rules.middle) / rules.width)))


def override_share(rules: RejectInference, bad: Bools) -> Floats:
    """Return the share that is turned down by hand among those whom the score accepts, of the good and of the bad."""
    of_bad = 1.0 - (1.0 - rules.override_goods) * np.exp(-rules.override_strength)
    return np.where(bad, of_bad, rules.override_goods)


def experiment(block: Block) -> Experiment:
    """Return the decisions on the applications of a block."""
    applied, world = block.applied, block.world
    rules = world.scenario.answers.reject_inference
    rows = np.flatnonzero(applied.month + HORIZON < world.calendar.months)
    draws = Draws("reject_inference", applied.draws.seed, applied.draws.numbers[rows])
    default = applied.paths.default[rows]
    bad = (default > 0) & (default <= HORIZON)
    chance = accept_chance(rules, applied.score[rows])
    accepted = draws.chance("score", chance)
    return Experiment(
        rows=rows,
        chance=chance,
        by_score=~accepted,
        by_override=accepted & draws.chance("override", override_share(rules, bad)),
        bad=bad,
    )


def _set(block: Block, *, overridden: bool) -> list[pa.Array]:
    found = experiment(block)
    rejected = found.by_score | (found.by_override if overridden else False)
    return [
        arrays.text(block.applied.words[found.rows]),
        *applicants.features(block, found.rows),
        arrays.labels(rejected.astype(np.int64), DECISIONS),
        arrays.labels(found.bad.astype(np.int64), OUTCOMES, ~rejected),
    ]


def make_at_random(block: Block) -> list[pa.Array]:
    """Return the columns of the first version."""
    return _set(block, overridden=False)


def make_not_at_random(block: Block) -> list[pa.Array]:
    """Return the columns of the second version."""
    return _set(block, overridden=True)


def make_key(block: Block) -> list[pa.Array]:
    """Return the columns of the answer key."""
    found = experiment(block)
    by_score = found.by_score.astype(np.int64)
    return [
        arrays.text(block.applied.words[found.rows]),
        arrays.real(np.rint(found.chance * 1e8) / 1e8),
        arrays.labels(by_score, REASONS),
        arrays.labels(by_score + 2 * found.by_override, REASONS),
        arrays.labels(found.bad.astype(np.int64), OUTCOMES),
    ]


_FIELDS = (
    text_key("application_id", "The application."),
    *applicants.FIELDS,
    Field("decision", "varchar(20)", "What this experiment decided; not the book's decision.", categories=DECISIONS),
    Field(
        "outcome", "varchar(20)", "Bad: in default within twelve months. Hidden where rejected.", categories=OUTCOMES,
        nullable=True,
    ),
)  # fmt: skip
_PARENTS = {"application_id": "loan_applications"}

AT_RANDOM = Table(
    name="reject_inference_mar",
    about="A modelling set without the outcomes of the rejected: missing at random, given the score.",
    key="application_id",
    make=make_at_random,
    parents=_PARENTS,
    fields=_FIELDS,
)
NOT_AT_RANDOM = Table(
    name="reject_inference_mnar",
    about="The same applicants: missing not at random, for an override that no column tells of rejects the bad.",
    key="application_id",
    make=make_not_at_random,
    parents=_PARENTS,
    fields=_FIELDS,
)
KEY = Table(
    name="reject_inference_key",
    about="The answer key of both sets: who was rejected by what, and the outcome of all.",
    key="application_id",
    make=make_key,
    parents=_PARENTS,
    fields=(
        text_key("application_id", "The application."),
        Field("accept_chance", "decimal(12,8)", "Probability that the score accepts.", low=0, high=1),
        Field("rejected_by_mar", "varchar(20)", "What rejected it in the first set.", categories=REASONS[:2]),
        Field("rejected_by_mnar", "varchar(20)", "What rejected it in the second set.", categories=REASONS),
        Field("outcome", "varchar(20)", "The true outcome, of the rejected too.", categories=OUTCOMES),
    ),
)
