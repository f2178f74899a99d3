"""Area, depth and latency of engines on every target: ``python -m hw.synth``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pa_hdl.arguments import OneLineParser
from pa_hdl.files import whole_files

from . import datapath, report
from .arguments import add_cache, add_jobs, add_reports
from .datapath import Finding
from .designs import Built, Case, cases
from .flow import UnitFigures, synthesise
from .targets import TARGETS

__all__ = ["main", "rows_of"]


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m hw.synth", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--target",
        action="append",
        choices=list(TARGETS),
        help="target to report, may be repeated (default: every target)",
    )
    add_jobs(parser)
    add_reports(parser, "synth.* and datapath.*")
    add_cache(parser, "build/synth")
    return parser


def rows_of(
    case: Case,
    cycles: dict[str, tuple[int, int]],
    target: str,
    figures: dict[str, UnitFigures],
) -> list[dict[str, Any]]:
    """Rows of the report for one engine on one target, a row for each unit."""
    config = case.config
    rows = []
    for unit, found in figures.items():
        latency, frame = cycles[unit]
        rows.append(
            {
                "unit": unit,
                **{name: getattr(config, name) for name in ("m", "n", "simd", "pe", "phi_bits")},
                "datapath": config.datapath,
                "loadable": config.loadable,
                "target": target,
                "flags": TARGETS[target].flags,
                **asdict(found.uses),
                "depth": found.depth,
                "carry_depth": found.carry_depth,
                "latency_cycles": latency,
                "cycles_per_frame": frame,
            }
        )
    return rows


def _run(
    targets: Sequence[str], jobs: int, cache: Path
) -> tuple[dict[Case, Built], dict[tuple[Case, str], dict[str, UnitFigures]]]:
    """Generate every case and synthesise it on every target.

    The largest go first: they decide when the last one ends.
    """
    chosen = sorted(cases(), key=lambda case: -case.m * case.n)
    found = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        built = dict(zip(chosen, pool.map(Case.build, chosen), strict=True))
        futures = {
            pool.submit(synthesise, built[case].design, target, cache): (case, target)
            for case in chosen
            for target in targets
        }
        try:
            bar = tqdm(as_completed(futures), total=len(futures), unit="netlist", disable=None)
            for future in bar:
                found[futures[future]] = future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return built, found


def _run_datapaths(targets: Sequence[str], jobs: int, cache: Path) -> list[Finding]:
    """Generate and synthesise every datapath and rival."""
    chosen = datapath.datapath_cases(targets)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(datapath.measure, case, cache): case for case in chosen}
        try:
            bar = tqdm(as_completed(futures), total=len(futures), unit="datapath", disable=None)
            found = {futures[future]: future.result() for future in bar}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [found[case] for case in chosen]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the matrix, print the tables, write the reports."""
    args = _parser().parse_args(argv)
    targets = [name for name in TARGETS if args.target is None or name in args.target]
    try:
        built, found = _run(targets, args.jobs, args.cache)
        rows, paths = [], []
        for target in targets:
            for case in cases():
                figures = found[case, target]
                rows += rows_of(case, built[case].cycles, target, figures)
                for unit, each in figures.items():
                    paths.append(f"{target} {case.name} {unit}, LUTs: {each.lut_path}")
                    paths.append(f"{target} {case.name} {unit}, carry: {each.carry_path}")
        findings = _run_datapaths(targets, args.jobs, args.cache)
        with whole_files() as write:
            write(args.reports / "synth.json", report.as_json(rows))
            write(args.reports / "synth.md", report.markdown(rows, paths, "synth.svg"))
            write(args.reports / "synth.svg", report.plot(rows))
        summary = datapath.write(args.reports, findings, targets)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"python -m hw.synth: {error}", file=sys.stderr)
        return 1
    print(report.table(rows))
    print(f"\n{summary}")
    print(f"\nwritten: {args.reports}/synth.json, synth.md, synth.svg, datapath.json, datapath.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
