"""What a network computes, in one spelling: the operations that hardware knows."""

from dataclasses import dataclass

__all__ = ["NO_PAD", "SUPPORTED", "Operation", "Pad", "UnsupportedError", "Window"]

SUPPORTED = (
    "Conv2d, PAConv2d, Linear, PALinear, BatchNorm2d, ReLU, ReLU6, addition, concatenation of "
    "channels, maximum and average pooling, flatten, zero padding, Dropout and Identity"
)
# Top, bottom, left, right.
Pad = tuple[int, int, int, int]
NO_PAD: Pad = (0, 0, 0, 0)


class UnsupportedError(ValueError):
    """A part of a model that hardware cannot compute; one line with its path."""

    def __init__(self, path: str, problem: str, supported: str = SUPPORTED) -> None:
        super().__init__(f"{path}: {problem} is not supported; supported: {supported}")


@dataclass(frozen=True)
class Window:
    """What a pooling layer moves over the image."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: Pad


@dataclass(frozen=True, eq=False, kw_only=True)
class Operation:
    """One operation on images, or on what is left of them after a flatten.

    Members
    -------
    kind : ``input``, ``conv``, ``linear``, ``norm``, ``relu``, ``add``, ``concat``, ``max_pool``,
        ``avg_pool``, ``adaptive_avg_pool``, ``flatten``, ``pad`` or ``output``
    path : of the module that it is, or is called in
    name : of the operation itself, unique where it has no parameters
    inputs : what it works on
    flat : the result is ``(batch, features)``
    cap : what a ``relu`` clips at, None for infinity
    window : of a pooling operation
    size : rows and columns of the result of an ``adaptive_avg_pool``
    pad : zeros that a ``pad`` puts around
    """

    kind: str
    path: str
    name: str
    inputs: tuple["Operation", ...] = ()
    flat: bool = False
    cap: float | None = None
    window: Window | None = None
    size: tuple[int, int] = (1, 1)
    pad: Pad = NO_PAD
