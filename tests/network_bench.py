"""A whole accelerator in Amaranth's simulator, and foldings for it."""

import random

import numpy as np
from hdl_bench import simulate

from pa_hdl.network.accelerator import Accelerator
from pa_hdl.network.blocks import is_engine
from pa_hdl.network.graph import build_graph
from pa_hdl.network.sizing import fifo_depths
from pa_hdl.parameters import pack, unpack


def divisor(number, wanted):
    """The largest divisor that is not above the wanted number."""
    return max(each for each in range(1, number + 1) if number % each == 0 and each <= wanted)


def folding_of(network, wanted=1):
    """Every node with as many lanes as wanted, where its channels allow it."""
    folding = {}
    for node in network.nodes:
        inputs, outputs = node.shape_in[0], node.shape_out[0]
        groups = node.attributes.get("groups", 1)
        if is_engine(node):
            folding[node.name] = {
                "simd": divisor(inputs // groups, wanted),
                "pe": divisor(outputs // groups, wanted),
            }
        else:
            operands = 1
            if node.kind == "concat":
                operands = 2
            folding[node.name] = {"lanes": divisor(inputs, wanted if operands == 1 else 1)}
    return folding


def accelerator(network, wanted=1, **depths):
    graph = build_graph(network, folding_of(network, wanted))
    return Accelerator(graph=graph, depths=fifo_depths(graph) | depths)


def beats_of(image, shape):
    """TDATA of an image (C, H, W)."""
    rows = np.moveaxis(image, 0, -1).reshape(-1, shape.lanes)
    return [pack(row, shape.bits) for row in rows.tolist()]


def result_of(beats, shape):
    """The image (C, H, W) that TDATA of beats holds."""
    elements = [unpack(beat, shape.bits, shape.lanes, signed=shape.signed) for beat in beats]
    image = np.array(elements).reshape(shape.height, shape.width, shape.channels)
    return np.moveaxis(image, -1, 0)


def stream(dut, frames, results, *, stalls=None):
    """Stream beats ``(data, last)``; the beats that came out, and cycles of both ends of frames.

    Without a seed for stalls nothing waits.
    """
    rng = random.Random(stalls)
    beats = [beat for frame in frames for beat in frame]
    wanted = results * dut.graph.result.beats
    out, entered, left = [], [], []

    def pause():
        return stalls is not None and rng.random() < 0.4

    async def drive(ctx):
        index, cycle, offered = 0, 0, False
        while len(out) < wanted:
            offered = index < len(beats) and (offered or not pause())
            ready = not pause()
            ctx.set(dut.m_axis_tready, int(ready))
            ctx.set(dut.s_axis_tvalid, int(offered))
            if offered:
                ctx.set(dut.s_axis_tdata, beats[index][0])
                ctx.set(dut.s_axis_tlast, int(beats[index][1]))
            if offered and ctx.get(dut.s_axis_tready):
                entered.append(cycle)
                index, offered = index + 1, False
            if ready and ctx.get(dut.m_axis_tvalid):
                out.append((ctx.get(dut.m_axis_tdata), ctx.get(dut.m_axis_tlast)))
                left.append(cycle)
            await ctx.tick()
            cycle += 1
            assert cycle - (left[-1] if left else 0) < 100_000, f"stuck after {len(out)} beats"

    simulate(dut, drive)
    return out, entered, left
