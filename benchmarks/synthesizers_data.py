"""The real tables that model families are measured on: where they lie, what they predict, which columns are taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.read import read_table
from synthcredit.datasets.schema import TableSchema

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Dataset:
    """One real table.

    Parameters
    ----------
    path
        The CSV.
    target
        Its outcome.
    left_out
        Columns that are not taken, and why that is right is said in `remark`.
    remark
        What readers of the figures should know.
    """

    path: Path
    target: str
    left_out: tuple[str, ...] = ()
    remark: str = ""

    def read(self) -> tuple[pa.Table, TableSchema]:
        """Return the rows and their schema, detected as the product does it."""
        whole = detect_schema(self.path, target=self.target).schema
        table = read_table(self.path, whole)
        kept = tuple(column for column in whole.columns if column.name not in self.left_out)
        schema = TableSchema.model_validate({**whole.model_dump(), "columns": kept})
        return table.select(schema.names), schema


DATASETS = {
    "uci_default": Dataset(
        SHARED / "uci_default_credit_card" / "default_of_credit_card_clients.csv",
        "default.payment.next.month",
        remark="30,000 card holders, Taiwan 2005: limits, bills and payments of six months.",
    ),
    "german_credit": Dataset(
        ROOT / "data" / "german_credit.csv",
        "creditability",
        remark="1,000 loans: C2ST saturates at so few rows.",
    ),
    "uci_credit_approval": Dataset(
        SHARED / "uci_credit_approval_crx" / "crx.csv",
        "A16",
        remark="690 applications, columns without names, missing values.",
    ),
    "lending_club": Dataset(
        SHARED / "lending_club_2016q1" / "lending_club.csv",
        "Class",
        left_out=("acc_now_delinq", "delinq_amnt"),
        remark=(
            "9,857 loans. All columns are known when a loan is granted, but for the outcome; left out are two that are "
            "0 in more than 99 % of rows."
        ),
    ),
    "bank_marketing": Dataset(
        SHARED / "uci_bank_marketing" / "bank_full.csv",
        "y",
        remark="45,211 calls. `duration` is known only after the call: the AUC is not one that a bank would reach.",
    ),
    "credit_data": Dataset(
        SHARED / "credit_data_belanche" / "credit_data.csv",
        "Status",
        remark="4,454 consumer loans (Belanche), missing values.",
    ),
}
