"""Shape and parallelism of whatever slides a window over an image, with every count derived."""

from dataclasses import dataclass, fields
from typing import Any

__all__ = [
    "ConvGeometry",
    "WindowConfig",
    "ceil_div",
    "check_boolean",
    "check_integer",
    "check_integers",
]


def ceil_div(dividend: int, divisor: int) -> int:
    """Quotient of two positive integers, rounded up."""
    return -(-dividend // divisor)


def check_integer(name: str, value: Any, lowest: int, highest: int | None = None) -> int:
    """An integer of a range, or an error that quotes it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < lowest or (highest is not None and value > highest):
        allowed = f"at least {lowest}" if highest is None else f"{lowest} to {highest}"
        raise ValueError(f"{name} must be {allowed}, not {value!r}")
    return value


def check_integers(name: str, value: Any, count: int, lowest: int) -> tuple[int, ...]:
    """As many integers as asked for, or an error that quotes what is wrong."""
    if not isinstance(value, tuple | list) or len(value) != count:
        raise TypeError(f"{name} must be {count} integers, not {value!r}")
    return tuple(check_integer(name, item, lowest) for item in value)


def check_boolean(name: str, value: Any) -> None:
    """Refuse anything but ``True`` and ``False``."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class ConvGeometry:
    """Shape of a convolution or pooling, and how much of it is worked on in one cycle.

    Three kinds differ in which input folds an output fold reads at each tap. A dense one
    (``groups == 1``) reads all, and its lanes need not divide the channels: surplus lanes are
    masked. A grouped one reads those of its group. A *lanewise* one (``groups``, ``in_channels``
    and ``out_channels`` equal and more than 1) reads the one fold of its own channels.

    Parameters
    ----------
    in_channels, out_channels : :class:`int`
        Channels of the input and the output image.
    height, width : :class:`int`
        Rows and columns of the input image.
    kernel, stride : pair of :class:`int`
        Rows and columns of the kernel, and of its step.
    pad : four :class:`int`
        Rows or columns of padding at top, bottom, left, right.
    simd, pe : :class:`int`
        Input elements, and output channels, worked on in one cycle; equal if lanewise.
    groups : :class:`int`
        Divides the channels; with more than one, ``simd`` and ``pe`` divide those of a group (of
        the image if lanewise).

    Raises
    ------
    TypeError, ValueError
        Quoting the value that is wrong and what is allowed.
    """

    in_channels: int
    out_channels: int
    height: int
    width: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (1, 1, 1, 1)
    simd: int
    pe: int
    groups: int = 1

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels", "height", "width", "simd", "pe", "groups"):
            check_integer(name, getattr(self, name), 1)
        for name, count, lowest in (("kernel", 2, 1), ("stride", 2, 1), ("pad", 4, 0)):
            checked = check_integers(name, getattr(self, name), count, lowest)
            object.__setattr__(self, name, checked)
        top, bottom, left, right = self.pad
        for name, size, padded in (
            ("height", self.kernel[0], self.height + top + bottom),
            ("width", self.kernel[1], self.width + left + right),
        ):
            if size > padded:
                raise ValueError(
                    f"kernel {name} must be at most the padded image's {padded}, not {size!r}"
                )
        if self.groups > 1:
            self._check_groups()

    def _check_groups(self) -> None:
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"groups must divide {self.in_channels} input and {self.out_channels} output "
                f"channels, not {self.groups!r}"
            )
        if self.lanewise and self.simd != self.pe:
            raise ValueError(
                f"simd and pe must be equal where each channel is by itself, "
                f"not {self.simd!r} and {self.pe!r}"
            )
        shared = 1 if self.lanewise else self.groups
        for name, channels in (("simd", self.in_channels), ("pe", self.out_channels)):
            if channels // shared % getattr(self, name):
                raise ValueError(
                    f"{name} must divide {channels // shared} channels, not {getattr(self, name)!r}"
                )

    @property
    def geometry(self) -> "ConvGeometry":
        """Nothing but the geometry: equal where only number formats differ."""
        return ConvGeometry(**{f.name: getattr(self, f.name) for f in fields(ConvGeometry)})

    @property
    def lanewise(self) -> bool:
        """Whether each output channel depends on the input channel of the same index only."""
        return self.groups > 1 and self.groups == self.in_channels == self.out_channels

    @property
    def taps(self) -> int:
        """Input elements that one output element depends on."""
        return self.in_channels // self.groups * self.kernel[0] * self.kernel[1]

    @property
    def in_folds(self) -> int:
        """Beats of an input pixel."""
        return ceil_div(self.in_channels, self.simd)

    @property
    def out_folds(self) -> int:
        """Beats of an output pixel."""
        return ceil_div(self.out_channels, self.pe)

    @property
    def fold_groups(self) -> int:
        """Groups of input folds that are read together."""
        return self.in_folds if self.lanewise else self.groups

    @property
    def folds_per_tap(self) -> int:
        """Input folds that an output fold reads at each tap."""
        return self.in_folds // self.fold_groups

    @property
    def out_folds_per_group(self) -> int:
        """Output folds, one behind the other, that read the same input folds."""
        return self.out_folds // self.fold_groups

    @property
    def out_height(self) -> int:
        """Rows of the output image."""
        return (self.height + self.pad[0] + self.pad[1] - self.kernel[0]) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        """Columns of the output image."""
        return (self.width + self.pad[2] + self.pad[3] - self.kernel[1]) // self.stride[1] + 1

    @property
    def folds_per_output(self) -> int:
        """Cycles that accumulate one output beat."""
        return self.kernel[0] * self.kernel[1] * self.folds_per_tap

    @property
    def folds_per_pixel(self) -> int:
        """Cycles of one output pixel, and words of the weight memory."""
        return self.out_folds * self.folds_per_output

    @property
    def folds_per_frame(self) -> int:
        """Cycles of one output image."""
        return self.out_height * self.out_width * self.folds_per_pixel

    @property
    def in_beats(self) -> int:
        """Beats of one input frame."""
        return self.height * self.width * self.in_folds

    @property
    def out_beats(self) -> int:
        """Beats of one output frame."""
        return self.out_height * self.out_width * self.out_folds

    def position(self, index: int) -> tuple[int, int, int]:
        """Row and column in the kernel, and input fold, of the fold of that index in a pixel."""
        out_fold, step = divmod(index, self.folds_per_output)
        tap, fold = divmod(step, self.folds_per_tap)
        start = out_fold // self.out_folds_per_group * self.folds_per_tap
        return *divmod(tap, self.kernel[1]), start + fold


@dataclass(frozen=True, kw_only=True)
class WindowConfig(ConvGeometry):
    """A geometry, and the number formats at its ends and in the line buffer between.

    Parameters
    ----------
    act_bits, act_signed : :class:`int`, :class:`bool`
        Number format of an input element, 1 to 48 bits.

    Raises
    ------
    TypeError, ValueError
        Quoting the value that is wrong and what is allowed.
    """

    act_bits: int = 8
    act_signed: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("act_bits", self.act_bits, 1, 48)
        check_boolean("act_signed", self.act_signed)

    @property
    def act_range(self) -> tuple[int, int]:
        """Lowest and highest input element."""
        if self.act_signed:
            return -(1 << (self.act_bits - 1)), (1 << (self.act_bits - 1)) - 1
        return 0, (1 << self.act_bits) - 1

    @property
    def code_bits(self) -> int:
        """Bits of an element in the line buffer."""
        raise NotImplementedError

    @property
    def blank_code(self) -> int:
        """What stands for padding there."""
        return 0

    @property
    def acc_bits(self) -> int:
        """Bits of an output element."""
        raise NotImplementedError

    @property
    def acc_signed(self) -> bool:
        """Whether an output element is a two's complement number."""
        return True
