"""Blocks of an accelerator: a node of a ``.pa`` network with its parallelism, as hardware."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pa_artifact import Node
from pa_hdl.config import EngineConfig
from pa_hdl.engine import Engine
from pa_hdl.nodes.add import Add
from pa_hdl.nodes.concat import Concat
from pa_hdl.nodes.fork import Fork
from pa_hdl.nodes.global_pool import GlobalPool
from pa_hdl.nodes.multiply import MultiplyEngine
from pa_hdl.nodes.pool import Pool
from pa_hdl.nodes.rescale import Rescale
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.parameters import LayerParameters

__all__ = ["Block", "input_lanes", "is_engine"]

Range = NDArray[np.int64]


def is_engine(node: Node) -> bool:
    """Whether the node multiplies, with SIMD and PE of its own choice."""
    if node.kind == "conv8":
        return not is_depthwise(node)
    return node.kind in ("pa_conv", "linear8")


def is_depthwise(node: Node) -> bool:
    """Whether each channel of a ``conv8`` is convolved by itself."""
    groups = node.attributes.get("groups", 1)
    return groups > 1 and groups == node.shape_in[0] == node.shape_out[0]


def input_lanes(node: Node, folding: Mapping[str, int]) -> int:
    """Lanes of the streams into a node that is folded like this."""
    return folding["simd"] if is_engine(node) else folding["lanes"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """One component of an accelerator, described so that any process can make it.

    Parameters
    ----------
    name : :class:`str`
        A Verilog identifier, unique in its accelerator.
    kind : :class:`str`
        That of the node, or ``"fork"``.
    node : :class:`pa_artifact.Node` or ``None``
        Where its integers come from.
    inputs : tuple of :class:`~pa_hdl.nodes.stream.StreamShape`
        What it takes.
    folding : mapping of :class:`str` to :class:`int`
        ``simd`` and ``pe``, or ``lanes``, or ``outputs`` of a fork.
    ranges : tuple of arrays (C, 2)
        Lowest and highest integer of each operand's channels.
    datapath, target : :class:`str`
        Dot product, and device family, of a PA convolution.
    """

    name: str
    kind: str
    node: Node | None = None
    inputs: tuple[StreamShape, ...]
    folding: Mapping[str, int]
    ranges: tuple[Range, ...] = field(default=())
    datapath: str = "popcount"
    target: str = "generic"

    @cached_property
    def component(self) -> Any:
        """The hardware."""
        component = _COMPONENTS[self.kind](self)
        # Cycles and area are asked for where no text is written.
        component._MustUse__used = True
        return component

    @property
    def outputs(self) -> tuple[StreamShape, ...]:
        """What it gives."""
        return self.component.shapes_out

    @property
    def cycles(self) -> int:
        """Cycles between two frames, when nothing holds it up."""
        schedule = getattr(self.component, "schedule", None)
        if schedule is not None:
            return schedule.initiation_interval
        return max(shape.beats for shape in (*self.inputs, *self.outputs))

    @property
    def work(self) -> int:
        """Cycles of a frame in which it has something to do."""
        schedule = getattr(self.component, "schedule", None)
        if schedule is not None:
            return max(schedule.config.in_beats, schedule.config.folds_per_frame)
        return self.cycles

    def __getstate__(self) -> dict[str, Any]:
        """Without the component: signals belong to the process that made them."""
        return {key: value for key, value in self.__dict__.items() if key != "component"}


def _given(block: Block) -> Node:
    if block.node is None:
        raise ValueError(f"{block.name}: a {block.kind} needs a node")
    return block.node


def _pa_conv(block: Block) -> Engine:
    node = _given(block)
    config = EngineConfig.from_node(
        node,
        simd=block.folding["simd"],
        pe=block.folding["pe"],
        datapath=block.datapath,
        target=block.target,
    )
    return Engine(config, LayerParameters.from_node(node))


def _multiply(block: Block) -> MultiplyEngine:
    node, [shape] = _given(block), block.inputs
    lanes = block.folding.get("lanes", 0)
    return MultiplyEngine.from_node(
        node,
        simd=block.folding.get("simd", lanes),
        pe=block.folding.get("pe", lanes),
        act_bits=shape.bits,
        act_signed=shape.signed,
        act_range=block.ranges[0],
    )


def _pool(block: Block) -> Pool:
    node, [shape] = _given(block), block.inputs
    return Pool(
        shape=shape,
        operation={"max_pool": "max", "avg_pool": "sum"}[node.kind],
        **{name: tuple(node.attributes[name]) for name in ("kernel", "stride", "pad")},
    )


def _rescale(block: Block) -> Rescale:
    [shape] = block.inputs
    return Rescale.from_node(_given(block), shape=shape, operand_range=block.ranges[0])


def _add(block: Block) -> Add:
    attributes = _given(block).attributes
    return Add(shapes=block.inputs, bits=attributes["bits"], signed=attributes["signed"])


def _concat(block: Block) -> Concat:
    attributes = _given(block).attributes
    return Concat(shapes=block.inputs, bits=attributes["bits"], signed=attributes["signed"])


def _global_pool(block: Block) -> GlobalPool:
    [shape] = block.inputs
    return GlobalPool(shape=shape)


def _fork(block: Block) -> Fork:
    [shape] = block.inputs
    return Fork(shape=shape, outputs=block.folding["outputs"])


_COMPONENTS: dict[str, Callable[[Block], Any]] = {
    "pa_conv": _pa_conv,
    "conv8": _multiply,
    "linear8": _multiply,
    "max_pool": _pool,
    "avg_pool": _pool,
    "rescale": _rescale,
    "add": _add,
    "concat": _concat,
    "global_avg_pool": _global_pool,
    "fork": _fork,
}
