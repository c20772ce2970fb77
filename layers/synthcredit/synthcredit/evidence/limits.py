"""What each gate profile asks of which figure, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from synthcredit.evidence.model import About, Evidence, Figure, Measure

DETECTION_DECIDES_FROM = 2_000
"""Below this many rows a side detection saturates (independent columns reach .3 to .5): usefulness decides there."""
NOT_MEASURED = "it was not measured"


class Profile(StrEnum):
    """How demanding the gate is."""

    DEVELOPMENT = "development"
    """For test data and experiments inside the team."""
    SHARING = "sharing"
    """For data that leaves the team: detection, scorecards and attacks are judged too."""
    STRICT = "strict"
    """For data that leaves the bank: the same, on at least 1,000 held-out rows and with little left to chance."""


class Part(StrEnum):
    """The parts of a gate, in the order in which they are told."""

    ROWS = "rows"
    VALIDITY = About.VALIDITY
    KEYS = About.KEYS
    LEDGERS = About.LEDGERS
    TIME_ORDER = About.TIME_ORDER
    PLAUSIBILITY = About.PLAUSIBILITY
    PARAMETERS = About.PARAMETERS
    USEFULNESS = "usefulness"
    PAIR_TRENDS = "pair trends"
    DETECTION = "detection"
    CREDIT = "credit behaviour"
    COPIES = "copies"
    CLOSENESS = "closeness"
    MEMBERSHIP = "membership"
    ATTACKS = "attacks"


class Side(StrEnum):
    """On which side of its limit a figure is good."""

    AT_MOST = "at most"
    AT_LEAST = "at least"


class Against(StrEnum):
    """What a figure is compared with before the limit is."""

    NOTHING = "nothing"
    SHARE_OF_FRESH = "share of fresh"
    """The figure over the fresh one."""
    ABOVE_FRESH = "above fresh"
    """The figure minus the fresh one."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What is allowed at the two ends of an interval.

    With few rows intervals are wide. The bad end must not be beyond ``bad``: it must be shown that the data is that
    good. The good end must not be beyond ``good``: where many rows show surely that it is worse than this, room for
    chance is no excuse.
    """

    bad: float
    good: float

    def allows(self, found: Measure, side: Side) -> bool:
        """Tell whether a figure is within the limit; one without interval is its own both ends."""
        value = found.value
        assert value is not None  # noqa: S101 - Rule.read returns figures that were judged
        low, high = (value if bound is None else bound for bound in (found.low, found.high))
        if side is Side.AT_MOST:
            return high <= self.bad and low <= self.good
        return low >= self.bad and high >= self.good


@dataclass(frozen=True, slots=True)
class Rule:
    """How a gate reads one figure."""

    part: Part
    figure: Figure
    field: str
    """The name that a request has for the limit."""
    side: Side
    against: Against = Against.NOTHING
    per_cent: bool = False
    needed: Callable[[Evidence], bool] = lambda _: True
    """Whether data must not be published where the figure could not be judged."""
    fewest_rows: int = 0

    def read(self, evidence: Evidence) -> Measure | str:
        """Return the figure as it is judged, or why it is not."""
        found = evidence.measure(self.figure)
        if found is None:
            return NOT_MEASURED
        if found.value is None:
            return found.why_not or "it could not be measured"
        if found.rows is not None and found.rows < self.fewest_rows:
            return f"with {found.rows:,} rows a side, fewer than {self.fewest_rows:,}, it says too little"
        if self.against is Against.NOTHING:
            return found
        if not found.fresh:
            return "there is no fresh figure to compare it with"
        low, value, high = (
            None if end is None else end / found.fresh if self.against is Against.SHARE_OF_FRESH else end - found.fresh
            for end in (found.low, found.value, found.high)
        )
        return found.model_copy(update={"low": low, "value": value, "high": high})

    def title(self, evidence: Evidence) -> str:
        """Return the figure's name, and what it is compared with."""
        found = evidence.measure(self.figure)
        name = found.title if found else self.figure.value.replace("_", " ")
        if self.against is Against.NOTHING:
            return name
        return f"{name}, {'as a share of' if self.against is Against.SHARE_OF_FRESH else 'above'} fresh"

    def show(self, value: float | None) -> str:
        """Return a figure in the words of this rule."""
        if value is None:
            return "none"
        # Adding zero makes a negative zero a plain one.
        text = f"{round(100 * value, 1) + 0:.1f} %" if self.per_cent else f"{round(value, 3) + 0:.3f}"
        return text.replace("-", "\N{MINUS SIGN}")


def _has_target(evidence: Evidence) -> bool:
    return evidence.target is not None


def _never(_: Evidence) -> bool:
    return False


_MOST, _LEAST = Side.AT_MOST, Side.AT_LEAST

RULES: tuple[Rule, ...] = (
    Rule(Part.USEFULNESS, Figure.TSTR_LOSS, "max_tstr_loss", _MOST, needed=_has_target),
    Rule(
        Part.PAIR_TRENDS, Figure.PAIR_TRENDS, "min_pair_trends", _LEAST,
        against=Against.SHARE_OF_FRESH, per_cent=True,
    ),
    # Where the real columns do not depend on each other, there is nothing to keep.
    Rule(
        Part.PAIR_TRENDS, Figure.ASSOCIATIONS_KEPT, "min_associations_kept", _LEAST, per_cent=True, needed=_never
    ),
    Rule(
        Part.DETECTION, Figure.C2ST_BOOSTED, "min_detection", _LEAST,
        needed=_never, fewest_rows=DETECTION_DECIDES_FROM,
    ),
    Rule(Part.DETECTION, Figure.DETECTION_TRAIN, "min_detection_auc_train", _LEAST),
    # Only a target of two classes has a scorecard.
    Rule(Part.CREDIT, Figure.SCORECARD_LOSS, "max_scorecard_loss", _MOST, needed=_never),
    Rule(
        Part.CREDIT, Figure.SWAP_SET, "max_swap_set_excess", _MOST,
        against=Against.ABOVE_FRESH, per_cent=True, needed=_never,
    ),
    *(
        Rule(Part.COPIES, figure, "max_copied_excess", _MOST, per_cent=True)
        for figure in (Figure.COPIED_EXCESS, Figure.COPIED_DISTINCT_EXCESS)
    ),
    Rule(Part.COPIES, Figure.COPIED_SEGMENT_EXCESS, "max_copied_excess", _MOST, per_cent=True, needed=_never),
    Rule(Part.CLOSENESS, Figure.CLOSENESS_EXCESS, "max_closeness_excess", _MOST),
    Rule(Part.MEMBERSHIP, Figure.MEMBERSHIP_NEAREST, "max_membership_auc", _MOST),
    Rule(Part.MEMBERSHIP, Figure.MEMBERSHIP_DENSITY, "max_membership_auc", _MOST),
    # From 1,000 controls on; with fewer the AUC decides.
    Rule(Part.MEMBERSHIP, Figure.MEMBERSHIP_NEAREST_TPR, "max_membership_tpr", _MOST, per_cent=True, needed=_never),
    Rule(Part.MEMBERSHIP, Figure.MEMBERSHIP_DENSITY_TPR, "max_membership_tpr", _MOST, per_cent=True, needed=_never),
    Rule(Part.ATTACKS, Figure.ATTRIBUTE_RISK, "max_attack_risk", _MOST),
    Rule(Part.ATTACKS, Figure.SINGLING_OUT_RISK, "max_attack_risk", _MOST),
    # An attack that is weaker than guessing makes no statement: so it is on columns that do not depend on each other.
    Rule(Part.ATTACKS, Figure.LINKABILITY_RISK, "max_attack_risk", _MOST, needed=_never),
    Rule(Part.ATTACKS, Figure.REPLICATED_UNIQUES_EXCESS, "max_attack_risk", _MOST, needed=_never),
    Rule(Part.ATTACKS, Figure.DISCLOSIVE_EXCESS, "max_attack_risk", _MOST, needed=_never),
    Rule(Part.ATTACKS, Figure.UNIQUE_VALUES_EXCESS, "max_attack_risk", _MOST, needed=_never),
)  # fmt: skip

_DEVELOPMENT: Mapping[str, Limit] = {
    "min_holdout_rows": Limit(50, 50),
    "max_tstr_loss": Limit(0.15, 0.05),
    "min_pair_trends": Limit(0.93, 0.95),
    "min_associations_kept": Limit(0.50, 0.60),
    # Tables of a few categories have equal rows by coincidence, and so wide intervals; the good end finds copies.
    "max_copied_excess": Limit(0.20, 0.0),
    "max_closeness_excess": Limit(0.40, 0.15),
    "max_membership_auc": Limit(0.70, 0.58),
}
_SHARING: Mapping[str, Limit] = {
    **_DEVELOPMENT,
    "min_holdout_rows": Limit(200, 200),
    "max_tstr_loss": Limit(0.12, 0.03),
    "min_detection": Limit(0.50, 0.50),
    "min_detection_auc_train": Limit(0.30, 0.45),
    "max_scorecard_loss": Limit(0.15, 0.04),
    "max_swap_set_excess": Limit(0.20, 0.05),
    "max_copied_excess": Limit(0.10, 0.0),
    "max_closeness_excess": Limit(0.25, 0.08),
    "max_membership_auc": Limit(0.64, 0.54),
    "max_membership_tpr": Limit(0.04, 0.02),
    "max_attack_risk": Limit(0.20, 0.05),
}
_STRICT: Mapping[str, Limit] = {
    **_SHARING,
    "min_holdout_rows": Limit(1_000, 1_000),
    "max_tstr_loss": Limit(0.05, 0.02),
    "min_associations_kept": Limit(0.80, 0.90),
    "min_detection": Limit(0.60, 0.60),
    "max_scorecard_loss": Limit(0.08, 0.02),
    "max_swap_set_excess": Limit(0.10, 0.03),
    "max_copied_excess": Limit(0.02, 0.0),
    "max_closeness_excess": Limit(0.12, 0.06),
    "max_membership_auc": Limit(0.56, 0.53),
    "max_membership_tpr": Limit(0.03, 0.015),
    "max_attack_risk": Limit(0.10, 0.03),
}
PROFILES: Mapping[Profile, Mapping[str, Limit]] = {
    Profile.DEVELOPMENT: _DEVELOPMENT,
    Profile.SHARING: _SHARING,
    Profile.STRICT: _STRICT,
}
"""Measured on german_credit (400 rows to train, 300 held out) and UCI default (12,000, 9,000), cut three ways, by
benchmarks/evidence_known.py: see docs/evidence/gate.md for the figures behind every limit."""

_GENERALISE = (
    "Use a model that generalises more: larger leaves for 'trees', fewer epochs for networks, or more training rows."
)
TRY_THIS: Mapping[Part, str] = {
    Part.ROWS: "Ask again; and give more real rows, or a holdout file of your own.",
    Part.VALIDITY: "Look at the schema of the columns named (range, categories, nullable, key), correct it where it is "
    "narrower than the real data, and train again; else use another synthesizer.",
    Part.KEYS: "Make the data again; report it as a fault if it stays.",
    Part.LEDGERS: "Make the data again; report it as a fault if it stays.",
    Part.TIME_ORDER: "Make the data again; report it as a fault if it stays.",
    Part.PLAUSIBILITY: "Look at the parameters that were declared: they may ask for what cannot be.",
    Part.PARAMETERS: "Ask for more rows, or look at the parameters that were declared: they may contradict each other.",
    Part.USEFULNESS: "Train longer (epochs) or on more rows, or use synthesizer 'trees'. Name a target with at least "
    "two outcomes that both occur often enough. Data that is not for modelling may pass with a larger "
    "gate.max_tstr_loss.",
    Part.PAIR_TRENDS: "Train longer (epochs) or on more rows, or use synthesizer 'trees'; the report shows the columns "
    "and associations that are furthest off.",
    Part.DETECTION: "Train longer (epochs) or on more rows, or use synthesizer 'trees'; the report names the columns "
    "that give the data away. Detection that is far worse than guessing against training rows means copies: "
    f"{_GENERALISE[0].lower()}{_GENERALISE[1:]}",
    Part.CREDIT: "Train longer (epochs) or on more rows, or use synthesizer 'trees'; the report shows the columns "
    "whose risk curves are furthest off.",
    Part.COPIES: f"{_GENERALISE} Copies must not be filtered out afterwards: that tells who was in the training data.",
    Part.CLOSENESS: f"{_GENERALISE} Rows must not be filtered by distance afterwards: that tells who was there.",
    Part.MEMBERSHIP: f"{_GENERALISE} More real rows held out make the interval narrower.",
    Part.ATTACKS: f"{_GENERALISE} Leave out columns of rare values that nobody needs. A part that cannot be judged on "
    "this table may be named in gate.accept_unjudged.",
}
