"""Unit vectors of what has a handshake: frames, the window, the queue at the output, the loader."""

import random
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pa_hdl.config import EngineConfig
from pa_hdl.frame import Collector, FrameGuard
from pa_hdl.loader import Loader
from pa_hdl.parameters import LayerParameters
from pa_hdl.scan import PixelScan, TapScan, pixel_layout
from pa_hdl.window import LineWriter, Window
from sim.packing import config_words
from sim.unit import Unit, fields, get, lanes, put
from sim.units_arithmetic import threshold_words, unit_config

__all__ = ["stream_units"]

_FRAMES = 3


def stream_units(seed: int) -> list[Unit]:
    """All of them, with seeded vectors."""
    rng = random.Random(seed)
    return [
        _frame_guard(rng),
        _collector(rng),
        _line_writer(),
        _pixel_scan(),
        _tap_scan(rng),
        _window(rng),
        _loader(rng),
    ]


def _frame_guard(rng: random.Random) -> Unit:
    config = unit_config()
    width, whole = config.simd * config.act_bits, config.in_beats
    sent: list[int] = []
    given: list[int] = []
    masks: list[int] = []
    everything = fields((-1, width), (-1, 1), (-1, 2))
    for size in (whole, whole - 5, whole, 1, whole + 7, whole, 2 * whole, whole - 1, whole):
        beats = [rng.getrandbits(width) for _ in range(size)]
        sent += [fields((beat, width), (at == size - 1, 1)) for at, beat in enumerate(beats)]
        for at in range(whole):
            padding = at >= size
            beat = 0 if padding else beats[at]
            given.append(fields((beat, width), (padding, 1), (at % config.in_folds, 2)))
            masks.append(everything >> width << width if padding else everything)
    return Unit(
        name="frame_guard",
        component=FrameGuard(config=config),
        constants={"hold": 0},
        puts=[put({"i__payload": sent}, valid=["i__valid"], ready="i__ready")],
        gets=[
            get(
                {"o__payload": given},
                masks={"o__payload": masks},
                valid=["o__valid"],
                ready="o__ready",
            )
        ],
        stalls=True,
    )


def _collector(rng: random.Random) -> Unit:
    config = unit_config()
    bits, beats = config.acc_bits, _FRAMES * config.out_beats
    rows = [[rng.getrandbits(bits) for _ in range(config.pe)] for _ in range(beats)]
    given = []
    for at, row in enumerate(rows):
        start = at % config.out_folds * config.pe
        kept = [acc if start + p < config.out_channels else 0 for p, acc in enumerate(row)]
        last = (at + 1) % config.out_beats == 0
        given.append(fields((lanes(kept, bits), config.pe * bits), (last, 1)))
    accs = put({"acc": [lanes(row, bits) for row in rows]}, valid=["valid", "take"], gate="credit")
    return Unit(
        name="collector",
        component=Collector(config=config, round_trip=7),
        puts=[accs],
        gets=[get({"o__payload": given}, valid=["o__valid"], ready="o__ready")],
        stalls=True,
    )


def _line_writer() -> Unit:
    config = unit_config()
    rows = 2 * config.height
    beats = range(2 * config.in_beats)
    row_beats = config.width * config.in_folds
    expected = {
        "address": [beat % (rows * row_beats) for beat in beats],
        "pixel_done": [int((beat + 1) % config.in_folds == 0) for beat in beats],
    }
    return Unit(
        name="line_writer",
        component=LineWriter(config=config, rows=rows),
        constants={"frees": 0},
        puts=[put({}, valid=["reserve", "valid"], gate="room", count=len(beats))],
        gets=[get(expected, valid=["valid"])],
        stalls=True,
    )


def _pixels(config: EngineConfig, rows: int, frames: int) -> Iterator[dict[str, int]]:
    """What the pixel scan says of each output pixel, from its definition."""
    (sh, sw), (top, _, left, _) = config.stride, config.pad
    for frame in range(frames):
        for oy in range(config.out_height):
            y, following = oy * sh - top, (oy + 1) * sh - top
            # Rows above the next window are free; behind the last window all are.
            if oy == config.out_height - 1:
                following = config.height
            freed = min(following, config.height) - max(0, y)
            for ox in range(config.out_width):
                x = ox * sw - left
                yield {
                    "base": (frame * config.height + y) % rows * config.width * config.in_folds,
                    "offset": x * config.in_folds,
                    "x": x,
                    "y": y,
                    "frees": freed if ox == config.out_width - 1 else 0,
                }


def _pixel_words(config: EngineConfig, rows: int, frames: int) -> list[int]:
    layout = pixel_layout(config, rows)
    return [layout.const(pixel).as_bits() for pixel in _pixels(config, rows, frames)]


def _pixel_scan() -> Unit:
    config = unit_config()
    rows = 2 * config.height
    return Unit(
        name="pixel_scan",
        component=PixelScan(config=config, rows=rows),
        # Two frames come, and the third does not.
        puts=[put({}, valid=["arrived"], count=2 * config.height * config.width)],
        gets=[
            get({"o__payload": _pixel_words(config, rows, 2)}, valid=["o__valid"], ready="o__ready")
        ],
        stalls=True,
    )


def _taps(config: EngineConfig) -> Iterator[tuple[int, int, int, int]]:
    """Position (ky, kx, input fold) and index of each fold of a pixel."""
    kh, kw = config.kernel
    index = 0
    for _ in range(config.out_folds):
        for ky in range(kh):
            for kx in range(kw):
                for fold in range(config.in_folds):
                    yield ky, kx, fold, index
                    index += 1


def _flags(config: EngineConfig, pixels: int) -> dict[str, list[int]]:
    """First and last of all folds of so many pixels."""
    size = config.folds_per_output
    outputs = pixels * config.out_folds
    return {
        "first": ([1] + [0] * (size - 1)) * outputs,
        "last": ([0] * (size - 1) + [1]) * outputs,
    }


def _tap_scan(rng: random.Random) -> Unit:
    config = unit_config()
    rows = config.height + 1
    row_words = config.width * config.in_folds
    pixels = list(_pixels(config, rows, 2))
    addresses, padding, indices = [], [], []
    for pixel in pixels:
        for ky, kx, fold, index in _taps(config):
            y, x = pixel["y"] + ky, pixel["x"] + kx
            inside = 0 <= y < config.height and 0 <= x < config.width
            base = (pixel["base"] + ky * row_words) % (rows * row_words)
            addresses.append(base + x * config.in_folds + fold if inside else 0)
            padding.append(int(not inside))
            indices.append(index)
    expected = {"address": addresses, "padding": padding, "weight_addr": indices}
    expected |= _flags(config, len(pixels))
    return Unit(
        name="tap_scan",
        component=TapScan(config=config, rows=rows),
        puts=[
            put(
                {"i__payload": _pixel_words(config, rows, 2)}, valid=["i__valid"], ready="i__ready"
            ),
            put({}, valid=["credit"], ready="take", count=len(pixels) * config.out_folds),
        ],
        gets=[
            get(expected, masks={"address": [p - 1 for p in padding]}, valid=["valid"]),
        ],
        stalls=True,
    )


def _window(rng: random.Random) -> Unit:
    config = unit_config()
    frames = [_codes(rng, config) for _ in range(_FRAMES)]
    beats = [beat for frame in frames for beat in frame.reshape(-1, config.simd).tolist()]
    folds = []
    top, bottom, left, right = config.pad
    for frame in frames:
        padded = np.pad(frame, ((top, bottom), (left, right), (0, 0), (0, 0)))
        for oy in range(config.out_height):
            for ox in range(config.out_width):
                for ky, kx, fold, _ in _taps(config):
                    y, x = oy * config.stride[0] + ky, ox * config.stride[1] + kx
                    folds.append(lanes(padded[y, x, fold].tolist(), config.code_bits))
    pixels = _FRAMES * config.out_height * config.out_width
    codes = {"codes": [lanes(beat, config.code_bits) for beat in beats]}
    return Unit(
        name="window",
        component=Window(config=config, rows=config.kernel[0] + config.stride[0]),
        puts=[
            put(codes, valid=["reserve", "valid"], gate="room"),
            put({}, valid=["credit"], ready="take", count=pixels * config.out_folds),
        ],
        gets=[get({"o_codes": folds, **_flags(config, pixels)}, valid=["o_valid"])],
        stalls=True,
    )


def _codes(rng: random.Random, config: EngineConfig) -> NDArray[np.int64]:
    shape = (config.height, config.width, config.in_folds, config.simd)
    values = [rng.randint(0, config.n) for _ in range(int(np.prod(shape)))]
    return np.array(values).reshape(shape)


def _loader(rng: random.Random) -> Unit:
    config = unit_config(loadable=True)
    layers = [LayerParameters.seeded(config, rng.getrandbits(32)) for _ in range(2)]
    stream: list[int] = []
    weights: dict[str, list[int]] = {"weight_addr": [], "weight_data": []}
    phi: dict[str, list[int]] = {"phi_index": [], "phi_data": []}
    thresholds: dict[str, list[int]] = {"threshold_addr": [], "threshold_data": []}
    for layer in layers:
        words = config_words(
            layer.codes, layer.phi, layer.thresholds, layer.flip, simd=config.simd, pe=config.pe
        )
        stream += [fields((word, 32), (at == len(words) - 1, 1)) for at, word in enumerate(words)]
        # All codes of a fold fit one word of the stream here.
        weights["weight_addr"] += range(config.folds_per_pixel)
        weights["weight_data"] += words[: config.folds_per_pixel]
        phi["phi_index"] += range(config.m * config.n)
        phi["phi_data"] += [value & 0xFF for value in layer.phi[1:, 1:].flatten().tolist()]
        thresholds["threshold_addr"] += range(config.in_folds)
        thresholds["threshold_data"] += threshold_words(config, layer)
    return Unit(
        name="loader",
        component=Loader(config),
        constants={"grant": 1},
        puts=[put({"i__payload": stream}, valid=["i__valid"], ready="i__ready")],
        gets=[
            get(weights, valid=["weight_en"]),
            get(phi, valid=["phi_en"]),
            get(thresholds, valid=["threshold_en"]),
        ],
        stalls=True,
    )
