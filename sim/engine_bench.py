"""Benches of one engine, outside the simulator: what to build, what to send, what to expect."""

import random
import zlib
from dataclasses import replace
from typing import Any

from pa_hdl.config import EngineConfig
from pa_hdl.parameters import LayerParameters
from sim import vectors
from sim.engine_tb import BAKED_TESTS, LOADABLE_TESTS
from sim.generated import engine
from sim.runner import Bench
from sim.simulators import Simulator

__all__ = ["FRAMES", "derived_seed", "engine_benches"]

FRAMES = 3
"""Images back to back: the first finds the engine idle, the last two show the steady state."""


def derived_seed(seed: int, name: str) -> int:
    """The seed of one bench of a run: the same whichever others run with it."""
    return zlib.crc32(f"{seed} {name}".encode())


def engine_benches(
    config: EngineConfig, simulator: Simulator, *, name: str = "engine", seed: int, key: str
) -> list[Bench]:
    """Both runs of an engine with seeded parameters: without stalls, and with.

    Parameters
    ----------
    name : :class:`str`
        What the report calls the bench.
    seed : :class:`int`
        Of the whole run.
    key : :class:`str`
        Tells this engine's data from that of others of the same seed.
    """
    own = derived_seed(seed, key)
    parameters = LayerParameters.seeded(config, own)
    other = LayerParameters.seeded(config, own + 1) if config.loadable else None
    if not config.loadable:
        low, high = parameters.acc_range()
        config = replace(config, acc_min=low, acc_max=high)
    cut = random.Random(own).randrange(1, config.in_beats)
    return _both(
        name=name,
        module="sim.engine_tb",
        tests=LOADABLE_TESTS if config.loadable else BAKED_TESTS,
        design=engine(config, None if config.loadable else parameters),
        simulator=simulator,
        seed=own,
        config=config.as_json(),
        scalars=vectors.engine_scalars(config, frames=FRAMES, cut_beats=cut),
        arrays=vectors.engine_arrays(
            config, parameters, frames=FRAMES, cut_beats=cut, seed=own, other=other
        ),
    )


def _both(*, scalars: dict[str, Any], **fields: Any) -> list[Bench]:
    cycles = scalars["schedule"]["cycles"]
    return [
        Bench(stalls=False, predicted_cycles=cycles, scalars=scalars, **fields),
        Bench(stalls=True, scalars=scalars, **fields),
    ]
