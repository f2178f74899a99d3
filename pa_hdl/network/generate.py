# amaranth: UnusedElaboratable=no
"""A whole accelerator as text: Verilog, memory files, and what a report says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pa_artifact import Network
from pa_hdl.cells.models import models_for
from pa_hdl.emit import ModuleLibrary
from pa_hdl.network.accelerator import Accelerator
from pa_hdl.network.blocks import Block
from pa_hdl.network.convert import Converted, convert_all
from pa_hdl.network.facts import facts
from pa_hdl.network.graph import Graph, build_graph
from pa_hdl.network.postpone import FEWEST
from pa_hdl.network.sizing import fifo_depths

__all__ = ["GeneratedNetwork", "generate"]


@dataclass(frozen=True, kw_only=True)
class GeneratedNetwork:
    """Texts of one accelerator.

    Parameters
    ----------
    verilog : :class:`dict`
        Text of each Verilog file by its name; ``NAME.v`` has the outermost module.
    memories : :class:`dict`
        Text of each memory file by its name: they belong where the Verilog is read.
    models : :class:`dict`
        Text of the file, if any, that a simulator needs and synthesis must not see.
    metadata : :class:`dict`
        What :func:`pa_hdl.network.facts.facts` describes.
    """

    verilog: dict[str, str]
    memories: dict[str, str]
    models: dict[str, str]
    metadata: dict[str, Any]


def generate(
    network: Network,
    folding: Mapping[str, Mapping[str, int]],
    *,
    name: str = "pa_network",
    clock_mhz: float = 100.0,
    datapath: str = "popcount",
    target: str = "generic",
    fifo_depths: Mapping[str, int] | None = None,
    cache: Path | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> GeneratedNetwork:
    """Verilog-2005 of a whole network; the same input gives the same bytes.

    Parameters
    ----------
    network : :class:`pa_artifact.Network`
        Validated, as :func:`pa_artifact.read` returns it.
    folding : mapping
        ``simd`` and ``pe``, or ``lanes``, of each node by name.
    name : :class:`str`
        Of the outermost module, and prefix of every other.
    clock_mhz : :class:`float`
        What the report's rates are for; the hardware does not depend on it.
    datapath, target : :class:`str`
        Of the PA convolutions; :data:`~pa_hdl.cost.AUTO` is the cheapest datapath of each.
    fifo_depths : mapping of :class:`str` to :class:`int`, optional
        Depths to use in place of the computed ones, by name of the FIFO.
    cache : :class:`~pathlib.Path`, optional
        Folder for texts of nodes, found again by content.
    workers : :class:`int`, optional
        Processes; by default one a core.
    progress : :class:`bool`
        Show a bar on a terminal.

    Raises
    ------
    ArtifactError, TypeError, ValueError
        Naming the node, and quoting what is wrong.
    """
    graph = build_graph(network, folding, datapath=datapath, target=target)
    depths = _depths(graph, fifo_depths or {})
    library = ModuleLibrary(prefix=name)
    texts = _convert_nodes(graph, library, name, cache, workers, progress)
    top = Accelerator(graph=graph, depths=depths)
    library.add_top(top)
    verilog = {f"{name}.v": library.verilog()}
    memories = dict(library.memories)
    for prefix, made in texts.items():
        verilog[f"{prefix}.v"] = made.verilog
        memories |= made.memories
    models = models_for("\n".join(verilog.values()), target)
    return GeneratedNetwork(
        verilog=verilog,
        memories=memories,
        models={f"{name}_cells.v": models} if models else {},
        metadata=facts(
            network,
            top,
            name=name,
            clock_mhz=clock_mhz,
            verilog=list(verilog),
            memories=list(memories),
            models=[f"{name}_cells.v"] if models else [],
            texts={block: texts[f"{name}_{block}"] for block in _separate(graph)},
        ),
    )


def _depths(graph: Graph, given: Mapping[str, int]) -> dict[str, int]:
    depths = fifo_depths(graph)
    for fifo, depth in given.items():
        if fifo not in depths:
            raise ValueError(f"FIFO must be one of {', '.join(depths)}, not {fifo!r}")
        if depth < FEWEST:
            raise ValueError(f"{fifo}: depth must be at least {FEWEST}, not {depth!r}")
    return depths | dict(given)


def _separate(graph: Graph) -> dict[str, Block]:
    """Blocks that stand for a node of the network; forks go with the FIFOs."""
    return {block.name: block for block in graph.blocks if block.node is not None}


def _convert_nodes(
    graph: Graph,
    library: ModuleLibrary,
    name: str,
    cache: Path | None,
    workers: int | None,
    progress: bool,
) -> dict[str, Converted]:
    """Each node by itself, declared to the library of the top; texts by prefix."""
    jobs = [(block, library.unique_name(block.name)) for block in _separate(graph).values()]
    made = convert_all(jobs, cache_folder=cache, workers=workers, progress=progress)
    for (block, prefix), text in zip(jobs, made, strict=True):
        library.declare(block.component, prefix, text.sync)
    return {prefix: text for (_, prefix), text in zip(jobs, made, strict=True)}
