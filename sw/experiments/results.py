"""The list of results: one JSON file, checked when read, written whole, shared by several writers.

``{"runs": [...], "failures": [...]}``: a run has the fields of :data:`FIELDS`, null where a field
does not apply; a failure has those of a run, ``top1`` null, and an ``error``.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from experiments.protocol import PROTOCOLS
from pa_artifact.whole import write_whole
from pa_nn.schemes import NAMES, Scheme

__all__ = ["FIELDS", "Record", "add", "check", "find", "load", "lock", "same", "scheme_of", "title"]

Record = dict[str, Any]

_CHOICES = {"scheme": NAMES, "protocol": (*PROTOCOLS, "post-training")}
# Of each field: its types, whether it may be null.
FIELDS: dict[str, tuple[tuple[type, ...], bool]] = {
    "dataset": ((str,), False),
    "model": ((str,), False),
    "scheme": ((str,), False),
    "m": ((int,), True),
    "n": ((int,), True),
    "weight_bits": ((int,), True),
    "activation_bits": ((int,), True),
    "phi_bits": ((int,), True),
    "seed": ((int,), True),
    "epochs": ((int,), False),
    "train_images": ((int,), False),
    "test_images": ((int,), False),
    "top1": ((int, float), False),
    "full_precision_top1": ((int, float), False),
    "command": ((str,), False),
    "protocol": ((str,), False),
    "options": ((dict,), True),
    "lr": ((int, float), True),
    "trials": ((list,), True),
    "seconds": ((int, float), True),
}
# What a failure may lack.
_MISSING = ("top1", "full_precision_top1", "command")
_IDENTITY = [
    "protocol",
    "dataset",
    "model",
    "scheme",
    "m",
    "n",
    "weight_bits",
    "activation_bits",
    "phi_bits",
    "options",
    "seed",
    "epochs",
    "train_images",
    "test_images",
]


def _check_fields(record: Mapping[str, Any], *, failed: bool) -> None:
    expected = {*FIELDS, "error"} if failed else set(FIELDS)
    for name in sorted(expected ^ set(record)):
        raise ValueError(f"{'has no' if name in expected else 'unknown'} field {name!r}")
    for name, (types, nullable) in FIELDS.items():
        value = record[name]
        if (value is None and (nullable or (failed and name in _MISSING))) or (
            isinstance(value, types) and not isinstance(value, bool)
        ):
            continue
        kinds = " or ".join(kind.__name__ for kind in types) + (" or null" if nullable else "")
        raise ValueError(f"{name} must be {kinds}, not {value!r}")


def check(record: Mapping[str, Any], *, failed: bool = False) -> None:
    """Raise :class:`ValueError`, one line, where a record is not as it must be."""
    _check_fields(record, failed=failed)
    for name, choices in _CHOICES.items():
        if record[name] not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, not {record[name]!r}")
    for name in ("top1", "full_precision_top1"):
        if record[name] is not None and not 0 <= record[name] <= 100:
            raise ValueError(f"{name} must be a percentage, not {record[name]!r}")
    for trial in record["trials"] or ():
        if not isinstance(trial, list) or len(trial) != 2:
            raise ValueError(f"trials must be pairs of learning rate and top-1, not {trial!r}")
    if failed and not isinstance(record["error"], str):
        raise ValueError(f"error must be str, not {record['error']!r}")


def load(path: Path) -> dict[str, list[Record]]:
    """Read and check the results; empty lists where there is no file yet.

    Raises
    ------
    ValueError
        The file is damaged, or a record is not as it must be; the message names both.
    """
    if not path.exists():
        return {"runs": [], "failures": []}
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("runs"), list):
        raise ValueError(f"{path}: not results, it has no list 'runs'")
    results = {"runs": content["runs"], "failures": content.get("failures", [])}
    for kind, records in results.items():
        for place, record in enumerate(records):
            try:
                if not isinstance(record, dict):
                    raise ValueError(f"not a record but {record!r}")
                check(record, failed=kind == "failures")
            except ValueError as error:
                raise ValueError(f"{path}: {kind}[{place}]: {error}") from None
    return results


def same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two records, or the identities of two runs, are of the same run."""
    return all(a[name] == b[name] for name in _IDENTITY)


def find(records: Iterable[Record], identity: Mapping[str, Any]) -> Record | None:
    """The record of a run, None where there is none."""
    return next((record for record in records if same(record, identity)), None)


def scheme_of(record: Mapping[str, Any]) -> str:
    """The scheme of a record as ``pa_nn.train --scheme`` takes it."""
    sizes = {name: record[name] for name in ("m", "n", "weight_bits", "activation_bits")}
    return str(Scheme(name=record["scheme"], **sizes))


def title(record: Mapping[str, Any]) -> str:
    """What a record is of, in a few words."""
    options = "".join(f" {name}={value}" for name, value in (record["options"] or {}).items())
    return f"{record['protocol']} {scheme_of(record)}{options} seed {record['seed']}"


def _without(records: Iterable[Record], identity: Mapping[str, Any]) -> list[Record]:
    return [record for record in records if not same(record, identity)]


def _dump(results: Mapping[str, list[Record]]) -> bytes:
    # A record a line: differences stay readable.
    lists = [
        f' "{kind}": [{",".join(f"{chr(10)}  {json.dumps(record)}" for record in records)}\n ]'
        for kind, records in results.items()
    ]
    return ("{\n" + ",\n".join(lists) + "\n}\n").encode()


def lock(path: Path) -> FileLock:
    """To hold while the results, or what is made of them, are written."""
    return FileLock(path.with_name(f".{path.name}.lock"))


def add(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Add records, each in place of an earlier one of its run; one with an error is a failure.

    Several processes may add to one file at the same time; a process killed in the middle leaves
    the file as it was.

    Raises
    ------
    ValueError
        A record, or the file, is not as it must be; nothing is written.
    """
    additions = [dict(record) for record in records]
    for record in additions:
        check(record, failed="error" in record)
    with lock(path):
        results = load(path)
        for record in additions:
            results = {kind: _without(rows, record) for kind, rows in results.items()}
            results["failures" if "error" in record else "runs"].append(record)
        write_whole(path, _dump(results))
