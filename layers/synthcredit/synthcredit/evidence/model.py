"""Evidence as data: what was measured about one synthetic dataset, beside what real rows reach."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Status(StrEnum):
    """What became of one question."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_JUDGED = "not judged"
    """It could not be measured; never to be read as good."""


class Level(StrEnum):
    """How much is measured."""

    BASIC = "basic"
    """Validity, similarity, usefulness and copies: for haste; says too little for data that leaves the team."""
    STANDARD = "standard"
    """All of it: detection, coverage, credit behaviour and attacks too."""


class Figure(StrEnum):
    """The figures that are measured, by the names that evidence, gate and report know them by."""

    PAIR_TRENDS = "pair_trends"
    ASSOCIATIONS_KEPT = "associations_kept"
    SDMETRICS_QUALITY = "sdmetrics_quality"
    SDMETRICS_SHAPES = "sdmetrics_column_shapes"
    SDMETRICS_TRENDS = "sdmetrics_pair_trends"
    SDMETRICS_DIAGNOSTIC = "sdmetrics_diagnostic"
    TSTR = "tstr"
    TRTR = "trtr"
    TSTR_LOSS = "tstr_loss"
    COPIED = "copied_rows"
    COPIED_EXCESS = "copied_rows_excess"
    COPIED_DISTINCT = "copied_distinct_rows"
    COPIED_DISTINCT_EXCESS = "copied_distinct_rows_excess"
    # Fidelity
    C2ST_LOGISTIC = "c2st_logistic"
    C2ST_BOOSTED = "c2st_boosted"
    DETECTION_TRAIN = "detection_auc_train"
    ALPHA_PRECISION = "alpha_precision"
    BETA_RECALL = "beta_recall"
    MISSING_PATTERNS = "missing_patterns"
    TAILS = "tails"
    TOP_DECILE = "top_decile_exposure"
    DEFAULTERS_SHAPES = "defaulters_shapes"
    DEFAULTERS_TRENDS = "defaulters_pair_trends"
    SEGMENT_SHAPES = "worst_segment_shapes"
    # Usefulness
    TRTS = "trts"
    TSTR_LINEAR = "tstr_linear"
    TSTR_LINEAR_LOSS = "tstr_linear_loss"
    KS_LOSS = "ks_loss"
    IMPORTANCE_AGREEMENT = "importance_agreement"
    RANK_AGREEMENT = "challenger_rank_agreement"
    OUT_OF_TIME_LOSS = "out_of_time_loss"
    # Privacy
    CLOSENESS_EXCESS = "closeness_excess"
    MEMBERSHIP_NEAREST = "membership_nearest_auc"
    MEMBERSHIP_NEAREST_TPR = "membership_nearest_tpr"
    MEMBERSHIP_DENSITY = "membership_density_auc"
    MEMBERSHIP_DENSITY_TPR = "membership_density_tpr"
    ATTRIBUTE_RISK = "attribute_inference_risk"
    SINGLING_OUT_RISK = "singling_out_risk"
    LINKABILITY_RISK = "linkability_risk"
    REPLICATED_UNIQUES = "replicated_uniques"
    REPLICATED_UNIQUES_EXCESS = "replicated_uniques_excess"
    DISCLOSIVE = "disclosive_in_synthetic"
    DISCLOSIVE_EXCESS = "disclosive_in_synthetic_excess"
    UNIQUE_VALUES_EXCESS = "unique_values_excess"
    COPIED_SEGMENT_EXCESS = "copied_rows_worst_segment_excess"
    # Credit behaviour
    IV_GAP = "information_value_gap"
    WOE_AGREEMENT = "woe_agreement"
    WOE_DIRECTION = "woe_direction"
    PSI_WORST = "psi_worst"
    GINI_GAP = "gini_gap"
    SCORECARD_LOSS = "scorecard_loss"
    SCORECARD_SIGNS = "scorecard_signs"
    SWAP_SET = "swap_set"
    BAD_RATE_GAP = "bad_rate_gap"
    CALIBRATION_INTERCEPT = "calibration_intercept"
    CALIBRATION_SLOPE = "calibration_slope"
    BRIER_LOSS = "brier_loss"
    GRADE_ORDER = "grade_order"
    ADVERSE_IMPACT_GAP = "adverse_impact_gap"
    ROLL_RATE_GAP = "roll_rate_gap"
    VINTAGE_GAP = "vintage_gap"
    # Across tables
    CHILDREN_PER_PARENT = "children_per_parent"
    PARENT_CHILD_KEPT = "parent_child_associations_kept"


class Unit(StrEnum):
    """How a figure is to be read."""

    SCORE = "score"
    """From 0 to 1, more is better."""
    SHARE = "share"
    """A share of rows, from 0 to 1."""
    DIFFERENCE = "difference"
    """The difference of two scores or shares, from -1 to 1."""
    NUMBER = "number"
    """A number of its own scale, which the reading explains."""


class Measure(_Model):
    """One figure about the synthetic data, beside the same figure for fresh real rows."""

    name: Figure
    title: Annotated[str, Field(description="The name for people.")]
    unit: Unit = Unit.SCORE
    value: float | None
    low: Annotated[float | None, Field(description="Lower bound of the interval, where there is one.")] = None
    high: Annotated[float | None, Field(description="Upper bound of the interval, where there is one.")] = None
    fresh: Annotated[
        float | None, Field(description="The same figure for real rows: training rows against the holdout.")
    ] = None
    rows: Annotated[int | None, Field(description="Rows that the figure was taken over, a side.")] = None
    fresh_rows: Annotated[int | None, Field(description="Rows of the fresh figure, where they are not as many.")] = None
    reading: Annotated[str, Field(description="One plain sentence: what the figure says.")]
    why_not: Annotated[str | None, Field(description="Why it could not be measured, where value is None.")] = None


class Finding(_Model):
    """What the gate says of one part."""

    part: str
    status: Status
    reason: str
    try_this: Annotated[str | None, Field(description="What to try where it failed.")] = None
    required: Annotated[
        bool, Field(description="Whether it stops publication where it could not be judged; failed always stops.")
    ] = True


class About(StrEnum):
    """What a check is about; rule-based data, which has no real rows beside it, needs checks of every kind."""

    VALIDITY = "validity"
    KEYS = "keys"
    LEDGERS = "ledgers"
    TIME_ORDER = "time order"
    PLAUSIBILITY = "plausibility"
    PARAMETERS = "parameters"
    """Declared parameters (default rate, mean income) come out of the data again."""


class Check(_Model):
    """One validity check, from the Great Expectations suite or of keys and ledgers."""

    expectation: Annotated[str, Field(description="The name that Great Expectations has for it.")]
    column: Annotated[str | None, Field(description="The column; None where it is about the table.")]
    passed: bool
    about: About = About.VALIDITY
    detail: Annotated[str, Field(description="What was expected and how many rows break it; never a value.")]


class Detail(_Model):
    """A small table behind some figures: worst first, aggregates only, no value of a rare row."""

    name: Annotated[str, Field(description="Short and stable, e.g. detection_columns.")]
    title: str
    heading: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]


class Grade(StrEnum):
    """A score in a word; `scores.GRADES` has the cut-offs."""

    EXCELLENT = "Excellent"
    GOOD = "Good"
    FAIR = "Fair"
    POOR = "Poor"
    VERY_POOR = "Very poor"


class ScorePart(_Model):
    """One part of a score."""

    name: Annotated[str, Field(description="The part, for people, e.g. usefulness.")]
    points: Annotated[float | None, Field(ge=0, le=100, description="0 to 100; None where it was not judged.")]
    reason: Annotated[str, Field(description="From which figure, between which anchors; or why it was not judged.")]


class Score(_Model):
    """How good the data is in one respect, 0 to 100: as good as its worst part."""

    name: Annotated[str, Field(description="quality or privacy.")]
    points: Annotated[
        float | None, Field(ge=0, le=100, description="The worst judged part; None where too little was judged.")
    ]
    grade: Annotated[Grade | None, Field(description="The same in a word; None as points are.")]
    parts: Annotated[tuple[ScorePart, ...], Field(description="The worst first, those not judged last.")]
    reason: Annotated[str, Field(description="Which part decides, or why there is no score.")]


class Evidence(_Model):
    """All that was measured about one synthetic dataset."""

    version: int = 1
    level: Level = Level.STANDARD
    table: str
    target: str | None
    rows: Annotated[
        dict[str, int], Field(description="Rows by side: released, synthetic (assessed), train and holdout.")
    ]
    validity: tuple[Check, ...]
    fidelity: tuple[Measure, ...]
    columns: Annotated[dict[str, float], Field(description="SDMetrics column shape by column, against the holdout.")]
    columns_fresh: Annotated[dict[str, float], Field(description="The same for real training rows.")] = {}
    utility: tuple[Measure, ...]
    privacy: tuple[Measure, ...]
    credit: Annotated[
        tuple[Measure, ...], Field(description="Credit behaviour, where the target is a default flag.")
    ] = ()
    details: tuple[Detail, ...] = ()
    scores: Annotated[tuple[Score, ...], Field(description="Quality and privacy, 0 to 100 each.")] = ()
    notes: tuple[str, ...] = ()

    @property
    def has_reference(self) -> bool:
        """Whether there were real rows to compare with; rule-based data has none."""
        return "train" in self.rows

    def measure(self, name: Figure) -> Measure | None:
        """Return one figure, or None where this evidence does not have it."""
        return next((m for m in (*self.fidelity, *self.utility, *self.credit, *self.privacy) if m.name is name), None)
