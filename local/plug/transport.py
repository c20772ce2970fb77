"""Loopback stands for TLS.

Every endpoint of AWS is TLS, and the template's policies refuse anything else (`aws:SecureTransport`). The embedded
AWS speaks plain HTTP to programs of this machine only, so with enforcement on it would refuse every request.
"""

from collections.abc import Callable

from ministack import app

from plug import hooks


def _secure(old: Callable[[str, bool], None]) -> Callable[[str, bool], None]:
    return lambda source, _: old(source, True)


def install() -> None:
    """Count requests as sent over TLS."""
    hooks.wrap(app, "pin_request_origin", _secure)
