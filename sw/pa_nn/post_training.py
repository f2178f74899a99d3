"""PA without training or labels: ``python -m pa_nn.post_training --data DIR --init CHECKPOINT``.

A network trained in full precision is approximated with a few batches of images that need no
labels, by piecewise approximation and by uniform quantisation (:mod:`pa_nn.uniform`) in the same
way: activation levels of least squared error on what each layer is given, then batch normalisation
re-estimated.  Nothing is trained.  Prints a table, and writes a row of each result to ``--json``.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from pa_artifact.whole import write_whole
from pa_nn.checkpoint import load_checkpoint, restore_model
from pa_nn.conversion import convert, reestimate_batch_norm
from pa_nn.data import Batches, ImageSet, load_folder
from pa_nn.evaluation import top1
from pa_nn.schemes import Scheme
from pa_nn.train import OneLineParser
from pa_nn.uniform import quantise_uniformly

__all__ = ["DEFAULT_SCHEMES", "Setting", "approximate_without_training", "main", "run_row"]

# Groups of equal bits of the indices of weights and activations.
DEFAULT_SCHEMES = (
    *("pa:6,7", "pa:4,5", "lsq:3,3"),
    *("pa:8,7", "pa:14,7", "lsq:4,3"),
    *("pa:2,3", "lsq:2,2"),
    *("pa:4,3", "pa:6,3", "lsq:3,2"),
    *("pa:14,15", "lsq:4,4"),
    *("pa:2,full", "lsq:2,full"),
    *("pa:4,full", "pa:6,full", "lsq:3,full"),
    *("pa:8,full", "pa:14,full", "lsq:4,full"),
    *("pa:254,7", "lsq:8,3"),
)
# Where the levels of weights come from.
RULES = {"pa": ("means", "layer", "channel"), "lsq": ("layer", "channel")}
_CONVERTED = {"means": "means", "layer": "trained", "channel": "channel"}
BATCH = 128


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A scheme, and the rule for its weight levels.

    Parameters
    ----------
    scheme : Scheme
        ``pa``, or ``lsq`` for uniform levels, whose step is not learnt here.
    levels : str
        Least squared error over the ``"layer"`` or over each output ``"channel"``: of a level of
        PA each, of the step of uniform levels.  Of PA also ``"means"`` of fixed pieces, the paper's
        rule.

    Raises :class:`ValueError` for other schemes and rules.
    """

    scheme: Scheme
    levels: str

    def __post_init__(self) -> None:
        if self.scheme.name not in RULES:
            raise ValueError(f"Scheme must be pa or lsq, not {self.scheme}")
        if self.levels not in (rules := RULES[self.scheme.name]):
            raise ValueError(
                f"Levels of {self.scheme} must be {', '.join(rules)}, not {self.levels!r}"
            )


def approximate_without_training(
    model: nn.Module, setting: Setting, calibration: Sequence[torch.Tensor]
) -> nn.Module:
    """A copy of ``model`` approximated as ``setting`` says, batch normalisation as it was.

    ``calibration`` are batches of normalised images ``(count, C, H, W)``.
    """
    scheme = setting.scheme
    if scheme.name == "pa":
        return convert(
            model,
            scheme.m,  # type: ignore[arg-type]  # a scheme of this name has it
            scheme.n,
            calibration=calibration,
            levels=_CONVERTED[setting.levels],
        )
    return quantise_uniformly(
        model,
        scheme.weight_bits,  # type: ignore[arg-type]  # likewise
        scheme.activation_bits,
        calibration=calibration,
        channel=setting.levels == "channel",
    )


def run_row(
    setting: Setting,
    *,
    dataset: str,
    model: str,
    seed: int,
    calibration_images: int,
    test_images: int,
    batch_norm: bool,
    accuracy: float,
    full_precision: float,
    seconds: float,
    command: str,
) -> dict[str, Any]:
    """One result, with the fields of the results of training."""
    scheme = setting.scheme
    return {
        "dataset": dataset,
        "model": model,
        "scheme": scheme.name,
        "m": scheme.m,
        "n": scheme.n,
        "weight_bits": scheme.weight_bits,
        "activation_bits": scheme.activation_bits,
        "phi_bits": None,
        "seed": seed,
        "epochs": 0,
        "train_images": calibration_images,
        "test_images": test_images,
        "top1": accuracy,
        "full_precision_top1": full_precision,
        "command": command,
        "protocol": "post-training",
        "options": {"levels": setting.levels, "batch_norm": batch_norm},
        "lr": None,
        "trials": None,
        "seconds": seconds,
    }


def _calibration(images: ImageSet, count: int, seed: int, about: dict[str, Any]) -> Batches:
    """Images chosen by ``seed``, in an order of their own."""
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:count]
    part = ImageSet(
        images=images.images[chosen], labels=images.labels[chosen], classes=images.classes
    )
    return Batches(part, batch_size=BATCH, mean=about["mean"], std=about["std"])


def _rows(args: argparse.Namespace, settings: Sequence[Setting]) -> Iterator[dict[str, Any]]:
    entries = load_checkpoint(args.init)
    if entries["pa"]:
        raise ValueError(f"{args.init}: must be in full precision, and is approximated already")
    # The faster layout of convolutions.
    model = restore_model(entries).to(  # type: ignore[call-overload]  # its stubs lack this
        memory_format=torch.channels_last
    )
    train, test = (load_folder(args.data, split) for split in ("train", "test"))
    if args.limit is not None:
        test = test.take(args.limit)
    batches = Batches(test, batch_size=500, mean=entries["mean"], std=entries["std"])
    reference = top1(model, batches)
    print(f"full precision: {reference:.2f} %")
    choices = list(product(range(args.seeds), settings))
    for seed, setting in tqdm(choices, desc="post-training", disable=None):
        # No label goes any further than this.
        images = [batch for batch, _ in _calibration(train, args.calibration, seed, entries)]
        for batch_norm in (False, True) if args.both else (True,):
            start = time.perf_counter()
            approximated = approximate_without_training(model, setting, images)
            if batch_norm:
                reestimate_batch_norm(approximated, images)
            accuracy = top1(approximated, batches)
            yield run_row(
                setting,
                dataset=args.dataset,
                model=entries["name"],
                seed=seed,
                calibration_images=sum(map(len, images)),
                test_images=len(test),
                batch_norm=batch_norm,
                accuracy=accuracy,
                full_precision=reference,
                seconds=round(time.perf_counter() - start, 1),
                command=_command(args, setting),
            )


def _command(args: argparse.Namespace, setting: Setting) -> str:
    return (
        f"python -m pa_nn.post_training --data DIR --init {args.init} --calibration "
        f"{args.calibration} --seeds {args.seeds} --scheme {setting.scheme}"
    )


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="pa_nn.post_training",
        description="Approximate a trained network without labels, and measure it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of IDX files, or of images by class")
    add("--dataset", default="fashion-mnist", help="its name in the rows")
    add("--init", type=Path, required=True, help="checkpoint of the network in full precision")
    add("--scheme", nargs="+", default=DEFAULT_SCHEMES, help="pa:M,N, or lsq:W,A for even levels")
    add("--calibration", type=int, default=512, help="images without labels")
    add("--seeds", type=int, default=3, help="choices of these images")
    add("--both", action="store_true", help="also without re-estimating batch normalisation")
    add("--limit", type=int, help="test on the first images only")
    add("--threads", type=int, help="threads of PyTorch")
    add("--json", type=Path, help="file of the rows")
    return parser


def _settings(args: argparse.Namespace) -> list[Setting]:
    for name in ("calibration", "seeds", "limit", "threads"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, not {value}")
    schemes = [Scheme.parse(text) for text in args.scheme]
    for scheme in schemes:
        if scheme.name not in RULES:
            raise ValueError(f"--scheme must be pa:M,N or lsq:W,A, not {scheme}")
    return [
        Setting(scheme=scheme, levels=levels) for scheme in schemes for levels in RULES[scheme.name]
    ]


def _line(row: dict[str, Any]) -> str:
    sizes = {name: row[name] for name in ("m", "n", "weight_bits", "activation_bits")}
    scheme = Scheme(name=row["scheme"], **sizes)
    again = "" if row["options"]["batch_norm"] else ", batch normalisation as it was"
    gap = row["full_precision_top1"] - row["top1"]
    return (
        f"{scheme!s:12} {row['options']['levels']:8} seed {row['seed']}: "
        f"{row['top1']:.2f} % ({gap:+.2f} below){again}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2."""
    parser = _parser()
    args = parser.parse_args(argv)
    rows = []
    try:
        settings = _settings(args)
        if args.threads is not None:
            torch.set_num_threads(args.threads)
        for row in _rows(args, settings):
            rows.append(row)
            tqdm.write(_line(row))
            if args.json is not None:
                write_whole(args.json, (json.dumps({"runs": rows}, indent=1) + "\n").encode())
    except (TypeError, ValueError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
