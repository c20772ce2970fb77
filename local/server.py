"""The server of the embedded AWS as a process: started, found again, stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"


class PlatformError(RuntimeError):
    """The embedded AWS cannot do what was asked; the message says why and what helps."""


@dataclass(frozen=True)
class Place:
    """Where the embedded AWS keeps what it has, below the home of the project's data."""

    home: Path

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.home / "aws"

    @property
    def state(self) -> Path:
        """The state of the services."""
        return self.folder / "state"

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self.folder / "server.log"

    @property
    def pid_file(self) -> Path:
        """Which process serves, at which port."""
        return self.folder / "server.json"

    @property
    def platform_file(self) -> Path:
        """What was deployed: the file that the client reads."""
        return self.folder / "platform.json"

    @property
    def build(self) -> Path:
        """What `sam build` makes, and its cache."""
        return self.folder / "build"


@dataclass(frozen=True)
class Server:
    """A server under way."""

    pid: int
    port: int
    auth: bool

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"


def running(place: Place) -> Server | None:
    """Return the server of this place, when it runs and answers."""
    try:
        server = Server(**json.loads(place.pid_file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return server if _is_ours(server.pid, place) and answers(server.url) else None


def start(
    place: Place,
    port: int,
    *,
    auth: bool = False,
    aws_python: Path | None = None,
    project_python: Path | None = None,
    images: Path | None = None,
) -> Server:
    """Start the server and wait until it answers.

    Raises
    ------
    PlatformError
        Its environment is missing, the port is taken, or it does not come up; the log's last lines are in the message.
    """
    python = aws_python or find_tool("SYNTHCREDIT_AWS_PYTHON", ROOT / ".venv-aws" / "bin" / "python")
    if not _gets_free(port, 3):
        raise PlatformError(f"port {port} of {HOST} is taken by another program: stop it, or give another --port")
    place.folder.mkdir(parents=True, exist_ok=True)
    command = [str(python), str(ROOT / "local" / "serve.py"), "--port", str(port), "--state", str(place.state)]
    command += ["--project-python", str(project_python or sys.executable)]
    command += ["--images", str(images)] if images else []
    command += ["--auth"] if auth else []
    with place.log.open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    server = Server(process.pid, port, auth)
    place.pid_file.write_text(json.dumps({"pid": server.pid, "port": port, "auth": auth}), encoding="utf-8")
    _wait_until_up(process, server, place)
    return server


def stop(place: Place) -> bool:
    """Stop the server, which saves its state first; false when none ran."""
    try:
        pid = int(json.loads(place.pid_file.read_text(encoding="utf-8"))["pid"])
    except (FileNotFoundError, ValueError, KeyError):
        return False
    ran = _is_ours(pid, place)
    if ran:
        os.kill(pid, signal.SIGTERM)
        if not _ends(pid, place, 30):
            os.kill(pid, signal.SIGKILL)
        _end_group(pid)
    place.pid_file.unlink(missing_ok=True)
    return ran


def answers(url: str) -> bool:
    """Whether the server is up."""
    try:
        with urllib.request.urlopen(f"{url}/_ministack/health", timeout=5) as answer:  # noqa: S310  # a loopback address
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def find_tool(variable: str, usual: Path) -> Path:
    """Return a program of one of the project's environments; `variable` may name another place.

    Raises
    ------
    PlatformError
        It is not there.
    """
    path = Path(os.environ.get(variable) or usual)
    if not path.is_file():
        raise PlatformError(f"{path} is missing: run `make up`, or let {variable} name the program")
    return path


def _gets_free(port: int, seconds: float) -> bool:
    """Wait for a port that a server which was just ended may hold a moment longer."""
    end = time.monotonic() + seconds
    while _is_taken(port):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _is_ours(pid: int, place: Place) -> bool:
    """Whether the process is the server of this place: a number may belong to another process by now."""
    listing = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return "serve.py" in listing.stdout and str(place.state) in listing.stdout


def _wait_until_up(process: subprocess.Popen[bytes], server: Server, place: Place) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if process.poll() is not None:
            place.pid_file.unlink(missing_ok=True)
            raise PlatformError(f"the embedded AWS did not start:\n{last_lines(place.log)}")
        if answers(server.url):
            return
        time.sleep(0.05)
    stop(place)
    raise PlatformError(f"the embedded AWS did not answer within 30 s:\n{last_lines(place.log)}")


def last_lines(file: Path, count: int = 12) -> str:
    """Return the end of a text file."""
    return "\n".join(file.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])


def _ends(pid: int, place: Place, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not _is_ours(pid, place):
            return True
        time.sleep(0.1)
    return False


def _end_group(pid: int) -> None:
    """End the functions that outlived their server; they are of its process group."""
    for number in _group(pid):
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _group(pid: int) -> Iterable[int]:
    listing = subprocess.run(["ps", "-A", "-o", "pid=,pgid="], capture_output=True, text=True, check=True)
    pairs = (line.split() for line in listing.stdout.splitlines())
    return [int(one) for one, group in pairs if int(group) == pid]
