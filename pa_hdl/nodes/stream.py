"""What passes from one node of a network to the next."""

from dataclasses import dataclass

from amaranth.hdl import Shape
from amaranth.lib import data

__all__ = ["StreamShape"]


@dataclass(frozen=True, kw_only=True)
class StreamShape:
    """Frames of one stream: raster order, channels innermost, ``lanes`` channels a beat.

    Lane 0 is least significant and holds the lowest channel; ``last`` is set with a frame's last
    beat.

    Parameters
    ----------
    channels, height, width : :class:`int`
        The image.
    lanes : :class:`int`
        Channels a beat; divides ``channels``.
    bits, signed : :class:`int`, :class:`bool`
        Number format of an element.

    Raises
    ------
    TypeError, ValueError
        Quoting the value that is wrong.
    """

    channels: int
    height: int
    width: int
    lanes: int
    bits: int
    signed: bool

    def __post_init__(self) -> None:
        for name in ("channels", "height", "width", "lanes", "bits"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} of a stream must be an integer, not {value!r}")
            if value < 1:
                raise ValueError(f"{name} of a stream must be at least 1, not {value!r}")
        if not isinstance(self.signed, bool):
            raise TypeError(f"signed of a stream must be True or False, not {self.signed!r}")
        if self.channels % self.lanes:
            raise ValueError(
                f"lanes of a stream must divide its {self.channels} channels, not {self.lanes!r}"
            )

    @property
    def folds(self) -> int:
        """Beats of one pixel."""
        return self.channels // self.lanes

    @property
    def beats(self) -> int:
        """Beats of one frame."""
        return self.height * self.width * self.folds

    @property
    def element(self) -> Shape:
        """Number format of an element."""
        return Shape(self.bits, self.signed)

    @property
    def layout(self) -> data.StructLayout:
        """Payload of a beat."""
        return data.StructLayout({"data": data.ArrayLayout(self.element, self.lanes), "last": 1})

    @property
    def range(self) -> tuple[int, int]:
        """Lowest and highest element."""
        if self.signed:
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1
