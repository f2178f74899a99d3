# amaranth: UnusedElaboratable=no
"""The top of a whole network: blocks, FIFOs between them, AXI4-Stream at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from pa_hdl.axi import byte_padded, connect_sink, connect_source, sink_members, source_members
from pa_hdl.emit import add_submodule
from pa_hdl.network.graph import SOURCE, Graph, Link
from pa_hdl.nodes.fifo import Fifo

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """Compute a network on a stream of images, all its layers at the same time.

    In steady state an image takes ``graph.cycles_per_image`` cycles, those of the slowest block.
    Stalls on either side change nothing but time; every stream between blocks passes a FIFO whose
    handshakes come from registers. A frame that ends early is completed, the surplus of one that
    ends late is dropped, and the next frame's result is right either way.

    Parameters
    ----------
    graph : :class:`~pa_hdl.network.graph.Graph`
        Blocks and links.
    depths : mapping of :class:`str` to :class:`int`
        Beats in the FIFO of each link.

    Members
    -------
    s_axis_tdata, s_axis_tvalid, s_axis_tready, s_axis_tlast : images
    m_axis_tdata, m_axis_tvalid, m_axis_tready, m_axis_tlast : results
    frame_short, frame_long : TLAST came early, or late, since reset
    """

    module_name = "top"

    def __init__(self, *, graph: Graph, depths: Mapping[str, int]) -> None:
        self.graph = graph
        self.depths = dict(depths)
        self.fifos = {
            link.name: Fifo(shape=link.stored, depth=self.depths[link.name]) for link in graph.links
        }
        super().__init__(
            {
                **sink_members("s_axis", byte_padded(graph.source.layout.size - 1)),
                **source_members("m_axis", byte_padded(graph.result.layout.size - 1)),
                "frame_short": Out(1),
                "frame_long": Out(1),
            }
        )

    @property
    def module_key(self) -> Any:
        return (id(self.graph), tuple(self.depths.items()))

    @property
    def fifo_bits(self) -> int:
        """Bits of storage in all FIFOs."""
        return sum(fifo.storage_bits for fifo in self.fifos.values())

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for block in self.graph.blocks:
            add_submodule(m, platform, block.name, block.component)
        for link in self.graph.links:
            self._add_link(m, platform, link)
        self._add_errors(m)
        return m

    def _add_link(self, m: Module, platform: Any, link: Link) -> None:
        """Producer, converter where lanes differ, FIFO, consumer."""
        fifo = self.fifos[link.name]
        add_submodule(m, platform, link.name, fifo)
        into = fifo.i
        if link.converter is not None:
            add_submodule(m, platform, f"{link.name}_width", link.converter)
            _join(m, link.converter.o, fifo.i)
            into = link.converter.i
        if link.producer == SOURCE:
            connect_sink(m, self, "s_axis", into)
        else:
            _join(m, _port(self.graph.block(link.producer).component, "o", link.output), into)
        if link.consumer is None:
            connect_source(m, self, "m_axis", fifo.o)
        else:
            _join(m, fifo.o, _port(self.graph.block(link.consumer).component, "i", link.operand))

    def _add_errors(self, m: Module) -> None:
        """Frames are checked where they enter: by the guards of the first engines."""
        entries = self._entries(SOURCE)
        for error in ("frame_short", "frame_long"):
            flags = [getattr(component, error) for component in entries]
            total: Any = 0
            for flag in flags:
                total = total | flag
            m.d.comb += getattr(self, error).eq(total)

    def _entries(self, producer: str) -> list[Any]:
        """Engines that the accelerator's input reaches first."""
        found = []
        for link in self.graph.links_from(producer):
            if link.consumer is None:
                continue
            component = self.graph.block(link.consumer).component
            if hasattr(component, "frame_short"):
                found.append(component)
            else:
                found += self._entries(link.consumer)
        return found


def _port(component: Any, flow: str, index: int) -> Any:
    """The only input or output of a component, or one of several."""
    return (
        getattr(component, flow)
        if hasattr(component, flow)
        else getattr(component, f"{flow}_{index}")
    )


def _join(m: Module, giver: Any, taker: Any) -> None:
    """Connect two streams whose elements may differ in width: values fit both."""
    m.d.comb += [taker.valid.eq(giver.valid), giver.ready.eq(taker.ready)]
    m.d.comb += taker.p.last.eq(giver.p.last)
    for lane in range(giver.p.data.shape().length):
        m.d.comb += taker.p.data[lane].eq(giver.p.data[lane])
