"""Assess: prove the rows, and write the report."""

from __future__ import annotations

from synthcredit.evidence.model import Evidence
from synthcredit.jobs.planning import Plan
from synthcredit.ports import World
from synthcredit.steps.files import job_key, read_document, write_document
from synthcredit.steps.parts import parts_of
from synthcredit.steps.sources import source_of
from synthcredit.steps.standing import step
from synthcredit.synthesizers.fitting import Progress, silent


def assess(job_id: str, world: World, progress: Progress = silent) -> Evidence:
    """Measure a job's rows and write evidence, report and plots; evidence that is there stays.

    Raises
    ------
    ConflictError
        A part file is not the one that was generated.
    """
    key = job_key(job_id, "evidence.json")
    if world.objects.exists(key):
        return read_document(world.objects, key, Evidence)
    with step(world, job_id, "assess") as job:
        plan = read_document(world.objects, job_key(job_id, "plan.json"), Plan)
        parts = parts_of(job_id, plan, world)
        with world.objects.scratch() as folder:
            evidence = source_of(job.request).assess(job, plan, parts, folder, world, progress)
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                world.objects.put(path, job_key(job_id, path.relative_to(folder).as_posix()))
        # Last, since it says that all of this is there.
        write_document(world.objects, key, evidence)
        return evidence
