"""``build/reports/sim.json``: what was simulated, and what came of it."""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

__all__ = ["REPORT", "Entry", "read", "record", "replace_entry"]

REPORT = Path("build/reports/sim.json")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run of one bench.

    Parameters
    ----------
    bench, simulator : :class:`str`
        What ran, and on what.
    config : :class:`dict` or ``None``
        The engine's configuration; ``None`` for the bench of a unit.
    stalls : :class:`bool`
        Whether both streams stalled at random.
    tests, passed, failed, skipped : :class:`int`
        Counts of tests.
    cycles : :class:`int` or ``None``
        Measured from the first input beat accepted to the last output beat transferred.
    predicted_cycles : :class:`int` or ``None``
        What the schedule says of the same; ``None`` where stalls are random.
    """

    bench: str
    simulator: str
    config: dict[str, Any] | None
    stalls: bool
    tests: int
    passed: int
    failed: int
    skipped: int
    cycles: int | None
    predicted_cycles: int | None

    @property
    def key(self) -> str:
        """Identity of the run: running it again replaces its entry."""
        return _key(asdict(self))


def _key(run: dict[str, Any]) -> str:
    return json.dumps(
        [run[part] for part in ("bench", "simulator", "config", "stalls")], sort_keys=True
    )


def read(path: Path = REPORT, *, table: str = "runs") -> list[dict[str, Any]]:
    """Entries of a report, oldest first; none where there is no report."""
    if not path.exists():
        return []
    return json.loads(path.read_text())[table]


def record(entry: Entry, path: Path = REPORT) -> None:
    """Add an entry to a report, in place of that of an earlier run of the same thing."""
    replace_entry(asdict(entry), path, table="runs", key=_key)


def replace_entry(
    entry: dict[str, Any], path: Path, *, table: str, key: Callable[[dict[str, Any]], Any]
) -> None:
    """Add an entry to a table of a JSON file, in place of the one that has the same key.

    Safe from several processes at once; readers always see a whole file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        entries = [old for old in read(path, table=table) if key(old) != key(entry)]
        entries.append(entry)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w") as file:
            json.dump({table: entries}, file, indent=1)
            file.write("\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
