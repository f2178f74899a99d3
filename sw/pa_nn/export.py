"""Export to the ``.pa`` artifact: ``python -m pa_nn.export CHECKPOINT -o NAME.pa``."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import pa_artifact
from pa_artifact import Network, Node
from pa_artifact.ranges import format_range
from pa_artifact.whole import write_whole
from pa_nn.checkpoint import load_checkpoint
from pa_nn.hardware import HardwareModel, restore_hardware
from pa_nn.rounding import rounding_report
from pa_nn.train import OneLineParser

__all__ = ["export_layer", "export_network"]


def _lowered(
    model: HardwareModel,
    example_input: torch.Tensor,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> Network:
    if not isinstance(model, HardwareModel):
        raise TypeError(
            f"Export takes what pa_nn.quantise_for_hardware returns, not a {type(model).__name__}"
        )
    for name, given, own in (("mean", mean, model.mean), ("std", std, model.std)):
        if given is not None and tuple(map(float, given)) != own:
            raise ValueError(
                f"{name} must be {own}, as given to quantise_for_hardware, not {given}"
            )
    if example_input.ndim not in (3, 4):
        raise ValueError(
            f"Example input must be (batch, C, H, W) or (C, H, W), not {tuple(example_input.shape)}"
        )
    channels, height, width = (int(size) for size in example_input.shape[-3:])
    if channels != len(model.mean):
        raise ValueError(f"Example input must have {len(model.mean)} channels, not {channels}")
    network, _ = model.lower((channels, height, width))
    return network


def export_network(
    model: HardwareModel,
    example_input: torch.Tensor,
    path: str | Path | None = None,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Network:
    """Lower the whole network to integers, write it to a ``.pa`` file, and return it.

    Parameters
    ----------
    model : what :func:`pa_nn.quantise_for_hardware` returns
    example_input : tensor ``(batch, C, H, W)`` or ``(C, H, W)``
        Only its shape counts: hardware computes images of this size.
    path : file to write, whole or not at all; by default none, see :func:`pa_artifact.write`
    mean, std : floats, optional
        The normalisation of ``p / 255``; must be what the model was quantised with.

    Raises
    ------
    TypeError, ValueError
        Another kind of model, another normalisation, and, naming the layer, parameters that are not
        finite, multipliers that do not fit, an image smaller than a kernel.
    """
    network = _lowered(model, example_input, mean, std)
    if path is not None:
        pa_artifact.write(path, network)
    return network


def export_layer(
    model: HardwareModel,
    layer: str,
    example_input: torch.Tensor,
    path: str | Path | None = None,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Network:
    """Write one piecewise-approximated convolution, fed by an input of its own, to a ``.pa`` file.

    The input takes the integers that the layer's comparators take inside the network.  Parameters
    as for :func:`export_network`, and ``layer``, the path of the module; raises also
    :class:`ValueError` for a layer that is not there or is of another kind.
    """
    whole = _lowered(model, example_input, mean, std)
    node = whole.node(layer)
    if node.kind != "pa_conv":
        convolutions = ", ".join(other.name for other in whole.of_kind("pa_conv"))
        raise ValueError(f"Layer must be one of {convolutions}, not {layer!r}, a {node.kind}")
    source = Node(
        name="input",
        kind="input",
        shape_in=node.shape_in,
        shape_out=node.shape_in,
        attributes={"bits": node.attributes["act_bits"], "signed": node.attributes["act_signed"]},
    )
    network = Network(
        nodes=(source, _with_any_input(node)),
        edges=((source.name, node.name),),
        producer=whole.producer,
    )
    if path is not None:
        pa_artifact.write(path, network)
    return network


def _with_any_input(node: Node) -> Node:
    """The node, ready for whatever its input's number format holds."""
    bounds = format_range(node.attributes["act_bits"], node.attributes["act_signed"])
    ranges = np.tile(np.array([bounds], np.int64), (node.shape_in[0], 1))
    return replace(node, tensors={**node.tensors, "range": ranges})


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m pa_nn.export",
        description="Write a checkpoint trained with --hardware as a .pa file.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="model.pt or last.pt of the training")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .pa file to write")
    parser.add_argument("--height", type=int, default=28, help="rows of an image")
    parser.add_argument("--width", type=int, default=28, help="columns of an image")
    parser.add_argument("--report", type=Path, help="JSON of the error of each rounding")
    parser.add_argument("--layer", help="write only this piecewise-approximated convolution")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        for name in ("height", "width"):
            if not 1 <= getattr(args, name) <= 65536:
                raise ValueError(f"--{name} must be from 1 to 65536, not {getattr(args, name)}")
        entries = load_checkpoint(args.checkpoint)
        model = restore_hardware(entries)
        example = torch.zeros(1, entries["in_channels"], args.height, args.width)
        if args.layer is None:
            network = export_network(model, example, args.output)
        else:
            network = export_layer(model, args.layer, example, args.output)
        if args.report is not None:
            rows = json.dumps({"rows": rounding_report(network)}, indent=2) + "\n"
            write_whole(args.report, rows.encode())
    except (TypeError, ValueError, OSError) as error:
        parser.error(" ".join(str(error).split()))
    print(f"{args.output}: {len(network.nodes)} nodes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
