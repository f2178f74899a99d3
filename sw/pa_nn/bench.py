"""Speed of a training step: ``python -m pa_nn.bench``.

Measures a step of ResNet-8 on 28x28 images in full precision, piecewise-approximated with the
compiled kernels, and piecewise-approximated in plain PyTorch.  The three take turns, so that
whatever else the machine does falls on all of them; the figure that counts is the median ratio.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from pa_artifact.whole import write_whole
from pa_nn import kernels
from pa_nn.conversion import convert, project
from pa_nn.models import resnet8
from pa_nn.train import OneLineParser

__all__ = ["main", "measure"]

FULL, COMPILED, PLAIN = "full precision", "PA, compiled kernels", "PA, plain PyTorch"


def _stepper(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, precision: str
) -> Callable[[], None]:
    # A keyword that PyTorch documents and its stubs lack.
    model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, nesterov=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = F.cross_entropy(model(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        project(model)

    return step


def measure(
    *, m: int, n: int, batch_size: int, steps: int, precision: str = "float32"
) -> list[dict[str, Any]]:
    """Median milliseconds a step of each variant, and the median ratio to full precision.

    One row a variant: ``{"variant", "precision", "milliseconds", "ratio"}``.  The variant with
    compiled kernels is missing where they cannot be built.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, 1, 28, 28, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch_size,), generator=generator)
    torch.manual_seed(0)
    model = resnet8()
    variants = {FULL: _stepper(model, images, labels, precision)}
    approximated = convert(model, m, n, calibration=[images])
    if kernels.compiled():
        variants[COMPILED] = _stepper(approximated, images, labels, precision)
    plain = convert(model, m, n, calibration=[images])
    plain_step = _stepper(plain, images, labels, precision)

    def without_kernels() -> None:
        with kernels.plain_torch():
            plain_step()

    variants[PLAIN] = without_kernels
    times: dict[str, list[float]] = {name: [] for name in variants}
    for turn in tqdm(range(steps + 2), desc=precision, leave=False, disable=None):
        for name, step in variants.items():
            start = time.perf_counter()
            step()
            if turn >= 2:
                times[name].append(time.perf_counter() - start)
    return [
        {
            "variant": name,
            "precision": precision,
            "milliseconds": round(1000 * statistics.median(values), 2),
            "ratio": round(
                statistics.median(
                    value / full for value, full in zip(values, times[FULL], strict=True)
                ),
                3,
            ),
        }
        for name, values in times.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; writes the report and prints it as a table."""
    parser = OneLineParser(
        prog="pa_nn.bench",
        description="Measure a training step, piecewise-approximated beside full precision.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, default=Path("build/reports/bench.json"))
    args = parser.parse_args(argv)
    for name in ("batch_size", "steps", "threads"):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, not {value}")
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    rows = []
    for precision in ("float32", "bfloat16"):
        rows += measure(m=4, n=5, batch_size=args.batch_size, steps=args.steps, precision=precision)
    report = {"batch_size": args.batch_size, "threads": torch.get_num_threads(), "rows": rows}
    write_whole(args.output, (json.dumps(report, indent=2) + "\n").encode())
    print(f"Training step of ResNet-8, M=4 N=5, batch {args.batch_size}")
    print(f"{'variant':24}{'precision':12}{'ms':>9}{'ratio':>8}")
    for row in rows:
        print(
            f"{row['variant']:24}{row['precision']:12}{row['milliseconds']:9.1f}{row['ratio']:8.2f}"
        )
    print(f"-> {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
