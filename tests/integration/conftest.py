from pathlib import Path

import numpy as np
import pytest

FIRST = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gail", "Hugo", "Iris", "Jack")
LAST = ("Archer", "Baker", "Carver", "Draper", "Fisher", "Glover", "Hunter", "Mason", "Potter", "Skinner")


@pytest.fixture(scope="session")
def applicants(tmp_path_factory) -> Path:
    """A made table of 600 applicants with every kind of column that matters."""
    rng = np.random.default_rng(5)
    rows = 600
    income = rng.lognormal(10, 0.5, rows).round(2)
    months = rng.integers(6, 72, rows)
    car = rng.random(rows) < 0.4
    late = rng.random(rows) < 1 / (1 + np.exp(-(0.04 * (months - 40) - (np.log(income) - 10) * 2 - 0.8 + 0.6 * car)))
    days = np.datetime64("2024-01-01") + rng.integers(0, 700, rows).astype("timedelta64[D]")
    people = [(FIRST[i], LAST[j]) for i, j in zip(rng.integers(0, 10, rows), rng.integers(0, 10, rows), strict=True)]
    lines = ["customer id,full name,e-mail,annual income,months,purpose,opened on,default"]
    for i, (first, last) in enumerate(people):
        shown = "" if i % 11 == 0 else f"{income[i]:.2f}"
        purpose = "car" if car[i] else "home"
        mail = f"{first.lower()}.{last.lower()}{i}@bank.test"
        lines.append(f"C{i:06d},{first} {last},{mail},{shown},{months[i]},{purpose},{days[i]},{int(late[i])}")
    path = tmp_path_factory.mktemp("real") / "applicants.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
