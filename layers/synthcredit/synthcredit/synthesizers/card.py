"""The model card: what a model is, what it learned from, and what it may be used for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from synthcredit.datasets.schema import TableSchema
from synthcredit.datasets.split import Split
from synthcredit.signing import Signature


class ModelCard(BaseModel):
    """Everything known of one model but its arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, populate_by_name=True)

    model_id: str
    synthesizer: str
    settings: dict[str, Any]
    seed: int
    dataset: str
    table_schema: Annotated[TableSchema, Field(alias="schema")]
    schema_fingerprint: str
    data_uri: Annotated[str, Field(description="Where the training data was read from.")]
    data_hash: Annotated[str, Field(description="SHA-256 of the training data file, in hex.")]
    split: Split
    continued_from: Annotated[
        str | None, Field(description="The model that it continues on these rows; that model's card has its own split.")
    ] = None
    model_hash: Annotated[str, Field(description="SHA-256 of the model file, in hex.")]
    created_at: datetime
    expires_at: datetime | None = None
    fit_seconds: float
    packages: dict[str, str]
    licence: str
    scores: Annotated[dict[str, float], Field(description="Latest evidence, by measure.")] = {}
    signature: Annotated[
        Signature | None, Field(description="Over all of the card but scores, released and itself.")
    ] = None
    released: Annotated[dict[str, int], Field(description="Rows released so far, by job.")] = {}

    @property
    def rows_released(self) -> int:
        """Rows released so far, over all jobs."""
        return sum(self.released.values())

    @property
    def signed_content(self) -> bytes:
        """What a signature of the card is over: what does not change when rows are released."""
        passing = {"scores", "released", "signature"}
        if self.continued_from is None:
            # Not said either where it is not so: cards that were signed before there was this keep their signature.
            passing.add("continued_from")
        return (self.model_dump_json(by_alias=True, exclude=passing) + "\n").encode()

    def expired(self, now: datetime | None = None) -> bool:
        """Tell whether the model is too old to be reused."""
        return self.expires_at is not None and (now or datetime.now(UTC)) >= self.expires_at
