"""Several tables: keys, children per parent, parents and children."""

import numpy as np
import pandas as pd
import pytest

from synthcredit import api
from synthcredit.datasets.schema import DatasetSchema, Relation
from synthcredit.errors import InvalidInputError
from synthcredit.evidence.model import Status


def bank(rows: int, first: int, seed: int) -> dict[str, pd.DataFrame]:
    """Loans, and payments of which richer people make more and larger ones."""
    rng = np.random.default_rng(seed)
    keys = np.arange(first, first + rows)
    income = rng.lognormal(10, 0.5, rows).round(2)
    loans = pd.DataFrame({"loan_id": keys, "income": income, "default": (rng.random(rows) < 0.3).astype(int)})
    counts = rng.poisson(1 + 4 * (income > 22_000))
    owner = np.repeat(keys, counts)
    amount = (np.repeat(income, counts) * rng.uniform(0.05, 0.15, len(owner))).round(2)
    late = rng.choice(["no", "yes"], len(owner))
    return {"loans": loans, "payments": pd.DataFrame({"loan_id": owner, "amount": amount, "late": late})}


@pytest.fixture(scope="module")
def schema() -> DatasetSchema:
    tables = bank(600, 1, 1)
    loans = api.detect_schema(tables["loans"], target="default").model_copy(
        update={"name": "loans", "primary_key": "loan_id"}
    )
    payments = api.detect_schema(tables["payments"]).model_copy(update={"name": "payments", "customer": None})
    relation = Relation(parent="loans", child="payments", foreign_key="loan_id")
    return DatasetSchema(tables=(payments, loans), relations=(relation,))


@pytest.fixture
def assess(tmp_path, schema):
    def run(real, made, held=None):
        for name, tables in (("real", real), ("made", made), ("held", held)):
            for table, frame in (tables or {}).items():
                (tmp_path / name).mkdir(exist_ok=True)
                frame.to_csv(tmp_path / name / f"{table}.csv", index=False)
        return api.assess_tables(
            tmp_path / "real", tmp_path / "made", schema, holdout=tmp_path / "held" if held else None,
            evidence="basic", out=tmp_path / "out",
        )  # fmt: skip

    return run


def _failed(found):
    (relation,) = found.evidence.relations
    return {one.part.split(":")[0] for one in relation.findings if one.status is Status.FAILED}


def test_other_real_tables_hold_together(assess):
    found = assess(bank(600, 1, 1), bank(600, 5001, 2), bank(400, 9001, 3))
    assert not _failed(found)
    assert list(found.tables) == ["loans", "payments"]
    page = found.report.read_text()
    assert 'href="loans/report.html"' in page
    assert 'href="payments/report.html"' in page
    assert all(one.report.exists() for one in found.tables.values())
    (relation,) = found.evidence.relations
    counts, kept = relation.measures
    assert counts.low <= counts.value <= counts.high
    assert kept.value == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda loans, payments, rng: payments.assign(loan_id=payments["loan_id"] + 300), "keys"),
        (lambda loans, payments, rng: payments.assign(loan_id=rng.choice(loans["loan_id"][:150], len(payments))),
         "children per parent"),
        (lambda loans, payments, rng: payments.assign(loan_id=rng.choice(loans["loan_id"], len(payments))),
         "parents and children"),
    ],
)  # fmt: skip
def test_what_does_not_hold_together_is_named(assess, change, part):
    made = bank(600, 5001, 2)
    made["payments"] = change(made["loans"], made["payments"], np.random.default_rng(1))
    found = assess(bank(600, 1, 1), made, bank(400, 9001, 3))
    assert part in _failed(found)
    assert not found.passed


def test_keys_that_are_not_unique_fail(assess):
    made = bank(600, 5001, 2)
    made["loans"].loc[5, "loan_id"] = made["loans"].loc[4, "loan_id"]
    assert "keys" in _failed(assess(bank(600, 1, 1), made, bank(400, 9001, 3)))


def test_without_a_holdout_children_go_where_their_parents_go(assess):
    found = assess(bank(900, 1, 1), bank(600, 5001, 2))
    loans, payments = (found.tables[name].evidence for name in ("loans", "payments"))
    assert loans.rows["holdout"] == 270
    share = payments.rows["holdout"] / (payments.rows["holdout"] + payments.rows["train"])
    assert share == pytest.approx(0.3, abs=0.05)
    (relation,) = found.evidence.relations
    # Had children been cut by themselves, parents would have lost three in ten of them.
    assert relation.measures[0].fresh > 0.85
    assert found.evidence.notes


def test_too_few_parents_are_not_judged(assess):
    found = assess(bank(600, 1, 1), bank(40, 5001, 2), bank(400, 9001, 3))
    (relation,) = found.evidence.relations
    assert [one.status for one in relation.findings][1:] == [Status.NOT_JUDGED] * 2
    assert not found.passed


def test_missing_and_unknown_tables_are_said_at_once(assess):
    made = bank(600, 5001, 2)
    with pytest.raises(InvalidInputError) as caught:
        assess(bank(600, 1, 1), {"loan": made["loans"], "payments": made["payments"].drop(columns="late")})
    assert {problem.field for problem in caught.value.problems} >= {"synthetic made, table 'loans'"}
    assert any("loan.csv" in problem.field for problem in caught.value.problems)


def test_schemas_that_do_not_hang_together_are_refused(schema):
    loans, payments = schema["loans"], schema["payments"]
    for relation, words in (
        (Relation(parent="loan", child="payments", foreign_key="loan_id"), "no table 'loan'"),
        (Relation(parent="loans", child="payments", foreign_key="loan"), "no column 'loan'"),
        (Relation(parent="payments", child="loans", foreign_key="loan_id"), "no primary_key"),
        (Relation(parent="loans", child="payments", foreign_key="amount"), "different dtypes"),
        (Relation(parent="loans", child="loans", foreign_key="loan_id"), "circle"),
    ):
        with pytest.raises(ValueError, match=words):
            DatasetSchema(tables=(loans, payments), relations=(relation,))
    with pytest.raises(ValueError, match="more than one table"):
        DatasetSchema(tables=(loans, loans))
