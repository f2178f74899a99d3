"""``python -m pa_hdl.gen --network NAME.pa``: a whole accelerator into a folder, or nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pa_artifact
from pa_hdl.arguments import given_flags
from pa_hdl.files import whole_files
from pa_hdl.folding import Folding, fold_for_budget, fold_for_rate
from pa_hdl.network.generate import GeneratedNetwork, generate
from pa_hdl.network.report import markdown, picture

__all__ = ["DEFAULT_NAME", "run"]

DEFAULT_NAME = "pa_network"
CACHE = Path("build/cache")
DEFAULT_CLOCK_MHZ = 100.0

_HARDWARE = ("datapath", "target")
"""Flags of an engine that hold for every PA convolution of a network."""


def run(arguments: argparse.Namespace) -> None:
    """Do what the flags ask for.

    Raises
    ------
    OSError, TypeError, ValueError
        Whatever is wrong, in one line; then nothing was written.
    """
    _check(arguments)
    name = DEFAULT_NAME if arguments.name is None else arguments.name
    clock_mhz = DEFAULT_CLOCK_MHZ if arguments.clock is None else arguments.clock
    network = pa_artifact.read(arguments.network)
    hardware = {
        flag: value for flag in _HARDWARE if (value := getattr(arguments, flag)) is not None
    }
    folding = _folding(arguments, network, clock_mhz, hardware)
    made = generate(
        network,
        folding.nodes,
        name=name,
        clock_mhz=clock_mhz,
        **hardware,
        cache=CACHE,
        progress=True,
    )
    folder = Path(arguments.output or f"build/{name}")
    _write(folder, made, folding)
    facts = made.metadata
    print(
        f"{name}: wrote {len(made.verilog)} Verilog and {len(made.memories)} memory files to "
        f"{folder}; {facts['cycles_per_image']} cycles an image, "
        f"{facts['images_per_second']:.1f} images a second at {clock_mhz:g} MHz, bottleneck "
        f"{facts['bottleneck']['node']}, {facts['totals']['luts']} LUT predicted"
    )


def _check(arguments: argparse.Namespace) -> None:
    """Refuse contradictions before anything is made."""
    for name in given_flags(arguments).keys() - _HARDWARE:
        raise ValueError(f"{name} must not be given with --network: the network decides it")
    for flag, value in (
        ("--model", arguments.model),
        ("--layer", arguments.layer),
        ("--json", arguments.json),
        ("--inline-memories", arguments.inline_memories or None),
    ):
        if value is not None:
            raise ValueError(f"{flag} must not be given with --network")
    if arguments.output == "-":
        raise ValueError("-o must be a folder with --network, not '-'")
    targets = {
        "--fps": arguments.fps,
        "--budget-luts": arguments.budget_luts,
        "--folding": arguments.folding,
    }
    given = [flag for flag, value in targets.items() if value is not None]
    if len(given) != 1:
        raise ValueError(
            f"--network needs one of {', '.join(targets)}, not {' and '.join(given) or 'none'}"
        )
    for flag, value in (("--fps", arguments.fps), ("--clock", arguments.clock)):
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"{flag} must be above 0, not {value!r}")


def _folding(
    arguments: argparse.Namespace,
    network: pa_artifact.Network,
    clock_mhz: float,
    hardware: Mapping[str, str],
) -> Folding:
    if arguments.folding is not None:
        return Folding.read(arguments.folding, network)
    if arguments.fps is not None:
        return fold_for_rate(network, fps=arguments.fps, clock_mhz=clock_mhz, **hardware)
    return fold_for_budget(network, luts=arguments.budget_luts, **hardware)


def _write(folder: Path, made: GeneratedNetwork, folding: Folding) -> None:
    """Verilog, memories, metadata, folding and report, all or nothing."""
    name = made.metadata["name"]
    texts: dict[str, Any] = {
        **made.verilog,
        **made.memories,
        **made.models,
        f"{name}.json": json.dumps(made.metadata, indent=2) + "\n",
        "folding.json": folding.text(),
        "report.md": markdown(made.metadata),
    }
    try:
        texts["report.svg"] = picture(made.metadata)
    except ImportError as error:
        print(
            f"no picture of the graph: {error.name} is not installed (pip install pa-hdl[report])",
            file=sys.stderr,
        )
    with whole_files() as write:
        for file, text in texts.items():
            write(folder / file, text)
