"""Smaller FIFOs behind blocks that may work later than as soon as possible.

What waits for the long side of a fork waits behind the last block of the short side, where every
block has worked as soon as it could. But blocks, converters and FIFOs before it have room of their
own, and a rescale may have a narrower input than output: beats may as well wait there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pa_hdl.network.graph import Graph, Link
from pa_hdl.nodes.add import Add
from pa_hdl.nodes.fifo import Fifo
from pa_hdl.nodes.rescale import Rescale
from pa_hdl.nodes.timing import EVER, Curve, Passage, one_per_cycle, when_free
from pa_hdl.nodes.width import WidthConverter
from pa_hdl.passage import window_passage
from pa_hdl.windowed import WindowNode

__all__ = ["FEWEST", "Flow", "need_of", "postponed"]

FEWEST = 2
"""Beats that a FIFO must hold to pass one in every cycle."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """When beats enter and leave each FIFO, and the accelerator.

    Parameters
    ----------
    written, read : dict of curves
        By the name of the link.
    accepted, departed : curve
        At the accelerator's input and output.
    """

    written: dict[str, Curve]
    read: dict[str, Curve]
    accepted: Curve
    departed: Curve


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A block of one input and one output, and the links around it."""

    before: Link
    component: Any
    behind: Link


def need_of(written: Curve, read: Curve) -> Curve:
    """Beats in a FIFO at each write, those counted whose place cannot be taken again yet."""
    free = np.searchsorted(read + Fifo.RELEASE, written, side="right")
    return np.arange(1, len(free) + 1) - free


def postponed(graph: Graph, link: Link, steady: Flow, depths: Mapping[str, int]) -> dict[str, int]:
    """New depths around a link whose FIFO is deep; none where there is nothing to gain.

    Nothing behind the link notices, its beats are there when they are read; nor does anything
    before the blocks that work later, whose FIFOs take beats when they did.
    """
    chain = _chain(graph, link)
    if not chain or depths[link.name] <= _few(chain[0].component):
        return {}
    if isinstance(chain[0].component, Rescale) and len(chain) == 1:
        return _before_rescale(chain[0], steady)
    return {link.name: _smallest(chain, steady, depths)}


def _chain(graph: Graph, link: Link) -> list[_Step]:
    """Blocks before a link as far as a fork, a join or the source; the last block first."""
    steps: list[_Step] = []
    blocks = {block.name: block.component for block in graph.blocks}
    while isinstance(component := blocks.get(link.producer), WindowNode | Rescale | Add):
        before = graph.links_into(link.producer)
        if len(before) > 1:
            break
        steps.append(_Step(before=before[0], component=component, behind=link))
        link = before[0]
    return steps


def _few(component: Any) -> int:
    """Beats that a FIFO behind a pipeline needs to keep it busy."""
    return getattr(component, "latency", 0) + Fifo.LATENCY + Fifo.RELEASE + FEWEST


def _smallest(chain: Sequence[_Step], steady: Flow, depths: Mapping[str, int]) -> int:
    """The smallest depth behind a chain for which its other depths are still enough."""
    name = chain[0].behind.name
    low, high = _few(chain[0].component), depths[name]
    while low < high:
        middle = (low + high) // 2
        if _fits(chain, {**depths, name: middle}, steady):
            high = middle
        else:
            low = middle + 1
    return high


def _fits(chain: Sequence[_Step], depths: Mapping[str, int], steady: Flow) -> bool:
    """Whether a chain can work as late as its FIFOs ask for, with nobody else noticing."""
    read = steady.read[chain[0].behind.name]
    for step in chain:
        converter, depth = step.behind.converter, depths[step.behind.name]
        earliest = when_free(read, depth)
        if converter is not None:
            earliest = _into(converter, earliest)
        passage = _delayed(step, steady, earliest)
        [written] = passage.departed
        if converter is not None:
            [written] = converter.passage(written).departed
        if (written + Fifo.LATENCY > read).any() or need_of(written, read).max() > depth:
            return False
        [read] = passage.accepted
    first = chain[-1].before.name
    return bool(need_of(steady.written[first], read).max() <= depths[first])


def _into(converter: WidthConverter, earliest: Curve) -> Curve:
    """When beats may enter a converter whose output beats must not leave earlier."""
    parts, gathered = converter.parts, converter.gathered
    words = earliest.reshape(-1, parts)
    passed = (words - 1 - np.arange(parts)).max(axis=1) if parts > 1 else words[:, 0]
    entered = np.full((len(passed), gathered), EVER, np.int64)
    entered[:, -1] = passed - (gathered > 1)
    return entered.reshape(-1)


def _delayed(step: _Step, steady: Flow, earliest: Curve) -> Passage:
    """Passage of a block none of whose results leave early."""
    arrivals = one_per_cycle(steady.written[step.before.name] + Fifo.LATENCY)
    component = step.component
    if isinstance(component, WindowNode):
        return window_passage(component.schedule, arrivals, earliest)
    accepted = one_per_cycle(np.maximum(arrivals, earliest - component.latency))
    return Passage(accepted=(accepted,), departed=(accepted + component.latency,))


def _before_rescale(step: _Step, steady: Flow) -> dict[str, int]:
    """Depths around a rescale whose beats wait at its input, where they are narrower."""
    before, behind = step.before, step.behind
    narrower = before.stored.layout.size < behind.stored.layout.size
    if behind.converter is not None or not narrower:
        return {}
    read = steady.read[behind.name]
    passage = _delayed(step, steady, when_free(read, _few(step.component)))
    [accepted], [written] = passage.accepted, passage.departed
    if (written + Fifo.LATENCY > read).any():
        return {}
    needs = {
        before.name: need_of(steady.written[before.name], accepted),
        behind.name: need_of(written, read),
    }
    return {name: max(FEWEST, int(need.max())) for name, need in needs.items()}
