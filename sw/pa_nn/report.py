"""The export report: every rounding with its bound and its measured error, as JSON and Markdown."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pa_artifact import Network
from pa_artifact.whole import write_whole
from pa_nn.measuring import Measured
from pa_nn.rounding import rounding_report

__all__ = ["write_report"]


def write_report(path: str | Path, network: Network, measured: Measured | None = None) -> None:
    """Write the report of ``network`` to ``path``, and its tables beside it with ``.md``.

    JSON: ``rows`` as :func:`pa_nn.rounding.rounding_report` gives them and, where something was
    measured, ``images``, ``same_class`` and ``measured`` as :class:`~pa_nn.measuring.Measured` has
    them; of these only the rows of nodes that ``network`` has.
    Raises :class:`ValueError` for a path that ends in ``.md`` itself.
    """
    path = Path(path)
    if path.suffix == ".md":
        raise ValueError(f"Report must not end in .md, which its tables take, not {str(path)!r}")
    names = {node.name for node in network.nodes}
    rows = rounding_report(network)
    content: dict[str, Any] = {"rows": rows}
    text = ["# Export report\n"]
    if measured is not None:
        own = [row for row in measured.rows if row["node"] in names]
        content |= {
            "images": measured.images,
            "same_class": measured.same_class,
            "measured": own,
        }
        text.append(_MEASURED.format(images=measured.images, same=measured.same_class))
        text.append(_table(_MEASURED_COLUMNS, own))
    text.append(_BOUNDS)
    text.append(_table(_BOUND_COLUMNS, rows))
    write_whole(path, (json.dumps(content, indent=2) + "\n").encode())
    write_whole(path.with_suffix(".md"), "\n".join(text).encode())


_MEASURED = """## Measured

On {images} images, of which {same} have the class that the float network gives them. *Own* is the
error of a node's own rounding and saturation, its inputs being what they are; *total* is the
difference from the float network. Both are relative to the root mean square of the real values.
"""

_BOUNDS = """## Bounds

What each rounding can be off by at most. Thresholds, maxima, sums and concatenations are exact.
"""


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _saturated(value: int | None) -> str:
    return "" if value is None else str(value)


Column = tuple[str, str, Callable[[Any], str]]

_MEASURED_COLUMNS: Sequence[Column] = (
    ("node", "node", str),
    ("kind", "kind", str),
    ("real rms", "real_rms", "{:.4g}".format),
    ("own rms", "own_rms", _percent),
    ("own max", "own_max", _percent),
    ("total rms", "total_rms", _percent),
    ("total max", "total_max", _percent),
    ("saturated", "saturated", _saturated),
    ("values", "values", str),
)

_BOUND_COLUMNS: Sequence[Column] = (
    ("node", "node", str),
    ("what", "what", str),
    ("error", "error", "{:.4g}".format),
    ("unit", "unit", str),
)


def _table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [[title for title, _, _ in columns], ["---"] * len(columns)]
    lines += [[show(row[key]) for _, key, show in columns] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
