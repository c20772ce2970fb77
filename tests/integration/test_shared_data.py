"""Every real credit file that is beside the checkout: a finished run, or a clear refusal that is right."""

import pytest

import synthcredit
from synthcredit.errors import GateNotMetError, InvalidInputError

PASSES = {
    "statlog_german_credit/german_credit.csv": "creditability",
    "credit_data_belanche/credit_data.csv": "Status",
    "lending_club_2016q1/lending_club.csv": "Class",
    "uci_bank_marketing/bank_full.csv": "y",
    "uci_default_credit_card/default_of_credit_card_clients.csv": "default.payment.next.month",
    "complete_journey/products_in_sample.csv": None,
    "complete_journey/transactions_sample.csv": None,
}
# Some 480 and 560 rows to train, and rare categories that k people do not have: what they prove lies at the limit.
AT_THE_LIMIT = {"uci_credit_approval_crx/crx.csv": "A16", "complete_journey/households_demographics.csv": None}
REFUSED = {
    # Keys and nothing else: there is no distribution to learn.
    "complete_journey/campaigns.csv": (InvalidInputError, "nothing to learn"),
    "complete_journey/coupons.csv": (InvalidInputError, "nothing to learn"),
    # 27 rows, of which 19 are left to train.
    "complete_journey/campaign_descriptions.csv": (InvalidInputError, "19 rows to learn from"),
    # One date beside three keys: no pair of columns to prove anything by.
    "complete_journey/coupon_redemptions.csv": (GateNotMetError, "only one column"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PASSES)
def test_real_credit_data_runs_through(shared_data, tmp_path, name):
    # Basic evidence, for time; benchmarks and test_known_answers look at the rest.
    done = synthcredit.run(
        shared_data / name, target=PASSES[name], rows=3000, evidence="basic", home=tmp_path / "home",
        out=tmp_path / "out",
    )  # fmt: skip
    table = done.to_arrow()
    assert table.num_rows == 3000
    assert table.column_names == done.schema.names
    assert done.report.exists()


@pytest.mark.parametrize("name", AT_THE_LIMIT)
def test_small_tables_pass_or_are_stopped_by_pair_trends_alone(shared_data, tmp_path, name):
    place = {"home": tmp_path / "home", "out": tmp_path / "out"}
    try:
        done = synthcredit.run(shared_data / name, target=AT_THE_LIMIT[name], rows=3000, evidence="basic", **place)
    except GateNotMetError as stopped:
        assert [problem.field for problem in stopped.problems] == ["pair trends"]
        assert not place["out"].exists()
    else:
        assert done.to_arrow().num_rows == 3000


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learned_is_refused_with_the_reason(shared_data, tmp_path, name):
    kind, words = REFUSED[name]
    with pytest.raises(kind, match=words):
        synthcredit.run(shared_data / name, rows=500, home=tmp_path / "home", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_every_file_is_covered(shared_data):
    found = {path.relative_to(shared_data).as_posix() for path in shared_data.glob("*/*.csv")}
    assert found == {*PASSES, *AT_THE_LIMIT, *REFUSED}
