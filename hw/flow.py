"""One design on one target: Verilog in, cell counts and logic depth of its units out.

Yosys runs in a process of its own (it holds its memory, and a failure ends the process).
Modules named as kept stay apart, everything else dissolves into them: a module that stands in a
design many times is mapped once and counted as often as it stands there.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pa_hdl.files import whole_files

from . import depth as depth_of
from .netlist import Netlist
from .targets import Target, Uses, target_of

__all__ = ["Design", "FlowError", "UnitFigures", "run_yosys", "synthesise"]

_HERE = Path(__file__).resolve().parent
_RESULT_SOURCES = (
    "flow.py",
    "netlist.py",
    "depth.py",
    "targets.py",
    "generic/brams.txt",
    "generic/brams_map.v",
)


class FlowError(RuntimeError):
    """Yosys refused a design; the message is its last error and where its log is."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """Verilog with its memory files, and how to take it apart.

    Parameters
    ----------
    name : :class:`str`
        Name of its files.
    top : :class:`str`
        Top module.
    verilog : :class:`str`
        Source text.
    memories : :class:`dict`
        Text of each file that ``$readmemh`` opens, by file name.
    units : :class:`dict`
        Name of each unit to report, and a regular expression that its one module matches in full.
    keep : :class:`str`
        Regular expression of the modules that are mapped apart; units are always kept.
    block_rams : :class:`str`
        Regular expression of the modules whose memories become block RAM, whatever they hold.
    """

    name: str
    top: str
    verilog: str
    memories: dict[str, str]
    units: dict[str, str]
    keep: str
    block_rams: str = ""

    def module_of(self, unit: str) -> str:
        """The module of ``unit``.

        Raises
        ------
        :exc:`ValueError`
            Unless exactly one module matches.
        """
        names = self._matching(self.units[unit])
        if len(names) != 1:
            raise ValueError(
                f"Unit {unit!r} of {self.name} must be one module that matches "
                f"{self.units[unit]!r}, not {names!r}"
            )
        return names[0]

    @property
    def modules(self) -> list[str]:
        """Names of all modules in the source text."""
        return re.findall(r"^\s*module\s+\\?([^\s(;]+)", self.verilog, re.MULTILINE)

    @property
    def kept(self) -> list[str]:
        """Names of the modules that stay apart."""
        units = {self.module_of(unit) for unit in self.units} - {self.top}
        return sorted(units | set(self._matching(self.keep)))

    @property
    def blocks(self) -> list[str]:
        """Names of the modules whose memories become block RAM."""
        return self._matching(self.block_rams)

    def _matching(self, pattern: str) -> list[str]:
        return [name for name in self.modules if re.fullmatch(pattern, name)]


@dataclass(frozen=True, kw_only=True)
class UnitFigures:
    """What synthesis found for one unit.

    Parameters
    ----------
    uses : :class:`Uses`
        Totals, every instance counted.
    cells : :class:`dict`
        Number of cells of each type.
    depth, carry_depth : :class:`int`
        Most LUT levels, and most carry cells, between two registers.
    lut_path, carry_path : :class:`str`
        A path of that length each.
    """

    uses: Uses
    cells: dict[str, int]
    depth: int
    carry_depth: int
    lut_path: str
    carry_path: str

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> UnitFigures:
        """Read back what :func:`dataclasses.asdict` gave."""
        return cls(**{**data, "uses": Uses(**data["uses"])})


def commands(design: Design, target: Target, netlist: str) -> list[str]:
    """Yosys commands from ``design.v`` in the working folder to the JSON file ``netlist``.

    The design is read twice, the second time as RTLIL: a flow that ends with a check of the
    hierarchy would elaborate Verilog that instantiates primitives with parameters once more, and
    throw the mapped netlist away.
    """
    kept = [f"setattr -mod -set keep_hierarchy 1 {name}" for name in design.kept]
    blocks = [f'setattr -set ram_style "block" {name}/m:*' for name in design.blocks]
    return [
        f"read_verilog -lib {target.primitives}",
        "read_verilog design.v",
        f"hierarchy -check -top {design.top}",
        # abc9 takes a wire named "a[0]" for bit 0 of "a", and fails when both exist.
        r"rename -hide w:*\[*",
        # A read during a write is undefined in these memories: no logic to arbitrate it.
        "setattr -set no_rw_check 1 m:*",
        *kept,
        *blocks,
        # A table behind a register would become a ROM that no adder can absorb.
        "proc -norom",
        "write_rtlil -selected elaborated.il",
        "design -reset",
        "read_rtlil elaborated.il",
        *(command.format(top=design.top) for command in target.synth),
        "setattr -unset src *",
        f"write_json -selected {netlist}",
    ]


def run_yosys(script: list[str], folder: Path, log: Path) -> None:
    """Run Yosys commands in ``folder``, in a process of its own, and write its log.

    Raises
    ------
    :exc:`FlowError`
        If a command fails, with the last error of the log.
    """
    source = "import sys, json\nfrom pyosys import libyosys\nd = libyosys.Design()\n"
    source += "for command in json.load(sys.stdin): d.run_pass(command)\n"
    with log.open("w") as output:
        result = subprocess.run(
            [sys.executable, "-c", source],
            input=json.dumps(script),
            text=True,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode:
        errors = re.findall(r"ERROR: ?(.*)$", log.read_text(errors="replace"), re.MULTILINE)
        reason = errors[-1] if errors else f"Yosys ended with status {result.returncode}"
        raise FlowError(f"{reason} (log: {log})")


def content_key(design: Design, target: Target) -> str:
    """Digest of everything that a result depends on."""
    parts = [design.verilog, json.dumps(design.memories, sort_keys=True), json.dumps(design.units)]
    parts += [*commands(design, target, ""), importlib.metadata.version("pyosys")]
    parts += [(_HERE / name).read_text() for name in _RESULT_SOURCES]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def synthesise(design: Design, target_name: str, cache: Path) -> dict[str, UnitFigures]:
    """Map ``design`` to a target and measure its units, or read that from ``cache``.

    Raises
    ------
    :exc:`FlowError`
        If Yosys refuses the design.
    :exc:`ValueError`
        If the netlist holds a cell without a model, or a combinational loop.
    """
    target = target_of(target_name)
    known = cache / f"{content_key(design, target)}.json"
    figures = _recall(known)
    if figures is None:
        cache.mkdir(parents=True, exist_ok=True)
        figures = _measure(design, target, cache / f"{design.name}-{target.name}.log")
        with whole_files() as write:
            write(known, json.dumps({name: asdict(unit) for name, unit in figures.items()}))
    return figures


def _recall(known: Path) -> dict[str, UnitFigures] | None:
    """Figures out of a file of the cache; ``None`` if it is not there, or cut short."""
    try:
        found = json.loads(known.read_text())
        return {name: UnitFigures.from_json(unit) for name, unit in found.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _measure(design: Design, target: Target, log: Path) -> dict[str, UnitFigures]:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"design.v": design.verilog, **design.memories}.items():
            Path(folder, name).write_text(text)
        run_yosys(commands(design, target, "netlist.json"), Path(folder), log.resolve())
        netlist = Netlist.load(Path(folder, "netlist.json"))
    return {unit: _figures(netlist, design.module_of(unit), target) for unit in design.units}


def _figures(netlist: Netlist, module: str, target: Target) -> UnitFigures:
    paths = depth_of.measure(netlist.flatten(module), target)
    return UnitFigures(
        uses=netlist.uses(module, target),
        cells=dict(sorted(netlist.cells(module).items())),
        depth=paths.lut.levels,
        carry_depth=paths.carry.levels,
        lut_path=str(paths.lut),
        carry_path=str(paths.carry),
    )
