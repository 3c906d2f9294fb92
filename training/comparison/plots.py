"""Plots as inline SVG, one column wide, in the colours of the page (`--arm-0`, `--ink` ...), light or dark.

Colours come from Okabe and Ito 2008, "Color universal design"; markers and line styles tell arms apart too.
"""

import io
import re
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.comparison.report_markup import Html, element

# Stand-ins that the page's style sheet gives their colours; matplotlib takes no CSS variables.
INK, MUTED, GRID = "#111111", "#666666", "#dddddd"
ARMS = ("#4d4d4d", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5c00")
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    **{colour: f"var(--arm-{arm})" for arm, colour in enumerate(ARMS)},
}
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
LINES: tuple[str | tuple[int, tuple[int, ...]], ...] = (
    "-",
    (0, (5, 2)),
    (0, (1, 1)),
    (0, (5, 1, 1, 1)),
    (0, (8, 3)),
)
WIDTH = 340
"""Of a plot in CSS pixels at its natural size: a phone's."""
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.parse_math": False,
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


@dataclass(frozen=True)
class Point:
    """What a row of `dot_plot` shows of one arm.

    Args:
        arm: its place among the arms, which gives colour and marker.
        value: where the mark stands; None: nothing is drawn.
        low, high: ends of the interval, if there is one.
        singles: values of single seeds.
    """

    arm: int
    value: float | None
    low: float | None = None
    high: float | None = None
    singles: Sequence[float | None] = ()


@dataclass(frozen=True)
class Row:
    """One row of `dot_plot`: its title at the left, its figure in words at the right, its points below."""

    title: str
    words: str
    points: Sequence[Point]


def dot_plot(rows: Sequence[Row], axis: str, label: str, better: str | None = None) -> Html:
    """A mark a point, its interval a line and its seeds small strokes.

    Args:
        rows: from top to bottom.
        axis: what stands at the axis, with the unit.
        label: what the plot shows, for those who can't see it.
        better: "lower" or "higher": the values are differences; zero is the middle, its sides named.
    """
    with matplotlib.rc_context(_SETTINGS):
        figure, axes, places = _rows([(row.title, row.words) for row in rows], axis, named=better is not None)
        for row, place in zip(rows, places, strict=True):
            axes.axhline(place, color=GRID, linewidth=0.8)
            for number, point in enumerate(row.points):
                _draw(axes, point, place + 9 * ((len(row.points) - 1) / 2 - number))
        if better is None:
            axes.margins(x=0.08)
        else:
            furthest = max((abs(end) for end in axes.dataLim.intervalx if abs(end) < 1e300), default=0) or 1
            axes.set_xlim(-1.12 * furthest, 1.12 * furthest)
            axes.axvline(0, color=INK, linewidth=1)
            left, right = ("better", "worse") if better == "lower" else ("worse", "better")
            axes.text(0, 1, f"\N{LEFTWARDS ARROW} {left}", transform=axes.transAxes, va="bottom", color=MUTED)
            axes.text(
                1,
                1,
                f"{right} \N{RIGHTWARDS ARROW}",
                transform=axes.transAxes,
                va="bottom",
                ha="right",
                color=MUTED,
            )
        return _svg(figure, label)


def bar_plot(bars: Sequence[tuple[str, str, int, float | None]], label: str) -> Html:
    """A bar from zero for each (title, figure in words, arm, value), from top to bottom."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes, places = _rows([(title, words) for title, words, _, _ in bars])
        for (_, _, arm, value), place in zip(bars, places, strict=True):
            axes.barh(place, value or 0, height=11, color=_colour(arm))
        axes.set_xlim(left=0)
        return _svg(figure, label)


def curve_plot(curves: Sequence[tuple[int, Sequence[int], Sequence[float]]], axis: str, label: str) -> Html:
    """A thin line for each (arm, epochs, values)."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _axes(height=210, left=40, bottom=38, top=22)
        for arm, epochs, values in curves:
            axes.plot(
                epochs, values, color=_colour(arm), linewidth=1.1, linestyle=LINES[arm % len(LINES)],
                marker=_marker(arm), markersize=4, markevery=[-1],
            )  # fmt: skip
        axes.set_xlabel("epoch")
        axes.text(-0.11, 1.03, axis, transform=axes.transAxes, va="bottom")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.grid(axis="y")
        return _svg(figure, label)


def swatch(arm: int, title: str) -> Html:
    """How an arm is drawn, as the key of a legend."""
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(36 / 72, 12 / 72))
        figure.patch.set_visible(False)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.plot([0, 1, 2], [0, 0, 0], color=_colour(arm), linewidth=1.6, linestyle=LINES[arm % len(LINES)],
                  marker=_marker(arm), markersize=6, markevery=[1])  # fmt: skip
        return _svg(figure, title)


def number_ids(page: str) -> str:
    """The page with ids that differ from plot to plot: a number before each."""
    number = iter(range(len(page)))

    def renamed(svg: re.Match[str]) -> str:
        prefix = f"plot{next(number)}-"
        return re.sub(
            r"<[^>]+>", lambda tag: re.sub(r'(\bid="|"#|url\(#)', rf"\g<1>{prefix}", tag[0]), svg[0]
        )

    return re.sub(r"<svg\b.*?</svg>", renamed, page, flags=re.DOTALL)


def _draw(axes: Axes, point: Point, place: float) -> None:
    colour = _colour(point.arm)
    singles = [value for value in point.singles if value is not None]
    axes.plot(singles, [place] * len(singles), "|", color=colour, markersize=9, markeredgewidth=1.2)
    if point.low is not None and point.high is not None:
        axes.plot([point.low, point.high], [place, place], color=colour, linewidth=2)
    if point.value is not None:
        axes.plot([point.value], [place], _marker(point.arm), color=colour, markersize=7)


def _rows(
    titles: Sequence[tuple[str, str]], axis: str | None = None, named: bool = False
) -> tuple[Figure, Axes, list[float]]:
    """Axes with a band a row, (title, words) written in it, and where below them the row's marks go."""
    wrapped = [textwrap.wrap(title, 40) or [""] for title, _ in titles]
    heights = [13 * len(lines) + 33 for lines in wrapped]
    top, bottom = 18 if named else 4, 38 if axis else 4
    figure, axes = _axes(height=sum(heights) + bottom + top, left=6, bottom=bottom, top=top)
    axes.set_ylim(-sum(heights), 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if axis:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(axis="x")
        axes.set_xlabel(axis)
    else:
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    places, above = [], 0
    for lines, (_, words), height in zip(wrapped, titles, heights, strict=True):
        for number, line in enumerate(lines):
            _write(axes, 0, -above - 13 * number - 3, line)
        _write(axes, 1, -above - 3, words, ha="right", color=MUTED)
        above += height
        places.append(-above + 18.0)
    return figure, axes, places


def _write(axes: Axes, x: float, y: float, words: str, **style: Any) -> None:
    axes.text(x, y, words, transform=axes.get_yaxis_transform(), va="top", **style)


def _axes(height: float, left: float, bottom: float, top: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH / 72, height / 72))
    figure.patch.set_visible(False)
    axes = figure.add_axes(
        (left / WIDTH, bottom / height, (WIDTH - left - 8) / WIDTH, (height - bottom - top) / height)
    )
    axes.patch.set_visible(False)
    return figure, axes


def _colour(arm: int) -> str:
    return ARMS[arm % len(ARMS)]


def _marker(arm: int) -> str:
    return MARKERS[arm % len(MARKERS)]


def _svg(figure: Figure, label: str) -> Html:
    drawn = io.StringIO()
    with warnings.catch_warnings():
        # Of a script that matplotlib's own font lacks; the reader's browser writes the text.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        FigureCanvasSVG(figure).print_svg(
            drawn, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    inner = re.search(r"<svg\b[^>]*>(.*)</svg>", drawn.getvalue(), flags=re.DOTALL)
    assert inner is not None
    drawing = re.sub(r"<style.*?</style>", "", inner[1], flags=re.DOTALL)
    used = set(re.findall(r'(?:"|url\()#([^")]+)', drawing))

    def adapted(tag: re.Match[str]) -> str:
        kept = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", tag[0])
        kept = re.sub(r"#[0-9a-f]{6}\b", lambda found: _VARIABLES.get(found[0], found[0]), kept)
        return re.sub(r"font-family:[^;\"]*;? ?", "", kept).replace("xlink:href", "href")

    drawing = re.sub(r"<[^>]+>", adapted, drawing)
    drawing = re.sub(r"<(g|defs)>\s*</\1>", "", drawing)
    width, height = (round(72 * side) for side in figure.get_size_inches())
    return element(
        "svg",
        Html(drawing),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=label,
    )
