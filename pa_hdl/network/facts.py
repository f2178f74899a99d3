"""What there is to know of an accelerator, as JSON holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pa_artifact import Network
from pa_hdl.area import estimate
from pa_hdl.network.accelerator import Accelerator
from pa_hdl.network.blocks import Block
from pa_hdl.network.convert import Converted
from pa_hdl.network.sizing import latency
from pa_hdl.nodes.stream import StreamShape

__all__ = ["facts"]


def facts(
    network: Network,
    top: Accelerator,
    *,
    name: str,
    clock_mhz: float,
    verilog: Sequence[str],
    memories: Sequence[str],
    models: Sequence[str],
    texts: Mapping[str, Converted],
) -> dict[str, Any]:
    """Ports, cycles, nodes and FIFOs of an accelerator.

    Parameters
    ----------
    texts : mapping of :class:`str` to :class:`~pa_hdl.network.convert.Converted`
        The text of each block that stands for a node.

    Returns
    -------
    dict with ``name``, ``top``, ``network`` (names of nodes), ``verilog`` and ``files`` (of
    memories), ``simulation_models`` (cells of a device, for simulators only), ``input`` and
    ``output`` (streams), ``clock_mhz``, ``cycles_per_image``, ``images_per_second``,
    ``latency_cycles``, ``bottleneck``, ``fifo_bits``, ``totals``, ``nodes`` and ``fifos``.
    """
    graph = top.graph
    cycles = graph.cycles_per_image
    bottleneck = graph.bottleneck
    nodes = [_node(block, texts.get(block.name), cycles) for block in graph.blocks]
    fifos = [
        {
            "name": link.name,
            "from": link.producer,
            "to": link.consumer or "output",
            "depth": top.depths[link.name],
            "lanes": link.stored.lanes,
            "element_bits": link.stored.bits,
            "bits": top.fifos[link.name].storage_bits,
            "luts": estimate(top.fifos[link.name]).luts
            + (0 if link.converter is None else estimate(link.converter).luts),
        }
        for link in graph.links
    ]
    return {
        "name": name,
        "top": name,
        "producer": network.producer,
        "verilog": list(verilog),
        "files": list(memories),
        "simulation_models": list(models),
        "input": _stream(graph.source),
        "output": _stream(graph.result),
        "clock_mhz": clock_mhz,
        "cycles_per_image": cycles,
        "images_per_second": clock_mhz * 1e6 / cycles,
        "latency_cycles": latency(graph),
        "bottleneck": {"node": bottleneck.name, "cycles": bottleneck.work},
        "fifo_bits": top.fifo_bits,
        "totals": {
            "luts": sum(row["luts"] for row in (*nodes, *fifos)),
            "block_rams": sum(row["block_rams"] for row in nodes),
            "contents_bits": sum(row["contents_bits"] for row in nodes),
            "buffer_bits": sum(row["buffer_bits"] for row in nodes),
        },
        "nodes": nodes,
        "fifos": fifos,
    }


def _stream(shape: StreamShape) -> dict[str, Any]:
    return {**asdict(shape), "beats": shape.beats}


def _node(block: Block, text: Converted | None, cycles: int) -> dict[str, Any]:
    given, made = block.inputs[0], block.outputs[0]
    area = estimate(block.component)
    buffers = 0 if text is None else text.buffer_bits
    contents = 0 if text is None else text.contents_bits
    return {
        "name": block.name,
        "node": None if block.node is None else block.node.name,
        "kind": block.kind,
        "datapath": block.datapath if block.kind == "pa_conv" else None,
        "shape_in": [given.channels, given.height, given.width],
        "shape_out": [made.channels, made.height, made.width],
        "folding": dict(block.folding),
        "cycles": block.cycles,
        "utilisation": block.work / cycles,
        "luts": area.luts,
        "block_rams": area.block_rams,
        "contents_bits": contents,
        "buffer_bits": buffers,
    }
