"""Results of a sweep: a table, and Pareto plots as a picture and as one HTML page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.figure
import plotly.graph_objects as go
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from plotly.subplots import make_subplots

from .explore_points import COLUMNS
from .targets import TARGETS

__all__ = ["as_csv", "html", "pareto", "png"]

Row = dict[str, Any]

_COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#5f3dc4",
)  # fmt: skip
_NO_ACCURACY = "no accuracies are known yet (--accuracies FILE)"


def as_csv(rows: Iterable[Row]) -> str:
    """All rows, those with an error included."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points that no other beats: none has as little x and as much y."""
    order = sorted(range(len(points)), key=lambda at: (points[at][0], -points[at][1]))
    front: list[int] = []
    for at in order:
        if not front or points[at][1] > points[front[-1]][1]:
            front.append(at)
    return front


def _scheme(row: Row) -> str:
    return f"({row['m']}, {row['n']}), {row['phi_bits']}-bit phi"


def _label(row: Row) -> str:
    folds = f", {row['fold']} folds" if row["fold"] else ""
    return f"{row['datapath']} {_scheme(row)}, {row['simd']} x {row['pe']}{folds}"


class _Panels:
    """What both kinds of plot show: two panels for each target."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = [row for row in rows if not row["error"]]
        self.targets = [name for name in TARGETS if any(r["target"] == name for r in self.rows)]
        names = dict.fromkeys(row["datapath"] for row in self.rows)
        self.colours = {name: _COLOURS[at % len(_COLOURS)] for at, name in enumerate(names)}

    def of(self, target: str) -> list[Row]:
        return [row for row in self.rows if row["target"] == target]

    def fronts(self, target: str) -> list[tuple[str, list[Row]]]:
        """For each scheme the rows that none beats in LUTs and throughput."""
        fronts = []
        for scheme in dict.fromkeys(map(_scheme, self.of(target))):
            rows = [row for row in self.of(target) if _scheme(row) == scheme]
            places = pareto([(row["lut"], row["macs_per_cycle"]) for row in rows])
            fronts.append((scheme, [rows[at] for at in places]))
        return fronts

    def rated(self, target: str) -> list[Row]:
        return [row for row in self.of(target) if row.get("top1") is not None]

    def best(self, target: str) -> list[Row]:
        """The rows that none beats in LUTs a MAC and accuracy."""
        rows = self.rated(target)
        return [rows[at] for at in pareto([(row["lut_per_mac"], row["top1"]) for row in rows])]


def _titles(unit: str) -> tuple[str, str, str, str]:
    name = {"dot": "dot product"}.get(unit, unit)
    return f"LUTs of the {name}", "MACs a cycle", "LUTs a MAC a cycle", "top-1 accuracy, %"


def png(rows: Sequence[Row], *, unit: str) -> bytes:
    """The plots as a picture."""
    panels = _Panels(rows)
    area, rate, share, accuracy = _titles(unit)
    count = max(1, len(panels.targets))
    figure = matplotlib.figure.Figure(figsize=(12, 4.6 * count), layout="constrained")
    axes = figure.subplots(count, 2, squeeze=False)
    for target, (left, right) in zip(panels.targets, axes, strict=False):
        title = TARGETS[target].title
        _scatter(left, panels, panels.of(target), "lut", "macs_per_cycle")
        for at, (scheme, front) in enumerate(panels.fronts(target)):
            style = ("-", "--", ":", "-.")[at % 4]
            points = [row["lut"] for row in front], [row["macs_per_cycle"] for row in front]
            left.plot(*points, style, color="#444444", linewidth=1, label=f"front of {scheme}")
        left.set(xscale="log", yscale="log", xlabel=area, ylabel=rate, title=title)
        rates = sorted({row["macs_per_cycle"] for row in panels.of(target)})
        left.set_yticks(rates, [str(each) for each in rates])
        left.set_yticks([], minor=True)
        left.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        left.xaxis.set_minor_formatter(NullFormatter())
        left.legend(fontsize=7, loc="upper left")
        _scatter(right, panels, panels.rated(target), "lut_per_mac", "top1")
        front = panels.best(target)
        points = [row["lut_per_mac"] for row in front], [row["top1"] for row in front]
        right.plot(*points, "-", color="#444444", linewidth=1)
        right.set(xlabel=share, ylabel=accuracy, title=title)
        if not front:
            right.text(0.5, 0.5, _NO_ACCURACY, ha="center", transform=right.transAxes)
            right.set(xticks=[], yticks=[])
    if not panels.targets:
        axes[0, 0].text(0.5, 0.5, "no point was synthesised", ha="center")
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110, metadata={"Software": None})
    return data.getvalue()


def _scatter(axis: Any, panels: _Panels, rows: Sequence[Row], x: str, y: str) -> None:
    for name, colour in panels.colours.items():
        own = [row for row in rows if row["datapath"] == name]
        if own:
            places = [row[x] for row in own], [row[y] for row in own]
            axis.scatter(*places, s=18, color=colour, label=name, zorder=3)
    axis.grid(alpha=0.3)


def html(rows: Sequence[Row], *, unit: str) -> str:
    """The plots as a page that needs nothing else; a point says what it is."""
    panels = _Panels(rows)
    area, rate, share, accuracy = _titles(unit)
    count = max(1, len(panels.targets))
    titles = [TARGETS[target].title for target in panels.targets for _ in range(2)]
    figure = make_subplots(rows=count, cols=2, subplot_titles=titles or ["nothing", "nothing"])
    seen: set[str] = set()
    for at, target in enumerate(panels.targets, start=1):
        for rows_of, column, x, y in (
            (panels.of(target), 1, "lut", "macs_per_cycle"),
            (panels.rated(target), 2, "lut_per_mac", "top1"),
        ):
            for name in panels.colours:
                own = [row for row in rows_of if row["datapath"] == name]
                if own:
                    dots = _dots(panels, own, x, y, shown=name not in seen)
                    figure.add_trace(dots, row=at, col=column)
                    seen.add(name)
        for scheme, front in panels.fronts(target):
            line = _line(front, "lut", "macs_per_cycle", f"front of {scheme}")
            figure.add_trace(line, row=at, col=1)
        figure.add_trace(_line(panels.best(target), "lut_per_mac", "top1", "front"), row=at, col=2)
        figure.update_xaxes(title_text=area, type="log", row=at, col=1)
        figure.update_yaxes(title_text=rate, type="log", row=at, col=1)
        figure.update_xaxes(title_text=share, row=at, col=2)
        figure.update_yaxes(title_text=accuracy, row=at, col=2)
        if not panels.rated(target):
            place = {"xref": "x domain", "yref": "y domain", "x": 0.5, "y": 0.5}
            figure.add_annotation(text=_NO_ACCURACY, showarrow=False, row=at, col=2, **place)
    figure.update_layout(height=480 * count, title=f"Sweep of {len(panels.rows)} points ({unit})")
    return str(figure.to_html(include_plotlyjs=True, full_html=True, div_id="sweep"))


def _dots(panels: _Panels, rows: Sequence[Row], x: str, y: str, *, shown: bool) -> go.Scatter:
    name = rows[0]["datapath"]
    return go.Scatter(
        x=[row[x] for row in rows],
        y=[row[y] for row in rows],
        text=[_label(row) for row in rows],
        mode="markers",
        marker={"color": panels.colours[name]},
        name=name,
        legendgroup=name,
        showlegend=shown,
    )


def _line(rows: Sequence[Row], x: str, y: str, name: str) -> go.Scatter:
    return go.Scatter(
        x=[row[x] for row in rows],
        y=[row[y] for row in rows],
        mode="lines",
        line={"color": "#444444", "width": 1},
        name=name,
        hoverinfo="name",
        showlegend=False,
    )
