"""The accuracy ladder: ``python -m sim.ladder NAME.pa --checkpoint FILE.pt --data DIR``.

The same images at each step from full precision to hardware: top-1, how many images keep the class
of the step before, and, layer by layer, the first place where two steps part by more than rounding
explains.  Exit status 1 where there is such a place, or hardware differs.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

import pa_artifact
from pa_artifact import Network
from pa_artifact.whole import write_whole
from pa_nn import golden
from pa_nn.checkpoint import load_checkpoint, restore_model
from pa_nn.data import Batches, ImageSet, load_folder
from pa_nn.embedded import load_stages
from pa_nn.hardware import HardwareModel, restore_hardware
from pa_nn.train import OneLineParser
from sim.arguments import positive
from sim.build import BuildError
from sim.ladder_layers import compare_integers
from sim.ladder_outputs import compare_outputs
from sim.ladder_rtl import Simulate, Simulation, compare_rtl
from sim.simulators import SIMULATORS

__all__ = ["climb", "main", "table"]

REPORTS = Path("build/reports")
BATCH = 100

Entries = Mapping[str, Any]


def _classes_of_model(model: nn.Module, batches: Batches, name: str) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        bar = tqdm(batches, desc=name, leave=False, disable=None)
        return torch.cat([model(images).argmax(1) for images, _ in bar])


def _classes_of_network(network: Network, images: torch.Tensor) -> torch.Tensor:
    output = network.nodes[-1].name
    bar = tqdm(images.split(BATCH), desc="integers", leave=False, disable=None)
    logits = [golden.run(network, pixels, fast=True)[output].flatten(1) for pixels in bar]
    return torch.cat(logits).argmax(1)


def _float_models(stages: Mapping[str, Entries], hardware: HardwareModel) -> dict[str, nn.Module]:
    """The steps in floats; the one with the integers' own parameters is the last."""
    models = {
        name: restore_model(stages[name])
        for name in ("full_precision", "pa_float")
        if name in stages
    }
    tuned = hardware.model
    if "pa_float" not in models:
        return {**models, "pa_float": tuned}
    ours, theirs = models["pa_float"].state_dict(), tuned.state_dict()
    if all(torch.equal(ours[key], theirs[key]) for key in ours):
        return models
    return {**models, "pa_float_tuned": tuned}


def climb(
    network: Network,
    stages: Mapping[str, Entries],
    test: ImageSet,
    *,
    layer_images: int,
    rtl_images: int = 0,
    simulate: Simulate | None = None,
) -> dict[str, Any]:
    """Accuracy and errors of each step.

    Parameters
    ----------
    network : the integers
    stages : checkpoint entries by name; ``pa_integer`` is what the network was exported from,
        ``full_precision`` and ``pa_float`` are optional
    test : images and labels
    layer_images : how many of them the comparisons by layer take
    rtl_images : how many of them are streamed through hardware
    simulate : the hardware

    Returns
    -------
    dict
        ``steps``: ``step``, ``images``, ``top1`` in percent and ``agreement`` with the step before
        in percent, or None; ``layers``: a list for each comparison of two steps: their names
        ``before`` and ``after``, ``images`` and ``rows``; ``beyond_rounding``: the first node that
        rounding does not explain, or None; ``rtl``: what came of the hardware, or None.

    Raises
    ------
    ValueError
        Images, network and checkpoint that do not suit each other.
    """
    [source] = network.of_kind("input")
    if tuple(test.images.shape[1:]) != tuple(source.shape_out):
        raise ValueError(
            f"Images must have shape {tuple(source.shape_out)}, not {tuple(test.images.shape[1:])}"
        )
    hardware = restore_hardware(stages["pa_integer"])
    models = _float_models(stages, hardware)
    few = test.take(layer_images)

    def batches(images: ImageSet) -> Batches:
        return Batches(images, batch_size=BATCH, mean=hardware.mean, std=hardware.std)

    # What can be wrong with the files or the hardware is found here, before the long part.
    nodes = compare_integers(network, hardware, few.images)
    comparisons = [(list(models)[-1], "integer", [entry.as_json() for entry in nodes])]
    if "full_precision" in models and "pa_float" in models:
        outputs = compare_outputs(models["full_precision"], models["pa_float"], batches(few))
        rows = [entry.as_json() for entry in outputs]
        comparisons.insert(0, ("full_precision", "pa_float", rows))
    comparison = None
    if simulate is not None and rtl_images:
        comparison = compare_rtl(network, test.images[:rtl_images], simulate)
    classes = {
        name: _classes_of_model(model, batches(test), name) for name, model in models.items()
    }
    classes["integer"] = _classes_of_network(network, test.images)
    if comparison is not None and comparison.node is None:
        classes["rtl"] = classes["integer"][:rtl_images]
    return {
        "steps": _steps(classes, test.labels),
        "layers": [
            {"before": before, "after": after, "images": len(few), "rows": rows}
            for before, after, rows in comparisons
        ],
        "beyond_rounding": next((entry.node for entry in nodes if entry.beyond), None),
        "rtl": None if comparison is None else comparison.as_json(),
    }


def _steps(classes: Mapping[str, torch.Tensor], labels: torch.Tensor) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    before: torch.Tensor | None = None
    for name, found in classes.items():
        count = len(found)
        same = None if before is None else 100 * int((found == before[:count]).sum()) / count
        top1 = 100 * int((found == labels[:count]).sum()) / count
        rows.append({"step": name, "images": count, "top1": top1, "agreement": same})
        before = found
    return rows


def table(result: Mapping[str, Any]) -> str:
    """The result as lines for the terminal."""
    lines = [f"{'step':15} {'images':>7} {'top-1':>8} {'agreement':>10}"]
    for row in result["steps"]:
        same = "" if row["agreement"] is None else f"{row['agreement']:9.2f}%"
        lines.append(f"{row['step']:15} {row['images']:7} {row['top1']:7.2f}% {same:>10}".rstrip())
    for layers in result["layers"]:
        lines += ["", f"{layers['before']} to {layers['after']}, {layers['images']} images"]
        names = [name for name in layers["rows"][0] if name != "kind"]
        first, *rest = names
        lines.append(f"{first:28}" + "".join(f" {name:>15}" for name in rest))
        for row in layers["rows"]:
            lines.append(f"{row[first]:28}" + "".join(f" {_cell(row[name]):>15}" for name in rest))
    lines.append("")
    node = result["beyond_rounding"]
    lines.append(
        "rounding explains every difference of the integers"
        if node is None
        else f"{node}: the first node that differs by more than rounding explains"
    )
    if result["rtl"] is not None:
        lines.append(_verdict(result["rtl"]))
    return "\n".join(lines)


def _verdict(rtl: Mapping[str, Any]) -> str:
    """What came of the hardware, in a line."""
    counts = "{images} images, {logits_compared} logits, {mismatches} mismatches".format(**rtl)
    if rtl["node"] is None:
        return f"hardware: {counts}"
    return f"{rtl['node']}: the first node that differs in hardware ({counts})"


def _cell(value: float | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{100 * value:.3f}%"


def _stages(path: Path) -> Mapping[str, Entries]:
    """Of a checkpoint: all stages where it holds them, else the hardware model alone."""
    entries = load_checkpoint(path)
    return load_stages(path) if "stages" in entries else {"pa_integer": entries}


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m sim.ladder",
        description="Accuracy at each step from full precision to hardware.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("network", type=Path, help="a .pa file")
    parser.add_argument("--checkpoint", type=Path, required=True, help="what it was exported from")
    parser.add_argument("--data", type=Path, required=True, help="folder of test images")
    parser.add_argument("--images", type=positive, help="use only the first images")
    parser.add_argument(
        "--layer-images", type=positive, default=200, help="images of the comparison by layer"
    )
    parser.add_argument("--rtl", type=int, default=8, help="images of the hardware, 0 for none")
    parser.add_argument("--fps", type=float, default=1000.0, help="what the hardware is for")
    parser.add_argument("--clock", type=float, default=100.0, help="its MHz")
    parser.add_argument(
        "--simulator", choices=sorted(SIMULATORS), default="verilator", help="of the hardware"
    )
    parser.add_argument("--report", type=Path, help="JSON (default: in build/reports)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        if args.rtl < 0:
            raise ValueError(f"--rtl must be at least 0, not {args.rtl}")
        test = load_folder(args.data, "test")
        result = climb(
            pa_artifact.read(args.network),
            _stages(args.checkpoint),
            test if args.images is None else test.take(args.images),
            layer_images=args.layer_images,
            rtl_images=args.rtl,
            simulate=Simulation(
                name=f"ladder-{args.network.stem}",
                simulator=args.simulator,
                fps=args.fps,
                clock_mhz=args.clock,
            ),
        )
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    name = args.network.stem
    report = args.report or REPORTS / f"ladder-{name}.json"
    write_whole(report, (json.dumps({"name": name, **result}, indent=2) + "\n").encode())
    print(table(result))
    return 1 if result["beyond_rounding"] or (result["rtl"] or {}).get("problems") else 0


if __name__ == "__main__":
    sys.exit(main())
