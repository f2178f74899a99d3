"""The width of phi against accuracy: ``python -m pa_nn.phi_width --data DIR --init CHECKPOINT``.

A piecewise-approximated network is evaluated in the integers of the hardware, its ``alpha * beta``
(Eq. 19) rounded to fewer and fewer bits, without training it for them.  Everything else stays at
the same width, so that phi alone makes the difference.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from pa_artifact.whole import write_whole
from pa_nn.checkpoint import load_checkpoint, restore_model
from pa_nn.data import Batches, load_folder
from pa_nn.evaluation import top1
from pa_nn.hardware import quantise_for_hardware
from pa_nn.layers import PALayer
from pa_nn.train import OneLineParser

__all__ = ["main", "pieces_of"]

BITS = tuple(range(16, 5, -1))
CALIBRATION_BATCHES = 4


def pieces_of(model: nn.Module) -> tuple[int, int]:
    """M and N that all piecewise-approximated layers share.

    Raises :class:`ValueError` where there is no such layer, they differ, or N is None.
    """
    pieces = {(layer.m, layer.n) for layer in model.modules() if isinstance(layer, PALayer)}
    if len(pieces) != 1:
        raise ValueError(f"Layers must share one pair of M and N, not {sorted(pieces, key=str)}")
    ((m, n),) = pieces
    if n is None:
        raise ValueError("Activations must be approximated too: hardware computes their codes")
    return m, n


def _rows(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    entries = load_checkpoint(args.init)
    model = restore_model(entries)
    m, n = pieces_of(model)
    full = restore_model(load_checkpoint(args.full))
    train, test = (load_folder(args.data, split) for split in ("train", "test"))
    if args.limit is not None:
        test = test.take(args.limit)
    about = {"mean": entries["mean"], "std": entries["std"]}
    batches = Batches(test, batch_size=500, **about)
    reference = top1(full, batches)
    print(f"full precision {reference:.2f} %, PA ({m}, {n}) in floats {top1(model, batches):.2f} %")
    calibration = Batches(train, batch_size=128, **about)
    hardware = quantise_for_hardware(
        model,
        islice(calibration, CALIBRATION_BATCHES),
        **about,
        phi_bits=BITS[0],
        mult_bits=24,
        act_bits=args.act_bits,
    )
    for bits in tqdm(args.bits, desc="phi", disable=None):
        start = time.perf_counter()
        hardware.widths = replace(hardware.widths, phi_bits=bits)
        accuracy = top1(hardware, batches)
        yield {
            "dataset": args.dataset,
            "model": entries["name"],
            "scheme": "pa",
            "m": m,
            "n": n,
            "weight_bits": None,
            "activation_bits": None,
            "phi_bits": bits,
            "seed": None,
            "epochs": 0,
            "train_images": CALIBRATION_BATCHES * 128,
            "test_images": len(test),
            "top1": accuracy,
            "full_precision_top1": reference,
            "command": (
                f"python -m pa_nn.phi_width --data DIR --init {args.init} --full {args.full} "
                f"--act-bits {args.act_bits} --bits {bits}"
            ),
            "protocol": "post-training",
            "options": {"act_bits": args.act_bits, "init": str(args.init)},
            "lr": None,
            "trials": None,
            "seconds": round(time.perf_counter() - start, 1),
        }


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="pa_nn.phi_width",
        description="Measure a piecewise-approximated network with phi of several widths.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of IDX files, or of images by class")
    add("--dataset", default="fashion-mnist", help="its name in the rows")
    add("--init", type=Path, required=True, help="checkpoint of the approximated network")
    add("--full", type=Path, required=True, help="checkpoint of the network in full precision")
    add("--bits", type=int, nargs="+", default=BITS, help="widths of phi, 2 to 16")
    add("--act-bits", type=int, default=12, help="bits of fixed-point sums")
    add("--limit", type=int, help="test on the first images only")
    add("--threads", type=int, help="threads of PyTorch")
    add("--json", type=Path, help="file of the rows")
    return parser


def _check(args: argparse.Namespace) -> None:
    for bits in args.bits:
        if not 2 <= bits <= 16:
            raise ValueError(f"--bits must be from 2 to 16, not {bits}")
    for name in ("limit", "threads"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, not {value}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2."""
    parser = _parser()
    args = parser.parse_args(argv)
    rows = []
    try:
        _check(args)
        if args.threads is not None:
            torch.set_num_threads(args.threads)
        for row in _rows(args):
            rows.append(row)
            tqdm.write(f"phi of {row['phi_bits']:2} bits: {row['top1']:.2f} %")
            if args.json is not None:
                write_whole(args.json, (json.dumps({"runs": rows}, indent=1) + "\n").encode())
    except (TypeError, ValueError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
