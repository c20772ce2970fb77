"""Gate: stop data whose evidence is not good enough."""

from __future__ import annotations

import logging

from synthcredit.errors import GateNotMetError, Problem
from synthcredit.evidence.gate import judge, verdict
from synthcredit.evidence.model import Evidence, Finding
from synthcredit.ports import World
from synthcredit.steps.files import job_key, read_document
from synthcredit.steps.standing import step

log = logging.getLogger("synthcredit.steps")


def gate(job_id: str, world: World) -> list[Finding]:
    """Judge a job's evidence by the gate of its request.

    Raises
    ------
    GateNotMetError
        A part failed; names every part that did, and what to try.
    """
    with step(world, job_id, "gate") as job:
        evidence = read_document(world.objects, job_key(job_id, "evidence.json"), Evidence)
        findings = judge(evidence, job.request.gate)
        for finding in findings:
            log.info("gate: %s %s: %s", finding.part, finding.status, finding.reason)
        if verdict(findings):
            return findings
        error = GateNotMetError(
            [
                Problem(finding.part, finding.reason.rstrip("."), finding.try_this or "See the report.")
                for finding in findings
                if not verdict([finding])
            ]
        )
        error.add_note(f"Report: {world.objects.link(job_key(job_id, 'report.html'))}")
        raise error
