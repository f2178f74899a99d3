"""What an engine's bench is given, and what it expects: always the golden model's values."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pa_hdl.config import EngineConfig
from pa_hdl.parameters import LayerParameters
from pa_hdl.schedule import Schedule
from pa_nn import golden
from sim.packing import config_words

__all__ = ["accumulators", "activations", "engine_arrays", "engine_scalars", "schedule"]

Array = NDArray[np.int64]


def activations(config: EngineConfig, parameters: LayerParameters, count: int, seed: int) -> Array:
    """Random images (count, height, width, channels), half of their elements at a threshold ±1.

    A comparator that is wrong only for equality is seldom caught otherwise.
    """
    rng = np.random.default_rng(seed)
    low, high = config.act_range
    shape = (count, config.height, config.width, config.in_channels)
    anywhere = rng.integers(low, high + 1, shape)
    which = rng.integers(0, config.n, shape)
    near = parameters.thresholds[np.arange(config.in_channels), which]
    near = near + rng.integers(-1, 2, shape)
    return np.clip(np.where(rng.random(shape) < 0.5, near, anywhere), low, high)


def accumulators(config: EngineConfig, parameters: LayerParameters, images: Array) -> Array:
    """Golden accumulators (count, height, width, channels) of images of that layout."""
    result = golden.pa_conv(
        np.ascontiguousarray(images.transpose(0, 3, 1, 2)),
        parameters.codes,
        parameters.phi,
        parameters.thresholds,
        parameters.flip,
        config.stride,
        config.pad,
    )
    return np.ascontiguousarray(result.numpy().transpose(0, 2, 3, 1))


def schedule(config: EngineConfig, frames: int) -> dict[str, Any]:
    """What the ``frames`` test measures, as the schedule predicts it."""
    model = Schedule(config)
    ends = [model.cycles(count) for count in range(1, frames + 1)]
    return {
        "cycles": ends[-1],
        "latency": model.latency,
        "intervals": [after - before for before, after in itertools.pairwise(ends)],
    }


def engine_scalars(config: EngineConfig, *, frames: int, cut_beats: int = 1) -> dict[str, Any]:
    """Scalars of :mod:`sim.engine_tb` for so many frames back to back."""
    codes_per_word = 32 // config.weight_code_bits
    weight_words = config.folds_per_pixel * -(-config.pe * config.simd // codes_per_word)
    words = weight_words + config.m * config.n + config.in_channels * (config.n + 1)
    return {
        "loadable": config.loadable,
        "simd": config.simd,
        "pe": config.pe,
        "act_bits": config.act_bits,
        "acc_bits": config.acc_bits,
        "phi_bits": config.phi_bits,
        "in_beats": config.in_beats,
        "cut_beats": cut_beats,
        "phi_words": [weight_words, config.m * config.n],
        "schedule": schedule(config, frames),
        "cycle_budget": 2000
        + 10 * max(config.in_beats, config.folds_per_frame)
        + 4 * words * config.loadable,
    }


def engine_arrays(
    config: EngineConfig,
    parameters: LayerParameters,
    *,
    frames: int,
    cut_beats: int,
    seed: int,
    other: LayerParameters | None = None,
) -> dict[str, Array]:
    """Arrays of :mod:`sim.engine_tb`.

    Parameters
    ----------
    frames : :class:`int`
        Images back to back.
    cut_beats : :class:`int`
        Beats of the frame that is cut short.
    other : :class:`~pa_hdl.parameters.LayerParameters`
        What a loadable engine is loaded with between two frames.
    """
    images = activations(config, parameters, frames, seed)
    cut = _cut(config, parameters, images[0], cut_beats)
    arrays = {
        "frames": images,
        "expected": accumulators(config, parameters, images),
        "expected_cut": accumulators(config, parameters, cut[None])[0],
    }
    if other is not None:
        arrays["expected_other"] = accumulators(config, other, images[:1])[0]
        for name, loaded in (("load", parameters), ("load_other", other)):
            arrays[name] = np.array(
                config_words(
                    loaded.codes,
                    loaded.phi,
                    loaded.thresholds,
                    loaded.flip,
                    simd=config.simd,
                    pe=config.pe,
                )
            )
    return arrays


def _cut(config: EngineConfig, parameters: LayerParameters, image: Array, beats: int) -> Array:
    """The image whose elements behind so many beats have code 0, as padding has."""
    t, flip = parameters.thresholds, parameters.flip
    code_zero = np.where(flip, t.max(axis=1) + 1, t.min(axis=1) - 1)
    pixel = np.arange(config.height * config.width).reshape(config.height, config.width, 1)
    beat = pixel * config.in_folds + np.arange(config.in_channels) // config.simd
    return np.where(beat < beats, image, code_zero)
