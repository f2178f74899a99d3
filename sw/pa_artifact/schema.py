"""What a node of each kind consists of: attributes with bounds, tensors with dtype and shape."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pa_artifact.network import ArtifactError

__all__ = ["KINDS", "Kind", "TensorSpec", "parse_attributes", "parse_shape"]

LARGEST_DIMENSION = 1 << 16


@dataclass(frozen=True)
class TensorSpec:
    """A tensor's dtype and its shape in the symbols of :func:`symbols`.

    Where ``uniform``, one entry may stand for all.
    """

    dtype: str
    shape: tuple[str | int, ...]
    uniform: bool = False


Check = Callable[[str, Any], Any]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of node: how many operands it takes, its attributes and its tensors.

    Attributes in ``defaults`` may be left out, which means the value there.
    """

    operands: tuple[int, int | None]
    attributes: Mapping[str, Check] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, TensorSpec] = field(default_factory=dict)


def integer(low: int, high: int) -> Check:
    def check(what: str, value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ArtifactError(f"{what} must be an integer from {low} to {high}, not {value!r}")
        return value

    return check


def integers(count: int, low: int, high: int) -> Check:
    element = integer(low, high)

    def check(what: str, value: Any) -> tuple[int, ...]:
        if not isinstance(value, list | tuple) or len(value) != count:
            raise ArtifactError(f"{what} must be a list of {count} integers, not {value!r}")
        return tuple(element(what, item) for item in value)

    return check


def flag(what: str, value: Any) -> bool:
    if type(value) is not bool:
        raise ArtifactError(f"{what} must be true or false, not {value!r}")
    return value


def one_of(*names: str) -> Check:
    def check(what: str, value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise ArtifactError(f"{what} must be one of {', '.join(names)}, not {value!r}")
        return value

    return check


parse_shape = integers(3, 1, LARGEST_DIMENSION)

_WINDOW: dict[str, Check] = {
    "kernel": integers(2, 1, 255),
    "stride": integers(2, 1, 255),
    "pad": integers(4, 0, 255),
}

KINDS: dict[str, Kind] = {
    "input": Kind(
        operands=(0, 0),
        attributes={"bits": integer(1, 48), "signed": flag},
    ),
    "conv8": Kind(
        operands=(1, 1),
        attributes={**_WINDOW, "groups": integer(1, LARGEST_DIMENSION)},
        defaults={"groups": 1},
        tensors={
            "weight": TensorSpec("int8", ("O", "C/groups", "kh", "kw")),
            "zero": TensorSpec("int16", ("C",)),
        },
    ),
    "pa_conv": Kind(
        operands=(1, 1),
        attributes={
            **_WINDOW,
            "scheme": one_of("pa"),
            "m": integer(1, 255),
            "n": integer(1, 255),
            "phi_bits": integer(2, 31),
            "act_bits": integer(1, 48),
            "act_signed": flag,
        },
        tensors={
            "codes": TensorSpec("uint8", ("O", "C", "kh", "kw")),
            "phi": TensorSpec("int32", ("M+1", "N+1")),
            "scale": TensorSpec("float64", (1,)),
            "range": TensorSpec("int64", ("C", 2)),
            "thresholds": TensorSpec("int64", ("C", "N")),
            "flip": TensorSpec("bool", ("C",)),
        },
    ),
    "rescale": Kind(
        operands=(1, 1),
        tensors={
            "mult": TensorSpec("int64", ("O",)),
            "bias": TensorSpec("int64", ("O",)),
            "shift": TensorSpec("int64", ()),
        },
    ),
    "add": Kind(
        operands=(1, None),
        attributes={"bits": integer(1, 48), "signed": flag},
        tensors={"scale": TensorSpec("float64", (1,))},
    ),
    "concat": Kind(
        operands=(1, None),
        attributes={"bits": integer(1, 48), "signed": flag},
        tensors={"scale": TensorSpec("float64", ("O",), uniform=True)},
    ),
    "max_pool": Kind(operands=(1, 1), attributes=_WINDOW),
    "avg_pool": Kind(operands=(1, 1), attributes=_WINDOW),
    "global_avg_pool": Kind(operands=(1, 1)),
    "linear8": Kind(
        operands=(1, 1),
        tensors={
            "weight": TensorSpec("int8", ("O", "C")),
            "zero": TensorSpec("int16", ("C",)),
        },
    ),
}


def parse_attributes(name: str, kind: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Check the attributes of node ``name``; lists become tuples, what was left out its default."""
    known = KINDS[kind].attributes
    raw = {**KINDS[kind].defaults, **raw}
    for key in raw:
        if key not in known:
            raise ArtifactError(f"{name}: a {kind} has no attribute {key!r}")
    for key in known:
        if key not in raw:
            raise ArtifactError(f"{name}: attribute {key!r} is missing")
    return {key: check(f"{name}: {key}", raw[key]) for key, check in known.items()}


def symbols(
    attributes: Mapping[str, Any], shape_in: tuple[int, int, int], shape_out: tuple[int, int, int]
) -> dict[str, int]:
    """The numbers behind the symbols that :class:`TensorSpec` uses."""
    table = {"C": shape_in[0], "O": shape_out[0]}
    table["C/groups"] = shape_in[0] // attributes.get("groups", 1)
    if "kernel" in attributes:
        table["kh"], table["kw"] = attributes["kernel"]
    if "m" in attributes:
        table |= {"M+1": attributes["m"] + 1, "N+1": attributes["n"] + 1, "N": attributes["n"]}
    return table
