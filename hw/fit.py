"""Fit the cost model to synthesised engines: ``python -m hw.fit``.

Every case of :mod:`hw.fit_cases` is synthesised on every target (results are cached by content, so
that an interrupted run goes on where it stopped); what each part took goes to
``hw/fit_samples.json``, the coefficients to ``pa_hdl/cost_coefficients.json``. All residuals are
printed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate
from tqdm import tqdm

import pa_hdl.cost
from pa_hdl import cost
from pa_hdl.arguments import OneLineParser
from pa_hdl.cost_features import Features, Site
from pa_hdl.files import whole_files

from .arguments import add_cache
from .fit_cases import CASES, FitCase
from .flow import synthesise
from .targets import TARGETS

__all__ = ["SAMPLES", "Sample", "fit", "fit_samples", "main", "read_samples"]

SAMPLES = Path(__file__).with_name("fit_samples.json")
"""What synthesis found, committed: the fit, and its residuals, can be had without synthesis."""

Sample = dict[str, Any]

_SMALL = 30
"""Residuals are relative, but to no less than this many."""

_PRIOR = 0.12
"""How much a thing that takes one LUT each, as its structure says, is believed beforehand."""


def measure(case: FitCase, target: str, cache: Path) -> list[Sample]:
    """What each part of a case takes.

    The comparators of an engine are what is left of it, the other parts taken off: mapped together
    with what is around them they take more or less than by themselves.
    """
    found = synthesise(case.design(target), target, cache)
    luts = {part: figures.uses.lut for part, figures in found.items()}
    if case.engine:
        whole = synthesise(case.whole(target), target, cache)
        others = sum(luts.values()) - luts["comparators"] + whole["dot"].uses.lut
        luts["comparators"] = whole["engine"].uses.lut - others
    return [
        {
            "name": case.name,
            "target": target,
            "part": part,
            "lut": luts[part],
            "ff": figures.uses.ff,
            "depth": figures.depth,
        }
        for part, figures in found.items()
    ]


def read_samples() -> list[Sample]:
    """The samples of the last fit."""
    return json.loads(SAMPLES.read_text(encoding="utf-8"))


def features_of(samples: Sequence[Sample]) -> list[Features]:
    """What the part of each sample is made of."""
    cases = {case.name: case for case in CASES}
    made: dict[tuple[str, str], Mapping[str, Features]] = {}
    for sample in samples:
        key = sample["name"], sample["target"]
        if key not in made:
            case = cases[sample["name"]]
            config, parameters = case.layer(sample["target"])
            if case.engine:
                made[key] = cost.features(cost.site_of(config, parameters))
            else:
                site = Site(config=config, parameters=parameters)
                made[key] = {cost.dot_part(config): cost.dot_features(site)}
    return [made[sample["name"], sample["target"]][sample["part"]] for sample in samples]


def fit_samples(samples: Sequence[Sample]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Coefficients by target, part, figure and feature."""
    grouped: dict[tuple[str, str], list[tuple[Sample, Features]]] = {}
    for sample, found in zip(samples, features_of(samples), strict=True):
        grouped.setdefault((sample["target"], sample["part"]), []).append((sample, found))
    fitted: dict[str, Any] = {target: {} for target in TARGETS}
    for (target, part), some in sorted(grouped.items()):
        fitted[target][part] = {
            figure: _fit_figure(figure, some)
            for figure in cost.FIGURES
            if any(getattr(found, figure) for _, found in some)
        }
    return fitted


def _fit_figure(figure: str, some: Sequence[tuple[Sample, Features]]) -> dict[str, float]:
    names = sorted({name for _, found in some for name in getattr(found, figure)})
    rows = [[getattr(found, figure).get(name, 0) for name in names] for _, found in some]
    known = [found.memory.luts if figure == "lut" else 0 for _, found in some]
    measured = np.array([sample[figure] for sample, _ in some], float) - known
    factors = fit(np.array(rows, float), measured, small=1 if figure == "depth" else _SMALL)
    return {name: round(float(value), 4) for name, value in zip(names, factors, strict=True)}


def fit(
    counts: NDArray[np.float64], measured: NDArray[np.float64], *, small: float = _SMALL
) -> NDArray[np.float64]:
    """Factors, none negative, of least squared relative error; near 1 where nothing says more.

    Parameters
    ----------
    counts : (samples, features)
        How many there are of each thing.
    measured : (samples,)
        What they took together.
    small : :class:`float`
        Errors are relative to what was measured, but to no less than this.
    """
    weight = 1 / np.maximum(measured, small)
    rows = counts * weight[:, None]
    # A prior for each factor, as strong as its share of the figures it is part of.
    prior = _PRIOR * np.sqrt((rows**2).sum(axis=0))
    rows = np.vstack([rows, np.diag(prior)])
    return _least_squares(rows, np.concatenate([measured * weight, prior]))


def _least_squares(rows: NDArray[np.float64], goal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solution without negative members, by the method of Lawson and Hanson."""
    count = rows.shape[1]
    factors, free = np.zeros(count), np.zeros(count, bool)
    for _ in range(10 * count):
        slope = rows.T @ (goal - rows @ factors)
        slope[free] = 0
        if slope.max(initial=0) < 1e-10:
            break
        free[int(slope.argmax())] = True
        while True:
            trial = np.zeros(count)
            trial[free] = np.linalg.lstsq(rows[:, free], goal, rcond=None)[0]
            bad = free & (trial <= 0)
            if not bad.any():
                factors = trial
                break
            step = (factors[bad] / (factors[bad] - trial[bad])).min()
            factors = factors + step * (trial - factors)
            free &= factors > 1e-12
            factors[~free] = 0
    return factors


def residuals(samples: Sequence[Sample]) -> list[list[Any]]:
    """Measured and predicted figures of every sample."""
    rows = []
    for sample, found in zip(samples, features_of(samples), strict=True):
        made = cost.predict(sample["target"], sample["part"], found)
        error = f"{made.lut / sample['lut'] - 1:+.1%}" if sample["lut"] else ""
        row = [sample["target"], sample["part"], sample["name"], sample["lut"], made.lut, error]
        rows.append([*row, sample["ff"], made.ff, sample["depth"], made.depth])
    return rows


_HEADS = ("target", "part", "case", "LUT", "predicted", "error", "FF", "predicted", "depth", "")


def main(argv: Sequence[str] | None = None) -> int:
    """Synthesise, fit, write, print."""
    parser = OneLineParser(prog="python -m hw.fit", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_cache(parser, "build/synth")
    parser.add_argument(
        "--only",
        default="",
        help="synthesise only cases whose name has this text; the others keep their samples",
    )
    parser.add_argument(
        "--target",
        action="append",
        choices=list(TARGETS),
        help="synthesise only for this target, may be repeated; the others keep their samples",
    )
    args = parser.parse_args(argv)
    work = [
        (case, target)
        for target in args.target or TARGETS
        for case in CASES
        if args.only in case.name
    ]
    if not work:
        parser.error(f"--only must be part of a case's name, not {args.only!r}")
    names = {case.name for case in CASES}
    fresh = {(case.name, target) for case, target in work}
    samples = [
        each
        for each in _kept()
        if each["name"] in names and (each["name"], each["target"]) not in fresh
    ]
    try:
        for case, target in tqdm(work, unit="netlist", disable=None):
            samples += measure(case, target, args.cache)
        order = {case.name: place for place, case in enumerate(CASES)}
        samples.sort(key=lambda each: (list(TARGETS).index(each["target"]), order[each["name"]]))
        coefficients = Path(pa_hdl.cost.__file__).with_name(cost.COEFFICIENTS)
        with whole_files() as write:
            write(SAMPLES, _lines(samples))
            write(coefficients, json.dumps(fit_samples(samples), indent=1) + "\n")
        cost.coefficients.cache_clear()
        print(tabulate(residuals(samples), _HEADS))
    except (RuntimeError, ValueError, OSError) as error:
        print(f"python -m hw.fit: {error}", file=sys.stderr)
        return 1
    return 0


def _kept() -> list[Sample]:
    return read_samples() if SAMPLES.exists() else []


def _lines(samples: Sequence[Sample]) -> str:
    return "[\n" + ",\n".join(json.dumps(sample) for sample in samples) + "\n]\n"


if __name__ == "__main__":
    sys.exit(main())
