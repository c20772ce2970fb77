"""Stop the embedded AWS. What it holds is kept; `--delete` removes it.

python local/down.py [--home DIR] [--delete]
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

import server
from server import Place


def main() -> int:
    """Stop the server, if it runs."""
    options = _options()
    place = Place(options.home.resolve())
    begin = time.perf_counter()
    if server.stop(place):
        print(f"embedded AWS stopped in {time.perf_counter() - begin:.1f} s", flush=True)
    else:
        print("the embedded AWS does not run", flush=True)
    if options.delete and place.folder.is_dir():
        shutil.rmtree(place.folder)
        print(f"{place.folder} deleted", flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".synthcredit"), help="where everything lies (%(default)s)")
    parser.add_argument("--delete", action="store_true", help="delete all jobs, models and data of the embedded AWS")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
