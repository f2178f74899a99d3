"""The one report that synthesis, proofs and place-and-route write together.

``build/reports/datapath.json`` has three parts, each a list of objects with the members that
:data:`FIELDS` names. Several programs write it, at the same time if need be: each replaces its own
entries and leaves all others as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from pa_hdl.files import whole_files

__all__ = ["FIELDS", "Entry", "change", "read", "replace"]

Entry = dict[str, Any]

FIELDS: dict[str, tuple[str, ...]] = {
    "rows": (
        "name",
        "unit",
        "datapath",
        "m",
        "n",
        "phi_bits",
        "simd",
        "pe",
        "fold",
        "target",
        "flags",
        "lut",
        "ff",
        "carry",
        "bram",
        "dsp",
        "depth",
        "lut_per_mac",
        "fmax_mhz",
        "latency_cycles",
    ),
    "equivalence": ("datapath", "m", "n", "simd", "pe", "target", "method", "tool", "equal"),
    "model": ("name", "target", "predicted_lut", "lut", "held_out"),
}
"""Parts of the file, and the members of an entry of each."""


def read(path: Path) -> dict[str, list[Entry]]:
    """All parts of the report; empty ones if there is no file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        In one line, if it is no such report.
    """
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {part: [] for part in FIELDS}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_damaged(path)}: {error}") from None
    if not isinstance(parts, dict) or set(parts) != set(FIELDS):
        raise ValueError(f"{_damaged(path)}: it must have the members {', '.join(FIELDS)}")
    for part, entries in parts.items():
        if not isinstance(entries, list):
            raise ValueError(f"{_damaged(path)}: {part} must be a list")
        try:
            _check(part, entries)
        except ValueError as error:
            raise ValueError(f"{_damaged(path)}: {error}") from None
    return {part: parts[part] for part in FIELDS}


def change(path: Path, part: str, update: Callable[[list[Entry]], Sequence[Entry]]) -> None:
    """Write what ``update`` makes of the entries of one part; nobody else writes meanwhile.

    Raises
    ------
    OSError
        If the file cannot be read or written.
    ValueError
        If it is damaged, there is no such part, or an entry has other members than it must.
    """
    if part not in FIELDS:
        raise ValueError(f"part must be one of {', '.join(FIELDS)}, not {part!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        parts = read(path)
        entries = list(update(parts[part]))
        _check(part, entries)
        parts[part] = [{name: entry[name] for name in FIELDS[part]} for entry in entries]
        with whole_files() as write:
            write(path, _text(parts))


def replace(
    path: Path,
    part: str,
    entries: Sequence[Entry],
    *,
    owns: Callable[[Entry], bool] = lambda entry: True,
) -> None:
    """Put ``entries`` where those stand now for which ``owns`` holds.

    Parameters
    ----------
    path : :class:`pathlib.Path`
        The report; it need not exist.
    part : :class:`str`
        One of :data:`FIELDS`.
    entries : sequence of :class:`dict`
        With exactly the members of that part.
    owns : callable
        Whether an entry that is there already is the caller's, and goes.

    Raises
    ------
    OSError, ValueError
        As :func:`change`.
    """
    change(path, part, lambda found: [*(e for e in found if not owns(e)), *entries])


def _damaged(path: Path) -> str:
    return f"{path} is no datapath report (remove it to start a new one)"


def _check(part: str, entries: Sequence[Any]) -> None:
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise ValueError(f"an entry of {part} must be an object, not {entry!r}")
        missing = [name for name in FIELDS[part] if name not in entry]
        unknown = [name for name in entry if name not in FIELDS[part]]
        if missing or unknown:
            wrong = f"lacks {missing[0]!r}" if missing else f"has {unknown[0]!r}"
            raise ValueError(
                f"an entry of {part} has the members {', '.join(FIELDS[part])}; one {wrong}"
            )


def _text(parts: Mapping[str, Sequence[Entry]]) -> str:
    """JSON with an entry on each line, so that two reports can be compared by eye."""
    lists = []
    for part, entries in parts.items():
        lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
        lists.append(f' "{part}": [\n{lines}\n ]' if entries else f' "{part}": []')
    return "{\n" + ",\n".join(lists) + "\n}\n"
