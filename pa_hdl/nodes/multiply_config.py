"""The one description of a convolution of integer weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pa_hdl.config import signed_bits
from pa_hdl.geometry import WindowConfig, check_integer
from pa_hdl.parameters import pack_rows

__all__ = ["MultiplyConfig"]

_WIDEST = 1 << 62
"""Sums below it are exact in the models' 64-bit integers."""


@dataclass(frozen=True, kw_only=True)
class MultiplyConfig(WindowConfig):
    """Shape, number formats and parallelism of one convolution of integer weights.

    A window's elements are ``x - zero``; the line buffer holds these differences.

    Parameters
    ----------
    Those of :class:`~pa_hdl.geometry.WindowConfig`; ``simd`` and ``pe`` divide the channels.
    weight_bits : :class:`int`
        Signed width of a weight, 1 to 16.
    zero : sequence of :class:`int`, optional
        What is subtracted from each input channel; nothing by default.
    act_ranges : sequence of pairs of :class:`int`, optional
        Lowest and highest element that each input channel can have; by default those of the number
        format.
    acc_min, acc_max : :class:`int` or ``None``
        Exact bound of the accumulators, 0 included. ``None`` stands for the bound that holds for
        any weights.

    Raises
    ------
    TypeError, ValueError
        Quoting the value that is wrong and what is allowed.
    """

    weight_bits: int = 8
    zero: tuple[int, ...] = ()
    act_ranges: tuple[tuple[int, int], ...] = ()
    acc_min: int | None = None
    acc_max: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("weight_bits", self.weight_bits, 1, 16)
        for name, channels in (("simd", self.in_channels), ("pe", self.out_channels)):
            if channels % getattr(self, name):
                raise ValueError(
                    f"{name} must divide {channels} channels, not {getattr(self, name)!r}"
                )
        low, high = self.act_range
        zero = tuple(self.zero) or (0,) * self.in_channels
        ranges = tuple((a, b) for a, b in self.act_ranges) or ((low, high),) * self.in_channels
        for name, values in (("zero", zero), ("act_ranges", ranges)):
            if len(values) != self.in_channels:
                raise ValueError(
                    f"{name} must be given for {self.in_channels} channels, not {len(values)}"
                )
            object.__setattr__(self, name, values)
        for value in zero:
            check_integer("zero", value, -(1 << 48), 1 << 48)
        for lowest, highest in ranges:
            check_integer("lowest of act_ranges", lowest, low, high)
            check_integer("highest of act_ranges", highest, lowest, high)
        limit = self._acc_limit
        if limit >= _WIDEST:
            raise ValueError(f"accumulators must stay below 2^62, not reach {limit!r}")
        if (self.acc_min, self.acc_max) != (None, None):
            check_integer("acc_min", self.acc_min, -limit, 0)
            check_integer("acc_max", self.acc_max, 0, limit)

    @property
    def _acc_limit(self) -> int:
        low, high = self.code_range
        return self.taps * max(-low, high) << (self.weight_bits - 1)

    def code_ranges(self) -> NDArray[np.int64]:
        """Lowest and highest ``x - zero`` of each input channel (C, 2), 0 included."""
        differences = np.array(self.act_ranges, np.int64) - np.array(self.zero, np.int64)[:, None]
        lowest, highest = np.minimum(differences[:, 0], 0), np.maximum(differences[:, 1], 0)
        return np.stack([lowest, highest], axis=1)

    @property
    def code_range(self) -> tuple[int, int]:
        """Lowest and highest ``x - zero`` of any channel; at least ``0..1``."""
        ranges = self.code_ranges()
        return int(ranges[:, 0].min()), max(1, int(ranges[:, 1].max()))

    @property
    def code_signed(self) -> bool:
        """Whether ``x - zero`` can be negative."""
        return self.code_range[0] < 0

    @property
    def code_bits(self) -> int:
        """Bits of ``x - zero``."""
        low, high = self.code_range
        return signed_bits(low, high) if low < 0 else high.bit_length()

    @property
    def acc_range(self) -> tuple[int, int]:
        """Lowest and highest accumulator, at any moment of the sum."""
        if self.acc_min is None or self.acc_max is None:
            return -self._acc_limit, self._acc_limit
        return self.acc_min, self.acc_max

    @property
    def acc_bits(self) -> int:
        """Signed width of an accumulator."""
        return signed_bits(*self.acc_range)

    @property
    def product_range(self) -> tuple[int, int]:
        """Lowest and highest product of a weight and ``x - zero``."""
        (low, high), limit = self.code_range, 1 << (self.weight_bits - 1)
        return min(-limit * high, (limit - 1) * low), max((limit - 1) * high, -limit * low)

    @property
    def products(self) -> int:
        """Products that are summed for one PE in one cycle."""
        return 1 if self.lanewise else self.simd

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of all weights: O, C / groups, kh, kw."""
        return self.out_channels, self.in_channels // self.groups, *self.kernel

    def exact_acc_range(self, weight: NDArray[Any]) -> tuple[int, int]:
        """Lowest and highest accumulator of these weights, while any tap may be 0."""
        shape = (*self.weight_shape[:2], -1)
        positive = np.maximum(weight, 0).reshape(shape).sum(axis=2, dtype=np.int64)
        negative = np.minimum(weight, 0).reshape(shape).sum(axis=2, dtype=np.int64)
        ranges = self.code_ranges().reshape(self.groups, 1, -1, 2)
        members = (self.groups, self.out_channels // self.groups, -1)
        positive, negative = positive.reshape(members), negative.reshape(members)
        low, high = ranges[..., 0], ranges[..., 1]
        lowest = (positive * low + negative * high).sum(axis=2)
        highest = (positive * high + negative * low).sum(axis=2)
        return int(lowest.min()), int(highest.max())

    def weight_words(self, weight: NDArray[Any]) -> list[int]:
        """Words of the weight memory: output fold, ky, kx, input fold; in each PE by PE, SIMD."""
        kh, kw = self.kernel
        folds = weight.reshape(
            self.out_folds, self.pe, self.folds_per_tap, self.products, kh, kw
        ).transpose(0, 4, 5, 2, 1, 3)
        return pack_rows(folds.reshape(self.folds_per_pixel, -1), self.weight_bits)
