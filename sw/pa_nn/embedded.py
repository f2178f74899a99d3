"""Trained networks that come with the project: checkpoint, ``.pa`` file, and test images of one.

``python -m pa_nn.embedded --data DIR --full F --pa P --hardware H`` makes the files from the
checkpoints of the three trainings.  Without ``--data`` no images are written, for those that may
not be passed on; with ``--calibration DIR`` in place of ``--hardware`` the last stage is the second
one quantised, without training.
"""

import argparse
import gzip
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pa_artifact.whole import write_whole
from pa_nn.checkpoint import load_checkpoint, model_entries, restore_model, save_checkpoint
from pa_nn.data import Batches, load_folder
from pa_nn.export import export_network
from pa_nn.hardware import quantise_for_hardware, restore_hardware
from pa_nn.train import OneLineParser

__all__ = ["FOLDER", "Embedded", "embed", "load_stages", "quantised_entries"]

FOLDER = Path(__file__).resolve().parents[2] / "sim" / "data"
IMAGES = 64
STAGES = ("full_precision", "pa_float", "pa_integer")
# What a model needs; a training's optimiser and history stay behind.
_DESCRIPTION = ("name", "in_channels", "classes", "mean", "std")
_ENTRIES = ("schema", *_DESCRIPTION, "pa", "model")
# Training images from which the ranges of an untrained last stage come.
CALIBRATION_IMAGES = 512


@dataclass(frozen=True)
class Embedded:
    """Paths of a network's files in a folder."""

    folder: Path = FOLDER
    name: str = "resnet8"

    @property
    def checkpoint(self) -> Path:
        """The hardware model's checkpoint; under ``stages`` those of the stages before."""
        return self.folder / f"{self.name}.pt"

    @property
    def artifact(self) -> Path:
        """The integer network."""
        return self.folder / f"{self.name}.pa"

    @property
    def images(self) -> tuple[Path, Path]:
        """The first 64 test images and their labels, in Fashion-MNIST's IDX format."""
        return (
            self.folder / "t10k-images-idx3-ubyte.gz",
            self.folder / "t10k-labels-idx1-ubyte.gz",
        )


def load_stages(path: Path) -> dict[str, dict[str, Any]]:
    """Checkpoint entries of the stages, in the order of training.

    Raises :class:`ValueError` for a file that does not hold all three.
    """
    entries = load_checkpoint(path)
    stages = entries.get("stages")
    if not isinstance(stages, dict) or any(name not in stages for name in STAGES[:2]):
        raise ValueError(f"{path}: must hold the stages {', '.join(STAGES)}")
    return {**{name: stages[name] for name in STAGES[:2]}, STAGES[2]: entries}


def embed(
    place: Embedded,
    *,
    full: Mapping[str, Any],
    pa: Mapping[str, Any],
    hardware: Mapping[str, Any],
    data: Path | None = None,
    size: tuple[int, int] | None = None,
) -> None:
    """Write the files of a network.

    Parameters
    ----------
    place : the files
    full, pa, hardware : entries of the checkpoints of the three stages
    data : folder with grey test images, the first 64 of which are written, too
    size : height and width of an image, where there are none

    Raises
    ------
    ValueError
        Checkpoints of different networks or of another kind, images that are not grey.
    """
    stages = [_slim(entries) for entries in (full, pa, hardware)]
    for name, entries in zip(STAGES, stages, strict=True):
        for key in _DESCRIPTION:
            if entries[key] != stages[0][key]:
                raise ValueError(
                    f"{name}: must have {key} {stages[0][key]!r} as {STAGES[0]}, "
                    f"not {entries[key]!r}"
                )
    model = restore_hardware(stages[2])
    test = None if data is None else load_folder(data, "test").take(IMAGES)
    if test is not None:
        example = test.images
        if example.shape[1] != 1:
            raise ValueError(
                f"{data}: only grey images are written, not of {example.shape[1]} channels"
            )
    elif size is not None:
        example = torch.zeros(1, stages[2]["in_channels"], *size)
    else:
        raise ValueError("Either a folder of images or their size must be given")
    export_network(model, example, place.artifact)
    save_checkpoint(
        place.checkpoint, {**stages[2], "stages": dict(zip(STAGES[:2], stages[:2], strict=True))}
    )
    if test is not None:
        arrays = (test.images[:, 0].numpy(), test.labels.numpy().astype(np.uint8))
        for path, array in zip(place.images, arrays, strict=True):
            write_whole(path, gzip.compress(_idx(array), mtime=0))


def quantised_entries(
    pa: Mapping[str, Any], data: Path, act_bits: int | None = None
) -> dict[str, Any]:
    """Entries of the hardware stage that quantising a piecewise-approximated one gives.

    Parameters
    ----------
    pa : entries of a piecewise-approximated network's checkpoint
    data : folder with training images, the first 512 of which calibrate the ranges
    act_bits : as for :func:`~pa_nn.hardware.quantise_for_hardware`
    """
    batches = Batches(
        load_folder(data, "train").take(CALIBRATION_IMAGES),
        batch_size=128,
        mean=pa["mean"],
        std=pa["std"],
    )
    model = quantise_for_hardware(restore_model(pa), batches, act_bits=act_bits)
    description = {key: pa[key] for key in _DESCRIPTION}
    return {"schema": pa["schema"], **model_entries(model, **description)}


def _idx(array: np.ndarray) -> bytes:
    """An array of unsigned bytes in the IDX format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def _slim(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entries[key] for key in _ENTRIES}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2."""
    parser = OneLineParser(
        prog="python -m pa_nn.embedded",
        description="Make a trained network's files from its checkpoints.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    train = Path("build/train")
    parser.add_argument("--model-name", default="resnet8", help="name of the files")
    parser.add_argument("--data", type=Path, help="folder of grey images, of which 64 are written")
    for name in ("full", "pa", "hardware"):
        parser.add_argument(f"--{name}", type=Path, default=train / name / "model.pt")
    parser.add_argument(
        "--calibration", type=Path, help="quantise with training images of this folder instead"
    )
    parser.add_argument("--act-bits", type=int, help="with --calibration: omit to choose")
    parser.add_argument("--size", type=int, help="rows and columns of an image, without --data")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the files")
    args = parser.parse_args(argv)
    try:
        _check(args)
        full, pa = (load_checkpoint(path) for path in (args.full, args.pa))
        if args.calibration is None:
            hardware = load_checkpoint(args.hardware)
        else:
            hardware = quantised_entries(pa, args.calibration, args.act_bits)
        embed(
            Embedded(args.out, args.model_name),
            full=full,
            pa=pa,
            hardware=hardware,
            data=args.data,
            size=None if args.size is None else (args.size, args.size),
        )
    except (TypeError, ValueError, OSError) as error:
        parser.error(str(error))
    return 0


def _check(args: argparse.Namespace) -> None:
    if (args.data is None) == (args.size is None):
        raise ValueError("either --data with images or --size of an image must be given")
    if args.size is not None and not 1 <= args.size <= 65536:
        raise ValueError(f"--size must be from 1 to 65536, not {args.size}")
    if args.act_bits is not None and args.calibration is None:
        raise ValueError(f"--act-bits {args.act_bits} needs --calibration")


if __name__ == "__main__":
    sys.exit(main())
