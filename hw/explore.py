"""Sweep of configurations, synthesised in parallel: ``python -m hw.explore``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Future, LocalCluster, as_completed
from distributed.scheduler import KilledWorker
from tqdm import tqdm

from pa_hdl.arguments import OneLineParser
from pa_hdl.dot import DATAPATHS
from pa_hdl.files import whole_files

from . import explore_report
from .arguments import add_cache, add_jobs, add_reports
from .explore_accuracy import add_accuracies, read_accuracies
from .explore_points import Point, Row, evaluate, grid, recall, remember
from .pnr_cases import UNITS
from .targets import TARGETS

__all__ = ["main", "sweep"]

_PATIENCE = 10
"""Seconds that a scheduler may take to answer."""

_SHAPES = {
    "m": ("4", 1, "weight bases"),
    "n": ("3,5", 1, "activation bases"),
    "phi-bits": ("8", 2, "bits of phi"),
    "simd": ("16,32", 1, "input lanes"),
    "pe": ("2,8", 1, "output lanes"),
}


def _integers(lowest: int) -> Callable[[str], list[int]]:
    def parse(text: str) -> list[int]:
        try:
            values = [int(part) for part in text.split(",")]
        except ValueError:
            values = []
        if not values or min(values) < lowest:
            raise argparse.ArgumentTypeError(
                f"must be integers of at least {lowest} with commas between, not {text!r}"
            )
        return values

    return parse


def _names(allowed: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        values = text.split(",")
        for value in values:
            if value not in allowed:
                raise argparse.ArgumentTypeError(
                    f"must be some of {', '.join(allowed)} with commas between, not {value!r}"
                )
        return values

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m hw.explore", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    for name, (default, lowest, what) in _SHAPES.items():
        add(
            f"--{name}",
            type=_integers(lowest),
            default=default,
            metavar="LIST",
            help=f"{what} (default: {default})",
        )
    add(
        "--datapath",
        type=_names(list(DATAPATHS)),
        metavar="LIST",
        help="datapaths (default: all, 'inside' only with --fold)",
    )
    add(
        "--target",
        type=_names(list(TARGETS)),
        default="xc7,ecp5",
        metavar="LIST",
        help="device families (default: xc7,ecp5)",
    )
    add("--fold", type=_integers(1), metavar="LIST", help="1x1 layers of so many folds")
    add("--unit", choices=UNITS, default="dot", help="what to synthesise (default: dot)")
    add_jobs(parser)
    add("--scheduler", metavar="ADDRESS", help="a Dask scheduler, instead of this machine")
    add("--accuracies", type=Path, metavar="FILE", help="JSON of runs with m, n, phi_bits, top1")
    add_reports(parser, "explore.csv, explore.html, explore.png")
    add_cache(parser, "build/explore")
    return parser


@contextmanager
def _connected(scheduler: str | None, jobs: int) -> Iterator[Client]:
    """A client of the scheduler named, or of processes of its own.

    Raises
    ------
    :exc:`ValueError`
        If the scheduler cannot be reached.
    """
    # A worker that dies takes with it what waited there, too: not to be repeated at once.
    dask.config.set({"distributed.scheduler.allowed-failures": 0})
    quiet = logging.CRITICAL
    if scheduler is None:
        with (
            LocalCluster(
                n_workers=jobs, threads_per_worker=1, dashboard_address=None, silence_logs=quiet
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=_PATIENCE)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"--scheduler must be a Dask scheduler that answers, not {scheduler!r}: {reason}"
        ) from None
    with client:
        yield client


def sweep(
    points: Sequence[Point],
    *,
    client: Client,
    cache: Path,
    work: Callable[[Point, str], Row] = evaluate,
) -> dict[Point, Row]:
    """Rows of all points, from the cache or from workers; each is kept as soon as it is there.

    A point that is refused is a row with an ``error``, and not kept. So is one whose worker dies,
    and dies again when nothing else runs.
    """
    rows: dict[Point, Row] = {}
    for point in points:
        row = recall(point, cache)
        if row is not None:
            rows[point] = row
    waiting = [point for point in points if point not in rows]
    bar = tqdm(total=len(points), initial=len(rows), unit="point", disable=None)

    def start(point: Point) -> Future:
        return client.submit(work, point, str(cache.resolve()), pure=False)

    def finish(point: Point, future: Future) -> None:
        try:
            row = future.result()
            if not row["error"]:
                remember(point, row, cache)
        except KilledWorker:
            row = {**asdict(point), "error": "its worker died, twice"}
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            row = {**asdict(point), "error": reason}
        rows[point] = row
        bar.update()

    futures = {start(point): point for point in waiting}
    alone = []
    for future in as_completed(list(futures)):
        point = futures.pop(future)
        if isinstance(future.exception(), KilledWorker):
            alone.append(point)
        else:
            finish(point, future)
        future.release()  # or it would be done again when its worker dies later
    for point in alone:
        finish(point, start(point))
    bar.close()
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Sweep, and write table and plots; 1 if any point gave no result."""
    parser = _parser()
    args = parser.parse_args(argv)
    folds = args.fold or [None]
    paths = args.datapath or [name for name in DATAPATHS if name != "inside" or args.fold]
    lists = {name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in _SHAPES}
    points = grid(
        {"unit": [args.unit], **lists, "datapath": paths, "target": args.target, "fold": folds}
    )
    try:
        accuracies = read_accuracies(args.accuracies)
        with _connected(args.scheduler, args.jobs) as client:
            found = sweep(points, client=client, cache=args.cache)
        rows = [found[point] for point in points]
        add_accuracies(rows, accuracies)
        _write(rows, args.reports, args.unit)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    failures = [(point, found[point]["error"]) for point in points if found[point]["error"]]
    for point, reason in failures:
        print(f"python -m hw.explore: {point}: {reason}", file=sys.stderr)
    print(f"{len(points) - len(failures)} of {len(points)} points")
    print(f"written: {args.reports}/explore.csv, explore.html, explore.png")
    return 1 if failures else 0


def _write(rows: list[dict[str, Any]], folder: Path, unit: str) -> None:
    with whole_files() as write:
        write(folder / "explore.csv", explore_report.as_csv(rows))
        write(folder / "explore.html", explore_report.html(rows, unit=unit))
    unfinished = folder / f".explore.{os.getpid()}.unfinished"
    unfinished.write_bytes(explore_report.png(rows, unit=unit))
    os.replace(unfinished, folder / "explore.png")


if __name__ == "__main__":
    sys.exit(main())
