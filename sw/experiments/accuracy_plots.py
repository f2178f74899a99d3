"""Pictures of accuracy against what it costs."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from experiments.labels import label

__all__ = ["Dot", "Panel", "area_picture", "bits_picture"]


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A point of a picture.

    Members
    -------
    x : what it costs
    gaps : points that full precision is ahead, of each seed
    text, colour : its label
    hollow : drawn as a ring
    """

    x: float
    gaps: tuple[float, ...]
    text: str
    colour: str
    hollow: bool = False

    @property
    def gap(self) -> float:
        """Mean of the seeds."""
        return statistics.fmean(self.gaps)


Panel = tuple[str, Sequence[Dot], Sequence[Dot], Sequence[tuple[float, float]]]
"""Title; schemes as tables; schemes as printed; those that nothing beats, as (x, gap)."""

_GAPS = (-1, -0.5, -0.2, 0, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 40, 80)
_LINEAR = 0.5


def _draw(axes: Axes, dots: Sequence[Dot], *, marker: str = "o") -> None:
    for dot in dots:
        # Spread of the seeds.
        axes.plot([dot.x] * 2, [min(dot.gaps), max(dot.gaps)], color=dot.colour, linewidth=1)
        axes.plot(
            [dot.x],
            [dot.gap],
            marker,
            color=dot.colour,
            markersize=5.5,
            markerfacecolor="white" if dot.hollow else dot.colour,
            zorder=3,
        )


def _gap_axis(axes: Axes, dots: Sequence[Dot]) -> None:
    """Full precision on top; linear near it, logarithmic far from it, and room for labels."""
    axes.set_yscale("asinh", linear_width=_LINEAR)
    gaps = [gap for dot in dots for gap in dot.gaps] or [0.0]
    low, high = min(gaps), max(gaps)
    axes.set_ylim(high * 1.35 + 0.1, min(low - 0.12, 0))
    axes.yaxis.set_major_locator(FixedLocator([gap for gap in _GAPS if gap >= low - 0.5]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.axhline(0, color="0.4", linewidth=0.8, linestyle="--")
    axes.grid(alpha=0.25)
    axes.set_ylabel("points of top-1 behind full precision")


def _legend(figure: Figure, families: Mapping[str, str], extra: Sequence[Line2D]) -> None:
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colour, label=name)
        for name, colour in families.items()
    ]
    figure.legend(
        handles=[*handles, *extra], loc="outside lower center", ncols=3, fontsize=8, frameon=False
    )


def area_picture(panels: Sequence[Panel], families: Mapping[str, str], *, title: str) -> Figure:
    """Gap to full precision against LUTs of a multiply-accumulate, a panel for each device."""
    figure = Figure(figsize=(13, 6.4), layout="constrained")
    figure.suptitle(f"Accuracy against area: {title}", fontsize=12)
    printed_line = Line2D(
        [], [], marker="x", linestyle="", color="0.3", label="as printed: a lane each two bases"
    )
    front_line = Line2D([], [], color="0.6", linewidth=1, label="nothing smaller is closer")
    narrow = Line2D([], [], linestyle="", label="φ6: PA's table of 6 bits in place of 8")
    _legend(figure, families, [front_line, printed_line, narrow])
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, tables, printed, front) in zip(grid, panels, strict=True):
        dots = [*tables, *printed]
        axes.set_title(name, fontsize=10)
        axes.set_xscale("log")
        xs = [dot.x for dot in dots] or [1.0]
        axes.set_xlim(min(xs) / 1.4, max(xs) * 1.9)
        ticks = [1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("LUTs a multiply-accumulate")
        _gap_axis(axes, dots)
        if front:
            axes.plot(*zip(*front, strict=True), color="0.6", linewidth=1, zorder=1)
        _draw(axes, tables)
        _draw(axes, printed, marker="x")
    for axes, (_, tables, printed, _) in zip(grid, panels, strict=True):
        label(axes, [(dot.x, dot.gap, dot.text, dot.colour) for dot in [*tables, *printed]])
    return figure


def bits_picture(dots: Sequence[Dot], families: Mapping[str, str], *, title: str) -> Figure:
    """Gap to full precision against bits of a weight's code."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    figure.suptitle(f"Accuracy against bits of a weight: {title}", fontsize=12)
    ring = Line2D(
        [], [], marker="o", linestyle="", color="0.3", markerfacecolor="white",
        label="activations in full precision",
    )  # fmt: skip
    _legend(figure, families, [ring])
    axes = figure.subplots()
    bits = sorted({dot.x for dot in dots})
    # Equal steps: nothing lies between four and eight bits.
    place = {value: float(index) for index, value in enumerate(bits)}
    placed = [
        Dot(x=place[dot.x], gaps=dot.gaps, text=dot.text, colour=dot.colour, hollow=dot.hollow)
        for dot in dots
    ]
    axes.set_xlim(-0.4, len(bits) - 0.2)
    axes.set_xticks(range(len(bits)), [f"{value:g}" for value in bits])
    axes.set_xlabel("bits of a weight's code, ceil(log2(levels))")
    _gap_axis(axes, placed)
    _draw(axes, placed)
    label(axes, [(dot.x, dot.gap, dot.text, dot.colour) for dot in placed])
    return figure
