"""Processes that train, for tests: started from a server that has PyTorch loaded already."""

import multiprocessing
import os
import signal
import socket
import sys
from multiprocessing import forkserver
from pathlib import Path

import numpy as np
from PIL import Image

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["pytest", "pa_nn.train", "torchvision_preload"])


def _ensure_server():
    """Before Python 3.13 the server finds modules to load by PYTHONPATH alone."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def image_folder(root, *, classes=3, train=8, val=3, size=40):
    """A folder in ImageNet's layout whose classes differ in colour and in the size of images."""
    generator = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for label in range(classes):
            folder = Path(root) / split / f"n{label:04}"
            folder.mkdir(parents=True)
            for place in range(count):
                pixels = generator.integers(0, 128, (size + label, size - place % 3, 3))
                pixels[:, :, label % 3] += 100
                image = Image.fromarray(pixels.astype(np.uint8))
                image.save(folder / f"{place}.{'JPEG' if place % 2 else 'png'}")
    return Path(root)


def _child(variables, errors, target, arguments):
    os.environ.update(variables)
    import torch

    torch.set_num_threads(1)
    with open(errors, "w", buffering=1) as file:
        sys.stderr = sys.stdout = file
        sys.exit(target(*arguments))


def start(target, *arguments, errors, size=1):
    """``target(*arguments)`` in ``size`` processes as ``torchrun`` would; returns them, running.

    What process ``rank`` prints goes to the file ``errors`` with ``rank`` behind its name; its exit
    status is what ``target`` returns.
    """
    _ensure_server()
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    processes = []
    for rank in range(size):
        variables = {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(size),
            "MASTER_ADDR": "localhost",
            "MASTER_PORT": str(port),
        }
        process = _SERVER.Process(
            target=_child, args=(variables, f"{errors}{rank}", target, arguments)
        )
        process.start()
        processes.append(process)
    return processes


def statuses(processes, *, seconds=60):
    """Exit statuses of ``processes`` once all have ended."""
    for process in processes:
        process.join(seconds)
        if process.is_alive():
            process.kill()
    return [process.exitcode for process in processes]


def train_until(saves, moment, arguments):
    """:func:`pa_nn.train.main`, killed at write number ``saves`` of ``last.pt``.

    ``moment``: ``"before"`` the file is replaced, with a part of it written beside, or ``"after"``.
    """
    from pa_nn import train, trainer

    save, written = trainer.save_checkpoint, 0

    def save_and_die(path, entries):
        nonlocal written
        written += path.name == "last.pt"
        if written < saves or path.name != "last.pt":
            return save(path, entries)
        if moment == "before":
            path.parent.mkdir(exist_ok=True)
            path.with_name("last.pt.part").write_bytes(b"half of it")
        else:
            save(path, entries)
        os.kill(os.getpid(), signal.SIGKILL)

    trainer.save_checkpoint = save_and_die
    return train.main(arguments)
