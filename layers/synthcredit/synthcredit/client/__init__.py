"""A platform that runs somewhere else, deployed or embedded, as seen by a program: find it, submit, follow, fetch.

boto3 is imported when a platform is opened, not with this package.

Examples
--------
>>> from synthcredit.client import Platform
>>> platform = Platform.open()  # doctest: +SKIP
>>> job = platform.submit({"source": {"kind": "model", "model_id": "trees-applicants-0123456789ab"}, "rows": 1000},
...                       key="monday")  # doctest: +SKIP
>>> job = platform.follow(job.job_id)  # doctest: +SKIP
>>> platform.download(job.job_id, "out")  # doctest: +SKIP
"""

from synthcredit.client.answers import JobStatus, Results
from synthcredit.client.place import ENDPOINT_VARIABLE, platform_file
from synthcredit.client.platform import Platform, raise_unless_succeeded
from synthcredit.client.question import question
from synthcredit.client.uploads import Uploads

__all__ = [
    "ENDPOINT_VARIABLE",
    "JobStatus",
    "Link",
    "Platform",
    "Results",
    "Uploads",
    "platform_file",
    "question",
    "raise_unless_succeeded",
]
