"""One run of a whole accelerator in its harness, with a line that shows how far it is."""

import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from sim.network_build import Model
from sim.network_harness import Findings, Stimulus

__all__ = ["Run", "simulate"]

_PROGRESS = re.compile(r"(?:at (\d+): (\d+) frames|frame (\d+): in \d+ \d+ out (\d+))")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of a simulation.

    Parameters
    ----------
    findings : :class:`~sim.network_harness.Findings`
        What the harness said.
    problems : tuple of :class:`str`
        What the simulator itself complained of.
    seconds : :class:`float`
        Of the simulation.
    log : :class:`~pathlib.Path`
        Everything it printed; waveforms lie beside it.
    """

    findings: Findings
    problems: tuple[str, ...]
    seconds: float
    log: Path


def simulate(
    model: Model,
    stimulus: Stimulus,
    files: Mapping[str, str],
    folder: Path,
    *,
    name: str,
    cycles: int | None = None,
) -> Run:
    """Run a model in a folder that is emptied and given the files.

    Parameters
    ----------
    files : mapping of :class:`str` to :class:`str`
        Text of the memory files of the accelerator and of the harness, by name.
    name : :class:`str`
        What the progress line says.
    cycles : :class:`int`, optional
        What the whole run is expected to take, for the time left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        for stale in folder.iterdir():
            if stale.is_file():
                stale.unlink()
        for file, text in files.items():
            (folder / file).write_text(text)
        start = time.monotonic()
        command = [*model.command, *stimulus.plusargs()]
        with tqdm(
            total=cycles, desc=name, unit=" cycles", unit_scale=True, leave=False, disable=None
        ) as bar:
            lines, status = _follow(command, folder, bar, stimulus.frames)
        seconds = time.monotonic() - start
        log = folder / "sim.log"
        log.write_text("".join(f"{line}\n" for line in lines))
    problems = [line for line in lines if "readmem" in line]
    if status:
        problems.append(f"the simulator ended with status {status}: {' / '.join(lines[-3:])}")
    return Run(findings=Findings.parse(lines), problems=tuple(problems), seconds=seconds, log=log)


def _follow(command: list[str], folder: Path, bar: tqdm, frames: int) -> tuple[list[str], int]:
    """Lines that a simulation prints, and its exit status."""
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            found = _PROGRESS.match(line)
            if found:
                cycle = int(found[1] or found[4])
                done = int(found[2]) if found[1] else int(found[3]) + 1
                bar.set_postfix_str(f"{done}/{frames} frames", refresh=False)
                bar.update(cycle - bar.n)
    return lines, process.returncode
