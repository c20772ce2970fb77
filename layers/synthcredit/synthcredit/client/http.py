"""Signed requests that are sent again where that helps, and problem bodies as our own errors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from synthcredit import errors
from synthcredit.client.place import Place, aws_refusals, no_credentials
from synthcredit.errors import InvalidInputError, NotFoundError, Problem, SynthcreditError

if TYPE_CHECKING:
    import urllib3

TRIES_AGAIN = (429, 500, 502, 503, 504)
"""Answers after which the same request may do better: too many at once, or a fault that passes."""
BY_NAME: dict[str, type[SynthcreditError]] = {
    kind.name: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SynthcreditError)
}
"""Our errors by the name that crosses the wire."""


class Http:
    """Sends requests to one platform's API.

    Every request may be sent twice: the API is idempotent (POST /jobs by its Idempotency-Key).

    Parameters
    ----------
    place
        The platform.
    retries, backoff
        How often a request is sent again, and the first pause in seconds; each pause doubles.
    """

    def __init__(self, place: Place, *, retries: int = 4, backoff: float = 0.4) -> None:
        self._place = place
        self._pool = pool(place.api_url, retries=retries, backoff=backoff)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON is whatever it is; the caller parses it
        """Send one request and return the JSON of its answer.

        Raises
        ------
        SynthcreditError
            What the API says is wrong, as the error that it has here; or it cannot be reached.
        """
        url = f"{self._place.api_url}{path}" + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        signed = self._sign(method, url, content, {"Accept": "application/json", **(headers or {})})
        with reaching(self._place):
            answer = self._pool.request(method, url, body=content, headers=signed)
        if answer.status >= 400:
            raise refusal(answer.status, answer.data, self._place)
        return _json(answer.data)

    def open(self, path: str, timeout: float) -> bool:
        """Tell whether a path that needs no signature answers, at once."""
        import urllib3

        try:
            url = f"{self._place.api_url}{path}"
            return bool(self._pool.request("GET", url, timeout=timeout, retries=False).status == 200)
        except urllib3.exceptions.HTTPError:
            return False

    def _sign(self, method: str, url: str, content: bytes | None, headers: dict[str, str]) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        if content is not None:
            headers["Content-Type"] = "application/json"
        with aws_refusals("credentials"):
            credentials = self._place.session.get_credentials()
            if credentials is None:
                raise no_credentials()
            request = AWSRequest(method, url, data=content, headers=headers)
            SigV4Auth(credentials.get_frozen_credentials(), "execute-api", self._place.region).add_auth(request)
        return dict(request.headers.items())


def pool(url: str, *, retries: int, backoff: float) -> urllib3.PoolManager:
    """Return connections to a host: through the proxy where one is set, each request sent again where that helps."""
    import urllib3
    from botocore.utils import get_environ_proxies

    again = urllib3.Retry(
        total=retries,
        status_forcelist=TRIES_AGAIN,
        allowed_methods=None,
        backoff_factor=backoff,
        backoff_jitter=backoff / 2,
        raise_on_status=False,
    )
    timeout = urllib3.Timeout(connect=10, read=60)
    authorities = os.environ.get("AWS_CA_BUNDLE")
    proxy = get_environ_proxies(url).get(urlsplit(url).scheme)
    if proxy:
        return urllib3.ProxyManager(proxy, retries=again, timeout=timeout, ca_certs=authorities)
    return urllib3.PoolManager(retries=again, timeout=timeout, ca_certs=authorities)


@contextmanager
def reaching(place: Place) -> Iterator[None]:
    """Say so where a platform cannot be reached."""
    import urllib3

    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        fix = "Start it with `synthcredit up`." if place.embedded else "Look at the URL and the network, and try again."
        raise SynthcreditError(
            Problem(f"platform {place.api_url}", f"it cannot be reached ({_reason(error)})", fix)
        ) from error


def _reason(error: Exception) -> str:
    import urllib3

    cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
    return {
        "NewConnectionError": "nobody answers there",
        "NameResolutionError": "there is no such host",
        "ConnectTimeoutError": "no answer in time",
        "ReadTimeoutError": "no answer in time",
    }.get(type(cause).__name__, type(cause).__name__)


def refusal(status: int, body: bytes, place: Place) -> SynthcreditError:
    """Return the error that an answer stands for: a problem body (RFC 9457), or what the gateway says itself."""
    content = _json(body)
    content = content if isinstance(content, dict) else {}
    problems = [_problem(item) for item in content.get("problems") or () if isinstance(item, dict)]
    if problems:
        return named(str(content.get("error") or content.get("title") or ""), problems, _by_status(status))
    said = content.get("detail") or content.get("message") or content.get("Message") or "no reason given"
    if status in (401, 403):
        fix = "Look at the credentials (--profile), at their right to execute-api:Invoke, and at the URL."
        return SynthcreditError(Problem(f"platform {place.api_url}", f"it does not let you in ({status}: {said})", fix))
    fix = "Try again; if it stays so, look at the platform's log." if status >= 429 else "Correct the request."
    return _by_status(status)(Problem(f"platform {place.api_url}", f"it answers {status}: {said}", fix))


def named(name: str, problems: list[Problem], otherwise: type[SynthcreditError] = SynthcreditError) -> SynthcreditError:
    """Return the error of a name, with its problems."""
    return BY_NAME.get(name, otherwise)(problems)


def _by_status(status: int) -> type[SynthcreditError]:
    if status == 404:
        return NotFoundError
    return InvalidInputError if status in (400, 409, 413, 415, 422) else SynthcreditError


def _problem(item: Mapping[str, Any]) -> Problem:
    return Problem(
        str(item.get("field", "request")), str(item.get("problem", "")).rstrip("."), str(item.get("fix", ""))
    )


def _json(content: bytes) -> Any:  # noqa: ANN401 - JSON is whatever it is
    try:
        return json.loads(content) if content else None
    except ValueError:
        return None
