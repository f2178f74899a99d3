"""Train a network: ``python -m pa_nn.train --data DIR --out DIR [--M 4 --N 5 --init CHECKPOINT]``.

Without ``--M`` the network is trained in full precision; with it, converted first and fine-tuned,
as with ``--scheme SPEC`` for any other scheme; with ``--hardware``, fine-tuned through the integers
it will be exported with.  ``README.md`` beside this file has the commands that made the embedded
network.

Several processes, GPUs or hosts train together where ``torchrun`` starts it; ``docs/imagenet.md``
has the recipe.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import nn

from pa_nn.checkpoint import load_checkpoint, restore_model
from pa_nn.data import ImageSet, load_folder
from pa_nn.distributed import World, joined
from pa_nn.folders import FolderSet, is_large, open_folders
from pa_nn.models import BUILDERS, build_model
from pa_nn.pa_options import add_pa_options, given_flag, pa_options
from pa_nn.schemes import Scheme, apply_scheme
from pa_nn.trainer import Recipe, Trainer, TrainingError
from pa_nn.weight_files import load_weights

__all__ = ["main"]

CALIBRATION_BATCHES = 4
IMAGE_SIZE, WORKERS = 224, 8
_LEAST = {"threads": 1, "limit": 1, "workers": 0, "image_size": 1, "save_every": 1}


class OneLineParser(argparse.ArgumentParser):
    """Reports an error in one line on standard error and exits with status 2."""

    def error(self, message: str) -> NoReturn:
        """Print ``message`` and leave."""
        print(f"{self.prog}: {' '.join(message.split())}", file=sys.stderr)
        sys.exit(2)


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="pa_nn.train",
        description="Train a network in full precision, piecewise-approximated, or as hardware.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of IDX files, or of images by class")
    add("--out", type=Path, required=True, help="folder for last.pt, model.pt and log.csv")
    add("--model", choices=sorted(BUILDERS), default="resnet8")
    add("--init", type=Path, help="checkpoint to start from")
    add("--weights", type=Path, help="pre-trained weights to start from, as torchvision has them")
    add("--resume", action="store_true", help="go on with the run in --out")
    add("--scheme", help="full, pa:4,5, abc:5,5, xnor, lsq:3,3 and the like")
    add("--M", type=int, help="--M 4 --N 5 is short for --scheme pa:4,5")
    add("--N", type=int, help="omit to keep activations real")
    add("--hardware", action="store_true", help="train through the integers of the hardware")
    add("--act-bits", type=int, help="with --hardware: omit to choose by accuracy")
    recipe = parser.add_argument_group("recipe")
    for field in fields(Recipe):
        flag = "--" + field.name.replace("_", "-")
        if isinstance(field.default, bool):
            recipe.add_argument(flag, action=argparse.BooleanOptionalAction, default=field.default)
        else:
            recipe.add_argument(flag, type=type(field.default), default=field.default)
    add_pa_options(recipe)
    machine = parser.add_argument_group("machine")
    machine.add_argument("--threads", type=int, help="threads of PyTorch")
    machine.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    machine.add_argument(
        "--batch-norm",
        choices=("synchronised", "local"),
        default="synchronised",
        help="statistics over all processes, or of each",
    )
    machine.add_argument("--workers", type=int, help="processes that read images")
    machine.add_argument("--image-size", type=int, help="of ImageNet's layout; omit for 224")
    machine.add_argument("--save-every", type=int, help="steps between checkpoints in an epoch")
    machine.add_argument("--limit", type=int, help="train on the first images only")
    machine.add_argument(
        "--hold-out", type=int, help="test on this many last training images instead"
    )
    return parser


def _scheme(args: argparse.Namespace) -> Scheme:
    """Of ``--scheme``, or of ``--M`` and ``--N``."""
    if args.scheme is not None:
        return Scheme.parse(args.scheme)
    if args.M is None:
        return Scheme(name="full")
    return Scheme(name="pa", m=args.M, n=args.N)


def _check(args: argparse.Namespace) -> None:
    for name, least in _LEAST.items():
        value = getattr(args, name)
        if value is not None and value < least:
            spelling = name.replace("_", "-")
            raise ValueError(f"--{spelling} must be at least {least}, not {value}")
    if args.weights is not None and args.init is not None:
        raise ValueError(f"--weights {args.weights} and --init {args.init}: give one of them")
    if args.N is not None and args.M is None:
        raise ValueError(f"--N {args.N} needs --M")
    if args.scheme is not None and args.M is not None:
        raise ValueError(f"--M {args.M} is no part of --scheme {args.scheme}: give one of them")
    scheme = _scheme(args)
    if args.hardware and (args.init is None or scheme.name != "full"):
        raise ValueError("--hardware needs --init with a piecewise-approximated model, and no --M")
    if args.act_bits is not None and not args.hardware:
        raise ValueError(f"--act-bits {args.act_bits} needs --hardware")
    if scheme.name != "pa" and (flag := given_flag(args)):
        raise ValueError(f"{flag} needs --M or --scheme pa:M,N")
    if args.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: PyTorch finds no CUDA device")
    exists = (args.out / "last.pt").exists()
    if exists and not args.resume:
        raise ValueError(f"{args.out} holds a run already: give --resume or another --out")
    if args.resume and not exists:
        raise ValueError(f"{args.out} holds no run to resume")


def _start(args: argparse.Namespace, about: dict[str, Any]) -> nn.Module:
    """The model built or loaded; ``about`` takes over the normalisation of a loaded one."""
    if args.init is None:
        model = build_model(
            about["name"], in_channels=about["in_channels"], classes=about["classes"]
        )
        if args.weights is not None:
            mean, std = load_weights(model, args.weights)
            if len(mean) == about["in_channels"]:
                about.update(mean=mean, std=std)
        return model
    entries = load_checkpoint(args.init)
    for key in ("name", "in_channels", "classes"):
        if entries[key] != about[key]:
            raise ValueError(f"{args.init}: has {key} {entries[key]!r}, not {about[key]!r}")
    about.update(mean=entries["mean"], std=entries["std"])
    return restore_model(entries)


def _approximate(
    args: argparse.Namespace, model: nn.Module, about: dict[str, Any], calibration: Iterable[Any]
) -> nn.Module:
    """The model to train: converted, or made hardware, where asked."""
    if args.hardware:
        from pa_nn.hardware import quantise_for_hardware

        return quantise_for_hardware(
            model, calibration, mean=about["mean"], std=about["std"], act_bits=args.act_bits
        )
    scheme = _scheme(args)
    if scheme.name == "full":
        return model
    return apply_scheme(model, scheme, calibration=calibration, **pa_options(args))


def _kind(args: argparse.Namespace) -> str:
    available = args.device == "auto" and torch.cuda.is_available()
    return "cuda" if available or args.device == "cuda" else "cpu"


def _device(args: argparse.Namespace, world: World) -> str:
    return f"cuda:{world.local_rank}" if _kind(args) == "cuda" else "cpu"


def _workers() -> int:
    """One for each processor this process may use, 8 at most."""
    return min(WORKERS, len(os.sched_getaffinity(0)))


def _open(
    args: argparse.Namespace,
) -> tuple[ImageSet, ImageSet] | tuple[FolderSet, FolderSet]:
    """Training and test images: in memory, or read as needed where the folder is ImageNet's."""
    if is_large(args.data):
        return open_folders(args.data, image_size=args.image_size or IMAGE_SIZE)
    for name in ("image_size", "workers"):
        if getattr(args, name) is not None:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag} {getattr(args, name)} needs {args.data} to hold train, val")
    train, test = (load_folder(args.data, split) for split in ("train", "test"))
    if len(test.classes) > len(train.classes):
        unknown = test.classes[len(train.classes)]
        raise ValueError(f"{args.data}: test images of class {unknown}, which has none to train on")
    return train, test


def _trainer(args: argparse.Namespace, world: World | None = None) -> Trainer:
    world = World() if world is None else world
    recipe = Recipe(**{field.name: getattr(args, field.name) for field in fields(Recipe)})
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    torch.manual_seed(recipe.seed)
    train, test = _open(args)
    large = isinstance(train, FolderSet)
    mean, std = train.statistics()
    about = {
        "name": args.model,
        "in_channels": train.channels,
        "classes": len(train.classes),
        "mean": mean,
        "std": std,
    }
    model = _start(args, about)
    if args.hold_out is not None:
        train, test = train.hold_out(args.hold_out)
    train = train if args.limit is None else train.take(args.limit)
    options: dict[str, Any] = {"mean": about["mean"], "std": about["std"]}
    if large:
        options["workers"] = _workers() if args.workers is None else args.workers
    # Every process calibrates with the same whole batches.
    few = train.take(CALIBRATION_BATCHES * recipe.batch_size)
    plain = few.batches(batch_size=recipe.batch_size, **options)
    options |= {"device": _device(args, world), "world": world}
    trainer = Trainer(
        _approximate(args, model, about, iter(plain)),
        recipe,
        train=train.batches(
            batch_size=recipe.batch_size,
            shuffle=True,
            augment=recipe.augment,
            seed=recipe.seed,
            **options,
        ),
        test=test.batches(batch_size=recipe.batch_size if large else 500, **options),
        about=about,
        out=args.out,
        world=world,
        batch_norm=args.batch_norm,
        save_every=args.save_every,
        top5=large and len(train.classes) > 5,
    )
    if args.resume:
        trainer.resume()
    return trainer


def _train(args: argparse.Namespace, world: World, parser: OneLineParser) -> int:
    try:
        trainer = _trainer(args, world)
    except (TypeError, ValueError, OSError) as error:
        parser.error(str(error))
    try:
        trainer.run()
    except (TrainingError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if world.size == 1:
            raise
        reason = " ".join(str(error).split())[:120]
        print(f"{parser.prog}: process {world.rank} lost the others ({reason})", file=sys.stderr)
        return 1
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 2 for bad input, 1 for a failed training."""
    parser = _parser()
    args = parser.parse_args(argv)
    with ExitStack() as stack:
        try:
            _check(args)
            world = stack.enter_context(joined(_kind(args)))
            if args.hardware and world.size > 1:
                raise ValueError(f"--hardware trains in one process, not in {world.size}")
        except (ValueError, OSError) as error:
            parser.error(str(error))
        # The trainer ends in there: where it outlives the group of processes, they may hang.
        return _train(args, world, parser)


if __name__ == "__main__":
    sys.exit(main())
