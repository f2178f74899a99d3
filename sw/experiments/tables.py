"""The paper's cost tables beside what is computed here: ``python -m experiments.tables``.

Tables 2, 7 and 8, number by number, with a reason for each that differs by more than 2 %.
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from experiments import tables_cycles, tables_gates, tables_latency, tables_memory
from experiments.tables_rows import Row, markdown
from pa_hdl.arguments import OneLineParser
from pa_hdl.files import whole_files

__all__ = ["as_json", "as_markdown", "main"]

_TITLES: dict[int, tuple[str, Callable[[], Sequence[str]]]] = {
    2: ("Table 2: gates, and lanes made of them", lambda: []),
    7: ("Table 7: memory and operations", lambda: []),
    8: ("Table 8: latency of a convolution", tables_latency.notes),
}

_HEAD = """# Cost tables

What the paper prints in Tables 2, 7 and 8 beside what this project computes, and why they differ
where it is by more than 2 %. How each number is counted: `docs/tables.md`.
"""


def as_json(rows: Iterable[Row]) -> str:
    """``{"rows": [...]}``."""
    return json.dumps({"rows": [row.as_json() for row in rows]}, indent=1) + "\n"


def as_markdown(rows: Sequence[Row]) -> str:
    """A table for each of the paper's."""
    parts = [_HEAD]
    for number, (title, notes) in _TITLES.items():
        own = [row for row in rows if row.table == number]
        parts.append(markdown(title, own, notes()))
    return "\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Compute all rows, print the tables, write ``tables.json`` and ``tables.md``."""
    parser = OneLineParser(
        prog="python -m experiments.tables", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--reports",
        type=Path,
        default=Path("build/reports"),
        help="folder of tables.json and tables.md (default: build/reports)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/synth"),
        help="folder of synthesis results by content, and of logs (default: build/synth)",
    )
    args = parser.parse_args(argv)
    try:
        rows = [
            *tables_gates.rows(args.cache),
            *tables_memory.rows(),
            *tables_latency.rows(),
            *tables_cycles.rows(),
        ]
        text = as_markdown(rows)
        with whole_files() as write:
            write(args.reports / "tables.json", as_json(rows))
            write(args.reports / "tables.md", text)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    print(text)
    print(f"written: {args.reports}/tables.json, tables.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
