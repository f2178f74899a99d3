"""How deep each FIFO must be, from the arrival and departure curves of the blocks around it.

A steady schedule is computed first: the source is paced to the rate of the bottleneck, and each
block works as soon as it can. The depth of a FIFO is the most beats that it holds in that schedule.
With these depths the schedule can be followed, and blocks that work as soon as FIFOs let them are
never later than in any schedule that can be followed (more room or earlier beats never delay a
beat). So the accelerator reaches the rate of its bottleneck, and cannot deadlock, whatever the
pattern of stalls, since what is ahead in one schedule is never blocked for good in another.
"""

from __future__ import annotations

import numpy as np

from pa_hdl.network.graph import SOURCE, Graph, Link
from pa_hdl.network.postpone import FEWEST, Flow, need_of, postponed
from pa_hdl.nodes.fifo import Fifo
from pa_hdl.nodes.timing import Curve, one_per_cycle

__all__ = ["FEWEST", "Flow", "fifo_depths", "flow", "latency"]

_FRAMES = 3, 5, 8
"""Frames after which the schedule is looked at; more where it has not settled."""


def flow(graph: Graph, arrivals: Curve) -> Flow:
    """Exact cycles of every beat while no FIFO is ever full.

    Parameters
    ----------
    arrivals : curve
        When each beat is offered to the accelerator, whole frames back to back.
    """
    made: dict[tuple[str, int], Curve] = {(SOURCE, 0): arrivals}
    written: dict[str, Curve] = {}
    read: dict[str, Curve] = {}

    def offer(link: Link) -> Curve:
        curve = made.pop((link.producer, link.output))
        if link.converter is not None:
            passage = link.converter.passage(curve)
            [curve] = passage.departed
        written[link.name] = curve
        return one_per_cycle(curve + Fifo.LATENCY)

    for block in graph.blocks:
        links = graph.links_into(block.name)
        passage = block.component.passage(*(offer(link) for link in links))
        for link, curve in zip(links, passage.accepted, strict=True):
            read[link.name] = curve
        for output, curve in enumerate(passage.departed):
            made[block.name, output] = curve
    [final] = graph.links_into(None)
    read[final.name] = offer(final)
    return Flow(written=written, read=read, accepted=arrivals, departed=read[final.name])


def latency(graph: Graph) -> int:
    """Cycles from the first beat of a frame to the last beat of its result, nothing before it."""
    whole = flow(graph, np.arange(graph.source.beats, dtype=np.int64))
    return int(whole.departed[-1] - whole.accepted[0])


def fifo_depths(graph: Graph) -> dict[str, int]:
    """The depth of each link's FIFO, by the name of the link; see the module's description."""
    for frames in _FRAMES:
        steady = _paced(graph, frames)
        needs = {
            link.name: need_of(steady.written[link.name], steady.read[link.name])
            for link in graph.links
        }
        if all(_settled(need, frames) for need in needs.values()):
            break
    depths = {name: max(FEWEST, int(need.max())) for name, need in needs.items()}
    for link in graph.links:
        depths |= postponed(graph, link, steady, depths)
    return depths


def _paced(graph: Graph, frames: int) -> Flow:
    beats, cycles = graph.source.beats, graph.cycles_per_image
    beat = np.arange(frames * beats, dtype=np.int64)
    return flow(graph, beat * cycles // beats)


def _settled(need: Curve, frames: int) -> bool:
    """Whether the last frame needs no more than those before."""
    peaks = need.reshape(frames, -1).max(axis=1)
    return bool(peaks[-1] <= peaks[:-1].max())
