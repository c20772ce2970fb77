"""A portfolio on the real template: from the request to several tables that SQL joins."""

from __future__ import annotations

import hashlib
import json

import pytest
from typer.testing import CliRunner

from synthcredit.cli import app
from synthcredit.portfolio.scenario import load
from synthcredit.portfolio.tables import TABLES
from synthcredit.portfolio.volumes import Volumes
from synthcredit.portfolio.write import write

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("platform")]

CUSTOMERS = 300
SOURCE = {"kind": "portfolio", "customers": CUSTOMERS, "scenario": "downturn"}


@pytest.fixture(scope="module")
def done(platform):
    """One portfolio that went well, with one more form than Parquet."""
    asked = {"source": SOURCE, "seed": 3, "evidence": "standard", "deliver": ["parquet", "jsonl"]}
    job = platform.end_of(platform.submit(asked, key="portfolio"))
    assert job["state"] == "succeeded", job
    return job


@pytest.fixture(scope="module")
def results(platform, done):
    return platform.http("GET", f"/jobs/{done['job_id']}/results").body


@pytest.fixture(scope="module")
def table(results, done):
    """Return a table of the job as SQL has it: its rows in a subquery."""
    names = {one["name"].removeprefix("portfolio_").rpartition("_")[0]: one for one in results["tables"]}

    def of(name: str) -> str:
        one = names[name]
        return f"(SELECT * FROM {one['database']}.{one['name']} WHERE job = '{done['job_id']}')"

    return of


def test_every_table_is_in_the_catalogue_and_sql_joins_them(platform, done, results, table):
    assert len(results["tables"]) == len(TABLES)
    assert len(platform.partitions(done["job_id"])) == len(TABLES)
    assert platform.sql(f"SELECT count(*) FROM {table('customers')} c") == [[str(CUSTOMERS)]]
    joined = platform.sql(
        f"SELECT count(*), sum(CASE WHEN c.customer_id IS NULL OR a.application_id IS NULL THEN 1 ELSE 0 END) "
        f"FROM {table('loans')} l LEFT JOIN {table('customers')} c ON c.customer_id = l.customer_id "
        f"LEFT JOIN {table('loan_applications')} a ON a.application_id = l.application_id"
    )
    loans, orphans = joined[0]
    assert (int(loans) > CUSTOMERS / 2, orphans) == (True, "0")
    # The ledger's last balance is the loan's, to the cent, and dates are dates.
    differ = platform.sql(
        f"SELECT count(*) FROM {table('loans')} l JOIN (SELECT loan_id, max(installment_number) AS last FROM "
        f"{table('installments')} x GROUP BY 1) m ON m.loan_id = l.loan_id JOIN {table('installments')} i "
        f"ON i.loan_id = l.loan_id AND i.installment_number = m.last "
        f"WHERE i.balance <> l.balance OR i.due_date <= l.opened_date"
    )
    assert differ == [["0"]]


def test_the_files_are_those_of_the_command_line(platform, done, tmp_path):
    write(load("downturn"), Volumes(customers=CUSTOMERS), 3, tmp_path)
    manifest = platform.document(done["job_id"], "manifest.json")
    made = {one["name"]: one["sha256"] for one in manifest["outputs"] if one["name"].endswith(".parquet")}
    alone = {
        f"data/{path.relative_to(tmp_path).as_posix()}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tmp_path.glob("*/*.parquet")
    }
    assert made == alone
    assert manifest["book"]["parameters"]["name"] == "downturn"
    assert manifest["rows"] == done["rows"] == sum(one["rows"] for one in manifest["outputs"]) / 2


def test_the_evidence_says_what_was_checked_and_what_does_not_apply(platform, done):
    evidence = platform.document(done["job_id"], "evidence.json")
    kinds = {check["about"] for check in evidence["validity"]}
    assert kinds == {"validity", "keys", "ledgers", "time order", "plausibility", "parameters"}
    assert "privacy holds by construction" in evidence["notes"][0]
    assert platform.document(done["job_id"], "schema.json")["relations"]


def test_the_steps_are_those_of_every_job_but_training(platform, done):
    assert set(done["seconds"]) == {"plan", "generate", "assess", "gate", "publish"}
    placed = {placement["step"]: placement["where"] for placement in done["placement"]}
    assert placed == {"train": "nowhere", "generate": "lambda", "assess": "lambda", "publish": "lambda"}
    assert done["synthesizer"] == "portfolio"
    event = platform.listener.wait_for(done["job_id"], "JobSucceeded")
    assert event["detail"]["rows"] == done["rows"]
    accepted = platform.listener.wait_for(done["job_id"], "JobAccepted")
    assert accepted["detail"]["customers"] == CUSTOMERS


def test_a_portfolio_is_estimated_before_anything_starts(platform):
    answer = platform.http("POST", "/estimates", {"source": SOURCE})
    assert answer.status == 200, answer.body
    assert answer.body["tables"]["financial_records"] == 5 * CUSTOMERS
    assert answer.body["rows"] == sum(answer.body["tables"].values())


def test_what_is_wrong_with_a_portfolio_is_said_at_once(platform):
    source = {"kind": "portfolio", "scenario": {"policy": {"min_score": 10}, "hazards": {"prepayment": 3}}}
    answer = platform.http("POST", "/jobs", {"source": source})
    assert answer.status == 400
    assert {problem["field"] for problem in answer.body["problems"]} == {
        "source.scenario.policy.min_score",
        "source.scenario.hazards.prepayment",
    }
    rows = platform.http("POST", "/jobs", {"source": SOURCE, "rows": 5})
    assert (rows.status, "customers" in json.dumps(rows.body["problems"])) == (400, True)


def test_the_shell_finds_the_job_and_fetches_its_tables(platform, done, tmp_path):
    # The request that was posted above, as options say it, under its key: so the same job.
    words = ["--portfolio", "downturn", "--customers", str(CUSTOMERS), "--seed", "3", "--key", "portfolio"]
    words += ["--deliver", "parquet", "--deliver", "jsonl", "--home", str(platform.home), "--out", str(tmp_path)]
    answer = CliRunner().invoke(app, ["submit", *words])
    assert answer.exit_code == 0, answer.output
    folder = tmp_path / done["job_id"]
    assert {path.name for path in (folder / "data").iterdir() if path.is_dir()} == {table.name for table in TABLES}
    assert "downturn" in answer.output
    assert "A question to Athena" in answer.output
