"""A network of integer nodes: what a ``.pa`` file holds, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["ArtifactError", "Network", "Node"]


class ArtifactError(ValueError):
    """A ``.pa`` file, or a network meant for one, that cannot be right; the message is one line."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One operation on integers.

    Parameters
    ----------
    name : :class:`str`
        The path of the module it came from, unique in its network.
    kind : :class:`str`
        One of :data:`pa_artifact.schema.KINDS`.
    shape_in, shape_out : :class:`tuple` of three :class:`int`
        Channels, height and width of one operand (of a ``concat``: of all of them together) and of
        the result; an ``input`` has equal ones.
    attributes : :class:`dict`
        The integers, flags and names of the kind; lists are tuples here.
    tensors : :class:`dict` of :class:`numpy.ndarray`
        The integer tensors of the kind.
    source : :class:`dict` of :class:`numpy.ndarray`
        The float parameters they came from.
    """

    name: str
    kind: str
    shape_in: tuple[int, int, int]
    shape_out: tuple[int, int, int]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """Nodes in topological order and the edges between them.

    Parameters
    ----------
    nodes : :class:`tuple` of :class:`Node`
        Producers before their consumers.
    edges : :class:`tuple` of pairs of :class:`str`
        ``(from, to)``; the order of the edges into one node is the order of its operands.
    producer : :class:`str`
        The program that made it.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    producer: str = "pa-hdl"

    def node(self, name: str) -> Node:
        """The node called ``name``; raises :class:`ArtifactError` listing the names otherwise."""
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise ArtifactError(f"There is no node {name!r}; the nodes are {known}")

    def inputs_of(self, name: str) -> tuple[Node, ...]:
        """The operands of the node called ``name``, in order."""
        return tuple(self.node(start) for start, end in self.edges if end == name)

    def consumers_of(self, name: str) -> tuple[Node, ...]:
        """The nodes that take the result of the node called ``name``, in order of the edges."""
        return tuple(self.node(end) for start, end in self.edges if start == name)

    def of_kind(self, kind: str) -> tuple[Node, ...]:
        """The nodes of one kind, in topological order."""
        return tuple(node for node in self.nodes if node.kind == kind)
