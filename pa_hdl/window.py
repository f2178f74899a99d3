"""Line buffer: every tap of every output pixel, in the order of the weights."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.emit import add_submodule
from pa_hdl.frame import advance
from pa_hdl.geometry import ConvGeometry, WindowConfig
from pa_hdl.memory import Ram
from pa_hdl.parameters import pack
from pa_hdl.popcount import delay
from pa_hdl.scan import PixelScan, TapScan

__all__ = ["LineWriter", "Window"]


class LineWriter(wiring.Component):
    """Where in the line buffer each beat is written, and when a pixel of the image is complete.

    Rows are written one behind the other into a ring, also across frames. A row may start while
    one is free; once started it is never held up.

    Parameters
    ----------
    config : :class:`~pa_hdl.geometry.ConvGeometry`
        The engine.
    rows : :class:`int`
        Rows in the ring.

    Members
    -------
    reserve : a beat is on its way
    room : another may be sent
    valid : a beat arrives
    address : where it is written
    pixel_done : it completes a pixel
    frees : number of rows that are free from now on; visible in ``room`` in the next cycle
    """

    def __init__(self, *, config: ConvGeometry, rows: int) -> None:
        self.config = config
        self.rows = rows
        super().__init__(
            {
                "reserve": In(1),
                "room": Out(1),
                "valid": In(1),
                "address": Out(range(max(2, rows * config.width * config.in_folds))),
                "pixel_done": Out(1),
                "frees": In(range(config.height + 1)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config.geometry, self.rows)

    @property
    def module_name(self) -> str:
        return "line_writer"

    def model(self, beats: int) -> tuple[int, int]:
        """Complete pixels, and ``address``, after a number of beats."""
        config = self.config
        return beats // config.in_folds, beats % (self.rows * config.width * config.in_folds)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        row_beats = config.width * config.in_folds
        sent = Signal(range(row_beats))
        at_start, starting = Signal(init=1), Signal()
        at_end = advance(m, sent, row_beats, self.reserve)
        with m.If(self.reserve):
            m.d.sync += at_start.eq(at_end)
        # One less than the rows that are free: negative when there is none. Releases may run
        # ahead: rows at the bottom that no window covers are free before they are written.
        spare = Signal(range(-1, self.rows + config.height), init=self.rows - 1)
        m.d.sync += spare.eq(spare + self.frees - starting)
        m.d.comb += [
            self.room.eq(~at_start | (spare >= 0)),
            starting.eq(self.reserve & at_start),
        ]

        address = Signal(range(self.rows * row_beats))
        fold = Signal(range(config.in_folds))
        advance(m, address, self.rows * row_beats, self.valid)
        last_fold = advance(m, fold, config.in_folds, self.valid)
        m.d.comb += [self.address.eq(address), self.pixel_done.eq(self.valid & last_fold)]
        return m


class Window(wiring.Component):
    """Code beats in, in raster order; the codes of every fold out, one fold per cycle.

    Parameters
    ----------
    config : :class:`~pa_hdl.geometry.WindowConfig`
        The engine.
    rows : :class:`int`
        Rows in the line buffer, enough for one window.

    Members
    -------
    reserve, room : a beat is on its way; another may be sent
    valid, codes : a beat arrives
    credit, take : there is room for another output; it is taken, :attr:`LATENCY` cycles before the
        fold that completes it
    weight_addr : index of the fold in its pixel, :attr:`WEIGHT_LATENCY` cycles before the fold
    o_valid, first, last, o_codes : a fold; ``config.blank_code`` on padding
    """

    WEIGHT_LATENCY = 2
    """Cycles that a memory of weights may take: two, as block RAM is slow in one."""

    READ = 2
    """The same for the line buffer."""

    LATENCY = TapScan.LATENCY + READ + 1

    def __init__(self, *, config: WindowConfig, rows: int) -> None:
        self.config = config
        self.rows = rows
        codes = data.ArrayLayout(config.code_bits, config.simd)
        super().__init__(
            {
                "reserve": In(1),
                "room": Out(1),
                "valid": In(1),
                "codes": In(codes),
                "credit": In(1),
                "take": Out(1),
                "weight_addr": Out(range(max(2, config.folds_per_pixel))),
                "o_valid": Out(1),
                "first": Out(1),
                "last": Out(1),
                "o_codes": Out(codes),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        config = self.config
        return (config.geometry, config.code_bits, config.blank_code, self.rows)

    @property
    def module_name(self) -> str:
        return "window"

    def model(self, beats: Sequence[Any], blank: Any = 0) -> list[Any]:
        """Beats of one frame as the dot product meets them; `blank` stands for padding."""
        config = self.config
        folds = []
        for oy in range(config.out_height):
            for ox in range(config.out_width):
                for index in range(config.folds_per_pixel):
                    ky, kx, fold = config.position(index)
                    y = oy * config.stride[0] - config.pad[0] + ky
                    x = ox * config.stride[1] - config.pad[2] + kx
                    inside = 0 <= y < config.height and 0 <= x < config.width
                    place = (y * config.width + x) * config.in_folds + fold
                    folds.append(beats[place] if inside else blank)
        return folds

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, rows = self.config, self.rows
        writer = LineWriter(config=config, rows=rows)
        pixels = PixelScan(config=config, rows=rows)
        taps = TapScan(config=config, rows=rows)
        lines = Ram(
            depth=rows * config.width * config.in_folds,
            width=config.simd * config.code_bits,
            writable=True,
            latency=self.READ,
            name="lines",
        )
        for name, part in (("writer", writer), ("pixels", pixels), ("taps", taps)):
            add_submodule(m, platform, name, part)
        add_submodule(m, platform, "lines", lines)
        wiring.connect(m, pixels.o, taps.i)
        wait = self.LATENCY - TapScan.LATENCY
        codes = Signal.like(self.o_codes, reset_less=True)
        padding = delay(m, "padding", taps.padding, self.READ)
        blank = [config.blank_code] * config.simd
        blanks = Const(pack(blank, config.code_bits), len(lines.read_data))
        m.d.sync += codes.eq(Mux(padding, blanks, lines.read_data))
        m.d.comb += [
            writer.reserve.eq(self.reserve),
            self.room.eq(writer.room),
            writer.valid.eq(self.valid),
            writer.frees.eq(taps.frees),
            pixels.arrived.eq(writer.pixel_done),
            lines.write_en.eq(self.valid),
            lines.write_addr.eq(writer.address),
            lines.write_data.eq(self.codes),
            taps.credit.eq(self.credit),
            self.take.eq(taps.take),
            lines.read_addr.eq(taps.address),
            self.weight_addr.eq(
                delay(m, "weight_addr", taps.weight_addr, wait - self.WEIGHT_LATENCY)
            ),
            self.o_valid.eq(delay(m, "valid", taps.valid, wait, reset=True)),
            self.first.eq(delay(m, "first", taps.first, wait)),
            self.last.eq(delay(m, "last", taps.last, wait)),
            self.o_codes.eq(codes),
        ]
        return m
