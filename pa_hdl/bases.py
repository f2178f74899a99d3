"""Codes spelled out as bases, one bit an element and base (Eq. 16, 18)."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.config import BASES, unsigned_bits

__all__ = ["BaseDecoder", "decode"]


def decode(codes: Sequence[int], count: int, base: str = "onehot") -> list[int]:
    """Words of the bases 1 to `count` of some codes, lane 0 least significant."""
    onehot = base == "onehot"
    return [
        sum(int(code == b if onehot else code >= b) << lane for lane, code in enumerate(codes))
        for b in range(1, count + 1)
    ]


class BaseDecoder(wiring.Component):
    """Decode codes into bases, one word of codes per cycle, one cycle late.

    Base ``b``, 1 to `count`, is set for an element whose code equals ``b`` (one-hot) or reaches
    ``b`` (thermometer).

    Parameters
    ----------
    lanes : :class:`int`
        Elements of a word.
    count : :class:`int`
        Bases; codes are ``0..count``.
    base : :class:`str`
        ``"onehot"`` or ``"thermometer"``.

    Members
    -------
    i : codes, lane by lane
    o : one word of `lanes` bits for each base, base 1 first

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    latency = 1

    def __init__(self, *, lanes: int, count: int, base: str = "onehot") -> None:
        if base not in BASES:
            raise ValueError(f"base must be one of {', '.join(BASES)}, not {base!r}")
        for name, value in (("lanes", lanes), ("count", count)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        self.lanes = lanes
        self.count = count
        self.base = base
        super().__init__(
            {
                "i": In(data.ArrayLayout(unsigned_bits(count), lanes)),
                "o": Out(data.ArrayLayout(lanes, count)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.lanes, self.count, self.base)

    @property
    def module_name(self) -> str:
        return f"{self.base}_{self.count}x{self.lanes}"

    def model(self, codes: Sequence[int]) -> list[int]:
        """Words of the bases 1 to `count`, lane 0 least significant."""
        return decode(codes, self.count, self.base)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for index in range(self.count):
            word = Signal(self.lanes, name=f"base_{index + 1}", reset_less=True)
            for lane in range(self.lanes):
                code = self.i[lane]
                hit = code == index + 1 if self.base == "onehot" else code >= index + 1
                m.d.sync += word[lane].eq(hit)
            m.d.comb += self.o[index].eq(word)
        return m
