"""List prices, in one table: US East (N. Virginia), on demand, x86, US dollars, as of 2026-11-21.

They say what a job costs about, before it runs; other regions differ by some 20 %, and agreements lower them.

Sources
-------
Lambda: https://aws.amazon.com/lambda/pricing/ . SageMaker: https://aws.amazon.com/sagemaker/ai/pricing/ , where an
instance costs the same for training and for processing. That page fills its tables by a script, so that its figures
could not be read there and were taken from copies in public repositories, of which some may be old. The ceiling on
costs is therefore a guard against slips, not an invoice.
"""

from __future__ import annotations

from dataclasses import dataclass

LAMBDA_GB_SECOND = 0.0000166667
LAMBDA_REQUEST = 0.20 / 1_000_000
LAMBDA_DISK_GB_SECOND = 0.0000000309
LAMBDA_FREE_DISK_MB = 512
VOLUME_GB_HOUR = 0.14 / 730
"""The disk of a SageMaker instance."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One SageMaker instance type."""

    vcpus: int
    memory_gb: int
    usd_hour: float


INSTANCES = {
    "ml.m5.large": Instance(2, 8, 0.115),
    "ml.m5.xlarge": Instance(4, 16, 0.23),
    "ml.m5.2xlarge": Instance(8, 32, 0.461),
    "ml.m5.4xlarge": Instance(16, 64, 0.922),
    "ml.m5.12xlarge": Instance(48, 192, 2.765),
    "ml.m5.24xlarge": Instance(96, 384, 5.53),
    "ml.c5.xlarge": Instance(4, 8, 0.204),
    "ml.c5.2xlarge": Instance(8, 16, 0.408),
    "ml.c5.4xlarge": Instance(16, 32, 0.816),
    "ml.c5.9xlarge": Instance(36, 72, 1.836),
    "ml.r5.8xlarge": Instance(32, 256, 2.419),
}
"""What may be asked for. No type with a disk of its own (g4dn, g5, p4d): SageMaker refuses VolumeKmsKeyId for them, and
the state machine gives it (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html)."""
