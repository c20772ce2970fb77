"""Plots of what evidence holds: scorecards and distances. Drawn from its tables, no row is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from synthcredit.evidence.plots import (
    FRESH,
    GRID,
    REAL,
    REAL_FILL,
    SYNTHETIC,
    SYNTHETIC_FILL,
    Drawing,
    as_bytes,
    drawing,
    new_figure,
    percent,
    shorten,
)

Row = Sequence[str | float | None]
_WIDTH = 5.2
_COLOURS = {"real": (REAL, "o", -1), "synthetic": (SYNTHETIC, "D", 1)}


def woe(column: str, rows: Sequence[Row]) -> Drawing:
    """Draw the weight of evidence by bin: rows of (bin, share of real rows, real, synthetic, fresh)."""
    with drawing():
        height = 0.62 + 0.3 * len(rows)
        figure = new_figure((3.5, height))
        axes = figure.add_axes((0.36, 0.42 / height, 0.6, 1 - 0.62 / height))
        places = np.arange(len(rows))
        for name, colour, mark, at in (
            ("fresh", FRESH, "s", 4),
            ("real", REAL, "o", 2),
            ("synthetic", SYNTHETIC, "D", 3),
        ):
            values = _numbers([row[at] if len(row) > at else None for row in rows])
            axes.plot(values, places, color=colour, marker=mark, markersize=3.2 if at == 4 else 4.5, label=name,
                      linewidth=0.9 if at == 4 else 1.4, linestyle=":" if at == 4 else "-")  # fmt: skip
        axes.axvline(0, color="#8c959f", linewidth=0.7)
        axes.set_yticks(places, [shorten(str(row[0]), 20) for row in rows], fontsize=7.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("weight of evidence (right: less risk)", fontsize=8)
        axes.grid(axis="x", color=GRID, linewidth=0.6)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(axis="y", length=0)
        svg = as_bytes(figure, "svg")
        figure.text(0.02, 1 - 0.05 / height, shorten(column, 40), fontsize=9.5, fontweight="bold", va="top")
        _legend(axes)
        return Drawing(svg, as_bytes(figure, "png"))


def default_rates(grades: Mapping[str, Sequence[Row]]) -> Drawing:
    """Draw the default rate of real applicants by grade of each scorecard, and what it forecast.

    Parameters
    ----------
    grades
        By scorecard, ``real`` and ``synthetic``: rows of (grade, applicants, forecast, rate, low, high, ...).
    """
    with drawing():
        figure, axes = _panel()
        for name, rows in grades.items():
            colour, mark, side = _COLOURS[name]
            table = _table(rows)
            at = np.arange(1, len(table) + 1) + 0.12 * side
            _intervals(axes, at, table, name=name, colour=colour, mark=mark)
            axes.plot(
                at, table[:, 0], color=colour, linestyle=":", linewidth=1.2, label=f"forecast of the {name} scorecard"
            )
        axes.set_xlabel("grade of the scorecard, riskiest first")
        axes.set_ylabel("default rate of real applicants")
        axes.xaxis.set_major_locator(MaxNLocator(12, integer=True, steps=[1, 10]))
        axes.set_ylim(0, min(1.02, axes.get_ylim()[1]))
        percent(axes, "y")
        _legend(axes)
        return _both(figure)


def calibration(grades: Mapping[str, Sequence[Row]]) -> Drawing:
    """Draw forecast against observed default rates by grade, rows as for `default_rates`."""
    with drawing():
        figure, axes = _panel()
        tables = {name: _table(rows) for name, rows in grades.items()}
        most = max(
            (float(np.nanmax(table[:, [0, 3]])) for table in tables.values() if np.isfinite(table).any()), default=1.0
        )
        axes.plot([0, 1], [0, 1], color="#8c959f", linewidth=0.9, linestyle="--", label="forecast is right")
        for name, table in tables.items():
            colour, mark, _ = _COLOURS[name]
            _intervals(axes, table[:, 0], table, name=name, colour=colour, mark=mark)
        axes.set_xlim(0, min(1.0, most * 1.05))
        axes.set_ylim(0, min(1.0, most * 1.05))
        axes.set_xlabel("default rate that the scorecard forecast")
        axes.set_ylabel("default rate of real applicants")
        percent(axes, "y")
        percent(axes, "x")
        axes.grid(axis="both", color=GRID, linewidth=0.6)
        _legend(axes)
        return _both(figure)


def approval(rows: Sequence[Row]) -> Drawing:
    """Draw the bad rate among the approved: rows of (approval rate, real card, synthetic card, promised)."""
    with drawing():
        figure, axes = _panel()
        table = np.array([_numbers(row) for row in rows])
        lines = (
            ("real scorecard", REAL, "-"),
            ("synthetic scorecard", SYNTHETIC, "-"),
            ("what synthetic rows promise", SYNTHETIC, ":"),
        )
        for at, (name, colour, style) in enumerate(lines, start=1):
            axes.plot(table[:, 0], table[:, at], color=colour, linestyle=style, linewidth=1.6, label=name,
                      marker="o" if style == "-" else None, markersize=3.5)  # fmt: skip
        axes.set_xlabel("share of applicants approved")
        axes.set_ylabel("bad rate among the approved")
        axes.set_ylim(bottom=0)
        percent(axes, "x")
        percent(axes, "y")
        axes.grid(axis="both", color=GRID, linewidth=0.6)
        _legend(axes)
        return _both(figure)


def nearest(rows: Sequence[Row]) -> Drawing:
    """Draw how far synthetic rows lie from training and from holdout rows: rows of (from, to, share, share)."""
    with drawing():
        figure, axes = _panel()
        table = np.array([_numbers(row) for row in rows])
        edges = np.append(table[:, 0], table[-1, 1])
        axes.stairs(table[:, 3], edges, fill=True, color=REAL_FILL, label="to the nearest holdout row")
        axes.stairs(table[:, 3], edges, color=REAL, linewidth=0.9)
        axes.stairs(table[:, 2], edges, color=SYNTHETIC, linewidth=1.7, label="to the nearest training row")
        axes.set_xlabel("distance of a synthetic row (0: the same row)")
        axes.set_ylabel("share of synthetic rows")
        axes.set_xlim(edges[0], edges[-1])
        percent(axes, "y")
        _legend(axes)
        return _both(figure)


def bands(rows: Sequence[Row]) -> Drawing:
    """Draw synthetic rows by tenths of fresh rows' distances to train: rows of (above, up to, synthetic, fresh)."""
    with drawing():
        figure, axes = _panel()
        table = np.array([_numbers(row) for row in rows])
        places = np.arange(1, len(table) + 1)
        axes.bar(
            places - 0.2, table[:, 3], 0.38, color=REAL_FILL, edgecolor=REAL, linewidth=0.8, label="fresh real rows"
        )
        axes.bar(
            places + 0.2,
            table[:, 2],
            0.38,
            color=SYNTHETIC_FILL,
            edgecolor=SYNTHETIC,
            linewidth=0.8,
            label="synthetic rows",
        )
        axes.set_xlabel("distance to the nearest training row, in tenths of fresh real rows")
        axes.set_ylabel("share of rows")
        axes.set_xticks(places)
        percent(axes, "y")
        _legend(axes)
        return _both(figure)


def _panel() -> tuple[Figure, Axes]:
    figure = new_figure((_WIDTH, 3.0))
    return figure, figure.add_axes((0.125, 0.155, 0.85, 0.815))


def _both(figure: Figure) -> Drawing:
    return Drawing(as_bytes(figure, "svg"), as_bytes(figure, "png"))


def _legend(axes: Axes) -> None:
    axes.legend(fontsize=7.5, frameon=True, framealpha=0.9, edgecolor="none", loc="best", handlelength=1.8)


def _intervals(axes: Axes, at: np.ndarray, table: np.ndarray, *, name: str, colour: str, mark: str) -> None:
    """Draw rates with their Wilson intervals."""
    spread = np.abs(table[:, 2:4].T - table[:, 1])
    axes.errorbar(at, table[:, 1], yerr=spread, color=colour, fmt=mark, markersize=4.5, linewidth=1.2, capsize=2.5,
                  label=f"{name} scorecard, 95 % interval")  # fmt: skip


def _table(rows: Sequence[Row]) -> np.ndarray:
    """Return forecast, rate, low and high by grade, shape (grades, 4); NaN where a grade is not told."""
    return np.array([_numbers(row[2:6]) for row in rows]).reshape(-1, 4)


def _numbers(row: Sequence[str | float | None]) -> list[float]:
    return [float("nan") if value is None or isinstance(value, str) else float(value) for value in row]
