# amaranth: UnusedElaboratable=no
"""Write an engine as Verilog: ``python -m pa_hdl.gen --M 4 --N 5``.

:func:`generate` makes the texts of one engine; the command line puts them into files, all of them
or none. With ``--network`` it hands over to :mod:`pa_hdl.network.command`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pa_artifact
from pa_hdl.arguments import (
    SHAPES,
    given_flags,
    in_terms_of_flags,
    lanes_of,
    make_parser,
    shape_of,
)
from pa_hdl.axi import AxiEngine
from pa_hdl.cells.models import models_for
from pa_hdl.config import DATAPATHS, EngineConfig
from pa_hdl.cost import AUTO, cheapest
from pa_hdl.emit import ModuleLibrary
from pa_hdl.engine import Engine
from pa_hdl.files import whole_files
from pa_hdl.memory import Ram
from pa_hdl.metadata import annotate, metadata
from pa_hdl.parameters import LayerParameters

__all__ = ["Generated", "generate", "main"]

DEFAULT_NAME = "pa_engine"


@dataclass(frozen=True, kw_only=True)
class Generated:
    """Texts of one engine.

    ``memories`` holds the contents of the memory files by name: they belong where the Verilog is
    read. ``models`` holds the file, if any, that a simulator needs and synthesis must not see.
    ``metadata`` is what :func:`pa_hdl.metadata.metadata` describes.
    """

    verilog: str
    memories: dict[str, str]
    models: dict[str, str]
    metadata: dict[str, Any]


def generate(
    config: EngineConfig,
    parameters: LayerParameters | None = None,
    *,
    name: str = "pa_engine",
    inline_memories: bool = False,
) -> Generated:
    """Verilog-2005 and metadata of one engine; the same input gives the same bytes.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        What the engine is.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`, optional
        Baked in; ``None`` for a loadable engine.
    name : :class:`str`
        Name of the top module, and prefix of every other: engines of two names fit one design.
    inline_memories : :class:`bool`
        Contents of memories inside the Verilog, not in files beside it.

    Raises
    ------
    TypeError, ValueError
        If the engine cannot be built, quoting what is wrong.
    """
    library = ModuleLibrary(prefix=name, inline_memories=inline_memories)
    top = AxiEngine(Engine(config, parameters))
    library.add_top(top)
    rams = {
        module: component
        for module, component in library.components.items()
        if isinstance(component, Ram)
    }
    verilog = library.verilog()
    text = models_for(verilog, config.target)
    models = {f"{name}_cells.v": text} if text else {}
    facts = metadata(
        config, name=name, top=top, rams=rams, files=list(library.memories), models=list(models)
    )
    return Generated(
        verilog=annotate(verilog, facts),
        memories=library.memories,
        models=models,
        metadata=facts,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """The command line; see ``--help``."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    try:
        if arguments.network is not None:
            # The parts of whole networks are not needed for an engine.
            from pa_hdl.network.command import run

            run(arguments)
            return
        _check_output(arguments)
        config, parameters = _engine(arguments)
        made = generate(
            config,
            parameters,
            name=arguments.name,
            inline_memories=arguments.inline_memories,
        )
        written = _write(made, arguments)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except (TypeError, ValueError) as error:
        parser.error(in_terms_of_flags(str(error)))
    facts = made.metadata
    print(
        f"{arguments.name}: wrote {', '.join(written)}; {config.datapath} datapath, "
        f"latency {facts['latency_cycles']} cycles, "
        f"initiation interval {facts['initiation_interval']} cycles, "
        f"{facts['cycles_per_frame']} cycles a frame",
        file=sys.stderr if arguments.output == "-" else sys.stdout,
    )


def _check_output(arguments: argparse.Namespace) -> None:
    """Refuse contradictions before anything is made."""
    if arguments.name is None:
        arguments.name = DEFAULT_NAME
    for flag in ("fps", "clock", "budget_luts", "folding"):
        if getattr(arguments, flag) is not None:
            raise ValueError(f"--{flag.replace('_', '-')} needs --network")
    if arguments.layer is not None and arguments.model is None:
        raise ValueError(f"--layer needs --model, the file that has layer {arguments.layer!r}")
    if arguments.json == "-":
        raise ValueError("--json must be a path, not '-': standard output is for the Verilog")
    if arguments.output == "-" and arguments.model is not None and not arguments.inline_memories:
        raise ValueError("-o - with --model needs --inline-memories: there is no place for files")


def _engine(arguments: argparse.Namespace) -> tuple[EngineConfig, LayerParameters | None]:
    """What the flags ask for: a layer of a model, or a loadable engine."""
    if arguments.model is not None:
        return _baked(arguments)
    for name in ("m", "n"):
        if getattr(arguments, name) is None:
            raise ValueError(
                f"{SHAPES[name].flag} must be given (1 to 255), or --model and --layer"
            )
    return _chosen(EngineConfig, None, **shape_of(arguments), loadable=True), None


def _chosen(
    build: Callable[..., EngineConfig], parameters: LayerParameters | None, **options: Any
) -> EngineConfig:
    """The configuration, its datapath the cheapest where it is not named."""
    if options.get("datapath") != AUTO:
        return build(**options)
    config = build(**options | {"datapath": DATAPATHS[0]})
    return replace(config, datapath=cheapest(config, parameters))


def _baked(arguments: argparse.Namespace) -> tuple[EngineConfig, LayerParameters]:
    given = given_flags(arguments)
    for name in given:
        if not SHAPES[name].free:
            raise ValueError(
                f"{SHAPES[name].flag} must not be given with --model: the layer decides it"
            )
    network = pa_artifact.read(arguments.model)
    node = _layer(network, arguments.layer)
    lanes = lanes_of(node.shape_in[0], node.shape_out[0])
    parameters = LayerParameters.from_node(node)
    config = _chosen(partial(EngineConfig.from_node, node), parameters, **(lanes | given))
    return config, parameters


def _layer(network: pa_artifact.Network, name: str | None) -> pa_artifact.Node:
    layers = ", ".join(node.name for node in network.of_kind("pa_conv")) or "none"
    if name is None:
        raise ValueError(f"--layer must be given with --model: the pa_conv layers are {layers}")
    for node in network.nodes:
        if node.name == name and node.kind == "pa_conv":
            return node
        if node.name == name:
            raise ValueError(
                f"--layer {name!r} is a {node.kind}, not a pa_conv: the pa_conv layers are {layers}"
            )
    raise ValueError(f"--layer {name!r} does not exist: the pa_conv layers are {layers}")


def _write(made: Generated, arguments: argparse.Namespace) -> list[str]:
    """Put the texts where they belong; their places, as the user would spell them."""
    texts: list[tuple[Path, str]] = []
    json_path = None if arguments.json is None else Path(arguments.json)
    if arguments.output != "-":
        verilog = Path(arguments.output or f"build/{arguments.name}.v")
        texts.append((verilog, made.verilog))
        beside = made.memories | made.models
        texts += [(verilog.with_name(name), text) for name, text in beside.items()]
        json_path = json_path or verilog.with_suffix(".json")
    if json_path is not None:
        texts.append((json_path, json.dumps(made.metadata, indent=2) + "\n"))
    with whole_files() as write:
        for path, text in texts:
            write(path, text)
        if arguments.output == "-":
            _print(made.verilog)
    places = [str(path) for path, _text in texts]
    return ["standard output", *places] if arguments.output == "-" else places


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer must not fail once more when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(error.errno, error.strerror, "standard output") from None


if __name__ == "__main__":
    main()
