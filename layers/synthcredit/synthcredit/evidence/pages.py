"""Small offline pages beside the report: several tables together, and two assessments side by side."""

from __future__ import annotations

import jinja2


def page(template: str, **content: object) -> str:
    """Fill in one of this package's page templates; every text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthcredit", "evidence"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content)
