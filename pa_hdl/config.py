"""The one description of an engine that generator, simulator and reports share."""

from dataclasses import asdict, dataclass, fields
from typing import Any

__all__ = ["BASES", "DATAPATHS", "EngineConfig", "ceil_div", "signed_bits", "unsigned_bits"]

BASES = ("onehot", "thermometer")
"""Ways to spell an activation code in bits; both give the same accumulators."""

DATAPATHS = ("popcount",)
"""Names of the interchangeable dot products (:data:`pa_hdl.dot.DATAPATHS` holds the hardware)."""


def ceil_div(dividend: int, divisor: int) -> int:
    """Quotient of two positive integers, rounded up."""
    return -(-dividend // divisor)


def unsigned_bits(highest: int) -> int:
    """Bits that hold ``0..highest``; 0 bits hold the constant 0."""
    return highest.bit_length()


def signed_bits(lowest: int, highest: int) -> int:
    """Bits of the narrowest two's complement number that holds ``lowest..highest``, at least 1."""
    return max((~lowest if lowest < 0 else lowest).bit_length(), highest.bit_length()) + 1


def _integer(name: str, value: Any, lowest: int, highest: int | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < lowest or (highest is not None and value > highest):
        allowed = f"at least {lowest}" if highest is None else f"{lowest} to {highest}"
        raise ValueError(f"{name} must be {allowed}, not {value!r}")
    return value


def _integers(name: str, value: Any, count: int, lowest: int) -> tuple[int, ...]:
    if not isinstance(value, tuple | list) or len(value) != count:
        raise TypeError(f"{name} must be {count} integers, not {value!r}")
    return tuple(_integer(name, item, lowest) for item in value)


def _choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """Shape, number formats and parallelism of one convolution engine.

    Holds no hardware: everything is validated, and every width derived, here and once.

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
    m, n : :class:`int`
        Weight and activation bases, 1 to 255.
    simd, pe : :class:`int`
        Input elements, and output channels, worked on in one cycle. They need not divide the
        channels: surplus lanes are masked.
    phi_bits : :class:`int`
        Width of one merged coefficient of the one-hot table, 2 to 32.
    act_bits, act_signed : :class:`int`, :class:`bool`
        Number format of an input element, 1 to 48 bits.
    base : :class:`str`
        ``"onehot"`` or ``"thermometer"`` activation bases.
    datapath : :class:`str`
        Hardware of the dot product, one of :data:`DATAPATHS`.
    loadable : :class:`bool`
        Whether weights, phi and thresholds arrive through a configuration stream.
    acc_min, acc_max : :class:`int` or ``None``
        Exact bound of the accumulators of a baked engine, 0 included. ``None`` stands for the
        bound that holds for any weights and phi.
    dilation, groups : :class:`int`
        Only 1 is possible; present so that anything else is refused by name.

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
    m: int
    n: int
    simd: int
    pe: int
    phi_bits: int = 8
    act_bits: int = 8
    act_signed: bool = False
    base: str = "onehot"
    datapath: str = "popcount"
    loadable: bool = True
    acc_min: int | None = None
    acc_max: int | None = None
    dilation: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels", "height", "width", "simd", "pe"):
            _integer(name, getattr(self, name), 1)
        for name, count, lowest in (("kernel", 2, 1), ("stride", 2, 1), ("pad", 4, 0)):
            object.__setattr__(self, name, _integers(name, getattr(self, name), count, lowest))
        for name, lowest, highest in (
            ("m", 1, 255),
            ("n", 1, 255),
            ("phi_bits", 2, 32),
            ("act_bits", 1, 48),
        ):
            _integer(name, getattr(self, name), lowest, highest)
        for name in ("act_signed", "loadable"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False, not {getattr(self, name)!r}")
        _choice("base", self.base, BASES)
        _choice("datapath", self.datapath, DATAPATHS)
        for name in ("dilation", "groups"):
            if getattr(self, name) != 1 or isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be 1, not {getattr(self, name)!r}: not supported")
        self._check_kernel()
        self._check_acc()
        if self.loadable and self.threshold_bits > 32:
            raise ValueError(
                "act_bits of a loadable engine must leave thresholds in one 32-bit word: "
                f"at most {30 + self.act_signed}, not {self.act_bits!r}"
            )

    def _check_kernel(self) -> None:
        top, bottom, left, right = self.pad
        for name, size, padded in (
            ("height", self.kernel[0], self.height + top + bottom),
            ("width", self.kernel[1], self.width + left + right),
        ):
            if size > padded:
                raise ValueError(
                    f"kernel {name} must be at most the padded image's {padded}, not {size!r}"
                )

    def _check_acc(self) -> None:
        if self.acc_min is None and self.acc_max is None:
            return
        if self.loadable:
            raise ValueError(
                "acc_min and acc_max must be None for a loadable engine, "
                f"not {self.acc_min!r} and {self.acc_max!r}"
            )
        limit = self.taps * self.phi_limit
        for name, lowest, highest in (("acc_min", -limit, 0), ("acc_max", 0, limit)):
            _integer(name, getattr(self, name), lowest, highest)

    @property
    def taps(self) -> int:
        """Products summed in one output element."""
        return self.in_channels * self.kernel[0] * self.kernel[1]

    @property
    def phi_limit(self) -> int:
        """Largest magnitude of an entry of phi."""
        return (1 << (self.phi_bits - 1)) - 1

    @property
    def in_folds(self) -> int:
        """Beats of input channels: ``ceil(in_channels / simd)``."""
        return ceil_div(self.in_channels, self.simd)

    @property
    def out_folds(self) -> int:
        """Beats of output channels: ``ceil(out_channels / pe)``."""
        return ceil_div(self.out_channels, self.pe)

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
        return self.kernel[0] * self.kernel[1] * self.in_folds

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

    @property
    def code_bits(self) -> int:
        """Bits of an activation code ``0..n``."""
        return unsigned_bits(self.n)

    @property
    def weight_code_bits(self) -> int:
        """Bits of a weight code ``0..m``."""
        return unsigned_bits(self.m)

    @property
    def act_range(self) -> tuple[int, int]:
        """Lowest and highest input element."""
        if self.act_signed:
            return -(1 << (self.act_bits - 1)), (1 << (self.act_bits - 1)) - 1
        return 0, (1 << self.act_bits) - 1

    @property
    def threshold_bits(self) -> int:
        """Signed width of a threshold: one beyond the input's range at either end."""
        lowest, highest = self.act_range
        return signed_bits(lowest - 1, highest + 1)

    @property
    def acc_range(self) -> tuple[int, int]:
        """Lowest and highest accumulator, at any moment of the sum."""
        if self.acc_min is None or self.acc_max is None:
            return -self.taps * self.phi_limit, self.taps * self.phi_limit
        return self.acc_min, self.acc_max

    @property
    def acc_bits(self) -> int:
        """Signed width of an accumulator."""
        return signed_bits(*self.acc_range)

    @property
    def coefficient_bits(self) -> int:
        """Signed width of a coefficient of the chosen base (differences need one more bit)."""
        return self.phi_bits + (self.base == "thermometer")

    @property
    def weight_word_bits(self) -> int:
        """Width of the weight memory: one code for each PE and SIMD lane."""
        return self.pe * self.simd * self.weight_code_bits

    @property
    def threshold_word_bits(self) -> int:
        """Width of the threshold memory: ``n`` thresholds and a flip bit for each SIMD lane."""
        return self.simd * (self.n * self.threshold_bits + 1)

    @classmethod
    def from_node(cls, node: Any, *, simd: int, pe: int, **options: Any) -> "EngineConfig":
        """Configuration of a ``pa_conv`` node of a ``.pa`` artifact.

        Parameters
        ----------
        node : :class:`pa_artifact.Node`
            Validated node.
        simd, pe : :class:`int`
            Parallelism.
        options
            Other fields that the node does not decide, such as ``base``. A baked engine
            (``loadable=False``, the default here) takes the exact accumulator bound of the node.

        Raises
        ------
        ValueError
            If the node is not a PA convolution.
        """
        from pa_hdl.parameters import LayerParameters

        if node.kind != "pa_conv":
            raise ValueError(f"layer {node.name!r} must be a pa_conv, not {node.kind!r}")
        channels, height, width = node.shape_in
        options.setdefault("loadable", False)
        if not options["loadable"]:
            options["acc_min"], options["acc_max"] = LayerParameters.from_node(node).acc_range()
        return cls(
            in_channels=channels,
            out_channels=node.shape_out[0],
            height=height,
            width=width,
            simd=simd,
            pe=pe,
            **{
                name: node.attributes[name]
                for name in ("kernel", "stride", "pad", "m", "n", "phi_bits", "act_bits")
            },
            act_signed=node.attributes["act_signed"],
            **options,
        )

    def as_json(self) -> dict[str, Any]:
        """Every field, as JSON holds it: ``EngineConfig(**config.as_json()) == config``."""
        values = asdict(self)
        return {
            field.name: list(value) if isinstance(value := values[field.name], tuple) else value
            for field in fields(self)
        }
