"""Datapaths, rivals and whole engines side by side: which cases there are, and their rows.

``make synth`` writes them to ``build/reports/datapath.json``, beside what ``make prove`` and ``make
pnr`` put there, and explains them in ``datapath.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from pa_hdl import cost
from pa_hdl.files import whole_files

from . import datapath_store
from .datapath_cases import BASES, SHAPE, Abc, Built, DatapathCase, Lane, Multiply, Pa, Table, Xnor
from .datapath_goals import GOAL_HEADS, goal_rows
from .datapath_pictures import PICTURES
from .datapath_report import markdown
from .datapath_store import Entry
from .fit import features_of, read_samples
from .flow import UnitFigures, synthesise
from .lane_designs import KINDS
from .targets import target_of

__all__ = ["Finding", "datapath_cases", "measure", "model_entries", "write"]

PATHS: dict[str, tuple[str, ...]] = {
    "xc7": ("popcount", "compressor", "lookup", "gated", "shared"),
    "ecp5": ("popcount", "compressor", "lookup", "gated", "shared"),
    "ice40": ("lookup", "gated"),
    "generic": ("lookup", "gated"),
}
"""Datapaths with weights from memory that each target is reported for."""

_FEW = ((4, 5), (8, 7))
_INSIDE = ((4, 5), (8, 7), (255, 7))
_FOLDS = (2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A case, what it was built as, and what synthesis found."""

    case: DatapathCase
    built: Built
    figures: UnitFigures

    @property
    def row(self) -> Entry:
        """Its row in the report."""
        uses = asdict(self.figures.uses)
        flags = target_of(self.case.target).flags
        return self.case.row(self.built, flags, {**uses, "depth": self.figures.depth})

    @property
    def model(self) -> Entry | None:
        """What the cost model predicted, which had not seen it."""
        if self.built.predicted is None:
            return None
        return {
            "name": self.case.name,
            "target": self.row["target"],
            "predicted_lut": self.built.predicted,
            "lut": self.figures.uses.lut,
            "held_out": True,
        }


def measure(case: DatapathCase, cache: Path) -> Finding:
    """Generate a case and synthesise it, or take what synthesis found from ``cache``."""
    built = case.build()
    figures = synthesise(built.design, case.target, cache)
    return Finding(case=case, built=built, figures=figures[case.unit])


def datapath_cases(targets: Sequence[str]) -> list[DatapathCase]:
    """Every case of the report on these targets."""
    return [case for target in targets for case in _cases(target)]


def _cases(target: str) -> Iterator[DatapathCase]:
    simd, pe = SHAPE[target]
    at: dict[str, Any] = {"target": target, "simd": simd, "pe": pe}
    device = target in ("xc7", "ecp5")
    for path in PATHS[target]:
        for m, n in BASES if device else _FEW:
            yield Pa(m=m, n=n, path=path, **at)
    if device:
        for fold in _FOLDS:
            for m, n in _INSIDE:
                yield Pa(m=m, n=n, path="inside", fold=fold, **at)
        for m, n, phi_bits in ((4, 3, 4), (4, 7, 6), (8, 7, 6), (4, 5, 16)):
            for path in ("lookup", "gated"):
                yield Pa(m=m, n=n, path=path, phi_bits=phi_bits, **at)
        for m, n, phi_bits in ((2, 3, 8), (6, 7, 6), (8, 8, 8)):
            yield Pa(m=m, n=n, path="gated", phi_bits=phi_bits, **at)
        yield Pa(m=4, n=3, path="inside", fold=4, **at)
        yield Pa(m=8, n=7, path="inside", phi_bits=6, fold=4, **at)
        yield from _rivals(target, at)
        for kind in KINDS:
            for bits in (64, 128):
                yield Lane(kind=kind, target=target, simd=bits)
    for m, n in _FEW if device else _FEW[:1]:
        for path in ("popcount", "gated"):
            yield Pa(m=m, n=n, path=path, target=target, simd=32, pe=8, unit="engine")


def _rivals(target: str, at: Mapping[str, Any]) -> Iterator[DatapathCase]:
    yield Xnor(**at)
    for bits in (3, 4, 8):
        yield Multiply(bits=bits, **at)
    for bits in (4, 8):
        yield Multiply(bits=bits, **{**at, "target": f"{target}-dsp"})
    for bits in (2, 3, 4):
        for path in ("lookup", "gated"):
            yield Table(kind=f"int{bits}", path=path, **at)
        yield Table(kind=f"int{bits}", path="inside", fold=4, **at)
    for bits in (4, 8):
        yield Multiply(bits=bits, act_bits=3, **at)
    for kind in ("w3a2", "w4a3", "ternary2", "ternary3"):
        yield Table(kind=kind, path="gated", **at)
    for kind in ("abc3x3", "abc5x5", "abc7x7"):
        yield Table(kind=kind, path="lookup", **at)
    yield Abc(bases=(5, 5), **at)
    for kind in ("w3a2", "w4a3", "w8a3", "ternary2", "ternary3", "abc5x5", "abc7x7"):
        yield Table(kind=kind, path="inside", fold=4, **at)


def model_entries(findings: Sequence[Finding]) -> list[Entry]:
    """Predictions beside what synthesis found: of what was fitted, and of what was not."""
    samples = read_samples()
    fitted = []
    for sample, found in zip(samples, features_of(samples), strict=True):
        predicted = cost.predict(sample["target"], sample["part"], found).lut
        entry = {"target": sample["target"], "predicted_lut": predicted, "lut": sample["lut"]}
        name = f"{sample['name']}/{sample['part']}"
        fitted.append({"name": name, **entry, "held_out": False})
    return fitted + [each.model for each in findings if each.model is not None]


def write(reports: Path, findings: Sequence[Finding], targets: Sequence[str]) -> str:
    """Put rows and predictions of these targets where the old ones stand, and write the report.

    A clock rate stays as long as nothing else about its row has changed. Returns the table of
    targets.

    Raises
    ------
    OSError, ValueError
        If a file cannot be written, or ``datapath.json`` is damaged.
    """
    path = reports / "datapath.json"
    rows = [finding.row for finding in findings]
    names = {(row["name"], row["target"]) for row in rows}

    def update(found: list[Entry]) -> list[Entry]:
        rates = {_unrouted(row): row["fmax_mhz"] for row in found}
        others = [row for row in found if not _replaced(row, names, targets)]
        return [row | {"fmax_mhz": rates.get(_unrouted(row))} for row in rows] + others

    datapath_store.change(path, "rows", update)
    entries = [each for each in model_entries(findings) if each["target"] in targets]
    datapath_store.replace(path, "model", entries, owns=lambda each: each["target"] in targets)
    parts = datapath_store.read(path)
    widths = {(each.row["name"], each.row["target"]): each.built.acc_bits for each in findings}
    with whole_files() as write_file:
        text = markdown(parts["rows"], parts["model"], widths)
        write_file(reports / "datapath.md", text)
        for name, draw in PICTURES.items():
            write_file(reports / name, draw(parts["rows"], parts["model"]))
    return tabulate(goal_rows(parts["rows"]), GOAL_HEADS, disable_numparse=True)


def _unrouted(row: Entry) -> tuple[Any, ...]:
    return tuple(value for name, value in row.items() if name != "fmax_mhz")


def _replaced(row: Entry, names: set[tuple[str, str]], targets: Sequence[str]) -> bool:
    """Whether a row is one of synthesis: place-and-route has rows of its own, with clock rates."""
    return (row["name"], row["target"]) in names or (
        row["target"] in targets and row["fmax_mhz"] is None
    )
