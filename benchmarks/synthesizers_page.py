"""The table and the plots of `synthesizers.py`, made from the results that are kept beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from protocol import interval
from synthcredit.synthesizers import registry
from synthesizers_contenders import ENGINE_NAME, STOCK
from synthesizers_data import DATASETS, ROOT

RESULTS = Path(__file__).parent / "results" / "synthesizers"
PAGE = ROOT / "docs" / "benchmarks.md"
PLOTS = ROOT / "docs" / "synthesizers"
BEGIN, END = "<!-- synthesizers: written by benchmarks/synthesizers.py -->", "<!-- synthesizers: end -->"
FRESH = "fresh"
SPEED_DATASET = "uci_default"
MEASURES = (
    "C2ST against holdout",
    "C2ST against train",
    "AUC against train",
    "shape",
    "trend",
    "trend, all pairs",
    "alpha-precision",
    "beta-recall",
    "TSTR (fresh: TRTR)",
    "rate error",
    "excess closeness",
    "membership AUC",
    "membership TPR at 1 %",
    "copied rows",
)
COSTS = ("fit, CPU s", "rows/CPU s", "peak memory, MB")
"""Times by the clock are kept beside them; everyone has one thread, so that on a free core they are the same."""
_COLOURS = (
    "#1b6ca8",
    "#d1495b",
    "#2e933c",
    "#8f5bb5",
    "#e08e0b",
    "#11857f",
    "#7a5c3e",
    "#5b6470",
    "#b0447f",
    "#333333",
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one contender reached on one table, as its file has it."""

    dataset: str
    contender: str
    settings: dict[str, Any]
    seeds: int
    figures: dict[str, list[float | None]]
    costs: dict[str, float]
    taken: dict[str, Any]

    @property
    def label(self) -> str:
        """What tables call it."""
        return " ".join([self.contender, *(f"{key}={value}" for key, value in self.settings.items())])

    def of(self, measure: str) -> tuple[float, float | None] | None:
        """Return a figure's mean and half its 95 % interval; None where it was not taken."""
        if measure in self.costs:
            return self.costs[measure], None
        values = [value for value in self.figures.get(measure, []) if value is not None]
        return interval(values) if values else None


def place(folder: Path, dataset: str, label: str) -> Path:
    """Return where the result of one contender on one table is kept."""
    return folder / dataset / f"{label.replace(' ', '_')}.json"


def kept(folder: Path = RESULTS) -> list[Result]:
    """Return all results in a folder: by dataset, then as contenders are listed."""
    found = [Result(**json.loads(path.read_text())) for path in sorted(folder.glob("*/*.json"))]
    names = [FRESH, *registry.FAMILIES, *STOCK, ENGINE_NAME]
    datasets = list(DATASETS)
    return sorted(
        (one for one in found if one.dataset in datasets and one.contender in names),
        key=lambda one: (datasets.index(one.dataset), names.index(one.contender), _numbers(one.settings), one.label),
    )


def _numbers(settings: dict[str, Any]) -> list[float]:
    return [float(value) for value in settings.values() if isinstance(value, int | float)]


def table(results: Sequence[Result], measures: Sequence[str]) -> str:
    """Return one row a measure and one column a contender, in Markdown."""
    lines = ["| | " + " | ".join(one.label for one in results) + " |", "|---" * (len(results) + 1) + "|"]
    for measure in measures:
        cells = [_cell(one.of(measure)) for one in results]
        if any(cells):
            lines.append(f"| {measure} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(found: tuple[float, float | None] | None) -> str:
    if found is None:
        return ""
    mean, half = found
    digits = 0 if abs(mean) > 100 else 1 if abs(mean) > 2 else 4
    return f"{mean:,.{digits}f}" + ("" if half is None else f" ± {half:,.{digits}f}")


def page(results: Sequence[Result]) -> str:
    """Return the measured tables in Markdown: one a dataset, and the curves over settings."""
    parts: list[str] = []
    for name, dataset in DATASETS.items():
        own = [one for one in results if one.dataset == name]
        usual = [one for one in own if not one.settings]
        if usual:
            rows = next((one.taken["rows"] for one in usual), 0)
            parts.append(f"### {name}\n\n{dataset.remark} {rows:,} rows a side.\n\n{table(usual, MEASURES + COSTS)}")
        parts += list(_curves(name, own))
    return "\n\n".join([*parts, *_provenance(results)])


def _curves(dataset: str, own: Sequence[Result]) -> Iterator[str]:
    for family in registry.FAMILIES:
        turned = [one for one in own if one.contender == family and one.settings]
        if turned:
            default = [one for one in own if one.contender == family and not one.settings]
            measures = [name for name in MEASURES if name != "rate error"]
            yield f"#### {family} by its settings, {dataset}\n\n{table([*default, *turned], measures)}"


def _provenance(results: Sequence[Result]) -> Iterator[str]:
    if not results:
        return
    machines = sorted({one.taken["machine"] for one in results})
    versions: dict[str, set[str]] = {}
    for one in results:
        for package, version in one.taken["versions"].items():
            versions.setdefault(package, set()).add(version)
    days = sorted({one.taken["day"] for one in results})
    commits = sorted({one.taken["commit"] for one in results})
    loads = [one.taken["load"] for one in results if "load" in one.taken]
    busy = f" Processes that wanted a core meanwhile: {min(loads):g} to {max(loads):g}." if loads else ""
    yield (
        f"Taken from {days[0]} to {days[-1]} on: {'; '.join(machines)}. Versions: "
        + ", ".join(f"{package} {' and '.join(sorted(seen))}" for package, seen in sorted(versions.items()))
        + f". Commits: {', '.join(commits)}.{busy} Each result, seed by seed, is a file in "
        + "`benchmarks/results/synthesizers/`."
    )


def keep(results: Sequence[Result], file: Path = PAGE) -> None:
    """Put the tables between the marks of the page."""
    text = file.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    file.write_text(f"{before}{BEGIN}\n\n{page(results)}\n\n{END}{after}")


def plot(results: Sequence[Result], folder: Path = PLOTS) -> None:
    """Draw fidelity against privacy, and speed, as PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate([*registry.FAMILIES, *STOCK, ENGINE_NAME])}
    colours[FRESH] = "#000000"
    folder.mkdir(parents=True, exist_ok=True)
    _plot_tradeoff(results, colours, folder / "fidelity_privacy.png")
    timed = [one for one in results if one.dataset == SPEED_DATASET and one.costs and not one.settings]
    if timed:
        _plot_speed(timed, colours, folder / "speed.png")


def _plot_tradeoff(results: Sequence[Result], colours: dict[str, str], path: Path) -> None:
    from matplotlib import pyplot as plt

    shown = [name for name in DATASETS if any(one.dataset == name for one in results)]
    figure, axes = plt.subplots(2, 3, figsize=(12, 7.2), squeeze=False, layout="constrained")
    for axis, name in zip(axes.flat, shown, strict=False):
        own = [one for one in results if one.dataset == name]
        for family in dict.fromkeys(one.contender for one in own):
            points = [one for one in own if one.contender == family]
            found = [(_mean(one, "excess closeness"), _mean(one, "C2ST against holdout"), one) for one in points]
            if len(found) > 1:
                line = sorted(found, key=lambda point: point[2].settings.get("k", _usual_k(family)))
                axis.plot(*zip(*[point[:2] for point in line], strict=True), color=colours[family], alpha=0.5, lw=1)
            for closeness, score, one in found:
                usual = not one.settings
                axis.scatter(closeness, score, color=colours[family], s=46 if usual else 16, zorder=3)
                if not usual:
                    text = f"k={one.settings['k']}" if "k" in one.settings else one.label
                    axis.annotate(text, (closeness, score), xytext=(5, -3), textcoords="offset points", fontsize=7)
        axis.set_title(name, fontsize=10)
        axis.axvline(0, color="#999999", lw=0.6)
        axis.set_ylim(-0.05, 1.08)
        axis.locator_params(axis="x", nbins=5)
        axis.margins(x=0.25)
    for axis in list(axes.flat)[len(shown) :]:
        axis.set_visible(False)
    # One legend instead of names at the points, which cover each other where families are alike.
    told = [name for name in colours if any(one.contender == name for one in results)]
    points = [plt.Line2D([], [], color=colours[name], marker="o", linestyle="") for name in told]
    figure.legend(points, told, loc="outside upper center", ncols=6, fontsize=9, frameon=False)
    figure.supxlabel("excess closeness to training rows (0 fresh, 1 copies)", fontsize=9)
    figure.supylabel("C2ST against the holdout (1: cannot be told from real rows)", fontsize=9)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _usual_k(family: str) -> float:
    """Return what the dial of a family stands at where nobody turns it; 0 where it has none."""
    found = registry.FAMILIES.get(family)
    return float(getattr(found.settings(), "k", 0)) if found else 0.0


def _plot_speed(own: Sequence[Result], colours: dict[str, str], path: Path) -> None:
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    figure, axes = plt.subplots(1, 2, figsize=(10, 0.9 + 0.42 * len(own)), sharey=True, layout="constrained")
    titles = {"fit, CPU s": "processor seconds to fit", "rows/CPU s": "rows a processor second"}
    for axis, (cost, title) in zip(axes, titles.items(), strict=True):
        values = [one.costs[cost] for one in own]
        bars = axis.barh([one.label for one in own], values, color=[colours[one.contender] for one in own])
        axis.bar_label(bars, [f"{value:,.0f}" if value >= 10 else f"{value:.1f}" for value in values], fontsize=8,
                       padding=3)  # fmt: skip
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.margins(x=0.25)
        axis.set_title(title, fontsize=10)
    axes[0].invert_yaxis()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _mean(one: Result, measure: str) -> float:
    found = one.of(measure)
    return float("nan") if found is None else float(np.float64(found[0]))
