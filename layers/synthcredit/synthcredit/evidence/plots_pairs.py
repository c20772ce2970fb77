"""Plots of two columns together, from aggregates alone: shares by cell, and associations of every two columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from synthcredit.evidence.aggregates import Axis, Pair
from synthcredit.evidence.plots import Drawing, as_bytes, axis_label, drawing, new_figure, shorten

_WIDTH = 3.5
_ROW = 0.46
_SQUARE = 2.3
_HIDDEN = "#eceff2"
_MOST_TICKS = 6
_PRINTED = 40
_LABEL = 30

SHARES: Colormap = LinearSegmentedColormap.from_list("shares", ["#f3f7fb", "#9cc4df", "#3b82b5", "#0b3c61"])
DIFFERENCES: Colormap = LinearSegmentedColormap.from_list(
    "apart", ["#b04a00", "#f0a868", "#f7f7f7", "#a99fd0", "#4d3a96"]
)


@dataclass(frozen=True, slots=True)
class PairDrawing:
    """Two columns together: three panels for the page (real, synthetic, difference), and one file with all."""

    panels: tuple[bytes, bytes, bytes]
    png: bytes


def pair(shown: Pair) -> PairDrawing:
    """Draw the shares of real and of synthetic rows by two columns, and how far they are apart."""
    most = _largest(shown.real, shown.synthetic)
    apart = shown.synthetic - shown.real
    off = max(_largest(np.abs(apart)), most / 5)
    drawn = (
        ("Real", shown.real, SHARES, (0.0, most)),
        ("Synthetic", shown.synthetic, SHARES, (0.0, most)),
        ("Synthetic minus real", apart, DIFFERENCES, (-off, off)),
    )
    height = _height(shown)
    with drawing():
        panels = []
        for title, values, colours, limits in drawn:
            figure = new_figure((_WIDTH, height))
            _panel(figure, 0.0, shown, title, values, colours, limits)
            panels.append(as_bytes(figure, "svg"))
        whole = new_figure((3 * _WIDTH, height + 0.35))
        for position, (title, values, colours, limits) in enumerate(drawn):
            _panel(whole, position * _WIDTH, shown, title, values, colours, limits)
        names = (shorten(axis.column.name, 50) for axis in (shown.x, shown.y))
        whole.text(0.01, 1 - 0.08 / (height + 0.35), " and ".join(names), fontsize=11, fontweight="bold", va="top")
        return PairDrawing((panels[0], panels[1], panels[2]), as_bytes(whole, "png"))


def association_maps(names: Sequence[str], real: NDArray[np.float64], synthetic: NDArray[np.float64]) -> Drawing:
    """Draw the associations of every two columns three times: real, synthetic, and how far synthetic is off.

    Parameters
    ----------
    names
        The columns, k of them.
    real, synthetic
        Cramér's V, shape (k, k).
    """
    with drawing():
        side = float(np.clip(0.17 * len(names), 2.4, 4.2))
        margin = 0.4 + 0.075 * max(min(len(name), _LABEL) for name in names)
        width, height = margin + 3 * side + 1.3, side + 1.15
        figure = new_figure((width, height))
        # One scale for the first two, so that equal colours mean equal associations.
        apart = np.eye(len(names), dtype=bool)
        real, synthetic = (np.where(apart, np.nan, values) for values in (real, synthetic))
        most, off = max(0.1, _largest(real, synthetic)), max(0.1, _largest(np.abs(synthetic - real)))
        panels = (
            ("Real", real, SHARES, (0.0, most)),
            ("Synthetic", synthetic, SHARES, (0.0, most)),
            ("Synthetic minus real", synthetic - real, DIFFERENCES, (-off, off)),
        )
        for position, (title, values, colours, limits) in enumerate(panels):
            left = margin + position * (side + 0.25)
            axes = figure.add_axes((left / width, 0.75 / height, side / width, side / height))
            _draw_map(axes, title, values, colours, limits, names if position == 0 else None)
            _scale(figure, axes, (left, 0.32, side))
        return Drawing(as_bytes(figure, "svg"), as_bytes(figure, "png"))


def _largest(*tables: NDArray[np.float64]) -> float:
    """Return the largest number shown; 1e-9 where there is none."""
    return max(1e-9, *(float(values[np.isfinite(values)].max(initial=0.0)) for values in tables))


def _norm(limits: tuple[float, float]) -> Normalize:
    """Return how numbers become colours: small shares would be told apart by none of an even scale's."""
    return PowerNorm(0.6, *limits) if limits[0] == 0 else Normalize(*limits)


def _draw_map(
    axes: Axes,
    title: str,
    values: NDArray[np.float64],
    colours: Colormap,
    limits: tuple[float, float],
    names: Sequence[str] | None,
) -> None:
    axes.set_facecolor(_HIDDEN)
    axes.imshow(values, cmap=colours, norm=_norm(limits), interpolation="none", aspect="auto")
    axes.set_title(title, fontsize=9.5, loc="left", fontweight="bold")
    ticks = np.arange(len(values))
    small = min(8.0, 170 / max(len(values), 1))
    axes.set_xticks(ticks, [str(i + 1) for i in range(len(values))], fontsize=min(small, 7.0))
    labels = [] if names is None else [f"{shorten(name)}  {i + 1}" for i, name in enumerate(names)]
    axes.set_yticks(ticks if labels else [], labels, fontsize=small)
    _plain(axes)


def _height(shown: Pair) -> float:
    body = _SQUARE if shown.y.edges is not None else _ROW * shown.y.size
    return 0.3 + body + _below(shown)


def _below(shown: Pair) -> float:
    """Return the inches that the x axis' labels, its name and the colour scale take."""
    return 1.2 if _turned(shown) else 0.85


def _turned(shown: Pair) -> bool:
    """Tell whether the values of x are too long to stand side by side."""
    return shown.x.edges is None and max(map(len, shown.x.labels)) * shown.x.size > 40


def _panel(
    figure: Figure,
    left: float,
    shown: Pair,
    title: str,
    values: NDArray[np.float64],
    colours: Colormap,
    limits: tuple[float, float],
) -> None:
    width, height = figure.get_size_inches()
    margin = 0.62 if shown.y.edges is not None else 0.55 if _turned(shown) else 0.12
    body, below = _height(shown) - 0.3 - _below(shown), _below(shown)
    inner = _WIDTH - margin - 0.18
    axes = figure.add_axes(((left + margin) / width, below / height, inner / width, body / height))
    axes.set_facecolor("white" if shown.y.edges is None else _HIDDEN)
    if shown.y.edges is not None:
        axes.imshow(values, cmap=colours, norm=_norm(limits), interpolation="none", aspect="auto", origin="lower")
        _step_labels(axes, shown.y, "y")
        axes.set_ylabel(shorten(shown.y.column.name, 26), fontsize=8)
    else:
        _draw_rows(axes, shown, values, colours, limits)
    if shown.x.edges is not None:
        _step_labels(axes, shown.x, "x")
    else:
        turned: dict[str, Any] = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if _turned(shown) else {}
        axes.set_xticks(range(shown.x.size), [shorten(label, 16) for label in shown.x.labels], fontsize=7.5, **turned)
    axes.set_xlabel(shorten(shown.x.column.name, 40), fontsize=8)
    axes.xaxis.set_label_coords(0.5, -(below - 0.57) / body)
    axes.set_title(title, fontsize=9.5, loc="left", fontweight="bold", pad=5)
    _plain(axes)
    _scale(figure, axes, (left + margin, 0.24, inner), shares=True)


def _draw_rows(
    axes: Axes, shown: Pair, values: NDArray[np.float64], colours: Colormap, limits: tuple[float, float]
) -> None:
    """Draw a strip a value of y, its name above it, the shares in it where there is room."""
    height, width = values.shape
    for row, (label, line) in enumerate(zip(shown.y.labels, values, strict=True)):
        extent = (-0.5, width - 0.5, row + 0.42, row - 0.12)
        axes.imshow(
            np.full((1, 1), 0.0),
            cmap=LinearSegmentedColormap.from_list("h", [_HIDDEN, _HIDDEN]),
            extent=extent,
            aspect="auto",
        )
        axes.imshow(
            line[None, :],
            cmap=colours,
            norm=_norm(limits),
            interpolation="none",
            aspect="auto",
            extent=extent,
        )
        axes.text(-0.5, row - 0.16, shorten(label, 46), va="bottom", fontsize=7.5)
        if width <= 8 and width * height <= _PRINTED:
            _print_shares(axes, row + 0.15, line, limits)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.55, -0.55)
    axes.set_yticks([])


def _print_shares(axes: Axes, at: float, line: NDArray[np.float64], limits: tuple[float, float]) -> None:
    for place, value in enumerate(line.tolist()):
        if np.isfinite(value):
            dark = abs(value) > 0.45 * limits[1]
            whole = round(100 * value)
            text = f"{whole:+d}" if limits[0] < 0 and whole else str(whole)
            text = text.replace("-", "\N{MINUS SIGN}")
            axes.text(place, at, text, ha="center", va="center", fontsize=7, color="white" if dark else "#24292f")


def _step_labels(axes: Axes, axis: Axis, which: str) -> None:
    """Write the ends of steps, as many as there is room for."""
    assert axis.edges is not None  # noqa: S101 - only columns with an order come here
    every = max(1, -(-len(axis.edges) // _MOST_TICKS))
    places = np.arange(0, len(axis.edges), every)
    labels = [axis_label(float(axis.edges[place]), axis.column) for place in places]
    long = max(map(len, labels)) > 7
    if which == "x":
        axes.set_xticks(places - 0.5, labels, fontsize=6.5 if long else 7.5)
    else:
        axes.set_yticks(places - 0.5, labels, fontsize=6.5 if long else 7.5)


def _plain(axes: Axes) -> None:
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _scale(figure: Figure, axes: Axes, place: tuple[float, float, float], *, shares: bool = False) -> None:
    """Draw the scale of colours at (left, bottom, width) inches."""
    width, height = figure.get_size_inches()
    bar = figure.add_axes((place[0] / width, place[1] / height, place[2] / width, 0.08 / height))
    scale = figure.colorbar(axes.images[-1], cax=bar, orientation="horizontal")
    scale.outline.set_visible(False)
    scale.locator = MaxNLocator(4)
    if shares:
        scale.formatter = FuncFormatter(lambda value, _: f"{100 * value:.3g} %".replace("-", "\N{MINUS SIGN}"))
    scale.update_ticks()
    bar.tick_params(labelsize=7, width=0.5)
