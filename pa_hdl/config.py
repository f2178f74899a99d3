"""The one description of an engine that generator, simulator and reports share."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from pa_hdl.geometry import WindowConfig, ceil_div, check_boolean, check_integer

__all__ = [
    "BASES",
    "DATAPATHS",
    "TARGETS",
    "EngineConfig",
    "ceil_div",
    "signed_bits",
    "unsigned_bits",
]

BASES = ("onehot", "thermometer")
"""Ways to spell an activation code in bits; both give the same accumulators."""

DATAPATHS = ("popcount", "compressor", "lookup", "gated", "shared", "inside")
"""Names of the interchangeable dot products (:data:`pa_hdl.dot.DATAPATHS` holds the hardware)."""

TARGETS = ("generic", "xc7", "ecp5", "ice40")
"""Device families whose cells may be placed; ``"generic"`` places none."""


def unsigned_bits(highest: int) -> int:
    """Bits that hold ``0..highest``; 0 bits hold the constant 0."""
    return highest.bit_length()


def signed_bits(lowest: int, highest: int) -> int:
    """Bits of the narrowest two's complement number that holds ``lowest..highest``, at least 1."""
    return max((~lowest if lowest < 0 else lowest).bit_length(), highest.bit_length()) + 1


def _choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class EngineConfig(WindowConfig):
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
    target : :class:`str`
        Device family, one of :data:`TARGETS`.
    mask_code : :class:`bool`
        Whether padding and surplus lanes have an activation code of their own, ``n + 1``, whose
        products are 0: needed where those of code 0 are not.
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

    m: int
    n: int
    phi_bits: int = 8
    base: str = "onehot"
    datapath: str = "popcount"
    target: str = "generic"
    mask_code: bool = False
    loadable: bool = True
    acc_min: int | None = None
    acc_max: int | None = None
    dilation: int = 1

    def __post_init__(self) -> None:
        for name in ("dilation", "groups"):
            if getattr(self, name) != 1 or isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be 1, not {getattr(self, name)!r}: not supported")
        super().__post_init__()
        for name, lowest, highest in (("m", 1, 255), ("n", 1, 255), ("phi_bits", 2, 32)):
            check_integer(name, getattr(self, name), lowest, highest)
        check_boolean("loadable", self.loadable)
        check_boolean("mask_code", self.mask_code)
        _choice("base", self.base, BASES)
        _choice("datapath", self.datapath, DATAPATHS)
        _choice("target", self.target, TARGETS)
        if self.loadable and self.mask_code:
            raise ValueError("mask_code must be False for a loadable engine, not True")
        self._check_acc()
        if self.loadable and self.threshold_bits > 32:
            raise ValueError(
                "act_bits of a loadable engine must leave thresholds in one 32-bit word: "
                f"at most {30 + self.act_signed}, not {self.act_bits!r}"
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
            check_integer(name, getattr(self, name), lowest, highest)

    @property
    def phi_limit(self) -> int:
        """Largest magnitude of an entry of phi."""
        return (1 << (self.phi_bits - 1)) - 1

    @property
    def code_bits(self) -> int:
        """Bits of an activation code ``0..n``, and of the code of masked elements."""
        return unsigned_bits(self.n + self.mask_code)

    @property
    def blank_code(self) -> int:
        """Activation code of padding and of surplus lanes."""
        return self.n + 1 if self.mask_code else 0

    @property
    def weight_code_bits(self) -> int:
        """Bits of a weight code ``0..m``."""
        return unsigned_bits(self.m)

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
            parameters = LayerParameters.from_node(node)
            options["acc_min"], options["acc_max"] = parameters.acc_range()
            options["mask_code"] = bool(parameters.phi[:, 0].any())
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
