"""What ministack 1.5.33 lacks and this project's template needs, one gap a file.

Nothing here changes an installed file: each gap replaces or wraps functions of the running process, by name, and
fails at the start when a name is gone.
"""

from plug import (
    conditions,
    definitions,
    destinations,
    executions,
    functions,
    keeping,
    objects,
    queries,
    sagemaker,
    sources,
    transport,
)

GAPS = (
    conditions,
    definitions,
    destinations,
    executions,
    functions,
    keeping,
    objects,
    queries,
    sagemaker,
    sources,
    transport,
)


def install() -> None:
    """Fill every gap.

    Raises
    ------
    plug.hooks.MissingInternalError
        A function of ministack that a gap relies on is gone.
    """
    for gap in GAPS:
        gap.install()
