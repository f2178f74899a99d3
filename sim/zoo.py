"""Networks to show accelerators on: ``python -m sim.zoo NAME -o FILE.pa``.

Each is piecewise-approximated with M = 4 and N = 5.  Those without trained weights at hand have
random ones; batch normalisation and ranges are then taken from seeded noise, or from the images of
``--data``, so that activations neither die nor saturate.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from filelock import FileLock
from torch import nn

import pa_artifact
import pa_nn
from pa_artifact import Network
from pa_nn.conversion import convert, reestimate_batch_norm
from pa_nn.data import load_folder
from pa_nn.densenet import densenet
from pa_nn.export import export_network
from pa_nn.hardware import quantise_for_hardware
from pa_nn.mobilenet import MOBILENET_MEAN, MOBILENET_STD, load_tensorflow, mobilenet_v1
from pa_nn.resnet import bottleneck, resnet18
from pa_nn.train import OneLineParser
from sim.arguments import positive

__all__ = ["ZOO", "Order", "Specimen", "main", "make", "noise"]

CACHE = Path("build/zoo")
EMBEDDED = Path(__file__).parent / "data"

M, N, ACT_BITS = 4, 5, 8
# Part of the channels whose random batch normalisation has a negative factor.
FLIPPED = 0.1

# ImageNet's usual normalisation; what it is matters little to random weights.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is asked for.

    Parameters
    ----------
    size : int, optional
        Height and width of an image; by default the smallest that suits the network.
    images : int
        How many to simulate.
    data : folder, optional
        Test images, resized to ``size``, in place of noise.
    weights : file, optional
        TensorFlow's variables of MobileNet v1.
    width : int, optional
        Channels behind the first convolution, for networks that scale with it.
    seed : int
        Of weights and noise.
    """

    size: int | None = None
    images: int = 2
    data: Path | None = None
    weights: Path | None = None
    width: int | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        for name, limit in (("size", 1024), ("images", 10000), ("width", 256)):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= limit:
                raise ValueError(f"{name} must be from 1 to {limit}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """A network, and images for its input: uint8 ``(count, C, H, W)``."""

    name: str
    network: Network
    images: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """How a network without trained integers is made.

    Members
    -------
    build : the float network of an order
    size : of its images, unless ordered otherwise
    multiple : what a size must be a multiple of
    options : of an order that the network knows
    """

    build: Callable[[Order], nn.Module]
    size: int
    multiple: int = 1
    options: tuple[str, ...] = ()
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD


def _mobilenet(order: Order) -> nn.Module:
    if order.weights is not None:
        return load_tensorflow(order.weights)
    return mobilenet_v1(width=(order.width or 8) / 32)


ZOO: dict[str, _Kind] = {
    "bottleneck": _Kind(build=lambda order: bottleneck(), size=32),
    "densenet": _Kind(build=lambda order: densenet(), size=16, multiple=2),
    "mobilenet_v1": _Kind(
        build=_mobilenet,
        size=32,
        multiple=32,
        options=("weights", "width"),
        mean=MOBILENET_MEAN,
        std=MOBILENET_STD,
    ),
    "resnet18": _Kind(
        build=lambda order: resnet18(width=order.width or 64), size=32, options=("width",)
    ),
}
"""Networks made to order; those that come trained with the project are beside them."""

TRAINED = ("resnet20", "resnet8")


def make(name: str, order: Order | None = None) -> Specimen:
    """A network by name, and images for it.

    What was made before of the same order is read again from ``build/zoo``.

    Raises
    ------
    ValueError
        An unknown name, an option or a size that the network does not know, data or weights that
        cannot be read.
    """
    order = Order() if order is None else order
    if name in TRAINED:
        return _trained(name, order)
    if name not in ZOO:
        known = ", ".join(sorted([*ZOO, *TRAINED]))
        raise ValueError(f"Network must be one of {known}, not {name!r}")
    kind = ZOO[name]
    _check_options(name, order, kind.options)
    size = kind.size if order.size is None else order.size
    if size % kind.multiple:
        raise ValueError(f"{name}: size must be a multiple of {kind.multiple}, not {size}")
    # Apart, so that the network does not depend on how many images it is shown with.
    shape = (3, size, size)
    calibration = _images(order, shape, _calibration_count(size))
    shown = _images(order, shape, order.images, shown=True)
    path = CACHE / f"{name}-{_digest(name, kind, order, calibration)}.pa"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            _export(kind, order, calibration, path)
        return Specimen(name=name, network=pa_artifact.read(path), images=shown)


def _calibration_count(size: int) -> int:
    """Enough pixels in the last layers for their batch normalisation."""
    return 32 if size <= 64 else 8


def _check_options(name: str, order: Order, known: Sequence[str]) -> None:
    for option in ("weights", "width"):
        value = getattr(order, option)
        if value is not None and option not in known:
            raise ValueError(f"{name}: {option} cannot be chosen, not even {value}")
    if order.weights is not None and order.width is not None:
        raise ValueError(f"{name}: width {order.width} follows from the weights, leave it out")


def _trained(name: str, order: Order) -> Specimen:
    _check_options(name, order, ())
    network = pa_artifact.read(EMBEDDED / f"{name}.pa")
    [source] = network.of_kind("input")
    channels, height, width = source.shape_out
    if order.size not in (None, height):
        raise ValueError(f"{name}: size must be {height}, not {order.size}")
    images = _images(order, (channels, height, width), order.images, shown=True)
    return Specimen(name=name, network=network, images=images)


def _images(
    order: Order, shape: tuple[int, int, int], count: int, *, shown: bool = False
) -> torch.Tensor:
    """The last images of a data folder, or the first ones where they are shown; or noise."""
    if order.data is None:
        return noise(count, shape, seed=2 * order.seed + shown)
    known = _test_images(order.data)
    if known.shape[1] != shape[0]:
        raise ValueError(
            f"{order.data}: images must have {shape[0]} channels, not {known.shape[1]}"
        )
    if len(known) < count:
        raise ValueError(f"{order.data}: {count} images are needed, there are {len(known)}")
    chosen = known[:count] if shown else known[-count:]
    if tuple(chosen.shape[1:]) == shape:
        return chosen
    resized = F.interpolate(chosen.float(), shape[1:], mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


@lru_cache(maxsize=1)
def _test_images(folder: Path) -> torch.Tensor:
    return load_folder(folder, "test").images


def noise(count: int, shape: tuple[int, int, int], *, seed: int) -> torch.Tensor:
    """Seeded images, uint8 ``(count, C, H, W)``: coarse and fine noise of differing strength.

    Images of white noise are all alike to a network; these are not.
    """
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = shape
    coarse = torch.randn(count, channels, 4, 4, generator=generator)
    coarse = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    fine = torch.randn(count, channels, height, width, generator=generator)
    strength = 20 + 60 * torch.rand(count, 2, 1, 1, 1, generator=generator)
    level = 64 + 128 * torch.rand(count, channels, 1, 1, generator=generator)
    images = level + strength[:, 0] * coarse + strength[:, 1] * fine
    return images.round().clamp(0, 255).to(torch.uint8)


def _export(kind: _Kind, order: Order, pixels: torch.Tensor, path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(order.seed)
        model = kind.build(order)
        if order.weights is None:
            _unsettle(model)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (kind.mean, kind.std))
    images = (pixels.float() / 255 - mean) / std
    if order.weights is None:
        reestimate_batch_norm(model, [images])
    model = convert(model, M, N, calibration=[images])
    # Approximation moves the statistics, and nothing here is trained to follow.
    reestimate_batch_norm(model, [images])
    labels = torch.zeros(len(images), dtype=torch.int64)
    hardware = quantise_for_hardware(
        model.eval(), [(images, labels)], mean=kind.mean, std=kind.std, act_bits=ACT_BITS
    )
    export_network(hardware.eval(), images, path)


@torch.no_grad()
def _unsettle(model: nn.Module) -> None:
    """Batch normalisation of a kind that training leaves: of any strength, here and there flipped.

    Some activations are then large enough for ReLU6 to matter.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 3)
            module.weight[torch.rand_like(module.weight) < FLIPPED] *= -1
            module.bias.uniform_(-0.5, 1)


def _digest(name: str, kind: _Kind, order: Order, calibration: torch.Tensor) -> str:
    """Name for all that the integers depend on."""
    weights = b"" if order.weights is None else _content(order.weights)
    parts = (
        f"{name} {order.width} {order.seed} {tuple(calibration.shape)}".encode(),
        calibration.numpy().tobytes(),
        weights,
        _sources(),
    )
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()[:20]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None


@cache
def _sources() -> bytes:
    """Content of everything that makes integers of a network."""
    folders = [Path(str(module.__file__)).parent for module in (pa_nn, pa_artifact)]
    files = [file for folder in folders for file in sorted(folder.glob("*.py"))]
    return b"".join(file.read_bytes() for file in [*files, Path(__file__)])


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m sim.zoo",
        description="Write a network to show an accelerator on.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("name", help=", ".join(sorted([*ZOO, *TRAINED])))
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .pa file to write")
    parser.add_argument("--size", type=positive, help="rows and columns of an image")
    parser.add_argument("--data", type=Path, help="folder of test images to calibrate with")
    parser.add_argument("--weights", type=Path, help=".npz of MobileNet v1 from TensorFlow")
    parser.add_argument("--width", type=positive, help="channels behind the first convolution")
    parser.add_argument("--seed", type=int, default=1, help="of weights and noise")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        order = Order(
            size=args.size,
            data=args.data,
            weights=args.weights,
            width=args.width,
            seed=args.seed,
        )
        specimen = make(args.name, order)
        pa_artifact.write(args.output, specimen.network)
    except (TypeError, ValueError, OSError) as error:
        parser.error(str(error))
    print(f"{args.output}: {len(specimen.network.nodes)} nodes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
