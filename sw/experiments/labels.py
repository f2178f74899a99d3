"""Labels of points that keep clear of each other and of the points."""

from collections.abc import Sequence
from itertools import product

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

__all__ = ["label"]

# Offsets that are tried, in points, the nearest first.
_ANGLES = ((1, 0), (1, 1), (1, -1), (0, 1), (0, -1), (-1, 0), (-1, 1), (-1, -1))
_DISTANCES = (6, 12, 20, 30, 42, 56, 72)
_POINT = 4.0


def _overlap(one: Bbox, other: Bbox) -> float:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(0.0, width) * max(0.0, height)


def label(
    axes: Axes, points: Sequence[tuple[float, float, str, str]], *, size: float = 7.5
) -> None:
    """Write a text beside each point ``(x, y, text, colour)``, a thin line to those further away.

    Limits and scales of the axes must be set.  Each label takes, of a few places around its point,
    the nearest one that overlaps least with what is there already.
    """
    figure = axes.figure
    assert isinstance(figure, Figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    scale = figure.dpi / 72
    places = [axes.transData.transform((x, y)) for x, y, *_ in points]
    room = axes.get_window_extent()
    taken = [
        Bbox.from_extents(
            px - _POINT * scale, py - _POINT * scale, px + _POINT * scale, py + _POINT * scale
        )
        for px, py in places
    ]
    # Those with the most points around them choose last: they are pushed out anyway.
    for (x, y, text, colour), (px, py) in zip(points, places, strict=True):
        note = axes.annotate(
            text, (x, y), xytext=(0, 0), textcoords="offset points", fontsize=size, color=colour
        )
        box = note.get_window_extent(canvas.get_renderer())
        width, height = box.width, box.height
        best: tuple[float, float, float, Bbox] | None = None
        for distance, (right, up) in product(_DISTANCES, _ANGLES):
            dx = right * distance * scale - width * (1 - right) / 2
            dy = up * distance * scale - height * (1 - up) / 2
            if not right:
                dx = -width / 2
            if not up:
                dy = -height / 2
            there = Bbox.from_bounds(px + dx, py + dy, width, height)
            outside = width * height - _overlap(there, room)
            cost = sum(_overlap(there, each) for each in taken) + 4 * outside
            if best is None or cost < best[0] - 1e-6:
                best = cost, dx, dy, there
            if cost < 1:
                break
        assert best is not None
        _, dx, dy, there = best
        taken.append(there)
        note.set_position((dx / scale, dy / scale))
        near = max(there.x0 - px, px - there.x1, there.y0 - py, py - there.y1)
        if near > 10 * scale:
            middle = ((there.x0 + there.x1) / 2, (there.y0 + there.y1) / 2)
            end = axes.transData.inverted().transform(middle)
            axes.plot([x, end[0]], [y, end[1]], color=colour, linewidth=0.4, alpha=0.5, zorder=1)
            note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.85})
