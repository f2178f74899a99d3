"""Labels of points that keep clear of each other and of the points."""

import math
from collections.abc import Sequence
from itertools import product

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

__all__ = ["label"]

# Offsets that are tried, in points, the nearest first.
_ANGLES = (
    *((1, 0), (-1, 0), (1, 0.7), (1, -0.7), (-1, 0.7), (-1, -0.7), (0, 1), (0, -1)),
    *((0.7, 1), (0.7, -1), (-0.7, 1), (-0.7, -1)),
)
_DISTANCES = (6, 8, 14, 20, 28, 36, 46, 58, 72)
_POINT = 4.0
# Beyond this distance a line leads to the label.
_FAR = 9
_AMBIGUOUS = 25.0


def _overlap(one: Bbox, other: Bbox) -> float:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(0.0, width) * max(0.0, height)


def _distance(box: Bbox, place: Sequence[float]) -> float:
    """From a place to the nearest side of a box."""
    right = max(box.x0 - place[0], place[0] - box.x1, 0.0)
    up = max(box.y0 - place[1], place[1] - box.y1, 0.0)
    return math.hypot(right, up)


def label(
    axes: Axes, points: Sequence[tuple[float, float, str, str]], *, size: float = 7.5
) -> None:
    """Write a text beside each point ``(x, y, text, colour)``, a thin line to those further away.

    Limits and scales of the axes must be set.  Each label takes, of many places around its point,
    the nearest one that overlaps least with what is there already, and is not nearer to another
    point than to its own.
    """
    figure = axes.figure
    assert isinstance(figure, Figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    scale = figure.dpi / 72
    places = [tuple(map(float, axes.transData.transform((x, y)))) for x, y, *_ in points]
    room = axes.get_window_extent()
    around = _POINT * scale
    taken = [Bbox.from_extents(x - around, y - around, x + around, y + around) for x, y in places]
    for own, (x, y, text, colour) in enumerate(points):
        note = axes.annotate(
            text, (x, y), xytext=(0, 0), textcoords="offset points", fontsize=size, color=colour
        )
        box = note.get_window_extent(canvas.get_renderer())
        others = [place for at, place in enumerate(places) if at != own]
        best = _best(places[own], others, box, taken, room, scale)
        taken.append(best)
        note.set_position(((best.x0 - places[own][0]) / scale, (best.y0 - places[own][1]) / scale))
        if _distance(best, places[own]) > _FAR * scale:
            near = (
                min(max(places[own][0], best.x0), best.x1),
                min(max(places[own][1], best.y0), best.y1),
            )
            end = axes.transData.inverted().transform(near)
            axes.plot([x, end[0]], [y, end[1]], color=colour, linewidth=0.5, alpha=0.7, zorder=1)


def _best(
    place: Sequence[float],
    others: Sequence[Sequence[float]],
    box: Bbox,
    taken: Sequence[Bbox],
    room: Bbox,
    scale: float,
) -> Bbox:
    """Where the label of a point stands best."""
    found: tuple[float, Bbox] | None = None
    for distance, (right, up) in product(_DISTANCES, _ANGLES):
        # The side of the label that faces the point is so far away from it.
        left = place[0] + right * distance * scale - box.width * (1 - right) / 2
        bottom = place[1] + up * distance * scale - box.height * (1 - up) / 2
        there = Bbox.from_bounds(left, bottom, box.width, box.height)
        outside = box.width * box.height - _overlap(there, room)
        cost = sum(_overlap(there, each) for each in taken) + 4 * outside
        gap = _distance(there, place)
        if distance <= _FAR and any(_distance(there, other) <= gap + scale for other in others):
            cost += _AMBIGUOUS * scale**2
        if found is None or cost < found[0] - 1e-6:
            found = cost, there
        if cost < 1:
            break
    assert found is not None
    return found[1]
