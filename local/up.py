"""Start the embedded AWS and deploy the template to it, as far as that is not done yet.

    python local/up.py [--home DIR] [--port N] [--parameter KEY=VALUE]... [--auth]

Run by the project's own python, which also runs the containers. `local/down.py` stops it.
"""

import argparse
import sys
import time
from pathlib import Path

import deployment
import server
from server import ROOT, Place, PlatformError


def main() -> int:
    """Bring the platform up; the exit code is 0 when it is up, 1 otherwise."""
    options = _options()
    begin = time.perf_counter()
    try:
        running = up(Place(options.home.resolve()), options.port, _parameters(options.parameter), auth=options.auth)
    except PlatformError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    _say(f"up at {running.url} after {time.perf_counter() - begin:.1f} s")
    return 0


def up(place: Place, port: int | None, parameters: dict[str, str], *, auth: bool = False) -> server.Server:
    """Start what does not run and deploy what is not deployed.

    Raises
    ------
    PlatformError
        Something is missing or refused; the message says what helps.
    """
    aws_python = server.find_tool("SYNTHCREDIT_AWS_PYTHON", ROOT / ".venv-aws" / "bin" / "python")
    parameters = {**deployment.defaults(aws_python), **parameters}
    wanted = deployment.fingerprint(parameters)
    running = server.running(place)
    if running and not _serves(running, port, auth):
        _say("the embedded AWS runs with other options: it is started anew")
        server.stop(place)
        running = None
    if running and not deployment.is_current(place, running, wanted):
        # Functions that are warm hold the code of before; the image's comes from this folder, not from a deployment.
        _say("something changed since the last deployment: the embedded AWS is started anew")
        server.stop(place)
        running = None
    if running is None:
        running = _start(place, port or 4566, auth)
    if not deployment.is_current(place, running, wanted):
        deployment.deploy(place, running, parameters, _say)
    deployment.write_platform(place, running, wanted)
    return running


def _serves(running: server.Server, port: int | None, auth: bool) -> bool:
    return running.auth == auth and port in (None, running.port)


def _start(place: Place, port: int, auth: bool) -> server.Server:
    begin = time.perf_counter()
    started = server.start(place, port, auth=auth)
    _say(f"embedded AWS started at {started.url} in {time.perf_counter() - begin:.1f} s, log in {place.log}")
    return started


def _parameters(given: list[str]) -> dict[str, str]:
    """Turn KEY=VALUE words into parameters of the template."""
    pairs = [word.partition("=") for word in given]
    wrong = [key for key, sign, _ in pairs if not sign]
    if wrong:
        raise PlatformError(f"--parameter wants KEY=VALUE, not {', '.join(wrong)}")
    return {key: value for key, _, value in pairs}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".synthcredit"), help="where everything lies (%(default)s)")
    parser.add_argument("--port", type=int, help="port on 127.0.0.1 (4566, or the one that it has)")
    parser.add_argument("--parameter", action="append", default=[], metavar="KEY=VALUE", help="a template parameter")
    parser.add_argument("--auth", action="store_true", help="enforce IAM policies, as AWS does")
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
