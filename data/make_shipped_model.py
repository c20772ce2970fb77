"""Train the CTGAN of german_credit that ships with the package, and put it there.

Run it as `make shipped-model`, from the root of the checkout. It takes about two minutes.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import synthcredit
from synthcredit.local.models import SHIPPED

DATA = "data/german_credit.csv"


def main() -> None:
    """Train; a request for `ctgan` that names no settings then finds the model."""
    with tempfile.TemporaryDirectory() as home:
        card = synthcredit.train(DATA, target="creditability", synthesizer="ctgan", home=home)
        shutil.rmtree(SHIPPED, ignore_errors=True)
        shutil.copytree(
            Path(home) / "models" / card.model_id, SHIPPED / card.model_id, ignore=shutil.ignore_patterns(".*")
        )
    # It belongs to the file in the checkout, wherever that is, and it is not retired: the file never changes. The key of
    # the folder that it was trained in is nobody's.
    shipped = card.model_copy(update={"data_uri": DATA, "expires_at": None, "signature": None})
    path = SHIPPED / card.model_id / "card.json"
    path.write_text(shipped.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
