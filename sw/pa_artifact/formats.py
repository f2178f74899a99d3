"""The number format of every value in a network: what a stream that carries it must hold."""

from collections.abc import Sequence

import numpy as np

from pa_artifact.network import Network, Node
from pa_artifact.ranges import value_ranges

__all__ = ["Format", "node_format", "value_formats"]

# Bits, and whether two's complement.
Format = tuple[int, bool]


def value_formats(network: Network) -> dict[str, Format]:
    """Bits and signedness of each node's result, by name.

    An ``input``, an ``add`` and a ``concat`` state theirs; a maximum keeps its operand's; any other
    result has the bits that its range needs, unsigned only where it averages unsigned values.
    """
    ranges = value_ranges(network)
    formats: dict[str, Format] = {}
    for node in network.nodes:
        operands = [formats[operand.name] for operand in network.inputs_of(node.name)]
        formats[node.name] = node_format(node, operands, ranges[node.name])
    return formats


def node_format(node: Node, operands: Sequence[Format], bounds: np.ndarray) -> Format:
    """The format of one node's result, from those of its operands and its own range."""
    if node.kind in ("input", "add", "concat"):
        return node.attributes["bits"], node.attributes["signed"]
    if node.kind == "max_pool":
        return operands[0]
    signed = operands[0][1] if node.kind in ("avg_pool", "global_avg_pool") else True
    low, high = int(bounds.min()), int(bounds.max())
    return max(max(high, -low - 1, 0).bit_length() + signed, 1), signed
