"""The main bench: every PA convolution of a trained network on real images.

``python -m sim.main`` makes one engine a layer, streams the activations that the golden model finds
at the layer's input, and compares every accumulator and the cycle count.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import pa_artifact
from pa_hdl.config import DATAPATHS, TARGETS, EngineConfig, ceil_div
from pa_hdl.datapaths.inside import MOST_FOLDS
from pa_hdl.parameters import LayerParameters
from pa_nn import golden
from pa_nn.data import load_folder
from sim import vectors
from sim.arguments import BenchParser, positive
from sim.engine_bench import derived_seed
from sim.generated import engine
from sim.jobs import run_all
from sim.runner import Bench, Outcome
from sim.simulators import SIMULATORS, chosen

__all__ = ["DATA", "LayerJob", "cropped", "layer_jobs", "main", "middle"]

DATA = Path(__file__).parent / "data"
"""The embedded network and images of the test set."""

IMAGES = {"verilator": 4, "icarus": 1}
"""Real images a layer sees, unless ``--images`` says otherwise."""

LANES = {"verilator": (16, 8), "icarus": (8, 8)}
"""SIMD and PE, in layers that have so many channels: more lanes build slower and run faster."""

PRODUCTS = {"verilator": 1 << 40, "icarus": 150_000}
"""Products of codes in one image; layers with more are cropped to the middle of their input."""


@dataclass(frozen=True, kw_only=True)
class LayerJob:
    """One layer of a network on one simulator."""

    model: Path
    data: Path
    layer: str
    simulator: str
    images: int
    seed: int
    datapath: str = "popcount"
    target: str = "generic"
    products: int | None = None

    @property
    def name(self) -> str:
        """That of the layer, and of hardware that is not the paper's in plain logic."""
        form = (self.datapath, self.target)
        return ".".join((self.layer, *(() if form == ("popcount", "generic") else form)))

    @property
    def replay(self) -> str:
        """Command that runs just this job again."""
        return (
            f"SIM={self.simulator} python -m sim.main --model {self.model} --data {self.data} "
            f"--images {self.images} --only {self.name} --datapath {self.datapath} "
            f"--target {self.target}" + (f" --products {self.products}" if self.products else "")
        )

    def benches(self) -> list[Bench]:
        """One run: the images back to back, without stalls."""
        network = pa_artifact.read(self.model)
        node = network.node(self.layer)
        simd, pe = lanes(node, self.simulator, self.datapath)
        config = EngineConfig.from_node(
            node, simd=simd, pe=pe, datapath=self.datapath, target=self.target
        )
        config = cropped(config, self.products or PRODUCTS[self.simulator])
        parameters = LayerParameters.from_node(node)
        images = middle(self._activations(network), config.height, config.width)
        return [
            Bench(
                name=f"main.{self.name}",
                module="sim.engine_tb",
                tests=("frames",),
                design=engine(config, parameters),
                simulator=SIMULATORS[self.simulator],
                seed=derived_seed(self.seed, self.name),
                config=config.as_json(),
                predicted_cycles=vectors.schedule(config, self.images)["cycles"],
                scalars=vectors.engine_scalars(config, frames=self.images),
                arrays={
                    "frames": images,
                    "expected": vectors.accumulators(config, parameters, images),
                },
            )
        ]

    def _activations(self, network: pa_artifact.Network) -> NDArray[np.int64]:
        """What the layer meets in the network, channels last."""
        pixels = load_folder(self.data, "test").take(self.images).images
        values = golden.run(network, pixels.to(torch.int64), fast=True)
        [operand] = network.inputs_of(self.layer)
        return np.ascontiguousarray(values[operand.name].numpy().transpose(0, 2, 3, 1))

    def summary(self, outcomes: Sequence[Outcome]) -> str:
        """The layer, what was compared, and how fast."""
        [outcome] = outcomes
        config, found = outcome.entry.config or {}, outcome.measured
        sizes = "{in_channels}x{height}x{width} to {out_channels}".format(**config)
        kernel = "{}x{}/{}".format(*config["kernel"], config["stride"][0])
        lanes = "({m}, {n}) {simd}x{pe}".format(**config)
        speed = (outcome.entry.cycles or 0) / found.get("seconds", 1)
        return (
            f"{sizes:14} {kernel:5} {lanes}, {self.images} images, "
            f"{found.get('compared', 0):6} accumulators, {found.get('mismatches', 0)} mismatches, "
            f"cycles {outcome.entry.cycles}/{outcome.entry.predicted_cycles} measured/predicted, "
            f"{speed:.0f} cycles/s"
        )


def lanes(node: pa_artifact.Node, simulator: str, datapath: str) -> tuple[int, int]:
    """SIMD and PE of a layer."""
    simd, pe = LANES[simulator]
    inputs, outputs = node.shape_in[0], node.shape_out[0]
    if datapath == "inside":
        kernel = math.prod(node.attributes["kernel"])
        simd, pe = inputs, max(pe, ceil_div(outputs, max(1, MOST_FOLDS // kernel)))
    return min(simd, inputs), min(pe, outputs)


def applies(node: pa_artifact.Node, datapath: str) -> bool:
    """Whether a datapath can serve a layer, in as many lanes as it likes."""
    return datapath != "inside" or math.prod(node.attributes["kernel"]) <= MOST_FOLDS


def cropped(config: EngineConfig, products: int) -> EngineConfig:
    """The layer on an image so small that it takes no more than so many products of codes.

    Height and width shrink alike, down to a window and a stride.
    """
    height, width = config.height, config.width
    while config.out_height * config.out_width * config.taps * config.out_channels > products:
        height, width = height - 1, width - 1
        if height < config.kernel[0] + config.stride[0]:
            break
        if width < config.kernel[1] + config.stride[1]:
            break
        config = replace(config, height=height, width=width)
    return config


def middle(images: NDArray[np.int64], height: int, width: int) -> NDArray[np.int64]:
    """The middle of images (count, height, width, channels)."""
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return np.ascontiguousarray(images[:, top : top + height, left : left + width])


def layer_jobs(
    model: Path,
    data: Path,
    simulators: Sequence[str],
    *,
    images: int | None,
    seed: int,
    datapaths: Sequence[str] = ("popcount",),
    targets: Sequence[str] = ("generic",),
    products: int | None = None,
) -> list[LayerJob]:
    """A job for each simulator, the slow one first, PA convolution, datapath that can serve it, and
    target.

    Raises
    ------
    ValueError
        If the network or the images cannot be read, or do not suit each other.
    """
    network = pa_artifact.read(model)
    available = load_folder(data, "test")
    for node in network.of_kind("input"):
        if tuple(available.images.shape[1:]) != tuple(node.shape_out):
            raise ValueError(
                f"{data}: images must have shape {tuple(node.shape_out)}, "
                f"not {tuple(available.images.shape[1:])}"
            )
    counts = {name: images or IMAGES[name] for name in simulators}
    for count in counts.values():
        if count > len(available):
            raise ValueError(f"--images must be at most {len(available)}, not {count}")
    return [
        LayerJob(
            model=model,
            data=data,
            layer=node.name,
            simulator=name,
            images=counts[name],
            seed=seed,
            datapath=datapath,
            target=target,
            products=products,
        )
        for name in sorted(simulators)
        for node in network.of_kind("pa_conv")
        for datapath in datapaths
        for target in targets
        if applies(node, datapath)
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; see ``--help``."""
    parser = BenchParser(prog="sim.main", description=__doc__)
    parser.add_argument("--model", type=Path, default=DATA / "resnet8.pa", help="a .pa file")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of test images")
    parser.add_argument("--images", type=positive, default=None, help="images a layer sees")
    parser.add_argument(
        "--datapath",
        action="append",
        choices=[*DATAPATHS, "all"],
        help="hardware of the dot products, may be repeated (default: popcount)",
    )
    parser.add_argument(
        "--target",
        action="append",
        choices=TARGETS,
        help="device whose cells they place, may be repeated (default: generic)",
    )
    parser.add_argument(
        "--products",
        type=positive,
        default=None,
        help="crop layers whose image has more products of codes",
    )
    arguments = parser.parse_args(argv)
    datapaths = dict.fromkeys(arguments.datapath or ["popcount"])
    targets = dict.fromkeys(arguments.target or ["generic"])
    try:
        jobs = layer_jobs(
            arguments.model,
            arguments.data,
            [simulator.name for simulator in chosen()],
            images=arguments.images,
            seed=arguments.seed,
            datapaths=list(DATAPATHS if "all" in datapaths else datapaths),
            targets=list(targets),
            products=arguments.products,
        )
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return run_all([job for job in jobs if arguments.only in job.name], workers=arguments.workers)


if __name__ == "__main__":
    sys.exit(main())
