"""Pictures as files: SVG for documents, PNG for everything else."""

import io
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from pa_artifact.whole import write_whole

__all__ = ["save"]

_PNG_DPI = 110


def save(figure: Figure, path: Path) -> list[Path]:
    """Write ``path.svg`` and ``path.png``, each whole or not at all; returns their paths.

    The same figure gives the same bytes: no date, a fixed salt for the names of what SVG refers to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for suffix, options in (
        (".svg", {"metadata": {"Date": None}}),
        (".png", {"dpi": _PNG_DPI, "metadata": {"Software": None}}),
    ):
        content = io.BytesIO()
        with rc_context({"svg.hashsalt": "pa-hdl"}):
            figure.savefig(content, format=suffix[1:], **options)  # type: ignore[arg-type]
        target = path.with_name(path.name + suffix)
        write_whole(target, content.getvalue())
        written.append(target)
    return written
