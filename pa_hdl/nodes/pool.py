"""Maximum and sum over a window of each channel by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from pa_hdl.config import signed_bits, unsigned_bits
from pa_hdl.frame import encoder_members
from pa_hdl.geometry import WindowConfig
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.parameters import pack
from pa_hdl.popcount import delay
from pa_hdl.schedule import Schedule
from pa_hdl.windowed import WindowNode

__all__ = ["OPERATIONS", "OffsetCode", "Pool", "PoolConfig", "PoolLanes"]

OPERATIONS = ("max", "sum")
"""What a pool does to the elements of a window."""


@dataclass(frozen=True, kw_only=True)
class PoolConfig(WindowConfig):
    """Shape, number formats and parallelism of a pool.

    The line buffer holds elements such that 0 is neutral. For a maximum these are differences from
    the format's lowest value: its upper bit inverted where it is signed.

    Parameters
    ----------
    Those of :class:`~pa_hdl.geometry.WindowConfig`; every channel is by itself.
    operation : :class:`str`
        One of :data:`OPERATIONS`.

    Raises
    ------
    TypeError, ValueError
        Quoting the value that is wrong and what is allowed.
    """

    operation: str

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            allowed = ", ".join(OPERATIONS)
            raise ValueError(f"operation must be one of {allowed}, not {self.operation!r}")
        if not self.in_channels == self.out_channels == self.groups:
            raise ValueError(
                "in_channels, out_channels and groups of a pool must be equal, not "
                f"{self.in_channels!r}, {self.out_channels!r} and {self.groups!r}"
            )
        super().__post_init__()

    @classmethod
    def from_shape(cls, shape: StreamShape, **options: Any) -> "PoolConfig":
        """Configuration of a pool behind a stream."""
        return cls(
            in_channels=shape.channels,
            out_channels=shape.channels,
            groups=shape.channels,
            height=shape.height,
            width=shape.width,
            simd=shape.lanes,
            pe=shape.lanes,
            act_bits=shape.bits,
            act_signed=shape.signed,
            **options,
        )

    @property
    def code_bits(self) -> int:
        """Bits of an element in the line buffer."""
        return self.act_bits

    @property
    def acc_bits(self) -> int:
        """Bits of a maximum, or of the sum of a whole window."""
        if self.operation == "max":
            return self.act_bits
        low, high = (limit * self.taps for limit in self.act_range)
        return signed_bits(low, high) if self.act_signed else unsigned_bits(high)

    @property
    def acc_signed(self) -> bool:
        """Whether elements are two's complement numbers, at both ends."""
        return self.act_signed

    @property
    def code_flip(self) -> int:
        """Bits of an element that are inverted in the line buffer."""
        return 1 << (self.act_bits - 1) if self.operation == "max" and self.act_signed else 0


class OffsetCode(wiring.Component):
    """Elements as the line buffer holds them, one beat per cycle, one cycle late; never stalls.

    Padding becomes 0.

    Parameters
    ----------
    config : :class:`PoolConfig`
        The pool.

    Members
    -------
    valid, act, padding, fold : a beat; ``fold`` is the index of its channels
    o_valid, codes : :attr:`LATENCY` cycles later
    """

    LATENCY = 1

    def __init__(self, *, config: PoolConfig) -> None:
        self.config = config
        super().__init__(encoder_members(config))

    @property
    def module_key(self) -> tuple[Any, ...]:
        config = self.config
        formats = (config.act_bits, config.act_signed, config.code_flip)
        return (config.in_folds, config.simd, *formats)

    @property
    def module_name(self) -> str:
        return "offset_code"

    def model(self, acts: Sequence[int], padding: bool = False) -> list[int]:
        """Codes of one beat."""
        mask = (1 << self.config.code_bits) - 1
        return [0 if padding else (act ^ self.config.code_flip) & mask for act in acts]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        flips = pack([config.code_flip] * config.simd, config.code_bits)
        codes = Signal.like(self.codes, reset_less=True)
        m.d.sync += codes.as_value().eq(Mux(self.padding, 0, self.act.as_value() ^ flips))
        m.d.comb += [
            self.codes.eq(codes),
            self.o_valid.eq(delay(m, "valid", self.valid, self.LATENCY, reset=True)),
        ]
        return m


class PoolLanes(wiring.Component):
    """Maximum or sum of each lane, one fold per cycle.

    Parameters
    ----------
    config : :class:`PoolConfig`
        The pool.

    Members
    -------
    valid, first, last : one fold arrives; it is the first, the last of an output element
    act : codes of the lanes
    o_valid, acc : one result for each lane, :attr:`LATENCY` cycles after its last fold
    """

    LATENCY = 2

    def __init__(self, *, config: PoolConfig) -> None:
        self.config = config
        acc = Shape(config.acc_bits, config.acc_signed)
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "act": In(data.ArrayLayout(config.code_bits, config.simd)),
                "o_valid": Out(1),
                "acc": Out(data.ArrayLayout(acc, config.pe)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        config = self.config
        formats = (config.act_bits, config.act_signed, config.acc_bits)
        return (config.operation, config.simd, *formats)

    @property
    def module_name(self) -> str:
        return f"pool_{self.config.operation}"

    def model(self, folds: Sequence[Sequence[int]]) -> list[int]:
        """Result of each lane after folds of codes."""
        config = self.config
        codes = np.array(folds, np.int64)
        if config.operation == "max":
            return (codes.max(axis=0) + config.act_range[0]).tolist()
        half = config.act_range[1] + 1 if config.act_signed else 0
        return ((codes ^ half) - half).sum(axis=0).tolist()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        valid = delay(m, "valid", self.valid, 1, reset=True)
        first = delay(m, "first", self.first, 1)
        last = delay(m, "last", self.last, 1)
        o_valid = Signal()
        m.d.sync += o_valid.eq(valid & last)
        m.d.comb += self.o_valid.eq(o_valid)

        def add_lane(lane: int) -> None:
            code = Signal(config.code_bits, name=f"code_{lane}", reset_less=True)
            m.d.sync += code.eq(self.act[lane])
            if config.operation == "max":
                best = Signal(config.code_bits, name=f"best_{lane}", reset_less=True)
                with m.If(valid & (first | (code > best))):
                    m.d.sync += best.eq(code)
                m.d.comb += self.acc[lane].eq(best ^ config.code_flip)
            else:
                element: Value = code.as_signed() if config.act_signed else code
                total = Signal.like(self.acc[lane], name=f"total_{lane}", reset_less=True)
                with m.If(valid):
                    m.d.sync += total.eq(Mux(first, 0, total) + element)
                m.d.comb += self.acc[lane].eq(total)

        for lane in range(config.pe):
            add_lane(lane)
        return m


class Pool(WindowNode):
    """Maximum or sum of each channel over a window, on a stream of frames, one fold per cycle.

    A :class:`~pa_hdl.windowed.WindowNode`. Padding, and the missing beats of a frame that is too
    short, are the format's lowest value for a maximum and 0 for a sum.

    Parameters
    ----------
    shape : :class:`~pa_hdl.nodes.stream.StreamShape`
        The frames; their lanes are worked on in one cycle.
    operation : :class:`str`
        ``"max"``, in the format of the input, or ``"sum"``, as wide as any sum needs.
    kernel, stride : pair of :class:`int`
        Rows and columns of the window, and of its step.
    pad : four :class:`int`
        Rows or columns of padding at top, bottom, left, right.

    Members
    -------
    Those of :class:`~pa_hdl.windowed.WindowNode`.

    Raises
    ------
    TypeError, ValueError
        Quoting the value that is wrong and what is allowed.
    """

    module_name = "pool"

    def __init__(
        self,
        *,
        shape: StreamShape,
        operation: str,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pad: tuple[int, int, int, int],
    ) -> None:
        if not isinstance(shape, StreamShape):
            raise TypeError(f"shape of a pool must be a StreamShape, not {shape!r}")
        config = PoolConfig.from_shape(
            shape, operation=operation, kernel=kernel, stride=stride, pad=pad
        )
        schedule = Schedule(config, code_latency=OffsetCode.LATENCY, dot_latency=PoolLanes.LATENCY)
        super().__init__(config, schedule=schedule)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config,)

    def model(self, image: NDArray[np.int64]) -> NDArray[np.int64]:
        """Results (C, Ho, Wo) of an image (C, H, W)."""
        config = self.config
        (sh, sw), (top, bottom, left, right) = config.stride, config.pad
        largest = config.operation == "max"
        blank = config.act_range[0] if largest else 0
        sides = ((0, 0), (top, bottom), (left, right))
        padded = np.pad(image.astype(np.int64), sides, constant_values=blank)
        taps = [
            padded[:, ky:, kx:][:, ::sh, ::sw][:, : config.out_height, : config.out_width]
            for ky in range(config.kernel[0])
            for kx in range(config.kernel[1])
        ]
        return np.max(taps, axis=0) if largest else np.sum(taps, axis=0)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._place(
            m,
            platform,
            encoder=("codes", OffsetCode(config=self.config)),
            arithmetic=("lanes", PoolLanes(config=self.config)),
        )
        return m
