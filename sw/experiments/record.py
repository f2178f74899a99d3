"""Record what was measured without training: ``python -m experiments.record FILE...``.

Adds the rows that ``pa_nn.post_training`` and ``pa_nn.phi_width`` write with ``--json`` to the
results, each in place of an earlier one of the same setting.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.results import add, load
from pa_nn.train import OneLineParser

__all__ = ["main"]

RESULTS = Path(__file__).with_name("results.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2, and records nothing."""
    parser = OneLineParser(
        prog="experiments.record",
        description="Add rows to the results.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("files", type=Path, nargs="+", help="JSON with a list 'runs'")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file to add to")
    args = parser.parse_args(argv)
    try:
        for path in args.files:
            if not path.is_file():
                raise ValueError(f"{path}: no such file")
        rows = [row for path in args.files for row in load(path)["runs"]]
        add(args.results, rows)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(f"{args.results}: {len(rows)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
