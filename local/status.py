"""Tell whether the embedded AWS runs, and where. The exit code is 0 when it runs, 1 when not.

python local/status.py [--home DIR]
"""

import argparse
import json
import sys
from pathlib import Path

import server
from server import Place


def main() -> int:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".synthcredit"), help="where everything lies (%(default)s)")
    place = Place(parser.parse_args().home.resolve())
    running = server.running(place)
    found = {"running": running is not None, "log": str(place.log)}
    if running:
        found.update(url=running.url, pid=running.pid, auth=running.auth, deployed=place.platform_file.is_file())
    print(json.dumps(found, indent=2), flush=True)
    return 0 if running else 1


if __name__ == "__main__":
    sys.exit(main())
