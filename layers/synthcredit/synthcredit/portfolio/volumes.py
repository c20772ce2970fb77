"""How much is made of a portfolio, and in which pieces; light, since requests hold it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

BLOCK_CUSTOMERS = 8192
"""Customers of one block. Which block a customer is in changes none of its rows."""
SHARD_BLOCKS = 4
"""Blocks of one part file. Part of what makes the files the same whoever writes them."""


class Volumes(BaseModel):
    """How much is made of a portfolio."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customers: Annotated[int, Field(ge=1, le=55_000_000, description="Customers.")] = 1_000
    records: Annotated[int, Field(ge=0, le=999, description="Financial records a customer.")] = 5
    applications: Annotated[int, Field(ge=0, le=24, description="Loan applications a customer.")] = 2
    history: Annotated[int, Field(ge=0, le=120, description="Credit history entries a customer.")] = 10
    market_points: Annotated[int, Field(ge=0, le=7_000, description="Rows of market data in all.")] = 100
    statement_months: Annotated[int, Field(ge=0, le=120, description="Months of transactions, the latest.")] = 6
    campaigns: Annotated[int, Field(ge=0, le=999, description="Campaigns in all.")] = 12
    contacts: Annotated[int, Field(ge=0, le=100, description="Campaign contacts a customer.")] = 2

    @property
    def blocks(self) -> int:
        """How many blocks the customers make."""
        return -(-self.customers // BLOCK_CUSTOMERS)

    @property
    def shards(self) -> int:
        """How many shards the blocks make."""
        return -(-self.blocks // SHARD_BLOCKS)
