"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

__all__ = ["FileWriter", "whole_files"]


class FileWriter(Protocol):
    """Stage ``text`` for ``path``."""

    def __call__(self, path: Path, text: str) -> None: ...


@contextmanager
def whole_files() -> Iterator[FileWriter]:
    """Stage files beside their places; rename them all when the block ends well.

    Missing folders are made. If the block raises, or a file cannot be staged, nothing that was
    there before has changed.

    Raises
    ------
    OSError
        If a file cannot be written where it should go.
    ValueError
        If two files have one name, or a folder or a device has it.
    """
    staged: dict[Path, Path] = {}

    def write(path: Path, text: str) -> None:
        target = Path(os.path.realpath(path))
        if target in staged:
            raise ValueError(f"two files would be written to {str(path)!r}: give them other names")
        if target.is_dir():
            raise ValueError(f"{str(path)!r} is a folder, and must be a file")
        if target.exists() and not target.is_file():
            raise ValueError(f"{str(path)!r} is a device or a pipe, and must be a file")
        temporary = target.with_name(f".{len(staged)}.{os.getpid()}.unfinished")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("x", encoding="utf-8", newline="\n") as file:
                staged[target] = temporary
                file.write(text)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None

    try:
        yield write
        for target, temporary in staged.items():
            os.replace(temporary, target)
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)
