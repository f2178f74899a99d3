"""Everything that must hold of a network before any of it is used."""

import re
from collections.abc import Iterable

import numpy as np

from pa_artifact.network import ArtifactError, Network, Node
from pa_artifact.ranges import EXACT, format_range, node_range, taps_inside
from pa_artifact.schema import KINDS, TensorSpec, parse_attributes, parse_shape, symbols

__all__ = ["topological_order", "validate"]

SOURCE_DTYPES = ("float32", "float64", "int64", "int32", "uint8", "int8", "int16", "bool")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")


def validate(network: Network) -> None:
    """Raise :class:`ArtifactError` for the first thing in ``network`` that cannot be right."""
    if not network.nodes:
        raise ArtifactError("The network has no nodes")
    for node in network.nodes:
        check_node(node)
    ordered = topological_order([node.name for node in network.nodes], network.edges)
    position = {name: index for index, name in enumerate(ordered)}
    if any(position[a.name] != i for i, a in enumerate(network.nodes)):
        raise ArtifactError("The nodes are not in topological order")
    ranges: dict[str, np.ndarray] = {}
    for node in network.nodes:
        operands = network.inputs_of(node.name)
        _check_operands(node, operands)
        bounds = [ranges[operand.name] for operand in operands]
        if node.kind == "pa_conv":
            _check_input_range(node, bounds[0])
        if node.kind == "max_pool":
            _fixed_point(network, node, operands[0])
        if node.kind == "concat":
            _check_concat(network, node, operands)
        ranges[node.name] = node_range(node, bounds)


def topological_order(names: Iterable[str], edges: Iterable[tuple[str, str]]) -> list[str]:
    """Names with producers first, otherwise in the given order.

    Raises :class:`ArtifactError` for a name used twice, an edge to or from nothing, and a cycle.
    """
    waiting: dict[str, set[str]] = {}
    consumers: dict[str, list[str]] = {}
    for name in names:
        if name in waiting:
            raise ArtifactError(f"There are two nodes called {name!r}")
        waiting[name] = set()
        consumers[name] = []
    for start, end in edges:
        for name in (start, end):
            if name not in waiting:
                raise ArtifactError(f"Edge {start!r} to {end!r} names no node {name!r}")
        waiting[end].add(start)
        consumers[start].append(end)
    rank = {name: index for index, name in enumerate(waiting)}
    order: list[str] = []
    ready = [name for name, before in waiting.items() if not before]
    while ready:
        ready.sort(key=rank.__getitem__, reverse=True)
        name = ready.pop()
        order.append(name)
        for consumer in dict.fromkeys(consumers[name]):
            waiting[consumer].discard(name)
            if not waiting[consumer]:
                ready.append(consumer)
    if len(order) != len(waiting):
        raise ArtifactError(f"The graph has a cycle: {_cycle(waiting)}")
    return order


def _cycle(waiting: dict[str, set[str]]) -> str:
    """A cycle among the names that wait for others, as ``a -> b -> a``."""
    name = next(name for name, before in waiting.items() if before)
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = min(waiting[name])
    around = [name, *path[path.index(name) :][::-1]]
    return " -> ".join(repr(step) for step in around)


def check_node(node: Node) -> None:
    """Everything that can be said of a node by itself."""
    if not isinstance(node.name, str) or not _NAME.fullmatch(node.name):
        raise ArtifactError(f"Node name {node.name!r} must be letters, digits, '_', '-' and '.'")
    if node.kind not in KINDS:
        raise ArtifactError(
            f"{node.name}: kind must be one of {', '.join(KINDS)}, not {node.kind!r}"
        )
    parse_shape(f"{node.name}: shape_in", node.shape_in)
    parse_shape(f"{node.name}: shape_out", node.shape_out)
    parse_attributes(node.name, node.kind, node.attributes)
    _check_groups(node)
    _check_tensors(node)
    _check_shapes(node)
    for key, value in node.source.items():
        if str(value.dtype) not in SOURCE_DTYPES:
            raise ArtifactError(f"{node.name}: source {key!r} must not be {value.dtype}")
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ArtifactError(f"{node.name}: source {key!r} holds NaN or infinity")
    if node.kind == "pa_conv":
        _check_pa_conv(node)
    if node.kind == "rescale":
        _check_rescale(node)
    if node.kind in ("add", "concat") and not (scale := float(node.tensors["scale"].min())) > 0:
        raise ArtifactError(f"{node.name}: scale must be above 0, not {scale}")


def _check_groups(node: Node) -> None:
    groups = node.attributes.get("groups", 1)
    for what, channels in (("input", node.shape_in[0]), ("output", node.shape_out[0])):
        if channels % groups:
            raise ArtifactError(
                f"{node.name}: groups must divide the {channels} {what} channels, not {groups}"
            )


def _check_tensors(node: Node) -> None:
    expected = KINDS[node.kind].tensors
    for key in node.tensors:
        if key not in expected:
            raise ArtifactError(f"{node.name}: a {node.kind} has no tensor {key!r}")
    table = symbols(node.attributes, node.shape_in, node.shape_out)
    for key, spec in expected.items():
        if key not in node.tensors:
            raise ArtifactError(f"{node.name}: tensor {key!r} is missing")
        _check_tensor(f"{node.name}: {key}", node.tensors[key], spec, table)


def _check_tensor(what: str, value: np.ndarray, spec: TensorSpec, table: dict[str, int]) -> None:
    if value.dtype != np.dtype(spec.dtype):
        raise ArtifactError(f"{what} must be {spec.dtype}, not {value.dtype}")
    shape = tuple(table[size] if isinstance(size, str) else size for size in spec.shape)
    if value.shape != shape and not (spec.uniform and value.shape == (1,)):
        raise ArtifactError(f"{what} must have shape {shape}, not {value.shape}")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise ArtifactError(f"{what} holds NaN or infinity")


def _check_shapes(node: Node) -> None:
    channels, height, width = node.shape_in
    if node.kind in ("conv8", "pa_conv"):
        expected = (node.shape_out[0], *_window_shape(node, height, width))
    elif node.kind in ("max_pool", "avg_pool"):
        expected = (channels, *_window_shape(node, height, width))
    elif node.kind == "global_avg_pool":
        expected = (channels, 1, 1)
    elif node.kind == "linear8":
        if (height, width) != (1, 1):
            raise ArtifactError(f"{node.name}: a linear8 takes 1x1 images, not {height}x{width}")
        expected = (node.shape_out[0], 1, 1)
    else:
        expected = node.shape_in
    if tuple(node.shape_out) != expected:
        raise ArtifactError(f"{node.name}: shape_out must be {expected}, not {node.shape_out}")
    if node.kind in ("max_pool", "avg_pool") and min(map(np.min, taps_inside(node))) == 0:
        raise ArtifactError(
            f"{node.name}: pad {node.attributes['pad']} leaves windows of kernel "
            f"{node.attributes['kernel']} entirely on padding"
        )


def _window_shape(node: Node, height: int, width: int) -> tuple[int, int]:
    kernel, stride = node.attributes["kernel"], node.attributes["stride"]
    top, bottom, left, right = node.attributes["pad"]
    rows, columns = height + top + bottom - kernel[0], width + left + right - kernel[1]
    if rows < 0 or columns < 0:
        raise ArtifactError(
            f"{node.name}: kernel {kernel} is larger than the padded image "
            f"{height + top + bottom}x{width + left + right}"
        )
    return rows // stride[0] + 1, columns // stride[1] + 1


def _check_pa_conv(node: Node) -> None:
    m, phi_bits = node.attributes["m"], node.attributes["phi_bits"]
    codes, phi, flip = (node.tensors[key] for key in ("codes", "phi", "flip"))
    if int(codes.max()) > m:
        raise ArtifactError(f"{node.name}: code {int(codes.max())} is above m, which is {m}")
    if phi[0].any() or phi[:, 0].any():
        raise ArtifactError(f"{node.name}: row 0 and column 0 of phi must be zero in scheme pa")
    largest = (1 << (phi_bits - 1)) - 1
    if (extreme := int(np.abs(phi.astype(np.int64)).max())) > largest:
        raise ArtifactError(
            f"{node.name}: phi {extreme} is beyond ±{largest}, the limit of {phi_bits} bits"
        )
    if (scale := float(node.tensors["scale"][0])) < 0:
        raise ArtifactError(f"{node.name}: scale must not be negative, not {scale}")
    bounds, thresholds = node.tensors["range"], node.tensors["thresholds"]
    if int(np.abs(bounds).max()) >= EXACT or int(bounds.min()) <= -EXACT:
        raise ArtifactError(f"{node.name}: range must stay within ±2^53")
    if (bounds[:, 0] > bounds[:, 1]).any():
        raise ArtifactError(f"{node.name}: range must list the lowest before the highest value")
    low = bounds[:, :1] - flip[:, None]
    high = bounds[:, 1:] + ~flip[:, None]
    if ((thresholds < low) | (thresholds > high)).any():
        raise ArtifactError(
            f"{node.name}: thresholds must lie in lowest..highest+1 of range "
            "(lowest-1..highest where flipped)"
        )
    order = np.sign(np.diff(thresholds, axis=1)) * np.where(flip, -1, 1)[:, None]
    if (order < 0).any():
        raise ArtifactError(
            f"{node.name}: thresholds must ascend (descend where flipped) in each channel"
        )


def _check_rescale(node: Node) -> None:
    shift = int(node.tensors["shift"])
    if not 0 <= shift <= 31:
        raise ArtifactError(f"{node.name}: shift must be from 0 to 31, not {shift}")


def _check_operands(node: Node, operands: tuple[Node, ...]) -> None:
    fewest, most = KINDS[node.kind].operands
    if len(operands) < fewest or (most is not None and len(operands) > most):
        wanted = f"{fewest}" if most == fewest else f"{fewest} or more"
        raise ArtifactError(
            f"{node.name}: a {node.kind} takes {wanted} operands, not {len(operands)}"
        )
    if node.kind == "concat":
        _check_joined_shapes(node, operands)
        return
    for operand in operands:
        if tuple(operand.shape_out) != tuple(node.shape_in):
            raise ArtifactError(
                f"{node.name}: shape_in is {tuple(node.shape_in)}, but {operand.name} "
                f"gives {tuple(operand.shape_out)}"
            )


def _check_joined_shapes(node: Node, operands: tuple[Node, ...]) -> None:
    sizes = [tuple(operand.shape_out) for operand in operands]
    joined = (sum(size[0] for size in sizes), *sizes[0][1:])
    if joined != tuple(node.shape_in) or any(size[1:] != sizes[0][1:] for size in sizes):
        raise ArtifactError(
            f"{node.name}: shape_in is {tuple(node.shape_in)}, but its operands give "
            + " and ".join(str(size) for size in sizes)
        )


def _fixed_point(network: Network, node: Node, operand: Node) -> Node:
    """The node that states the number format of ``operand``, which a maximum keeps."""
    origin = operand
    while origin.kind == "max_pool":
        (origin,) = network.inputs_of(origin.name)
    if origin.kind not in ("input", "add", "concat"):
        raise ArtifactError(
            f"{node.name}: a {node.kind} takes fixed point (of an add, concat or max_pool), "
            f"not what the {origin.kind} {origin.name} gives"
        )
    return origin


def _check_concat(network: Network, node: Node, operands: tuple[Node, ...]) -> None:
    lowest, highest = format_range(node.attributes["bits"], node.attributes["signed"])
    scales = np.broadcast_to(node.tensors["scale"], node.shape_out[:1])
    first = 0
    for operand in operands:
        origin = _fixed_point(network, node, operand)
        if origin.kind == "input":
            raise ArtifactError(f"{node.name}: a concat takes no input, which has no scale")
        low, high = format_range(origin.attributes["bits"], origin.attributes["signed"])
        if low < lowest or high > highest:
            raise ArtifactError(
                f"{node.name}: {lowest}..{highest} does not hold what its operand {operand.name} "
                f"can give, {low}..{high}"
            )
        own = scales[first : first + operand.shape_out[0]]
        given = np.broadcast_to(origin.tensors["scale"], own.shape)
        if (different := own != given).any():
            raise ArtifactError(
                f"{node.name}: scale is {own[different][0]}, but that of its operand "
                f"{operand.name} is {given[different][0]}"
            )
        first += len(own)


def _check_input_range(node: Node, actual: np.ndarray) -> None:
    bounds = node.tensors["range"]
    if (bounds[:, 0] > actual[:, 0]).any() or (bounds[:, 1] < actual[:, 1]).any():
        raise ArtifactError(f"{node.name}: range does not cover what its operand can give")
    lowest, highest = format_range(node.attributes["act_bits"], node.attributes["act_signed"])
    if int(bounds.min()) < lowest or int(bounds.max()) > highest:
        raise ArtifactError(
            f"{node.name}: range {int(bounds.min())}..{int(bounds.max())} does not fit "
            f"act_bits, which holds {lowest}..{highest}"
        )
