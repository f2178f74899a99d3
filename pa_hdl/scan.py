"""Which fold comes next: output pixels in raster order, and the taps of each."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.frame import advance
from pa_hdl.geometry import ConvGeometry
from pa_hdl.popcount import range_shape

__all__ = ["PixelScan", "TapScan", "clamp", "pixel_layout"]


def clamp(value: int, lowest: int, highest: int) -> int:
    """`value`, or the end of the range that it lies beyond."""
    return min(max(value, lowest), highest)


def _following(m: Module, name: str, values: Sequence[int], counter: Signal, step: Value) -> Value:
    """``values[counter]``, out of a register, of a counter that :func:`advance` moves by `step`."""
    if len(set(values)) == 1:
        return Const(values[0], range_shape(min(0, values[0]), max(0, values[0])))
    current = Signal(range_shape(min(values), max(values)), name=name, init=values[0])
    upcoming = [*values[1:], values[0]]
    value: Value | int = upcoming[-1]
    for place in reversed(range(len(values) - 1)):
        if upcoming[place] != upcoming[place + 1]:
            value = Mux(counter <= place, upcoming[place], value)
    with m.If(step):
        m.d.sync += current.eq(value)
    return current


def _rows(config: ConvGeometry, rows: int, amount: int) -> int:
    """Words in `amount` rows, modulo the buffer."""
    return amount % rows * config.width * config.in_folds


def pixel_layout(config: ConvGeometry, rows: int) -> data.StructLayout:
    """What the tap scan must know of an output pixel.

    ``base`` is the address of the window's top row, ``offset`` that of its left column in a row;
    ``x`` and ``y`` are its corner in the image. When the pixel is done, ``frees`` rows are free.
    """
    top, _, left, _ = config.pad
    last_x = (config.out_width - 1) * config.stride[1] - left
    last_y = (config.out_height - 1) * config.stride[0] - top
    return data.StructLayout(
        {
            "base": range(rows * config.width * config.in_folds),
            "offset": range_shape(-left * config.in_folds, max(0, last_x * config.in_folds)),
            "x": range_shape(-left, max(0, last_x)),
            "y": range_shape(-top, max(0, last_y)),
            "frees": range(config.height + 1),
        }
    )


class PixelScan(wiring.Component):
    """Output pixels in raster order, each as soon as its window is in the line buffer.

    One pixel per cycle, one cycle after the last pixel of its window is counted. At least the first
    pixel of a frame is waited for, even where a window is all padding.

    The count is of input pixels beyond those that the next output pixel needs: an arrival adds one,
    an output pixel takes as many as the one behind it needs further. Its sign says whether to go.

    Parameters
    ----------
    config : :class:`~pa_hdl.geometry.ConvGeometry`
        The engine.
    rows : :class:`int`
        Rows in the line buffer.

    Members
    -------
    arrived : a pixel of the image is complete from now on
    o : pixels, as :func:`pixel_layout` describes them
    """

    LATENCY = 1

    def __init__(self, *, config: ConvGeometry, rows: int) -> None:
        self.config = config
        self.rows = rows
        super().__init__(
            {
                "arrived": In(1),
                "o": Out(stream.Signature(pixel_layout(config, rows))),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config.geometry, self.rows)

    @property
    def module_name(self) -> str:
        return "pixel_scan"

    @staticmethod
    def needed(config: ConvGeometry, position: int, axis: int) -> int:
        """Rows (axis 0) or columns (axis 1) of the image that the windows up to here touch."""
        size = (config.height, config.width)[axis]
        start = position * config.stride[axis] - config.pad[2 * axis]
        return clamp(start + config.kernel[axis], 1, size)

    @staticmethod
    def released(config: ConvGeometry, out_row: int) -> int:
        """Rows of the frame that are free when `out_row` is done."""
        if out_row == config.out_height - 1:
            return config.height
        return clamp((out_row + 1) * config.stride[0] - config.pad[0], 0, config.height)

    def model(self) -> Iterator[dict[str, int]]:
        """Pixels of one frame after the other."""
        config, frame = self.config, 0
        while True:
            freed = 0
            for oy in range(config.out_height):
                y = oy * config.stride[0] - config.pad[0]
                for ox in range(config.out_width):
                    x = ox * config.stride[1] - config.pad[2]
                    ends_row = ox == config.out_width - 1
                    yield {
                        "base": _rows(config, self.rows, frame * config.height + y),
                        "offset": x * config.in_folds,
                        "x": x,
                        "y": y,
                        "frees": self.released(config, oy) - freed if ends_row else 0,
                    }
                freed = self.released(config, oy)
            frame += 1

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        push, room = Signal(), Signal(init=1)
        column, line = Signal(range(config.out_width)), Signal(range(config.out_height))
        row_end = advance(m, column, config.out_width, push)
        line_end = advance(m, line, config.out_height, push & row_end)
        frame_end = Signal()
        m.d.comb += frame_end.eq(row_end & line_end)
        now = Signal(pixel_layout(config, self.rows))
        self._scan_columns(m, now, push, row_end)
        self._scan_lines(m, now, push, row_end, frame_end)
        freed = _following(m, "freed", self._freed(), line, push & row_end)
        m.d.comb += now.frees.eq(Mux(row_end, freed, 0))

        within, across = self._steps()
        in_row = _following(m, "in_row", within, column, push)
        to_row = _following(m, "to_row", across, line, push & row_end)
        ahead = self._ahead(m, push, Mux(row_end, to_row, in_row))
        m.d.comb += push.eq((ahead >= 0) & room)
        self._queue(m, now, push, room)
        return m

    def _needed(self, line: int, column: int) -> int:
        """Pixels of the frame, in raster order, that must be there for an output pixel."""
        config = self.config
        rows = self.needed(config, line, 0) - 1
        return rows * config.width + self.needed(config, column, 1)

    def _steps(self) -> tuple[list[int], list[int]]:
        """What a pixel needs, less what the next needs: by its column, by its line at their ends.

        What the last column would need of the first is never looked at.
        """
        config = self.config
        columns, lines = range(config.out_width), range(config.out_height)
        row = [self._needed(0, column) for column in columns]
        within = [before - after for before, after in pairwise(row)] or [0]
        starts = [self._needed(line, 0) for line in lines]
        starts.append(config.height * config.width + starts[0])
        ends = [self._needed(line, columns[-1]) for line in lines]
        across = [end - start for end, start in zip(ends, starts[1:], strict=True)]
        return (within + within[-1:])[: len(columns)], across

    def _freed(self) -> list[int]:
        """Rows that each line of output pixels frees at its end."""
        rows = [self.released(self.config, line) for line in range(self.config.out_height)]
        return [after - before for before, after in pairwise([0, *rows])]

    def _ahead(self, m: Module, push: Value, back: Value) -> Signal:
        """How many input pixels there are beyond those that the next output pixel needs."""
        config = self.config
        size = config.height * config.width
        shape = range_shape(-2 * size, (self.rows + config.height) * config.width)
        ahead = Signal(shape, init=-self._needed(0, 0))
        taken = Signal(signed(len(ahead)))
        m.d.comb += taken.eq(Mux(push, back, 0))
        # The arrival is the carry into one addition.
        m.d.sync += ahead.eq((Cat(Const(1, 1), ahead) + Cat(self.arrived, taken))[1:])
        return ahead

    def _queue(self, m: Module, now: Any, push: Value, room: Signal) -> None:
        """Two places, so that `room` for another pixel does not follow ``o.ready`` in a cycle."""
        valid = Signal()
        payload, spare = (
            Signal(now.shape(), name=name, reset_less=True) for name in ("head", "spare")
        )
        m.d.comb += [self.o.valid.eq(valid), self.o.payload.eq(payload)]
        free = ~valid | self.o.ready
        with m.If(push):
            m.d.sync += spare.eq(now)
        with m.If(free):
            m.d.sync += [payload.eq(Mux(room, now, spare)), valid.eq(push | ~room), room.eq(1)]
        with m.Elif(push):
            m.d.sync += room.eq(0)

    def _scan_columns(self, m: Module, now: Any, push: Value, row_end: Value) -> None:
        """Drives ``x`` and ``offset``."""
        config = self.config
        step, left = config.stride[1], config.pad[2]
        shape = now.shape()
        x = Signal(shape["x"].shape, init=-left)
        offset = Signal(shape["offset"].shape, init=-left * config.in_folds)
        m.d.comb += [now.x.eq(x), now.offset.eq(offset)]
        with m.If(push & row_end):
            m.d.sync += [x.eq(x.init), offset.eq(offset.init)]
        with m.Elif(push):
            m.d.sync += [x.eq(x + step), offset.eq(offset + step * config.in_folds)]

    def _scan_lines(
        self, m: Module, now: Any, push: Value, row_end: Value, frame_end: Value
    ) -> None:
        """Drives ``y`` and ``base``."""
        config, rows = self.config, self.rows
        step, top = config.stride[0], config.pad[0]
        height = config.height
        shape = now.shape()
        y = Signal(shape["y"].shape, init=-top)
        base = Signal(shape["base"].shape, init=_rows(config, rows, -top))
        next_base = Signal.like(base, init=_rows(config, rows, height - top))
        m.d.comb += [now.y.eq(y), now.base.eq(base)]
        with m.If(push & frame_end):
            m.d.sync += [
                y.eq(y.init),
                base.eq(next_base),
                next_base.eq(self._step(next_base, height)),
            ]
        with m.Elif(push & row_end):
            m.d.sync += [y.eq(y + step), base.eq(self._step(base, step))]

    def _step(self, base: Value, amount: int) -> Value:
        """`base` moved down by an amount of rows in the ring."""
        step = _rows(self.config, self.rows, amount)
        if step == 0:
            return base
        wrap = self.rows * self.config.width * self.config.in_folds - step
        return Mux(base >= wrap, base - wrap, base + step)


class TapScan(wiring.Component):
    """Addresses of all folds of each pixel: output fold, ky, kx, input fold (of its group).

    One fold per cycle, without a gap between pixels. The last fold of an output element waits for
    a credit.

    Parameters
    ----------
    config : :class:`~pa_hdl.geometry.ConvGeometry`
        The engine.
    rows : :class:`int`
        Rows in the line buffer.

    Members
    -------
    i : pixels
    credit, take : there is room for another output; it is taken
    valid, address, padding, weight_addr, first, last : :attr:`LATENCY` cycles later, a fold
    frees : rows that are free because their last reader has been issued
    """

    LATENCY = 2

    def __init__(self, *, config: ConvGeometry, rows: int) -> None:
        self.config = config
        self.rows = rows
        super().__init__(
            {
                "i": In(stream.Signature(pixel_layout(config, rows))),
                "credit": In(1),
                "take": Out(1),
                "valid": Out(1),
                "address": Out(range(max(2, rows * config.width * config.in_folds))),
                "padding": Out(1),
                "weight_addr": Out(range(max(2, config.folds_per_pixel))),
                "first": Out(1),
                "last": Out(1),
                "frees": Out(range(config.height + 1)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config.geometry, self.rows)

    @property
    def module_name(self) -> str:
        return "tap_scan"

    def model(self, pixel: dict[str, int]) -> Iterator[dict[str, int | None]]:
        """Folds of one pixel; the address is ``None`` on padding."""
        config = self.config
        depth = self.rows * config.width * config.in_folds
        for index in range(config.folds_per_pixel):
            ky, kx, fold = config.position(index)
            y, x = pixel["y"] + ky, pixel["x"] + kx
            inside = 0 <= y < config.height and 0 <= x < config.width
            row = pixel["base"] + ky * config.width * config.in_folds
            yield {
                "address": (row % depth) + x * config.in_folds + fold if inside else None,
                "weight_addr": index,
                "first": int(index % config.folds_per_output == 0),
                "last": int((index + 1) % config.folds_per_output == 0),
            }

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        fire = Signal()
        fold, kx = Signal(range(config.folds_per_tap)), Signal(range(config.kernel[1]))
        ky, out_fold = Signal(range(config.kernel[0])), Signal(range(config.out_folds))
        tap_end = advance(m, fold, config.folds_per_tap, fire)
        row_end, output_end, pixel_end = Signal(), Signal(), Signal()
        m.d.comb += [
            row_end.eq(advance(m, kx, config.kernel[1], fire & tap_end) & tap_end),
            output_end.eq(advance(m, ky, config.kernel[0], fire & row_end) & row_end),
            pixel_end.eq(advance(m, out_fold, config.out_folds, fire & output_end) & output_end),
            fire.eq(self.i.valid & (self.credit | ~output_end)),
            self.take.eq(fire & output_end),
            self.i.ready.eq(fire & pixel_end),
        ]
        weight_addr = Signal(range(config.folds_per_pixel))
        with m.If(fire):
            m.d.sync += weight_addr.eq(Mux(pixel_end, 0, weight_addr + 1))
        frees = Signal.like(self.frees)
        m.d.sync += frees.eq(Mux(self.i.ready, self.i.p.frees, 0))
        m.d.comb += self.frees.eq(frees)

        issued, valid = Signal(), Signal()
        m.d.sync += [issued.eq(fire), valid.eq(issued)]
        m.d.comb += self.valid.eq(valid)
        group_start = self._group_start(m, fire & output_end, pixel_end)
        self._locate(m, fire, tap_end, row_end, output_end, group_start)

        def two_later(value: Value, output: Value, name: str) -> None:
            for cycle in (1, 2):
                stage = Signal.like(output, name=f"{name}_{cycle}", reset_less=True)
                m.d.sync += stage.eq(value)
                value = stage
            m.d.comb += output.eq(value)

        starts = Signal(init=1)
        with m.If(fire):
            m.d.sync += starts.eq(output_end)
        two_later(starts, self.first, "first")
        two_later(output_end, self.last, "last")
        two_later(weight_addr, self.weight_addr, "weight_addr")
        return m

    def _group_start(self, m: Module, step: Value, pixel_end: Value) -> Value:
        """First input fold that the output fold under way reads."""
        config = self.config
        if config.fold_groups == 1:
            return Const(0, 0)
        member = Signal(range(config.out_folds_per_group))
        start = Signal(range(config.in_folds))
        group_end = advance(m, member, config.out_folds_per_group, step)
        with m.If(step & group_end):
            m.d.sync += start.eq(Mux(pixel_end, 0, start + config.folds_per_tap))
        return start

    def _locate(
        self,
        m: Module,
        fire: Value,
        tap_end: Value,
        row_end: Value,
        output_end: Value,
        group_start: Value,
    ) -> None:
        """Drives ``address`` and ``padding``: position of the fold, then the sum of its parts."""
        config, pixel = self.config, self.i.p
        row_words = config.width * config.in_folds
        span_y, span_x = self._span(0), self._span(1)
        last_offset = (span_x[1] + 1) * config.in_folds - 1
        base = Signal(range(self.rows * row_words), reset_less=True)
        offset_shape = range_shape(span_x[0] * config.in_folds, max(0, last_offset))
        offset = Signal(offset_shape, reset_less=True)
        x = Signal(range_shape(span_x[0], max(0, span_x[1])), reset_less=True)
        y = Signal(range_shape(span_y[0], max(0, span_y[1])), reset_less=True)
        after_tap, after_row, after_output = Signal(init=1), Signal(init=1), Signal(init=1)
        # Behind a tap's last fold come those of other groups.
        skip = config.in_folds - config.folds_per_tap + 1
        step = Mux(after_tap, skip, 1) if skip > 1 else 1
        with m.If(fire):
            m.d.sync += [
                after_tap.eq(tap_end),
                after_row.eq(row_end),
                after_output.eq(output_end),
                offset.eq(Mux(after_row, pixel.offset + group_start, offset + step)),
                x.eq(Mux(after_row, pixel.x, x + after_tap)),
            ]
            with m.If(after_output):
                m.d.sync += [base.eq(pixel.base), y.eq(pixel.y)]
            with m.Elif(after_row):
                below = Mux(base == (self.rows - 1) * row_words, 0, base + row_words)
                m.d.sync += [base.eq(below), y.eq(y + 1)]

        address = Signal.like(self.address, reset_less=True)
        padding = Signal(reset_less=True)
        outside = _outside(x, span_x, config.width) | _outside(y, span_y, config.height)
        m.d.sync += [address.eq(base + offset), padding.eq(outside)]
        m.d.comb += [self.address.eq(address), self.padding.eq(padding)]

    def _span(self, axis: int) -> tuple[int, int]:
        """First and last row (axis 0) or column (axis 1) that any window covers."""
        config = self.config
        outputs = (config.out_height, config.out_width)[axis]
        start = -config.pad[2 * axis]
        return start, start + (outputs - 1) * config.stride[axis] + config.kernel[axis] - 1


def _outside(value: Value, span: tuple[int, int], size: int) -> Value:
    """Whether a value known to lie in `span` is beyond ``0..size-1``."""
    below = value < 0 if span[0] < 0 else Const(0, 1)
    return below | (value >= size if span[1] >= size else Const(0, 1))
