"""Pre-trained weights approximated without training: ``python -m pa_nn.pretrained --help``.

``--weights FILE`` is evaluated on labelled images in full precision, then with its weights
approximated for several M, or uniform for comparison: first as they are, then after re-estimating
batch normalisation.  No label and no gradient is used.  Statistics are averaged over one half of
the images for the accuracy on the other half, and the other way round, so that no image is counted
that its network has seen in this step.  Images that the weights were trained on give accuracies
that are no accuracies of unseen images; the size of the drop is what such a run shows.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from pa_artifact.whole import write_whole
from pa_nn.conversion import convert, reestimate_batch_norm
from pa_nn.endpoint_rules import RULES
from pa_nn.labelled import LabelledImages
from pa_nn.models import BUILDERS, build_model
from pa_nn.schemes import Scheme
from pa_nn.train import OneLineParser
from pa_nn.uniform import quantise_uniformly
from pa_nn.weight_files import Normalisation, load_weights

__all__ = ["evaluate", "main", "pretrained_model"]

TOP = 5
# Of convert, beside the paper's rule.
CHOICES = {"endpoints": RULES, "levels": ("trained", "channel")}


def pretrained_model(
    name: str, path: str | Path, *, classes: int
) -> tuple[nn.Module, Normalisation]:
    """The network ``name`` for ``classes`` classes with the weights of ``path``, and its input's
    normalisation; raises as :func:`~pa_nn.weight_files.load_weights` does.
    """
    model = build_model(name, in_channels=3, classes=classes)
    normalisation = load_weights(model, path)
    # A keyword that PyTorch documents and its stubs lack.
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.eval(), normalisation


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]
) -> tuple[int, int]:
    """How many images have their label first, and among the first five."""
    model.eval()
    first, among = 0, 0
    for images, labels in batches:
        logits = model(images)
        found = logits.topk(min(TOP, logits.shape[1])).indices == labels[:, None]
        first += int(found[:, 0].sum())
        among += int(found.sum())
    return first, among


class _Study:
    """What the command measures, as rows."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.images = LabelledImages(args.images, size=args.size)
        if args.limit is not None and not 2 <= args.limit <= len(self.images):
            raise ValueError(f"--limit must be from 2 to {len(self.images)}, not {args.limit}")
        self.count = args.limit or len(self.images)
        self.model, self.normalisation = pretrained_model(
            args.model, args.weights, classes=len(self.images.classes)
        )
        self.batch_size = args.batch_size
        self.options = {
            name: getattr(args, name) for name in CHOICES if getattr(args, name) is not None
        }

    def batches(
        self, only: Sequence[int], label: str
    ) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
        """Those images, with a progress bar."""
        total = -(-len(only) // self.batch_size)
        batches = self.images.batches(self.batch_size, self.normalisation, only)
        return tqdm(batches, total=total, desc=label, leave=False, disable=None)

    def approximate(self, scheme: Scheme) -> nn.Module:
        """A copy of the network; ``lsq`` stands for uniform levels, whose step is not learnt."""
        if scheme.name == "full":
            return deepcopy(self.model)
        if scheme.weight_bits is not None:
            channel = self.options.get("levels") == "channel"
            return quantise_uniformly(
                self.model, scheme.weight_bits, None, calibration=[], channel=channel
            )
        assert scheme.m is not None
        return convert(self.model, scheme.m, None, **self.options)

    def accuracy(self, scheme: Scheme, *, adapt: bool) -> tuple[float, float]:
        """Top-1 and top-5 of a scheme.

        With ``adapt``, batch normalisation is re-estimated on the half that is not counted.
        """
        model, label = self.approximate(scheme), str(scheme)
        everything = range(self.count)
        halves = [(everything[k::2], everything[1 - k :: 2]) for k in (0, 1)]
        first, among = 0, 0
        for seen, unseen in halves if adapt else [((), everything)]:
            if adapt:
                reestimate_batch_norm(model, self.batches(seen, f"{label}, statistics"))
            counts = evaluate(model, self.batches(unseen, label))
            first, among = first + counts[0], among + counts[1]
        return 100 * first / self.count, 100 * among / self.count


def _pieces(text: str) -> list[Scheme]:
    try:
        return [Scheme(name="pa", m=int(part)) for part in text.split(",") if part]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def _bits(text: str) -> list[Scheme]:
    try:
        return [Scheme(name="lsq", weight_bits=int(part)) for part in text.split(",") if part]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="pa_nn.pretrained",
        description="Approximate pre-trained weights without training, and count what is right.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--weights", type=Path, required=True, help="state dict, or TensorFlow's MobileNet v1 .npz")
    add("--images", type=Path, required=True, help="folder or tar file of CLASS/*.jpg")
    add("--model", choices=sorted(BUILDERS), default="mobilenet_v1")
    add("--pieces", type=_pieces, default="2,4,6,8,16,32", help="values of M, or ''")
    add("--uniform", type=_bits, default="", help="bits of uniform weights to compare with")
    add("--endpoints", choices=RULES, help="rule for the endpoints; omit for the paper's")
    add("--levels", choices=CHOICES["levels"], help="of least squared error; omit for the paper's")
    add(
        "--adapted-only", action="store_true", help="approximated only with batch norm re-estimated"
    )
    add("--size", type=int, default=224, help="height and width of the images")
    add("--batch-size", type=int, default=20)
    add("--limit", type=int, help="the first images only")
    add("--threads", type=int, help="threads of PyTorch")
    add("--dataset", help="name of the images in the rows; omit for the name of the file")
    add("--json", type=Path, help="file for the rows")
    return parser


def _command(args: argparse.Namespace) -> str:
    """The command without the folders of one machine."""
    pieces = ",".join(str(scheme.m) for scheme in args.pieces)
    given = f" --pieces {shlex.quote(pieces)}"
    if args.uniform:
        given += " --uniform " + ",".join(str(scheme.weight_bits) for scheme in args.uniform)
    given += "".join(
        f" --{name} {shlex.quote(str(getattr(args, name)))}"
        for name in (*CHOICES, "limit", "dataset")
        if getattr(args, name) is not None
    )
    given += " --adapted-only" if args.adapted_only else ""
    return (
        f"python -m pa_nn.pretrained --weights {args.weights.name} --images {args.images.name} "
        f"--model {args.model} --size {args.size} --batch-size {args.batch_size}{given}"
    )


def _run(args: argparse.Namespace) -> None:
    runs: list[dict[str, Any]] = []
    study = _Study(args)
    for scheme in [Scheme(name="full"), *args.pieces, *args.uniform]:
        full = scheme.name == "full"
        for adapt in (False, True):
            if args.adapted_only and not full and not adapt:
                continue
            start = time.perf_counter()
            top1, top5 = study.accuracy(scheme, adapt=adapt)
            batch_norm = "re-estimated" if adapt else "as trained"
            about = {
                "dataset": args.dataset or args.images.stem,
                "model": args.model,
                "scheme": scheme.name,
                "m": scheme.m,
                "n": None,
                "weight_bits": scheme.weight_bits,
                **dict.fromkeys(("activation_bits", "phi_bits", "seed")),
                "epochs": 0,
                "train_images": 0,
                "test_images": study.count,
                "top1": top1,
                "full_precision_top1": runs[0]["top1"] if runs else top1,
                "command": _command(args),
                "protocol": "post-training",
                "options": {"batch_norm": batch_norm, **({} if full else study.options)},
                "lr": None,
                "trials": None,
                "seconds": round(time.perf_counter() - start, 1),
            }
            runs.append(about)
            tqdm.write(
                f"{scheme!s:12} batch norm {batch_norm:12} top-1 {top1:6.2f} %  top-5 {top5:6.2f} %"
            )
            if args.json is not None:
                write_whole(args.json, (json.dumps({"runs": runs}, indent=1) + "\n").encode())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status, 2 for bad input."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        for name in ("batch_size", "threads"):
            value = getattr(args, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
        if args.threads is not None:
            torch.set_num_threads(args.threads)
        _run(args)
    except (TypeError, ValueError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
