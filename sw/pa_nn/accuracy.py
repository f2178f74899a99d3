"""Accuracy of the embedded network at each stage: ``python -m pa_nn.accuracy --data DIR``.

Prints a table and writes ``build/reports/accuracy.json``; the last stage is computed in integers,
by the golden model on the ``.pa`` file.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

import pa_artifact
from pa_artifact import Network
from pa_artifact.whole import write_whole
from pa_nn import golden
from pa_nn.checkpoint import restore_model
from pa_nn.data import Batches, ImageSet, load_folder
from pa_nn.embedded import FOLDER, Embedded, load_stages
from pa_nn.evaluation import top1
from pa_nn.train import OneLineParser

__all__ = ["accuracy_rows", "integer_top1", "main"]

REPORT = Path("build/reports/accuracy.json")
BATCH = 100


def integer_top1(network: Network, images: ImageSet) -> float:
    """Percentage of images whose largest logit, in integers, is that of their label."""
    right = 0
    for start in tqdm(range(0, len(images), BATCH), desc="integers", leave=False, disable=None):
        pixels = images.images[start : start + BATCH]
        logits = golden.run(network, pixels, fast=True)["logits"].flatten(1)
        right += int((logits.argmax(1) == images.labels[start : start + BATCH]).sum())
    return 100 * right / len(images)


def accuracy_rows(embedded: Embedded, images: ImageSet) -> list[dict[str, Any]]:
    """Top-1 of each stage: ``stage``, ``images``, ``top1`` in percent.

    Raises :class:`ValueError` for embedded files that are missing or of another kind.
    """
    stages = load_stages(embedded.checkpoint)
    network = pa_artifact.read(embedded.artifact)
    rows = []
    for stage in ("full_precision", "pa_float"):
        entries = stages[stage]
        batches = Batches(images, batch_size=250, mean=entries["mean"], std=entries["std"])
        model = restore_model(entries)
        rows.append({"stage": stage, "images": len(images), "top1": top1(model, batches)})
    integers = integer_top1(network, images)
    rows.append({"stage": "pa_integer", "images": len(images), "top1": integers})
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2."""
    parser = OneLineParser(
        prog="python -m pa_nn.accuracy",
        description="Measure the embedded network on all test images of a folder.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of IDX files (make accuracy DATA=DIR)")
    parser.add_argument("--embedded", type=Path, default=FOLDER, help="folder of the network")
    parser.add_argument("--limit", type=int, help="use only the first images")
    parser.add_argument("--report", type=Path, default=REPORT)
    args = parser.parse_args(argv)
    try:
        if args.data is None:
            raise ValueError(
                "no folder of test images: give DATA=DIR to make, or --data DIR "
                "(IDX files as Fashion-MNIST ships them)"
            )
        if args.limit is not None and args.limit < 1:
            raise ValueError(f"--limit must be at least 1, not {args.limit}")
        images = load_folder(args.data, "test")
        rows = accuracy_rows(
            Embedded(args.embedded), images if args.limit is None else images.take(args.limit)
        )
    except (ValueError, OSError) as error:
        parser.error(str(error))
    write_whole(args.report, (json.dumps({"rows": rows}, indent=2) + "\n").encode())
    for row in rows:
        print(f"{row['stage']:15} {row['images']:6} images  top-1 {row['top1']:.2f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
