# amaranth: UnusedElaboratable=no
"""Lanes by themselves: the popcounts that a paper's dot product is made of, and a rival."""

from __future__ import annotations

from dataclasses import replace

from pa_hdl.cells.popcounts import LANES
from pa_hdl.popcount import AndPopcount

from .dot_designs import component_design
from .flow import Design

__all__ = ["KINDS", "lane_design", "lane_of"]

KINDS = ("popcount", "compressor", "xnor", "xnor-compressor")
"""AND lanes that synthesis maps, and of the cells of a device; the same of pairs of signs."""


def lane_of(target: str, bits: int, kind: str) -> AndPopcount:
    """The lane of a kind.

    Raises
    ------
    ValueError
        If the kind is unknown, or the target has no lane.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if target not in LANES:
        raise ValueError(f"target must be one of {', '.join(LANES)}, not {target!r}")
    lane = LANES[target] if kind.endswith("compressor") else AndPopcount
    return lane(bits=bits, exclusive=kind.startswith("xnor"))


def lane_design(target: str, bits: int, kind: str) -> Design:
    """A lane with nothing around it, as the unit ``lane``."""
    name = f"{kind.replace('-', '_')}_lane_{bits}"
    design = component_design(lane_of(target, bits, kind), name=name, unit="lane")
    return replace(design, keep="")
