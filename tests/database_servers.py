"""Real database servers for tests and benchmarks: Debian's, each in a folder of its own, on a port of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PASSWORD = "open:sesame@/%"  # noqa: S105 - with all that has to be escaped in a URL
WRITTEN = "open%3Asesame%40%2F%25"
USER = "bank"
DATABASE = "credit"
_SECONDS = 60


def missing(kind: str) -> str | None:
    """Return why a server cannot be started here, or None where it can."""
    program = {"mysql": "mariadbd", "postgresql": "postgres"}[kind]
    if _program(program) is not None:
        return None
    package = {"mysql": "mariadb-server-core mariadb-client-core", "postgresql": "postgresql"}[kind]
    return f"{program} is not installed: apt-get install {package}"


def _program(name: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(debian[-1]) if debian else shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> dict[str, object]:
    # Neither server runs as root.
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@dataclass
class Server:
    """A server that listens on 127.0.0.1, with one database and one user who has a password."""

    kind: str
    options: Sequence[str] = ()
    port: int = field(default_factory=_free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="synthcredit-db-")))
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, with user and password."""
        return self.url_as(USER, WRITTEN)

    def url_as(self, user: str, password: str, database: str = DATABASE) -> str:
        """Return where it is for another user."""
        return f"{self.kind}://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make it, start it, and wait until it answers; remove it where it does not."""
        try:
            if _unprivileged():
                shutil.chown(self.folder, "nobody")
            (self._make_mariadb if self.kind == "mysql" else self._make_postgresql)()
            self.launch()
            (self._set_up_mariadb if self.kind == "mysql" else self._set_up_postgresql)()
        except BaseException:
            self.remove()
            raise

    def launch(self) -> None:
        """Start it on what it has; after `stop` as after `start`."""
        data = self.folder / "data"
        if self.kind == "mysql":
            command = [
                _program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--port={self.port}",
                "--bind-address=127.0.0.1", f"--socket={self.folder}/s", f"--pid-file={self.folder}/pid",
                "--skip-name-resolve", "--innodb-buffer-pool-size=256M", *self.options,
            ]  # fmt: skip
        else:
            command = [
                _program("postgres"), "-D", data, "-p", str(self.port), "-h", "127.0.0.1", "-k", self.folder,
                "-c", "max_wal_size=2GB", *self.options,
            ]  # fmt: skip
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=log, stderr=log, cwd=self.folder, **_unprivileged()
        )
        limit = time.monotonic() + _SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; what it holds is kept."""
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def remove(self) -> None:
        """Stop it at once, and take all of it away."""
        self.stop(signal.SIGQUIT if self.kind == "postgresql" else signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def administer(self, *statements: str, database: str = DATABASE) -> None:
        """Run statements as the server's administrator."""
        if self.kind == "mysql":
            self._run(
                _program("mariadb"), "--no-defaults", "-uroot", f"-S{self.folder}/s", "-D", database,
                "-e", ";".join(statements),
            )  # fmt: skip
            return
        for statement in statements:
            self._run(
                _program("psql"), "-X", "-q", "-h", self.folder, "-p", self.port, "-U", "postgres", "-d", database,
                "-v", "ON_ERROR_STOP=1", "-c", statement,
            )  # fmt: skip

    def _answers(self) -> bool:
        try:
            self.administer("SELECT 1", database="mysql" if self.kind == "mysql" else "postgres")
        except subprocess.CalledProcessError:
            return False
        return True

    def _make_mariadb(self) -> None:
        self._run(
            _program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        )  # fmt: skip

    def _make_postgresql(self) -> None:
        self._run(
            _program("initdb"), "-D", self.folder / "data", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C",
            "--auth-local=trust", "--auth-host=scram-sha-256",
        )  # fmt: skip

    def _set_up_mariadb(self) -> None:
        self.administer(
            f"CREATE DATABASE {DATABASE}",
            f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT ALL ON {DATABASE}.* TO '{USER}'@'127.0.0.1'",
            database="mysql",
        )

    def _set_up_postgresql(self) -> None:
        self.administer(
            f"CREATE USER {USER} PASSWORD '{PASSWORD}'", f"CREATE DATABASE {DATABASE} OWNER {USER}", database="postgres"
        )

    def _run(self, *command: object) -> None:
        subprocess.run(
            [str(word) for word in command], check=True, capture_output=True, cwd=self.folder, timeout=_SECONDS,
            **_unprivileged(),
        )  # fmt: skip
