"""``python -m experiments run``, ``add`` and ``report``."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from experiments.cost import duration
from experiments.progress import Progress
from experiments.protocol import CIFAR, FASHION, Places, Run, all_runs, select
from experiments.queue import Queue
from experiments.report import fill
from experiments.results import add, load, lock
from pa_nn.kernels import compiled
from pa_nn.train import OneLineParser

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
README = HERE / "README.md"


def _parser() -> OneLineParser:
    parser = OneLineParser(prog="experiments", description="Accuracies: train, and report.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run",
        help="train what is missing, and record it",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = run.add_argument
    add("--fashion", type=Path, help="folder of Fashion-MNIST; without it, its runs are left out")
    add("--cifar", type=Path, help="folder of CIFAR-10; without it, its runs are left out")
    add("--budget", default="90m", help="break off after this time: 40s, 90m, 8h")
    add("--only", default="*", metavar="PATTERN", help="runs by name, as 'short/pa*'")
    add("--list", action="store_true", help="print the runs and leave")
    add("--jobs", type=int, default=2, help="trainings at once")
    add("--threads", type=int, default=1, help="threads of each")
    add("--precision", choices=("float32", "bfloat16"), default="bfloat16", help="of training")
    add("--retry", action="store_true", help="begin failed trainings anew")
    add("--images", type=int, help="at most so many training images: to try the queue itself")
    add("--state", type=Path, default=Places(data={}).state, help="folder of the trainings")
    add("--results", type=Path, default=RESULTS, help="file of the results")
    more = commands.add_parser("add", help="record runs that were made elsewhere")
    more.add_argument("files", type=Path, nargs="+", metavar="FILE", help="as results.json")
    more.add_argument("--results", type=Path, default=RESULTS, help="file of the results")
    report = commands.add_parser("report", help="bring the tables of Markdown files up to date")
    report.add_argument("files", type=Path, nargs="*", metavar="FILE", default=[README])
    report.add_argument("--check", action="store_true", help="only say whether they are")
    report.add_argument("--results", type=Path, default=RESULTS, help="file of the results")
    return parser


def _cap(run: Run, images: int | None) -> Run:
    if images is None or run.protocol.start is None:
        return run
    images = min(images, run.protocol.images)
    return replace(run, protocol=replace(run.protocol, images=images))


def _progress(args: argparse.Namespace) -> Progress:
    for name in ("jobs", "threads", "images"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, not {value}")
    if args.images is not None and args.results == RESULTS:
        raise ValueError("--images needs --results: the project's own are of all images")
    given = {FASHION: args.fashion, CIFAR: args.cifar}
    data = {name: folder for name, folder in given.items() if folder is not None}
    for folder in data.values():
        if not folder.is_dir():
            raise ValueError(f"{folder}: no such folder")
    runs = select(all_runs(), args.only)
    if not args.list:
        if not data:
            raise ValueError("Data are needed: --fashion DIR, --cifar DIR or both")
        runs = [run for run in runs if run.protocol.dataset in data]
    return Progress(
        [_cap(run, args.images) for run in runs],
        Places(data=data, state=args.state),
        args.results,
        precision=args.precision,
    )


def _run(args: argparse.Namespace) -> int:
    budget = duration(args.budget)
    progress = _progress(args)

    def refresh() -> None:
        if args.results == RESULTS:
            with lock(RESULTS):
                fill(README, load(RESULTS))

    queue = Queue(progress, budget=budget, jobs=args.jobs, threads=args.threads, recorded=refresh)
    if args.list:
        for run in progress.runs:
            print(run.name)
    else:
        if args.retry:
            progress.forget_failures()
        # Forked processes take what is loaded here, whatever becomes of its source.
        compiled()
        queue.run()
    print(f"{len(progress.remaining())} trainings are left, about {queue.left()}")
    return 1 if queue.broken else 0


def _add(args: argparse.Namespace) -> int:
    rows = []
    for path in args.files:
        if not path.exists():
            raise ValueError(f"{path}: no such file")
        content = load(path)
        rows += [*content["runs"], *content["failures"]]
    add(args.results, rows)
    print(f"{args.results}: {len(rows)} rows")
    return 0


def _report(args: argparse.Namespace) -> int:
    content = load(args.results)
    old = [path for path in args.files if not fill(path, content, write=not args.check)]
    if args.check:
        for path in old:
            print(f"experiments: {path} does not agree with {args.results}", file=sys.stderr)
    return 1 if args.check and old else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    It is 2 for bad input, and 1 where trainings broke off or tables are not up to date.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        return {"run": _run, "add": _add, "report": _report}[args.command](args)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
