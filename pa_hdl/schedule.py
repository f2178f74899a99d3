"""When an engine does what: an exact model of its cycles while nothing stalls."""

from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from itertools import count
from typing import Any

from pa_hdl.comparators import Comparators
from pa_hdl.dot import DATAPATHS
from pa_hdl.frame import Collector
from pa_hdl.scan import PixelScan
from pa_hdl.window import Window

__all__ = ["RELEASE", "Schedule"]

RELEASE = 2
"""Cycles from a row's last fold to the first beat that may take the row's place."""


class Schedule:
    """Cycles of an engine, or pool, that is never starved and never held up, frames back to back.

    All figures are differences between the clock cycles in which two beats are transferred at the
    engine's streams. Within a row nothing interacts, so only rows are stepped through:
    a 224 x 224 image takes milliseconds.

    Parameters
    ----------
    config : :class:`~pa_hdl.geometry.ConvGeometry`
        The engine.
    rows : :class:`int`, optional
        Rows in the line buffer. By default the fewest that sustain the rate
        ``max(in_beats, folds_per_frame)``.
    code_latency, dot_latency : :class:`int`, optional
        Cycles from an input beat to the line buffer, and from an output element's last fold to its
        sum. By default those of a PA engine.

    Attributes
    ----------
    rows, fewest_rows : :class:`int`
        Rows in the line buffer, and the fewest that hold every window.
    code_latency, dot_latency : :class:`int`
        As given.

    Raises
    ------
    ValueError
        If the rows do not hold one window.
    """

    def __init__(
        self,
        config: Any,
        rows: int | None = None,
        *,
        code_latency: int | None = None,
        dot_latency: int | None = None,
    ) -> None:
        self.config = config
        if code_latency is None:
            code_latency = Comparators.latency(config)
        if dot_latency is None:
            dot_latency = DATAPATHS[config.datapath].latency(config)
        self.code_latency = code_latency
        self.dot_latency = dot_latency
        self.fewest_rows = max(
            PixelScan.needed(config, row, 0) - (PixelScan.released(config, row - 1) if row else 0)
            for row in range(config.out_height)
        )
        if rows is not None and rows < self.fewest_rows:
            raise ValueError(f"rows must be at least {self.fewest_rows}, not {rows!r}")
        self.rows = self._sustaining_rows() if rows is None else rows

    @property
    def credit_round_trip(self) -> int:
        """Cycles from a fold's taking a credit to its return through an output that is ready."""
        return self.output_delay + 1

    @property
    def latency(self) -> int:
        """Cycles from the first input beat to the first output beat, the engine idle before."""
        config = self.config
        first_pixel = (PixelScan.needed(config, 0, 0) - 1) * config.width
        first_pixel += PixelScan.needed(config, 0, 1)
        present = first_pixel * config.in_folds - 1 + self.code_latency + 1
        last_fold = present + PixelScan.LATENCY + config.folds_per_output - 1
        return last_fold + self.output_delay

    @cached_property
    def _period(self) -> tuple[int, int, int]:
        """From frame ``start`` on, every ``period`` frames take ``cycles`` cycles."""
        seen: dict[tuple[int, ...], tuple[int, int]] = {}
        for frame, (end, state) in enumerate(self._frames(self.rows)):
            if state in seen:
                start, start_end = seen[state]
                return start, frame - start, end - start_end
            seen[state] = frame, end
        raise AssertionError("unreachable: frames never end")

    @property
    def initiation_interval(self) -> int:
        """Cycles between two frames in steady state, rounded up."""
        _, period, cycles = self._period
        return -(-cycles // period)

    @property
    def overhead(self) -> int:
        """Cycles of :attr:`initiation_interval` beyond the busier of input and arithmetic."""
        return self.initiation_interval - max(self.config.in_beats, self.config.folds_per_frame)

    def cycles(self, frames: int) -> int:
        """Cycles from the first input beat to the last output beat of a number of frames.

        Raises
        ------
        ValueError
            If there is no frame.
        """
        if frames < 1:
            raise ValueError(f"frames must be at least 1, not {frames!r}")
        start, period, cycles = self._period
        skipped = max(0, (frames - 1 - start) // period)
        ends = self._frames(self.rows)
        for _ in range(frames - skipped * period):
            end, _state = next(ends)
        return end + skipped * cycles + self.output_delay

    @property
    def output_delay(self) -> int:
        """Cycles from an output element's last fold to its output beat."""
        return Window.LATENCY + self.dot_latency + Collector.LATENCY

    def _sustaining_rows(self) -> int:
        config = self.config
        wanted = max(config.in_beats, config.folds_per_frame)
        # Beyond two frames and the pipeline's depth more rows change nothing.
        most = self.fewest_rows + 2 * config.height + self.code_latency + 16
        for rows in range(self.fewest_rows, most):
            self.__dict__.pop("_period", None)
            self.rows = rows
            if self.initiation_interval == wanted:
                return rows
        return most

    def _frames(self, rows: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """For each frame the cycle that issues its last fold, and all that the future depends on.

        The first input beat is accepted in cycle 0.
        """
        config = self.config
        height, row_beats = config.height, config.width * config.in_folds
        busy = config.out_width * config.folds_per_pixel
        # The pixel of a row that its windows wait for longest, counted to the end of the row.
        lag = max(
            config.in_folds * PixelScan.needed(config, ox, 1)
            + config.folds_per_pixel * (config.out_width - ox)
            for ox in range(config.out_width)
        )
        lag += self.code_latency
        needs = [PixelScan.needed(config, oy, 0) for oy in range(config.out_height)]
        frees = [PixelScan.released(config, oy) for oy in range(config.out_height)]
        started, start = 0, 0  # rows the input has started on, and when it did
        free_rows, free_times = [rows], [0]  # rows that may be started, and from when
        end = 0
        for frame in count():
            base = frame * height
            for need, free in zip(needs, frees, strict=True):
                while started < base + need:
                    granted = free_times[bisect_left(free_rows, started + 1)]
                    start = max(start + row_beats if started else 0, granted)
                    started += 1
                end = max(end + busy, start + lag)
                free_rows.append(base + free + rows)
                free_times.append(end + RELEASE)
            pending = bisect_left(free_rows, started + 1)
            del free_rows[:pending], free_times[:pending]
            state = [start - end, started - base]
            for row, time in zip(free_rows, free_times, strict=True):
                state += [row - base, time - end]
            yield end, tuple(state)
