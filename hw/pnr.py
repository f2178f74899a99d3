"""Clock rates of whole engines, placed and routed on an ECP5: ``python -m hw.pnr``."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from pa_hdl.arguments import OneLineParser
from pa_hdl.dot import DATAPATHS
from pa_hdl.files import whole_files

from . import datapath_store, pnr_report
from .arguments import add_cache, add_jobs, add_reports, integer, number
from .flow import FlowError, synthesise
from .pnr_cases import UNITS, PnrCase
from .pnr_flow import DEVICES, TARGET, Mapped, Routed, RouteError, find_tool, netlist_of, route
from .pnr_report import Finding
from .targets import TARGETS

__all__ = ["main"]

_SHAPE = ("m", "n", "phi_bits", "simd", "pe", "fold")


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m hw.pnr", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add(
        "--datapath",
        action="append",
        choices=list(DATAPATHS),
        help="datapath to place, may be repeated (default: lookup)",
    )
    add("--unit", choices=UNITS, default="engine", help="what to place (default: engine)")
    add("--m", type=integer(1), default=4, help="weight bases (default: 4)")
    add("--n", type=integer(1), default=5, help="activation bases (default: 5)")
    add("--phi-bits", type=integer(2), default=8, help="bits of phi (default: 8)")
    add("--simd", type=integer(1), default=32, help="input lanes (default: 32)")
    add("--pe", type=integer(1), default=8, help="output lanes (default: 8)")
    add("--fold", type=integer(1), help="a 1x1 layer of so many folds (default: 3x3, 576 taps)")
    add("--loadable", action="store_true", help="weights are loaded, not baked in")
    add("--device", choices=list(DEVICES), default="85k", help="ECP5 (default: 85k)")
    add("--freq", type=number(1), default=300.0, help="MHz to aim for (default: 300)")
    add("--seeds", type=integer(1), default=5, help="number of seeds (default: 5)")
    add("--first-seed", type=integer(0), default=1, help="first seed (default: 1)")
    add(
        "--timeout",
        type=number(1),
        default=3600.0,
        help="seconds that one run may take (default: 3600)",
    )
    add("--nextpnr", help="program to run (default: nextpnr-ecp5, or that of the Python package)")
    add_jobs(parser)
    add_reports(parser, "pnr.md and datapath.json")
    add_cache(parser, "build/pnr", "netlists and results")
    return parser


class _Session:
    """One call: what finished, and a line for everything that did not."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.tool = find_tool(args.nextpnr)
        self.findings: list[Finding] = []
        self.rows: list[dict[str, Any]] = []
        self.failures: list[str] = []

    def run(self) -> None:
        args = self.args
        prepared = [
            found for datapath in args.datapath or ["lookup"] if (found := self._prepare(datapath))
        ]
        seeds = range(args.first_seed, args.first_seed + args.seeds)
        with ThreadPoolExecutor(args.jobs) as pool:
            futures = {
                pool.submit(self._route, mapped, seed): (place, seed)
                for place, (_, mapped, _) in enumerate(prepared)
                for seed in seeds
            }
            try:
                done = self._gather(futures, [case for case, _, _ in prepared])
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        for place, (case, mapped, row) in enumerate(prepared):
            runs = tuple(done[place, seed] for seed in seeds if (place, seed) in done)
            if runs:
                self.findings.append(Finding(case=case, mapped=mapped, runs=runs))
                self.rows.append({**row, "fmax_mhz": [run.fmax_mhz for run in runs]})

    def _fail(self, line: str) -> None:
        self.failures.append(line)
        tqdm.write(f"python -m hw.pnr: {line}", file=sys.stderr)

    def _prepare(self, datapath: str) -> tuple[PnrCase, Mapped, dict[str, Any]] | None:
        args = self.args
        try:
            case = PnrCase.of(
                args.unit,
                datapath=datapath,
                target=TARGET,
                loadable=args.loadable,
                **{name: getattr(args, name) for name in _SHAPE},
            )
            design = case.design()
            figures = synthesise(design, TARGET, args.cache)[args.unit]
            return (
                case,
                netlist_of(design, args.cache),
                _row(case, asdict(figures.uses), figures.depth),
            )
        except (FlowError, TypeError, ValueError) as error:
            self._fail(f"{args.unit} with datapath {datapath}: {error}")
            return None

    def _route(self, mapped: Mapped, seed: int) -> Routed:
        args = self.args
        return route(
            mapped,
            seed=seed,
            freq_mhz=args.freq,
            device=args.device,
            timeout_s=args.timeout,
            tool=self.tool,
            cache=args.cache,
        )

    def _gather(
        self, futures: dict[Future[Routed], tuple[int, int]], cases: list[PnrCase]
    ) -> dict[tuple[int, int], Routed]:
        done = {}
        for future in tqdm(as_completed(futures), total=len(futures), unit="run", disable=None):
            place, seed = futures[future]
            try:
                done[place, seed] = future.result()
            except RouteError as error:
                self._fail(f"{cases[place].name} seed {seed}: {error}")
        return done


def _row(case: PnrCase, uses: dict[str, int], depth: int) -> dict[str, Any]:
    """A row of the datapath report, clock rates still missing."""
    config = case.config
    shape = {name: getattr(config, name) for name in ("datapath", "m", "n", "phi_bits")}
    return {
        "name": case.name,
        "unit": case.unit,
        **shape,
        "simd": config.simd,
        "pe": config.pe,
        "fold": case.fold,
        "target": TARGET,
        "flags": TARGETS[TARGET].flags,
        **uses,
        "depth": depth,
        "lut_per_mac": round(uses["lut"] / (config.simd * config.pe), 3),
        "fmax_mhz": None,
        "latency_cycles": case.latency,
    }


def _filled(entries: list[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The report's rows with clock rates put in, and rows that it lacked behind them."""
    routed = {(row["name"], row["target"]): row for row in rows}
    result = []
    for entry in entries:
        row = routed.pop((entry["name"], entry["target"]), entry)
        result.append({**entry, "fmax_mhz": row["fmax_mhz"]})
    return [*result, *routed.values()]


def main(argv: Sequence[str] | None = None) -> int:
    """Place and route, print the table, write the reports; 1 if any run gave no result."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        session = _Session(args)
    except ValueError as error:
        parser.error(str(error))
    session.run()
    found, reports = session.findings, args.reports
    try:
        text = pnr_report.markdown(
            found, session.failures, tool=session.tool, device=args.device, freq_mhz=args.freq
        )
        with whole_files() as write:
            write(reports / "pnr.md", text)
        datapath_store.change(
            reports / "datapath.json", "rows", lambda entries: _filled(entries, session.rows)
        )
    except (ValueError, OSError) as error:
        print(f"python -m hw.pnr: {error}", file=sys.stderr)
        return 1
    if found:
        print(pnr_report.table(found))
        for each in found:
            print(f"{each.case.name}: median {statistics.median(each.rates):.1f} MHz")
    print(f"\nwritten: {reports}/pnr.md, datapath.json")
    return 1 if session.failures else 0


if __name__ == "__main__":
    sys.exit(main())
