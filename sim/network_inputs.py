"""What to simulate: a network from a file or from the zoo, images for it, and its folding."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import pa_artifact
from pa_artifact import Network
from pa_hdl.config import DATAPATHS, TARGETS
from pa_hdl.cost import AUTO
from pa_hdl.folding import Folding, fold_for_budget, fold_for_rate
from pa_nn.data import load_folder
from sim import zoo
from sim.arguments import positive, size
from sim.network_crop import cropped

__all__ = ["Subject", "add_subject_flags", "chosen_folding", "images_for", "subject"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network, and images ``(count, channels, height, width)`` for its input."""

    name: str
    network: Network
    images: NDArray[np.int64]


def add_subject_flags(parser: ArgumentParser) -> None:
    """The flags that :func:`subject` and :func:`chosen_folding` read."""
    names = ", ".join(sorted([*zoo.ZOO, *zoo.TRAINED]))
    parser.add_argument("network", metavar="NETWORK", help=f"a .pa file, or one of {names}")
    parser.add_argument("--name", help="what the report calls it (default: that of the file)")
    parser.add_argument("--images", type=positive, default=8, help="images (default: 8)")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of test images (default: seeded noise)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of noise and weights (default: 1)")
    parser.add_argument("--crop", type=size, metavar="HxW", help="make images smaller")
    parser.add_argument("--size", type=positive, help="rows and columns of a network of the zoo")
    parser.add_argument("--width", type=positive, help="channels of a network of the zoo")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights, as in sim.zoo")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--fps", type=float, help="images a second to fold for")
    target.add_argument("--budget-luts", type=positive, metavar="LUTS", help="LUTs to fold for")
    target.add_argument("--folding", type=Path, metavar="FILE", help="a folding file")
    parser.add_argument(
        "--datapath",
        choices=(*DATAPATHS, AUTO),
        default=DATAPATHS[0],
        help=f"of the PA convolutions (default: {DATAPATHS[0]})",
    )
    parser.add_argument(
        "--target",
        choices=TARGETS,
        default=TARGETS[0],
        help=f"device family whose cells may be placed (default: {TARGETS[0]})",
    )
    parser.add_argument("--clock", type=float, default=100.0, help="MHz (default: 100)")


def subject(arguments: Namespace) -> Subject:
    """What the flags name.

    Raises
    ------
    OSError, ValueError
        If it cannot be read or made, or there are no such images.
    """
    if arguments.network.endswith(".pa"):
        for name in ("size", "width", "weights"):
            if getattr(arguments, name) is not None:
                raise ValueError(f"--{name} is for a network of the zoo, not {arguments.network!r}")
        path = Path(arguments.network)
        name, network = path.stem, pa_artifact.read(path)
        if arguments.crop is not None:
            network = cropped(network, *arguments.crop)
        images = images_for(network, arguments.images, data=arguments.data, seed=arguments.seed)
    else:
        order = zoo.Order(
            size=arguments.size,
            images=arguments.images,
            data=arguments.data,
            weights=arguments.weights,
            width=arguments.width,
            seed=arguments.seed,
        )
        specimen = zoo.make(arguments.network, order)
        name, network = specimen.name, specimen.network
        images = specimen.images.numpy().astype(np.int64)
        if arguments.crop is not None:
            network = cropped(network, *arguments.crop)
            images = _middle(images, network, arguments.network)
    return Subject(
        name=name if arguments.name is None else arguments.name, network=network, images=images
    )


def images_for(
    network: Network, count: int, *, data: Path | None = None, seed: int = 1
) -> NDArray[np.int64]:
    """Images for a network: the middle of those in a folder, or seeded noise.

    Raises
    ------
    ValueError
        If the folder has too few images, or they are too small.
    """
    [node] = network.of_kind("input")
    bits, signed = node.attributes["bits"], node.attributes["signed"]
    if data is None:
        low = -(1 << (bits - 1)) if signed else 0
        return np.random.default_rng(seed).integers(
            low, low + (1 << bits), (count, *node.shape_out)
        )
    found = load_folder(data, "test")
    if len(found) < count:
        raise ValueError(f"--images must be at most {len(found)}, not {count}")
    return _middle(found.take(count).images.numpy().astype(np.int64), network, str(data))


def _middle(images: NDArray[np.int64], network: Network, origin: str) -> NDArray[np.int64]:
    [node] = network.of_kind("input")
    channels, height, width = node.shape_out
    top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
    if images.shape[1] != channels or images.shape[2] < height or images.shape[3] < width:
        raise ValueError(
            f"{origin}: images must be {channels}x{height}x{width} or larger, "
            f"not {'x'.join(map(str, images.shape[1:]))}"
        )
    return np.ascontiguousarray(images[:, :, top : top + height, left : left + width])


def chosen_folding(network: Network, arguments: Namespace) -> Folding:
    """What ``--fps``, ``--budget-luts`` or ``--folding`` asks for.

    Raises
    ------
    OSError, ValueError
        If it cannot be met, or does not suit the network.
    """
    if arguments.folding is not None:
        return Folding.read(arguments.folding, network)
    if arguments.budget_luts is not None:
        return fold_for_budget(
            network,
            luts=arguments.budget_luts,
            datapath=arguments.datapath,
            target=arguments.target,
        )
    return fold_for_rate(
        network,
        fps=arguments.fps,
        clock_mhz=arguments.clock,
        datapath=arguments.datapath,
        target=arguments.target,
    )
