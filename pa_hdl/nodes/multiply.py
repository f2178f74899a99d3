# amaranth: UnusedElaboratable=no
# Analyses ask engines for their cycles without elaborating them.
"""Convolutions of 8-bit weights: dense, grouped, one channel by itself, and fully connected."""

from typing import Any

import numpy as np
from amaranth.hdl import Module
from numpy.typing import NDArray

from pa_hdl.memory import Ram
from pa_hdl.nodes.multiply_config import MultiplyConfig
from pa_hdl.nodes.multiply_dot import MultiplyDot, ZeroPoint
from pa_hdl.schedule import Schedule
from pa_hdl.window import Window
from pa_hdl.windowed import WindowNode

__all__ = ["MultiplyEngine"]


class MultiplyEngine(WindowNode):
    """``acc = sum weight * (x - zero)`` over a window, on a stream of frames, one fold per cycle.

    A :class:`~pa_hdl.windowed.WindowNode` with PE x SIMD multipliers (PE if lanewise). On padding,
    and where a frame is too short, ``x - zero`` is 0.

    Parameters
    ----------
    config : :class:`~pa_hdl.nodes.multiply_config.MultiplyConfig`
        Shape, formats and parallelism.
    weight : array (O, C / groups, kh, kw)
        Signed weights.

    Members
    -------
    Those of :class:`~pa_hdl.windowed.WindowNode`.

    Raises
    ------
    TypeError, ValueError
        If the weights do not suit the configuration.
    """

    module_name = "multiply_engine"

    def __init__(self, *, config: MultiplyConfig, weight: NDArray[Any]) -> None:
        if not isinstance(config, MultiplyConfig):
            raise TypeError(f"Engine configuration must be a MultiplyConfig, not {config!r}")
        self.weight = np.asarray(weight)
        _check_weight(config, self.weight)
        schedule = Schedule(
            config,
            code_latency=ZeroPoint.latency(config),
            dot_latency=MultiplyDot.latency(config),
        )
        super().__init__(config, schedule=schedule)

    @classmethod
    def from_node(
        cls,
        node: Any,
        *,
        simd: int,
        pe: int,
        act_bits: int,
        act_signed: bool,
        act_range: NDArray[np.int64] | None = None,
    ) -> "MultiplyEngine":
        """Engine of a ``conv8`` or ``linear8`` node of a ``.pa`` artifact.

        Parameters
        ----------
        node : :class:`pa_artifact.Node`
            Validated node.
        simd, pe : :class:`int`
            Parallelism; equal where each channel is by itself.
        act_bits, act_signed : :class:`int`, :class:`bool`
            Number format of the stream that it reads.
        act_range : array (C, 2), optional
            Lowest and highest value of each channel of that stream.

        Raises
        ------
        ValueError
            If the node is of another kind, or its channels cannot be worked on like this.
        """
        if node.kind not in ("conv8", "linear8"):
            raise ValueError(f"layer {node.name!r} must be a conv8 or a linear8, not {node.kind!r}")
        weight = node.tensors["weight"]
        window = {"kernel": (1, 1), "stride": (1, 1), "pad": (0, 0, 0, 0), "groups": 1}
        window |= {name: node.attributes[name] for name in window if name in node.attributes}
        channels, height, width = node.shape_in
        options: dict[str, Any] = dict(
            in_channels=channels,
            out_channels=node.shape_out[0],
            height=height,
            width=width,
            simd=simd,
            pe=pe,
            act_bits=act_bits,
            act_signed=act_signed,
            zero=node.tensors["zero"].tolist(),
            act_ranges=() if act_range is None else act_range.tolist(),
            **window,
        )
        try:
            config = MultiplyConfig(**options)
            weight = weight.reshape(config.weight_shape)
            low, high = config.exact_acc_range(weight)
            return cls(config=MultiplyConfig(**options, acc_min=low, acc_max=high), weight=weight)
        except (TypeError, ValueError) as error:
            raise ValueError(f"layer {node.name!r}: {error}") from error

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.weight.astype(np.int16).tobytes())

    def model(self, image: NDArray[np.int64]) -> NDArray[np.int64]:
        """Accumulators (O, Ho, Wo) of an image (C, H, W)."""
        config = self.config
        (sh, sw), (top, bottom, left, right) = config.stride, config.pad
        codes = image.astype(np.int64) - np.array(config.zero, np.int64)[:, None, None]
        codes = np.pad(codes, ((0, 0), (top, bottom), (left, right)))
        rows, columns = config.out_height, config.out_width
        members = config.out_channels // config.groups
        weight = self.weight.astype(np.int64)
        weight = weight.reshape(config.groups, members, -1, *config.kernel)
        acc = np.zeros((config.groups, members, rows, columns), np.int64)
        for ky in range(config.kernel[0]):
            for kx in range(config.kernel[1]):
                taps = codes[:, ky : ky + sh * rows : sh, kx : kx + sw * columns : sw]
                taps = taps[:, :rows, :columns].reshape(config.groups, -1, rows, columns)
                acc += np.einsum("gmc,gcyx->gmyx", weight[..., ky, kx], taps)
        return acc.reshape(-1, rows, columns)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        weights = Ram(
            depth=config.folds_per_pixel,
            width=config.pe * config.products * config.weight_bits,
            init=config.weight_words(self.weight),
            latency=Window.WEIGHT_LATENCY,
            name="weights",
        )
        self._place(
            m,
            platform,
            encoder=("zero_point", ZeroPoint(config=config)),
            arithmetic=("dot", MultiplyDot(config=config)),
            weights=weights,
        )
        return m


def _check_weight(config: MultiplyConfig, weight: NDArray[Any]) -> None:
    if weight.dtype.kind not in "iu":
        raise TypeError(f"weight must hold integers, not {weight.dtype}")
    if weight.shape != config.weight_shape:
        raise ValueError(f"weight must have shape {config.weight_shape}, not {weight.shape}")
    limit = 1 << (config.weight_bits - 1)
    for value in (int(weight.min()), int(weight.max())):
        if not -limit <= value < limit:
            raise ValueError(f"weight must be {-limit} to {limit - 1}, not {value}")
    low, high = config.exact_acc_range(weight)
    if low < config.acc_range[0] or high > config.acc_range[1]:
        raise ValueError(
            f"acc_min and acc_max must include {low} to {high}, not {config.acc_range}"
        )
