"""Proofs by Yosys of what a miter says, and its gates for simulation.

The vendors' own models of device cells, as Yosys ships them, stand for the cells.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from .flow import FlowError, run_yosys
from .proof_miter import TOP
from .targets import TARGETS

__all__ = ["ProofTimeoutError", "gates", "induction", "yosys"]

_READ = (
    "read_verilog -overwrite {primitives}",
    "read_verilog miter.v",
    f"hierarchy -check -top {TOP}",
    "proc",
)

# Flip-flops must be able to start in any state, not only in the one that they have after power-up.
_ANY_START = "setattr -unset init w:*"

_WORDS = (
    _ANY_START,
    "flatten",
    "opt",
    "wreduce",
    "opt -full",
    "async2sync",
    "dffunmap",
    "opt_clean",
)
"""To one module of arithmetic cells, which the solver takes as they are."""

_BITS = (
    _ANY_START,
    *("opt", "wreduce", "opt", "techmap", "opt", "async2sync", "dffunmap", "simplemap"),
    # Modules that stand many times are worked on once.
    *("opt_clean", "flatten", "opt_clean"),
)
"""To one module of gates."""


class ProofTimeoutError(RuntimeError):
    """A solver gave up."""


def yosys() -> str:
    """Name and version of the prover."""
    return f"Yosys {importlib.metadata.version('pyosys')}"


def _read(verilog: str, target: str, folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "miter.v").write_text(verilog)
    return [step.format(primitives=TARGETS[target].primitives) for step in _READ]


def induction(
    verilog: str,
    latency: int,
    target: str,
    folder: Path,
    *,
    timeout: int,
    owed: str = "",
) -> bool:
    """Whether both dot products of a miter are equal at all times, for every stream of folds.

    The induction step, from any state: pipelines hold nothing older than ``latency`` cycles, so
    after as many cycles of legal codes both have seen the same. If the accumulators are equal then,
    or both start anew, they must be equal one cycle later, and so must ``o_valid``. The first fold
    of an output element starts anew: from there on they are equal for ever.

    Accumulators that are right after the last fold only may differ by ``owed`` before: bits of a
    constant for that input of the miter, the claim holding for whatever stands there.

    Raises
    ------
    FlowError
        If Yosys refuses the miter, or no stream of legal codes leads to an answer.
    ProofTimeoutError
        If the solver takes more than ``timeout`` seconds.
    """
    premise = f"sat -seq {latency + 1} -set legal 1 -set-at {latency} anchored 1"
    if owed:
        premise += f" -set owed {len(owed)}'b{owed}"
    limit = f"-timeout {timeout} {TOP}"
    steps = [*_read(verilog, target, folder), *_WORDS]
    # An answer must be possible, or the proof would hold for want of one.
    steps.append(f"{premise} -set-at {latency + 1} answer 1 -verify {limit}")
    steps.append(f"{premise} -prove-skip {latency} -prove same 1 -verify {limit}")
    log = folder / "induction.log"
    try:
        run_yosys(steps, folder, log)
    except FlowError as error:
        if "time out" in str(error):
            raise ProofTimeoutError(f"no proof in {timeout} s (log: {log})") from None
        if "proof did fail" in str(error):
            return False
        raise
    return True


def gates(verilog: str, target: str, folder: Path) -> Path:
    """Write a miter as gates of one bit, and flip-flops of one clock, to a JSON file."""
    steps = [*_read(verilog, target, folder), *_BITS, "write_json gates.json"]
    run_yosys(steps, folder, folder / "gates.log")
    return folder / "gates.json"
