"""The network that comes with the project: its checkpoint, its ``.pa`` file, its test images.

``python -m pa_nn.embedded --data DIR --full F --pa P --hardware H`` makes the files from the
checkpoints of the three trainings.
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

from pa_artifact.whole import write_whole
from pa_nn.checkpoint import load_checkpoint, save_checkpoint
from pa_nn.data import load_folder
from pa_nn.export import export_network
from pa_nn.hardware import restore_hardware
from pa_nn.train import OneLineParser

__all__ = ["FOLDER", "Embedded", "embed", "load_stages"]

FOLDER = Path(__file__).resolve().parents[2] / "sim" / "data"
IMAGES = 64
STAGES = ("full_precision", "pa_float", "pa_integer")
# What a model needs; a training's optimiser and history stay behind.
_ENTRIES = ("schema", "name", "in_channels", "classes", "mean", "std", "pa", "model")


@dataclass(frozen=True)
class Embedded:
    """Paths of the files in a folder."""

    folder: Path = FOLDER

    @property
    def checkpoint(self) -> Path:
        """The hardware model's checkpoint; under ``stages`` those of the stages before."""
        return self.folder / "resnet8.pt"

    @property
    def artifact(self) -> Path:
        """The integer network."""
        return self.folder / "resnet8.pa"

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


def embed(folder: Path, *, data: Path, full: Path, pa: Path, hardware: Path) -> None:
    """Write the files from a data folder and the checkpoints of three trainings.

    Raises :class:`ValueError` for checkpoints and data that are missing or of another kind.
    """
    place = Embedded(folder)
    entries = [_slim(load_checkpoint(path)) for path in (full, pa, hardware)]
    model = restore_hardware(entries[2])
    test = load_folder(data, "test").take(IMAGES)
    export_network(model, test.images, place.artifact)
    save_checkpoint(
        place.checkpoint,
        {**entries[2], "stages": dict(zip(STAGES[:2], entries[:2], strict=True))},
    )
    arrays = (test.images[:, 0].numpy(), test.labels.numpy().astype(np.uint8))
    for path, array in zip(place.images, arrays, strict=True):
        write_whole(path, gzip.compress(_idx(array), mtime=0))


def _idx(array: np.ndarray) -> bytes:
    """An array of unsigned bytes in the IDX format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def _slim(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entries[key] for key in _ENTRIES}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2."""
    parser = OneLineParser(
        prog="python -m pa_nn.embedded",
        description="Make the embedded network's files from three trainings.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    train = Path("build/train")
    parser.add_argument("--data", type=Path, required=True, help="folder of the images")
    for name in ("full", "pa", "hardware"):
        parser.add_argument(f"--{name}", type=Path, default=train / name / "model.pt")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the files")
    args = parser.parse_args(argv)
    try:
        embed(args.out, data=args.data, full=args.full, pa=args.pa, hardware=args.hardware)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
