"""Export to the ``.pa`` artifact: ``python -m pa_nn.export CHECKPOINT -o NAME.pa``."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import pa_artifact
from pa_artifact import Network, Node
from pa_artifact.ranges import format_range
from pa_nn.checkpoint import load_checkpoint
from pa_nn.conversion import evaluating
from pa_nn.data import Batches, ImageSet, load_folder
from pa_nn.hardware import HardwareModel, quantise_for_hardware, restore_hardware
from pa_nn.measuring import Measured, measure
from pa_nn.report import write_report
from pa_nn.train import OneLineParser

__all__ = ["export_layer", "export_network"]

BATCH = 64


def _checked(
    model: HardwareModel,
    example_input: torch.Tensor,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> tuple[int, int, int]:
    """Channels, height and width of one image, where everything fits."""
    for name, given, own in (("mean", mean, model.mean), ("std", std, model.std)):
        if given is not None and tuple(map(float, given)) != own:
            raise ValueError(
                f"{name} must be {own}, as given to quantise_for_hardware, not {given}"
            )
    channels, height, width = (int(size) for size in example_input.shape[-3:])
    if channels != len(model.mean):
        raise ValueError(f"Example input must have {len(model.mean)} channels, not {channels}")
    return channels, height, width


def _batch(example_input: torch.Tensor) -> torch.Tensor:
    if example_input.ndim not in (3, 4):
        raise ValueError(
            f"Example input must be (batch, C, H, W) or (C, H, W), not {tuple(example_input.shape)}"
        )
    return example_input if example_input.ndim == 4 else example_input.unsqueeze(0)


def export_network(
    model: nn.Module,
    example_input: torch.Tensor,
    path: str | Path | None = None,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    calibration: Iterable[Any] | None = None,
    report: str | Path | None = None,
    phi_bits: int = 8,
    mult_bits: int = 16,
    act_bits: int | None = None,
) -> Network:
    """Lower the whole network to integers, write it to a ``.pa`` file, and return it.

    Parameters
    ----------
    model : any module that :mod:`pa_nn.plan` recognises
        What :func:`pa_nn.quantise_for_hardware` returns keeps the widths and ranges that it has
        been trained with.  Any other module is passed through it here and stays as it is.
    example_input : tensor ``(batch, C, H, W)`` or ``(C, H, W)``
        Hardware computes images of this size.
    path : file to write, whole or not at all; by default none, see :func:`pa_artifact.write`
    mean, std : floats
        The normalisation of ``p / 255``; for a quantised model optional, and what it has.
    calibration : batches of normalised images, with labels or without
        Ranges of fixed-point values, ``act_bits`` and the measured part of the report come from
        them; by default the example input is the only batch.
    report : file for the error of each rounding, JSON; a table in Markdown is written beside it
    phi_bits, mult_bits, act_bits
        As for :func:`pa_nn.quantise_for_hardware`, for a model that did not come from there.
        Without labels ``act_bits`` is the smallest of 8 to 12 that leaves the class of all but 0.1
        percent of the calibration images as unrounded sums have it: give it, or enough images.

    Raises
    ------
    TypeError, ValueError
        No normalisation, another one than the model's, and, naming the layer, operations that
        hardware does not have, parameters that are not finite, multipliers that do not fit, an
        image smaller than a kernel.
    """
    batch = _batch(example_input)
    batches: Any = [batch] if calibration is None else calibration
    if not isinstance(batches, Batches):
        batches = list(batches)
    if not isinstance(model, nn.Module):
        raise TypeError(f"Export takes a torch.nn.Module, not a {type(model).__name__}")
    if not isinstance(model, HardwareModel):
        model = quantise_for_hardware(
            model,
            batches,
            mean=mean,
            std=std,
            phi_bits=phi_bits,
            mult_bits=mult_bits,
            act_bits=act_bits,
        )
    network, _ = model.lower(_checked(model, batch, mean, std))
    if path is not None:
        pa_artifact.write(path, network)
    if report is not None:
        write_report(report, network, _measured(model, batches))
    return network


def _measured(model: HardwareModel, batches: Iterable[Any]) -> Measured:
    with evaluating(model):
        return measure(model, batches)


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
    as for :func:`export_network`, and ``layer``, the path of the module.  Raises also
    :class:`TypeError` for a model that is not quantised, and :class:`ValueError` for a layer that
    is not there or is of another kind.
    """
    if not isinstance(model, HardwareModel):
        raise TypeError(
            f"A layer is of what pa_nn.quantise_for_hardware returns, not of {type(model).__name__}"
        )
    whole, _ = model.lower(_checked(model, _batch(example_input), mean, std))
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
    )
    parser.add_argument("checkpoint", type=Path, help="model.pt or last.pt of the training")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .pa file to write")
    parser.add_argument("--height", type=int, help="rows of an image (28, or those of the data)")
    parser.add_argument("--width", type=int, help="columns of an image (likewise)")
    parser.add_argument("--report", type=Path, help="JSON of the error of each rounding, and .md")
    parser.add_argument("--data", type=Path, help="folder of images to measure the errors on")
    parser.add_argument("--split", default="train", choices=("train", "test"), help="of the data")
    parser.add_argument("--limit", type=int, default=256, help="use only the first images")
    parser.add_argument("--layer", help="write only this piecewise-approximated convolution")
    return parser


def _images(args: argparse.Namespace) -> ImageSet | None:
    """The images to measure on, which fit the sizes on the command line."""
    for name in ("height", "width"):
        value = getattr(args, name)
        if value is not None and not 1 <= value <= 65536:
            raise ValueError(f"--{name} must be from 1 to 65536, not {value}")
    if args.data is None:
        return None
    if args.report is None:
        raise ValueError("--data is for the measured part of --report FILE, which is missing")
    if args.limit < 1:
        raise ValueError(f"--limit must be at least 1, not {args.limit}")
    images = load_folder(args.data, args.split).take(args.limit)
    for name, size in zip(("height", "width"), images.images.shape[2:], strict=True):
        if getattr(args, name) not in (None, size):
            raise ValueError(f"--{name} must be {size}, as the data has, not {getattr(args, name)}")
    return images


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        images = _images(args)
        entries = load_checkpoint(args.checkpoint)
        model = restore_hardware(entries)
        height, width = (args.height or 28, args.width or 28)
        if images is not None:
            height, width = images.images.shape[2:]
        example = torch.zeros(1, entries["in_channels"], height, width)
        measured = None
        if images is not None:
            batches = Batches(images, batch_size=BATCH, mean=model.mean, std=model.std)
            measured = _measured(model, batches)
        if args.layer is None:
            network = export_network(model, example, args.output)
        else:
            network = export_layer(model, args.layer, example, args.output)
        if args.report is not None:
            write_report(args.report, network, measured)
    except (TypeError, ValueError, OSError) as error:
        parser.error(" ".join(str(error).split()))
    print(f"{args.output}: {len(network.nodes)} nodes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
