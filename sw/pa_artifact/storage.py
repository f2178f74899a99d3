"""Reading and writing ``.pa`` files: one safetensors file, no pickle."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from pa_artifact.network import ArtifactError, Network, Node
from pa_artifact.schema import KINDS, parse_attributes, parse_shape
from pa_artifact.validate import topological_order, validate
from pa_artifact.whole import write_whole

__all__ = ["SCHEMA", "read", "write"]

SCHEMA = 1

_DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "F32": "float32",
    "F64": "float64",
}
_CODES = {name: code for code, name in _DTYPES.items()}
_PLAIN = ("name", "kind", "shape_in", "shape_out")


def write(path: str | Path, network: Network) -> None:
    """Validate ``network`` and write it to ``path``, whole or not at all; same network, same bytes.

    Raises :class:`ArtifactError` for a network that :func:`read` would refuse.
    """
    validate(network)
    tensors: dict[str, np.ndarray] = {}
    for node in network.nodes:
        for key, value in node.tensors.items():
            tensors[f"{node.name}/{key}"] = np.ascontiguousarray(value).reshape(value.shape)
        for key, value in node.source.items():
            tensors[f"{node.name}/source/{key}"] = np.ascontiguousarray(value).reshape(value.shape)
    metadata = {
        "schema": str(SCHEMA),
        "producer": network.producer,
        "nodes": json.dumps([_node_object(node) for node in network.nodes]),
        "edges": json.dumps([list(edge) for edge in network.edges]),
    }
    write_whole(Path(path), _serialise(tensors, metadata))


def _serialise(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The safetensors format, in an order that depends on nothing but the contents."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    parts, end = [], 0
    for key, value in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        data = value.astype(value.dtype.newbyteorder("<")).tobytes()
        header[key] = {
            "dtype": _CODES[str(value.dtype)],
            "shape": list(value.shape),
            "data_offsets": [end, end + len(data)],
        }
        parts.append(data)
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *parts])


def _node_object(node: Node) -> dict[str, Any]:
    defaults = KINDS[node.kind].defaults.items()
    return {
        "name": node.name,
        "kind": node.kind,
        "shape_in": list(node.shape_in),
        "shape_out": list(node.shape_out),
        **{key: value for key, value in node.attributes.items() if (key, value) not in defaults},
    }


def read(path: str | Path) -> Network:
    """Read and validate a ``.pa`` file.

    Raises :class:`ArtifactError`, one line that starts with the path, for a file that is missing,
    cut short, of another kind or of a newer schema, and for contents that contradict each other.
    """
    path = Path(path)
    try:
        return _read(path)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from None


def _read(path: Path) -> Network:
    if not path.is_file():
        raise ArtifactError("no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = _metadata(file)
            tensors = {key: _tensor(file, key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())
        raise ArtifactError(f"not a whole .pa file ({reason})") from None
    edges = _edges(metadata)
    nodes = [_node(raw, tensors) for raw in _json_list(metadata, "nodes")]
    if tensors:
        raise ArtifactError(f"Tensor {next(iter(tensors))!r} belongs to no node")
    by_name = {node.name: node for node in nodes}
    order = topological_order((node.name for node in nodes), edges)
    network = Network(
        nodes=tuple(by_name[name] for name in order), edges=edges, producer=metadata["producer"]
    )
    validate(network)
    return network


def _metadata(file: Any) -> dict[str, str]:
    metadata = file.metadata() or {}
    if "schema" not in metadata:
        raise ArtifactError("not a .pa file: its metadata has no schema")
    if not metadata["schema"].isascii() or not metadata["schema"].isdigit():
        raise ArtifactError(f"schema must be a number, not {metadata['schema']!r}")
    if metadata["schema"] != str(SCHEMA):
        raise ArtifactError(f"schema must be {SCHEMA}, not {metadata['schema'][:20]}")
    for key in ("producer", "nodes", "edges"):
        if key not in metadata:
            raise ArtifactError(f"metadata {key!r} is missing")
    return metadata


def _tensor(file: Any, key: str) -> np.ndarray:
    dtype = file.get_slice(key).get_dtype()
    if dtype not in _DTYPES:
        raise ArtifactError(f"Tensor {key!r} must be one of {', '.join(_DTYPES)}, not {dtype}")
    return file.get_tensor(key)


def _json_list(metadata: dict[str, str], key: str) -> list[Any]:
    try:
        value = json.loads(metadata[key])
    except (ValueError, RecursionError):
        raise ArtifactError(f"metadata {key!r} is not JSON") from None
    if not isinstance(value, list):
        raise ArtifactError(f"metadata {key!r} must be a list")
    return value


def _edges(metadata: dict[str, str]) -> tuple[tuple[str, str], ...]:
    edges = []
    for edge in _json_list(metadata, "edges"):
        if not isinstance(edge, list) or [type(name) for name in edge] != [str, str]:
            raise ArtifactError(f"Edge {edge!r} must be a pair of node names")
        edges.append((edge[0], edge[1]))
    return tuple(edges)


def _node(raw: Any, tensors: dict[str, np.ndarray]) -> Node:
    """Build a node, taking its tensors out of ``tensors``."""
    if not isinstance(raw, dict) or any(not isinstance(raw.get(key), str) for key in _PLAIN[:2]):
        raise ArtifactError("Each node must be an object with a name and a kind")
    name, kind = raw["name"], raw["kind"]
    if kind not in KINDS:
        raise ArtifactError(f"{name!r}: kind must be one of {', '.join(KINDS)}, not {kind!r}")
    rest = {key: value for key, value in raw.items() if key not in _PLAIN}
    own: dict[str, np.ndarray] = {}
    source: dict[str, np.ndarray] = {}
    for key in [key for key in tensors if key.startswith(f"{name}/")]:
        local = key[len(name) + 1 :]
        if local.startswith("source/"):
            source[local[len("source/") :]] = tensors.pop(key)
        else:
            own[local] = tensors.pop(key)
    shape_out = parse_shape(f"{name}: shape_out", raw.get("shape_out"))
    shape_in = raw.get("shape_in", list(shape_out) if kind == "input" else None)
    return Node(
        name=name,
        kind=kind,
        shape_in=parse_shape(f"{name}: shape_in", shape_in),
        shape_out=shape_out,
        attributes=parse_attributes(name, kind, rest),
        tensors=own,
        source=source,
    )
