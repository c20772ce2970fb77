"""Plots of synthetic beside real rows, from aggregates alone. Blue areas are real, orange outlines synthetic."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from synthcredit.datasets.schema import Column, Dtype, Kind
from synthcredit.evidence.aggregates import MIN_CELL, OTHER, Bars, Histogram

# Okabe and Ito's palette, told apart by all kinds of colour vision; also dark against light on a grey printout.
REAL = "#0072B2"
REAL_FILL = "#A6CBE3"
SYNTHETIC = "#C44E00"
SYNTHETIC_FILL = "#F2A65A"
FRESH = "#57606a"
INK, GRID = "#24292f", "#d8dee4"
_SIZE = (3.5, 2.2)
_BAR = 0.37
_LABEL = 30
_WIDE_LABEL = 54
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": "#8c959f",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "svg.fonttype": "none",
    # Fixed, so that the same figures give the same file.
    "svg.hashsalt": "synthcredit",
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure, for the page and as a file."""

    svg: bytes
    png: bytes


def distribution(column: Column, shown: Bars | Histogram) -> Drawing:
    """Draw one column: bars for values, areas for intervals."""
    with drawing():
        figure = new_figure(_SIZE if isinstance(shown, Histogram) else (_SIZE[0], 0.4 + _BAR * len(shown.labels)))
        if isinstance(shown, Bars):
            _draw_bars(figure, shown)
        else:
            _draw_histogram(figure, shown, column)
        svg = as_bytes(figure, "svg")
        _title(figure, column.name)
        return Drawing(svg, as_bytes(figure, "png"))


def shorten(label: str, length: int = _LABEL) -> str:
    """Return a label of at most ``length`` characters on one line, without control characters."""
    plain = "".join(character if character.isprintable() else " " for character in label).strip() or "(blank)"
    return plain if len(plain) <= length else plain[: length - 1].rstrip() + "…"


def remarks(shown: Bars | Histogram) -> tuple[str, ...]:
    """Say in words what a plot does not show."""
    if isinstance(shown, Bars):
        return ()
    said = []
    for what, (real, synthetic) in (("have no value", shown.missing), ("lie beyond the axis", shown.beyond)):
        if real != 0 or synthetic:
            of_real = f"Fewer than {MIN_CELL}" if real is None else f"{100 * real:.1f} % of"
            said.append(f"{of_real} real rows and {100 * synthetic:.1f} % of synthetic rows {what}.")
    return tuple(said)


def _draw_bars(figure: Figure, shown: Bars) -> None:
    """Draw two bars a value, real above synthetic, under the value's name."""
    labels = [
        f"{OTHER} ({shown.merged} values)" if label == OTHER and shown.merged > 1 else shorten(label, _WIDE_LABEL)
        for label in shown.labels
    ]
    height = figure.get_figheight()
    axes = figure.add_axes((0.03, 0.32 / height, 0.92, 1 - 0.36 / height))
    places = np.arange(len(labels))
    axes.barh(places + 0.14, shown.real, 0.19, color=REAL_FILL, edgecolor=REAL, linewidth=0.8)
    axes.barh(places + 0.34, shown.synthetic, 0.19, color=SYNTHETIC_FILL, edgecolor=SYNTHETIC, linewidth=0.8)
    for place, label in zip(places, labels, strict=True):
        axes.text(0, place - 0.02, label, va="bottom", fontsize=8)
    axes.set_yticks([])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    percent(axes, "x")


def _draw_histogram(figure: Figure, shown: Histogram, column: Column) -> None:
    height = figure.get_figheight()
    axes = figure.add_axes((0.125, 0.34 / height, 0.845, 1 - 0.42 / height))
    # The area stands for the share where intervals were widened.
    scale = shown.step / np.diff(shown.edges)
    axes.stairs(shown.real * scale, shown.edges, fill=True, color=REAL_FILL)
    axes.stairs(shown.real * scale, shown.edges, color=REAL, linewidth=0.8)
    axes.stairs(shown.synthetic * scale, shown.edges, color=SYNTHETIC, linewidth=1.7)
    axes.set_xlim(shown.edges[0], shown.edges[-1])
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: axis_label(float(value), column)))
    percent(axes, "y")


def axis_label(value: float, column: Column) -> str:
    """Return a number on an axis for people: 1,500, 20k, 3.5M; dates and times as such."""
    if column.kind is Kind.DATETIME:
        if column.dtype is Dtype.TIME:
            return f"{int(value // 3600):02d}:{int(value % 3600 // 60):02d}"
        try:
            return datetime.fromtimestamp(value, tz=UTC).strftime("%Y-%m-%d")
        except (OverflowError, ValueError, OSError):
            return ""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):,.4g}{letter}"
    return f"{value:,.6g}"


def percent(axes: Axes, which: Literal["x", "y"]) -> None:
    """Write shares on an axis as per cent."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.grid(axis=which, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _title(figure: Figure, name: str) -> None:
    height = figure.get_figheight()
    figure.set_figheight(height + 0.5)
    for axes in figure.axes:
        box = axes.get_position()
        grown = height + 0.5
        axes.set_position((box.x0, box.y0 * height / grown, box.width, box.height * height / grown))
    figure.text(0.03, 1 - 0.06 / (height + 0.5), shorten(name, 56), fontsize=10, fontweight="bold", va="top")
    figure.text(0.03, 1 - 0.28 / (height + 0.5), "real", color=REAL, va="top", fontweight="bold")
    figure.text(0.11, 1 - 0.28 / (height + 0.5), "synthetic", color=SYNTHETIC, va="top", fontweight="bold")


def new_figure(size: tuple[float, float]) -> Figure:
    """Return an empty figure of so many inches."""
    figure = Figure(figsize=size, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def as_bytes(figure: Figure, form: str) -> bytes:
    """Return a figure as a file, the same for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=130, metadata={"Date": None} if form == "svg" else {"Software": None})
    return buffer.getvalue()


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the house style; column names and categories are text, never formulas."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # A glyph that the font lacks is a box in the PNG; the page has the browser's fonts.
        warnings.simplefilter("ignore")
        yield
