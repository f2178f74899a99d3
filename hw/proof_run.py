"""One comparison of a datapath with the reference, and what came of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from pa_hdl.files import whole_files

from .flow import FlowError
from .proof_cases import ProofCase
from .proof_flow import ProofTimeoutError, gates, induction, yosys
from .proof_miter import Miter
from .proof_simulate import exhaustive, owed, randomly

__all__ = ["Verdict", "prove"]

_HERE = Path(__file__).resolve().parent
_RESULT_SOURCES = ("proof_bits.py", "proof_flow.py", "proof_miter.py", "proof_simulate.py")

RANDOM_FOLDS = 1_000_000
"""Folds that are simulated where not all can be."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a comparison found.

    Parameters
    ----------
    tool : :class:`str`
        What compared, with its version.
    equal : :class:`bool` or ``None``
        ``None`` if it came to no end.
    problem : :class:`str`
        One line that says why not equal.
    """

    tool: str
    equal: bool | None
    problem: str = ""

    def entry(self, case: ProofCase) -> dict[str, Any]:
        """Its entry in the report."""
        return {**case.size, "method": case.method, "tool": self.tool, "equal": self.equal}


def prove(case: ProofCase, *, cache: Path, timeout: int) -> Verdict:
    """Compare, or read from ``cache`` what came of comparing the same hardware before.

    A solver out of time, or hardware that cannot be built, is a verdict too.
    """
    tool = yosys() if case.method == "induction" else f"bit-parallel simulation, {yosys()}"
    try:
        miter = case.miter()
        verilog = miter.verilog()
        known = cache / f"{_content_key(case, verilog)}.json"
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(known.with_suffix(".lock")):
            verdict = _remembered(known)
            if verdict is None:
                folder = (cache / case.folder).resolve()
                problem = _compare(case, miter, verilog, folder, timeout)
                verdict = Verdict(tool=tool, equal=not problem, problem=problem)
                with whole_files() as write:
                    write(known, json.dumps(asdict(verdict)))
        return verdict
    except (FlowError, ProofTimeoutError, ValueError) as error:
        return Verdict(tool=tool, equal=None, problem=str(error))


def _compare(case: ProofCase, miter: Miter, verilog: str, folder: Path, timeout: int) -> str:
    """What differs, or nothing."""
    if case.method == "induction":
        constant = owed(miter, gates(verilog, case.target, folder)) if miter.fixed else ""
        equal = induction(
            verilog, miter.latency, case.target, folder, timeout=timeout, owed=constant
        )
        return "" if equal else f"accumulators can differ (log: {folder}/induction.log)"
    netlist = gates(verilog, case.target, folder)
    try:
        if case.method == "exhaustive":
            return exhaustive(miter, netlist, seed=case.seed)
        return randomly(miter, netlist, seed=case.seed, folds=RANDOM_FOLDS)
    finally:
        # Tens of megabytes each.
        netlist.unlink()


def _remembered(path: Path) -> Verdict | None:
    """A verdict of an earlier run; none if its file is cut short."""
    try:
        return Verdict(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _content_key(case: ProofCase, verilog: str) -> str:
    """Digest of all that a verdict depends on, which is not the target's name."""
    parts = [verilog, case.method, str(case.seed), yosys()]
    parts += [(_HERE / name).read_text() for name in _RESULT_SOURCES]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
