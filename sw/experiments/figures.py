"""The paper's figures from this project: ``python -m experiments.figures``.

1 and 2: forward and backward functions; 3: the parallel architecture; 4 and 5: histograms of
weights and activations. All as SVG and PNG.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from tqdm import tqdm

from experiments.figures_architecture import architecture
from experiments.figures_files import save
from experiments.figures_network import (
    Trained,
    activation_functions,
    activation_histograms,
    load_trained,
    weight_functions,
    weight_histograms,
)
from hw.flow import FlowError
from pa_nn.embedded import FOLDER, Embedded
from pa_nn.train import OneLineParser

__all__ = ["FIGURES", "main"]

FIGURES: dict[str, Callable[[Trained], Figure]] = {
    "figure-1-weights": weight_functions,
    "figure-2-activations": activation_functions,
    "figure-3-architecture": lambda _: architecture(),
    "figure-4-weights": weight_histograms,
    "figure-5-activations": activation_histograms,
}
"""Figures by the names of their files."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2."""
    parser = OneLineParser(
        prog="python -m experiments.figures",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--network", type=Path, default=FOLDER, help="folder of resnet8.pt and its test images"
    )
    parser.add_argument("--out", type=Path, default=Path("build/figures"), help="folder to write")
    parser.add_argument("--only", choices=list(FIGURES), action="append", help="may be repeated")
    args = parser.parse_args(argv)
    try:
        trained = load_trained(Embedded(args.network))
        for name in tqdm(args.only or FIGURES, unit="figure", disable=None):
            for path in save(FIGURES[name](trained), args.out / name):
                print(path)
    except (TypeError, ValueError, OSError, FlowError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
