# amaranth: UnusedElaboratable=no
"""From a ``.pa`` network and its folding to blocks of hardware and the links between them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from pa_artifact import ArtifactError, Network, Node
from pa_artifact.ranges import value_ranges
from pa_hdl.config import EngineConfig
from pa_hdl.cost import AUTO, cheapest
from pa_hdl.network.blocks import Block, input_lanes
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.nodes.width import WidthConverter
from pa_hdl.parameters import LayerParameters

__all__ = ["SOURCE", "Graph", "Link", "build_graph"]

SOURCE = "input"
"""The producer of what enters the accelerator."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """A stream from one block to the next, through a converter where lanes differ, and a FIFO.

    Parameters
    ----------
    name : :class:`str`
        Of its FIFO: a Verilog identifier.
    producer, output : :class:`str`, :class:`int`
        A block, or :data:`SOURCE`, and which of its outputs.
    consumer, operand : :class:`str`, :class:`int`
        A block and which of its inputs; ``None`` for the accelerator's output.
    given, wanted : :class:`~pa_hdl.nodes.stream.StreamShape`
        What the producer gives, and what the consumer takes. Lanes and number formats may differ:
        every value fits both.
    """

    name: str
    producer: str
    output: int
    consumer: str | None
    operand: int
    given: StreamShape
    wanted: StreamShape

    @property
    def _format(self) -> StreamShape:
        """Whichever number format is narrower."""
        return self.given if self.given.bits < self.wanted.bits else self.wanted

    @cached_property
    def converter(self) -> WidthConverter | None:
        """What changes the number of lanes."""
        if self.given.lanes == self.wanted.lanes:
            return None
        narrow = self._format
        shape = replace(self.given, bits=narrow.bits, signed=narrow.signed)
        return WidthConverter(shape_in=shape, lanes=self.wanted.lanes)

    @property
    def stored(self) -> StreamShape:
        """What its FIFO holds."""
        return replace(self._format, lanes=self.wanted.lanes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """An accelerator as blocks and links.

    Parameters
    ----------
    blocks : tuple of :class:`~pa_hdl.network.blocks.Block`
        Producers first.
    links : tuple of :class:`Link`
        In the order of their consumers.
    source, result : :class:`~pa_hdl.nodes.stream.StreamShape`
        What enters and leaves.
    """

    blocks: tuple[Block, ...]
    links: tuple[Link, ...]
    source: StreamShape
    result: StreamShape

    def block(self, name: str) -> Block:
        """The block of that name."""
        return self._by_name[name]

    def links_into(self, name: str | None) -> tuple[Link, ...]:
        """Links into a block, by operand; ``None`` stands for the accelerator's output."""
        return tuple(self._into.get(name, ()))

    def links_from(self, name: str) -> tuple[Link, ...]:
        """Links out of a block."""
        return tuple(link for link in self.links if link.producer == name)

    @cached_property
    def _by_name(self) -> dict[str, Block]:
        return {block.name: block for block in self.blocks}

    @cached_property
    def _into(self) -> dict[str | None, list[Link]]:
        found: dict[str | None, list[Link]] = {}
        for link in self.links:
            found.setdefault(link.consumer, []).append(link)
        return found

    @property
    def bottleneck(self) -> Block:
        """The block that takes longest for a frame."""
        return max(self.blocks, key=lambda block: block.cycles)

    @property
    def cycles_per_image(self) -> int:
        """Cycles between two frames in steady state."""
        return max(self.source.beats, self.bottleneck.cycles)


def build_graph(
    network: Network,
    folding: Mapping[str, Mapping[str, int]],
    *,
    datapath: str = "popcount",
    target: str = "generic",
) -> Graph:
    """Blocks and links of a network.

    Parameters
    ----------
    network : :class:`pa_artifact.Network`
        Validated; one input, and one node whose result nobody takes.
    folding : mapping
        For each node ``simd`` and ``pe``, or ``lanes``.
    datapath, target : :class:`str`
        Of the PA convolutions; :data:`~pa_hdl.cost.AUTO` is the cheapest datapath of each.

    Raises
    ------
    ArtifactError
        For a network with several inputs or outputs, or with a kind of node that is no hardware.
    ValueError
        Naming the node whose folding does not suit it.
    """
    return _Builder(network, folding, datapath, target).graph()


class _Builder:
    def __init__(
        self,
        network: Network,
        folding: Mapping[str, Mapping[str, int]],
        datapath: str,
        target: str,
    ) -> None:
        self.network = network
        self.folding = folding
        self.datapath = datapath
        self.target = target
        self.ranges = value_ranges(network)
        self.blocks: list[Block] = []
        self.links: list[Link] = []
        self.names: set[str] = {SOURCE}
        self.sources: dict[str, list[tuple[str, int, StreamShape]]] = {}

    def graph(self) -> Graph:
        image = self._only([n for n in self.network.nodes if n.kind == "input"], "inputs")
        result = self._only(
            [n for n in self.network.nodes if not self.network.consumers_of(n.name)], "outputs"
        )
        source = self._source_shape(image)
        self._publish(image, SOURCE, source)
        for node in self.network.nodes:
            if node is not image:
                self._add(node)
        [(producer, output, shape)] = self.sources[result.name]
        self._link("output", (producer, output, shape), None, 0, shape)
        return Graph(
            blocks=tuple(self.blocks), links=tuple(self.links), source=source, result=shape
        )

    def _only(self, nodes: list[Node], what: str) -> Node:
        if len(nodes) != 1:
            names = ", ".join(node.name for node in nodes) or "none"
            raise ArtifactError(
                f"An accelerator's network must have one of its {what}, not {names}"
            )
        return nodes[0]

    def _source_shape(self, image: Node) -> StreamShape:
        channels, height, width = image.shape_out
        return StreamShape(
            channels=channels,
            height=height,
            width=width,
            lanes=self.folding[image.name]["lanes"],
            bits=image.attributes["bits"],
            signed=image.attributes["signed"],
        )

    def _name(self, text: str) -> str:
        stem = re.sub(r"\W+", "_", text)
        name, number = stem, 2
        while name in self.names:
            name, number = f"{stem}_{number}", number + 1
        self.names.add(name)
        return name

    def _add(self, node: Node) -> None:
        """The node's block, the links into it and, where several take its result, a fork."""
        name = self._name(node.name)
        folding = self.folding[node.name]
        lanes = input_lanes(node, folding)
        givers = [self._take(operand) for operand in self.network.inputs_of(node.name)]
        wanted = [self._wanted(node, shape, lanes) for _, _, shape in givers]
        block = Block(
            name=name,
            kind=node.kind,
            node=node,
            inputs=tuple(wanted),
            folding=dict(folding),
            ranges=tuple(self.ranges[o.name] for o in self.network.inputs_of(node.name)),
            **self._hardware(node, folding),
        )
        for operand, (giver, shape) in enumerate(zip(givers, wanted, strict=True)):
            stem = f"{name}_fifo" if len(givers) == 1 else f"{name}_fifo_{operand}"
            self._link(self._name(stem), giver, name, operand, shape)
        self.blocks.append(block)
        [shape] = block.outputs
        self._publish(node, name, shape)

    def _hardware(self, node: Node, folding: Mapping[str, int]) -> dict[str, str]:
        """Datapath and target of a PA convolution."""
        if node.kind != "pa_conv":
            return {}
        datapath = self.datapath
        if datapath == AUTO:
            config = EngineConfig.from_node(
                node, simd=folding["simd"], pe=folding["pe"], target=self.target
            )
            datapath = cheapest(config, LayerParameters.from_node(node))
        return {"datapath": datapath, "target": self.target}

    def _wanted(self, node: Node, given: StreamShape, lanes: int) -> StreamShape:
        if given.channels % lanes:
            raise ValueError(
                f"{node.name}: lanes must divide its {given.channels} channels, not {lanes}"
            )
        shape = replace(given, lanes=lanes)
        if node.kind != "pa_conv":
            return shape
        attributes = node.attributes
        return replace(shape, bits=attributes["act_bits"], signed=attributes["act_signed"])

    def _publish(self, node: Node, name: str, shape: StreamShape) -> None:
        """Offer a result to as many as take it."""
        readers = len(self.network.consumers_of(node.name))
        if readers < 2:
            self.sources[node.name] = [(name, 0, shape)]
            return
        fork = self._name(f"{name}_fork")
        self.blocks.append(
            Block(name=fork, kind="fork", inputs=(shape,), folding={"outputs": readers})
        )
        self._link(self._name(f"{fork}_fifo"), (name, 0, shape), fork, 0, shape)
        self.sources[node.name] = [(fork, output, shape) for output in range(readers)]

    def _take(self, operand: Node) -> tuple[str, int, StreamShape]:
        return self.sources[operand.name].pop(0)

    def _link(
        self,
        name: str,
        giver: tuple[str, int, StreamShape],
        consumer: str | None,
        operand: int,
        wanted: StreamShape,
    ) -> None:
        producer, output, given = giver
        self.links.append(
            Link(
                name=name,
                producer=producer,
                output=output,
                consumer=consumer,
                operand=operand,
                given=given,
                wanted=wanted,
            )
        )
