"""One convolution: accumulators of a PA layer from the activations at its input."""

from dataclasses import astuple
from typing import Any

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from pa_hdl import dot
from pa_hdl.comparators import Comparators
from pa_hdl.config import EngineConfig
from pa_hdl.emit import add_submodule
from pa_hdl.loader import Loader
from pa_hdl.memory import Ram
from pa_hdl.parameters import LayerParameters, blank_column
from pa_hdl.schedule import Schedule
from pa_hdl.window import Window
from pa_hdl.windowed import WindowNode

__all__ = ["Engine"]


class Engine(WindowNode):
    """Compute a PA convolution on a stream of frames, one fold per cycle.

    A :class:`~pa_hdl.windowed.WindowNode` whose encoder are comparators: only codes are buffered.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        Shape, formats and parallelism.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`, optional
        The layer to bake in; ``None`` for a loadable engine.

    Members
    -------
    i : activations, SIMD channels a beat, ``last`` with a frame's last beat
    o : accumulators, PE channels a beat, ``last`` with a frame's last beat
    frame_short, frame_long : a frame ended early, or late, since reset
    cfg : words of a load; only when loadable
    cfg_loaded, cfg_error : the last load was good, or was not; only when loadable

    Raises
    ------
    TypeError, ValueError
        If the parameters do not suit the configuration.
    """

    module_name = "engine"

    def __init__(self, config: EngineConfig, parameters: LayerParameters | None = None) -> None:
        if not isinstance(config, EngineConfig):
            raise TypeError(f"Engine configuration must be an EngineConfig, not {config!r}")
        if (parameters is None) != config.loadable:
            given = "none" if parameters is None else "some"
            raise ValueError(
                f"parameters must be given exactly when an engine is not loadable, not {given}"
            )
        if parameters is not None:
            parameters.check(config)
        dot.DATAPATHS[config.datapath].check(config, parameters)
        self.parameters = parameters
        members: dict[str, Any] = {}
        if config.loadable:
            word = data.StructLayout({"data": 32, "last": 1})
            members = {
                "cfg": In(stream.Signature(word)),
                "cfg_loaded": Out(1),
                "cfg_error": Out(1),
            }
        super().__init__(config, schedule=Schedule(config), members=members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        if self.parameters is None:
            return (self.config,)
        arrays = astuple(self.parameters)
        return (self.config, *(array.tobytes() for array in arrays))

    def model(self, image: NDArray[np.int64]) -> NDArray[np.int64]:
        """Accumulators (O, Ho, Wo) of an image (C, H, W), as sums over a table lookup a tap."""
        config, parameters = self.config, self.parameters
        if parameters is None:
            raise ValueError("a loadable engine has no parameters of its own")
        flip = parameters.flip[:, None, None, None]
        ordered = np.where(flip, ~image[:, None], image[:, None])
        bounds = np.where(flip[..., 0], ~parameters.thresholds[..., None], 0)
        bounds = np.where(flip[..., 0], bounds, parameters.thresholds[..., None])[..., None]
        codes = (ordered >= bounds).sum(axis=1)
        top, bottom, left, right = config.pad
        border = ((0, 0), (top, bottom), (left, right))
        codes = np.pad(codes, border, constant_values=config.blank_code)
        table = blank_column(config, parameters.phi)
        acc = np.zeros((config.out_channels, config.out_height, config.out_width), dtype=np.int64)
        for oy in range(config.out_height):
            for ox in range(config.out_width):
                y, x = oy * config.stride[0], ox * config.stride[1]
                taps = codes[:, y : y + config.kernel[0], x : x + config.kernel[1]]
                acc[:, oy, ox] = table[parameters.codes, taps[None]].sum(axis=(1, 2, 3))
        return acc

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, parameters = self.config, self.parameters
        comparators = Comparators(config=config, parameters=parameters)
        product = dot.create(config, parameters)
        weights = self._weights(product)
        guard, collector = self._place(
            m,
            platform,
            encoder=("comparators", comparators),
            arithmetic=("dot", product),
            weights=weights,
        )
        if config.loadable:
            self._add_loader(m, platform, guard, comparators, weights, product, collector)
        return m

    def _weights(self, product: Any) -> Ram | None:
        """The weight memory, unless the weights are part of the dot product."""
        config, parameters = self.config, self.parameters
        words = None if parameters is None else product.weight_words(config, parameters)
        if words is None and not config.loadable:
            return None
        return Ram(
            depth=config.folds_per_pixel,
            width=len(product.weight.as_value()),
            init=words,
            writable=config.loadable,
            latency=Window.WEIGHT_LATENCY,
            name="weights",
        )

    def _add_loader(
        self,
        m: Module,
        platform: Any,
        guard: Any,
        comparators: Any,
        weights: Any,
        product: Any,
        collector: Any,
    ) -> None:
        """Place the loader, and let it in between frames, when none is in flight."""
        loader = Loader(self.config)
        add_submodule(m, platform, "loader", loader)
        wiring.connect(m, wiring.flipped(self.cfg), loader.i)
        # Every frame in flight holds a row, or an output that is not complete yet.
        most = self.schedule.rows + self.schedule.credit_round_trip
        flying = Signal(range(most + 1))
        m.d.sync += flying.eq(flying + guard.started - collector.finished)
        # A register, so that s_axis_tready does not follow s_axis_cfg_tvalid within a cycle.
        hold = Signal(init=1)
        m.d.sync += hold.eq(loader.request | ~loader.loaded)
        m.d.comb += [
            guard.hold.eq(hold),
            loader.grant.eq(hold & loader.request & guard.idle & (flying == 0)),
            self.cfg_loaded.eq(loader.loaded),
            self.cfg_error.eq(loader.error),
            weights.write_en.eq(loader.weight_en),
            weights.write_addr.eq(loader.weight_addr),
            weights.write_data.eq(loader.weight_data),
            comparators.threshold_en.eq(loader.threshold_en),
            comparators.threshold_addr.eq(loader.threshold_addr),
            comparators.threshold_data.eq(loader.threshold_data),
            product.phi_en.eq(loader.phi_en),
            product.phi_index.eq(loader.phi_index),
            product.phi_data.eq(loader.phi_data),
        ]
