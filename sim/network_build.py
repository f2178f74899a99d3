"""Simulation models of whole accelerators inside their harness, built once for each content."""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from sim.build import BUILDS, BuildError, Design, digest, runtime
from sim.network_harness import HARNESS, Port, harness
from sim.simulators import Simulator, environment

__all__ = ["Model", "build_network"]

_MAIN = Path(__file__).with_name("harness.cpp")

_VERILATE = (
    "--cc",
    "--exe",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
)
"""With -O3 a model is a fifth faster, and its build takes a third longer."""

_OPTIMISE = "-O1"
"""Of the model's C++: -Os takes three times as long and gives no more, -O0 is ten times slower."""

_LEFTOVERS = {".a", ".cpp", ".d", ".gch", ".h", ".o"}

_CLOCK = f"""
`timescale 1ns/1ps
module clocked;
  reg clk = 0;
  always #5 clk = ~clk;
  {HARNESS} {HARNESS}(.clk(clk));
`ifdef WAVES
  initial begin $dumpfile("waves.fst"); $dumpvars(0, {HARNESS}); end
`endif
endmodule
"""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A program that simulates one accelerator.

    Parameters
    ----------
    folder : :class:`~pathlib.Path`
        Where it was built.
    command : tuple of :class:`str`
        How it is called; plusargs follow.
    seconds : :class:`float`
        What its build took, whenever that was.
    """

    folder: Path
    command: tuple[str, ...]
    seconds: float


def build_network(
    design: Design,
    source: Port,
    sink: Port,
    simulator: Simulator,
    *,
    images: int,
    waves: bool = False,
) -> Model:
    """Model of a design in the harness, with room for so many images, unless it is there already.

    Raises
    ------
    BuildError
        If the simulator refuses the Verilog.
    """
    text = "\n".join([design.verilog, harness(design.top, source, sink, images=images)])
    recipe = _MAIN.read_text() + _CLOCK + " ".join((*_VERILATE, _OPTIMISE, f"waves={waves}"))
    name = digest(simulator.name, simulator.version(), recipe, text)
    folder = (BUILDS / "networks" / f"{simulator.name}-{name}").resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    complete = folder / "complete"
    steps = {"verilator": _verilator, "icarus": _icarus}[simulator.name]
    with FileLock(folder.with_suffix(".lock")):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "design.v").write_text(text)
            start = time.monotonic()
            steps(folder, waves)
            complete.write_text(f"{time.monotonic() - start:.2f}\n")
    command = {
        "verilator": (str(folder / "Vharness"),),
        # Without -i its output would wait in a buffer, and progress with it.
        "icarus": ("vvp", "-i", "-n", str(folder / "harness.vvp"), *(["-fst"] if waves else [])),
    }[simulator.name]
    return Model(folder=folder, command=command, seconds=float(complete.read_text()))


def _icarus(folder: Path, waves: bool) -> None:
    (folder / "clock.v").write_text(_CLOCK)
    define = ["-DWAVES"] if waves else []
    command = ["iverilog", "-g2005", *define, "-s", "clocked", "-o", "harness.vvp"]
    _call([*command, "clock.v", "design.v"], folder)


def _verilator(folder: Path, waves: bool) -> None:
    variables = ["CFG_CXXFLAGS_PCH_I=-include", f"OPT_FAST={_OPTIMISE}"]
    if not waves:
        variables += ["VM_GLOBAL_FAST=", "VM_GLOBAL_SLOW=", f"LOADLIBES={runtime()}"]
    trace = ["--trace-vcd"] if waves else []
    command = ["verilator", *_VERILATE, *trace, "--build", "-j", str(os.cpu_count() or 1)]
    command += ["--top-module", HARNESS, "--prefix", "Vharness", "--Mdir", "."]
    _call([*command, str(_MAIN), "design.v"], folder, MAKEFLAGS=" ".join(variables))
    # Precompiled headers and objects of one network take hundreds of megabytes.
    for path in folder.iterdir():
        if path.suffix in _LEFTOVERS:
            path.unlink()


def _call(command: list[str], folder: Path, **settings: str) -> None:
    log = folder / "build.log"
    with environment(**settings), log.open("w") as output:
        done = subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise BuildError(f"{command[0]} refused {folder / 'design.v'}, see {log}\n{tail}")
