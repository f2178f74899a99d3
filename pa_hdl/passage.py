"""Cycles of an engine behind any stream: when its beats are taken, and when its results leave."""

from bisect import bisect_left

import numpy as np

from pa_hdl.frame import Collector
from pa_hdl.nodes.timing import Curve, Passage, one_per_cycle, when_free
from pa_hdl.scan import PixelScan
from pa_hdl.schedule import RELEASE, Schedule

__all__ = ["window_passage"]


def window_passage(schedule: Schedule, arrivals: Curve, not_before: Curve | None = None) -> Passage:
    """Exact passage of whole frames through an engine with a line buffer, its output ready.

    An output pixel starts when the last beat of its window has passed the comparators and the
    pixel before it is done; an input row starts when the line buffer has a row for it. Between
    rows nothing else interacts, so only rows are stepped through.

    Parameters
    ----------
    schedule : :class:`~pa_hdl.schedule.Schedule`
        The engine's rows and latencies.
    arrivals : curve
        When each beat is offered, whole frames back to back.
    not_before : curve, optional
        Cycles before which output beats must not leave. They wait in the output queue, and only
        when that is full does the engine start pixels later than it could.

    Raises
    ------
    ValueError
        If there is no whole number of frames.
    """
    geometry = schedule.config
    frames, rest = divmod(len(arrivals), geometry.in_beats)
    if rest or not frames:
        raise ValueError(
            f"arrivals must be whole frames of {geometry.in_beats} beats, not {len(arrivals)} beats"
        )
    writer = _Writer(schedule, arrivals)
    columns = np.arange(geometry.out_width, dtype=np.int64) * geometry.folds_per_pixel
    last_beat = np.array(
        [
            PixelScan.needed(geometry, x, 1) * geometry.in_folds - 1
            for x in range(geometry.out_width)
        ]
    )
    rows = [
        (PixelScan.needed(geometry, y, 0), PixelScan.released(geometry, y))
        for y in range(geometry.out_height)
    ]
    starts = np.empty((frames * geometry.out_height, geometry.out_width), np.int64)
    outputs = np.arange(1, geometry.out_folds + 1, dtype=np.int64) * geometry.folds_per_output
    held = (
        None if not_before is None else _held(schedule, not_before, outputs).reshape(starts.shape)
    )
    end, line = 0, 0
    for frame in range(frames):
        base = frame * geometry.height
        for needed, released in rows:
            writer.accept_until(base + needed)
            present = writer.row(base + needed - 1)[last_beat] + schedule.code_latency + 1
            present[0] = max(present[0], end)
            if held is not None:
                present = np.maximum(present, held[line])
            starts[line] = np.maximum.accumulate(present - columns) + columns
            end = int(starts[line, -1]) + geometry.folds_per_pixel
            writer.release(base + released, end)
            line += 1
    writer.accept_until(frames * geometry.height)
    departed = (starts.reshape(-1, 1) + outputs + schedule.output_delay).reshape(-1)
    if not_before is not None:
        departed = one_per_cycle(np.maximum(departed, not_before))
    return Passage(accepted=(writer.accepted.reshape(-1),), departed=(departed,))


def _held(schedule: Schedule, not_before: Curve, outputs: Curve) -> Curve:
    """The first cycle in which each pixel may start, for the room in the output queue.

    The last fold of an output takes a credit, which the beat so many outputs before gave back.
    """
    queue = Collector.depth_for(schedule.config, schedule.credit_round_trip)
    issued = when_free(not_before, queue).reshape(-1, len(outputs))
    return (issued - outputs).max(axis=1)


class _Writer:
    """Input rows on their way into the line buffer."""

    def __init__(self, schedule: Schedule, arrivals: Curve) -> None:
        geometry = schedule.config
        self.arrivals = arrivals.reshape(-1, geometry.width * geometry.in_folds)
        self.accepted = np.empty_like(self.arrivals)
        self.rows = schedule.rows
        self.started = 0
        self.free_rows, self.free_times = [self.rows], [0]

    def row(self, index: int) -> Curve:
        """When the beats of a row were taken."""
        return self.accepted[index]

    def accept_until(self, rows: int) -> None:
        """Take whole rows until there are that many."""
        while self.started < rows:
            granted = bisect_left(self.free_rows, self.started + 1)
            earliest = self.arrivals[self.started].copy()
            earliest[0] = max(earliest[0], self.free_times[granted])
            if self.started:
                earliest[0] = max(earliest[0], self.accepted[self.started - 1, -1] + 1)
            self.accepted[self.started] = one_per_cycle(earliest)
            self.started += 1
            del self.free_rows[:granted], self.free_times[:granted]

    def release(self, rows: int, end: int) -> None:
        """So many rows are free once the fold of cycle ``end`` has been issued."""
        self.free_rows.append(rows + self.rows)
        self.free_times.append(end + RELEASE)
