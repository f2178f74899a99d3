"""Every datapath compared with the popcounts of the paper: ``python -m hw.prove``.

Small dot products are proven equal for every stream of folds (``induction``); larger ones are
simulated with every fold that exists (``exhaustive``), those of real size with many at random
(``random``). The report names the method of each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from pa_hdl.arguments import OneLineParser
from pa_hdl.dot import DATAPATHS

from . import datapath_store
from .arguments import add_cache, add_jobs, add_reports, integer
from .proof_cases import ProofCase, matrix
from .proof_run import Verdict, prove
from .targets import TARGETS

__all__ = ["main"]

_SIZES = {"m": (1, 255), "n": (1, 255), "simd": (1, 4096), "pe": (1, 4096)}


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m hw.prove", description=__doc__, allow_abbrev=False)
    for name, known in (("datapath", DATAPATHS), ("target", TARGETS)):
        parser.add_argument(
            f"--{name}",
            action="append",
            choices=list(known),
            help=f"{name} to compare, may be repeated (default: every {name})",
        )
    for name, limits in _SIZES.items():
        parser.add_argument(
            f"--{name}",
            type=integer(*limits),
            help="one size in place of the matrix: all four must be given",
        )
    parser.add_argument(
        "--quick", action="store_true", help="a seeded part that takes a minute or two"
    )
    parser.add_argument("--seed", type=integer(0, 1 << 31), default=1)
    add_jobs(parser)
    parser.add_argument(
        "--timeout",
        type=integer(1, 86400),
        default=600,
        help="seconds that the solver may take for one proof (default: 600)",
    )
    add_reports(parser, "datapath.json")
    add_cache(parser, "build/prove")
    return parser


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What one call compares, and how."""

    cases: list[ProofCase]
    jobs: int
    timeout: int
    cache: Path

    def verdicts(self) -> dict[ProofCase, Verdict]:
        """One for each case; those that need longest start first."""
        found = {}
        with ProcessPoolExecutor(self.jobs, mp_context=get_context("spawn")) as pool:
            work = partial(prove, cache=self.cache, timeout=self.timeout)
            futures = {pool.submit(work, case): case for case in self.cases}
            try:
                for future in tqdm(
                    as_completed(futures), total=len(futures), unit="proof", disable=None
                ):
                    case = futures[future]
                    found[case] = future.result()
                    if not found[case].equal:
                        tqdm.write(f"{case.name}: {found[case].problem}", file=sys.stderr)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return {case: found[case] for case in self.cases}


def _chosen(args: argparse.Namespace, parser: argparse.ArgumentParser) -> list[ProofCase]:
    sizes = {name: getattr(args, name) for name in _SIZES}
    given = [name for name, value in sizes.items() if value is not None]
    if given and len(given) < len(sizes):
        missing = next(name for name in sizes if name not in given)
        parser.error(f"--{missing} must be given with --{given[0]}")
    if given and args.quick:
        parser.error("--quick must stand without the size of one dot product")
    return matrix(
        datapaths=args.datapath or list(DATAPATHS),
        targets=[name for name in TARGETS if args.target is None or name in args.target],
        size=tuple(sizes.values()) if given else None,
        quick=args.quick,
        seed=args.seed,
    )


def _key(entry: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(entry[name] for name in ("datapath", "m", "n", "simd", "pe", "target"))


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print the table, write the report."""
    parser = _parser()
    args = parser.parse_args(argv)
    cases = _chosen(args, parser)
    run = _Run(cases=cases, jobs=args.jobs, timeout=args.timeout, cache=args.cache)
    report = args.reports / "datapath.json"
    try:
        verdicts = run.verdicts()
        entries = [v.entry(case) for case, v in verdicts.items() if v.equal is not None]
        # What could not be compared this time is not known to be equal any more.
        tried = {_key(case.size) for case in cases}
        datapath_store.replace(
            report, "equivalence", entries, owns=lambda entry: _key(entry) in tried
        )
    except (RuntimeError, ValueError, OSError) as error:
        print(f"python -m hw.prove: {error}", file=sys.stderr)
        return 1
    print(tabulate([[*e.values()] for e in entries], headers=datapath_store.FIELDS["equivalence"]))
    wrong = sum(not verdict.equal for verdict in verdicts.values())
    print(f"\n{len(verdicts) - wrong} equal, {wrong} not shown to be; written: {report}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
