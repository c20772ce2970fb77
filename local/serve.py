"""The embedded AWS: ministack with the plug of this folder, on the loopback address only.

Run by the python of its own environment (`local/requirements.txt`); `local/up.py` starts it. Its state lies under
``--state``: it is read at the start and written when the server is told to stop (SIGTERM), objects of S3 at once.
"""

import argparse
import importlib.metadata
import os
import sys
from pathlib import Path

MINISTACK = "1.5.33"
REGION = "us-east-1"


def main() -> None:
    """Serve until a signal ends it."""
    options = _options()
    _check_version()
    _set_environment(options)
    # ministack reads its environment while it is imported.
    from ministack import app
    from ministack.core import lambda_runtime

    import plug
    from plug import images, sagemaker

    images.settings = images.Settings(options.root.resolve(), str(options.project_python), options.images.resolve())
    plug.install()
    sys.argv = sys.argv[:1]
    try:
        app.main()
    finally:
        sagemaker.end_all()
        lambda_runtime.reset()


def _options() -> argparse.Namespace:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=4566, help="port on 127.0.0.1 (default %(default)s)")
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps the state")
    parser.add_argument("--project-python", type=Path, default=sys.executable, help="python that runs the containers")
    parser.add_argument("--root", type=Path, default=here.parent, help="the repository (default: the one of this file)")
    parser.add_argument("--images", type=Path, default=here / "images.json", help="which folder stands for which image")
    parser.add_argument("--auth", action="store_true", help="enforce IAM policies")
    return parser.parse_args()


def _check_version() -> None:
    try:
        found = importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found != MINISTACK:
        sys.exit(
            f"the embedded AWS needs ministack {MINISTACK}, and {sys.executable} has {found}: its plug reaches into "
            "that version's internals. Install local/requirements.txt into an environment of its own (make up)."
        )


def _set_environment(options: argparse.Namespace) -> None:
    """Set what ministack reads. No setting of the user's own AWS reaches it or what it starts."""
    for name in [
        name for name in os.environ if name.startswith(("AWS_", "BOTO_", "MINISTACK_", "LOCALSTACK_", "LAMBDA_"))
    ]:
        del os.environ[name]
    state = options.state.resolve()
    folders = {"STATE_DIR": state / "services", "S3_DATA_DIR": state / "objects", "TMPDIR": state / "tmp"}
    for name, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(folder)
    os.environ.update(
        GATEWAY_PORT=str(options.port),
        BIND_HOST="127.0.0.1",
        MINISTACK_HOST="127.0.0.1",
        MINISTACK_REGION=REGION,
        PERSIST_STATE="1",
        S3_PERSIST="1",
        AUTH="true" if options.auth else "false",
        # Listeners that nothing here needs, and a Docker that is none of our business.
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        DOCKER_HOST="unix:///nonexistent/docker.sock",
        # What functions and containers inherit.
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{options.port}",
        AWS_DEFAULT_REGION=REGION,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - the embedded AWS asks for no more
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )


if __name__ == "__main__":
    main()
