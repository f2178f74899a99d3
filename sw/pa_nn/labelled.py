"""Photographs in one folder a class, by themselves or in a tar file, read when they are needed."""

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from pa_nn.data import IMAGE_SUFFIXES, UNREADABLE
from pa_nn.weight_files import Normalisation

__all__ = ["LabelledImages"]

# What the centre crop keeps of the shorter side, as ImageNet is evaluated: 224 of 256 pixels.
_KEPT = 0.875

Read = Callable[[str], bytes]


class LabelledImages:
    """Images by class, one of each class in turn.

    Parameters
    ----------
    path : folder, or tar file that is not compressed
        Of ``CLASS/*.jpg``, below any other folder; classes are numbered in the order of their
        names.
    size : int
        Height and width.  An image of another size is scaled, its shorter side to ``size / 0.875``,
        and cropped at its centre.

    Raises
    ------
    ValueError
        There is no such folder or tar file, or it has no images; one line.
    """

    def __init__(self, path: str | Path, *, size: int = 224) -> None:
        if size < 1:
            raise ValueError(f"Image size must be at least 1, not {size!r}")
        self.path = Path(path)
        self.size = size
        names, self._read = _open(self.path)
        by_class: dict[str, list[str]] = {}
        for name in sorted(names):
            by_class.setdefault(PurePosixPath(name).parent.name, []).append(name)
        self.classes = tuple(sorted(by_class))
        turns = [
            (place, label, name)
            for label, folder in enumerate(self.classes)
            for place, name in enumerate(by_class[folder])
        ]
        self._files = [(name, label) for _, label, name in sorted(turns)]
        if not self._files:
            raise ValueError(f"{self.path}: holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})")

    def __len__(self) -> int:
        return len(self._files)

    def batches(
        self, batch_size: int, normalisation: Normalisation, only: Sequence[int] | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Normalised batches, of the images at the places ``only`` where given.

        Yields ``(images, labels)``: float32 ``(batch, 3, size, size)``, ``(p / 255 - mean) / std``;
        int64.  Raises :class:`ValueError` naming an image that cannot be read.
        """
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in normalisation)
        places = range(len(self)) if only is None else only
        for start in range(0, len(places), batch_size):
            files = [self._files[place] for place in places[start : start + batch_size]]
            pixels = np.stack([self._pixels(name) for name, _ in files])
            images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()).float() / 255
            yield (images - mean) / std, torch.tensor([label for _, label in files])

    def _pixels(self, name: str) -> np.ndarray:
        """uint8 ``(size, size, 3)``."""
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self._read(name))) as stored:
                image = stored.convert("RGB")
        except UNREADABLE as error:
            raise ValueError(f"{name}: cannot be read as an image ({error})") from None
        if image.size != (self.size, self.size):
            scale = self.size / _KEPT / min(image.size)
            width, height = (max(self.size, round(side * scale)) for side in image.size)
            left, top = (width - self.size) // 2, (height - self.size) // 2
            image = image.resize((width, height), Image.Resampling.BILINEAR)
            image = image.crop((left, top, left + self.size, top + self.size))
        return np.asarray(image)


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def _open(path: Path) -> tuple[list[str], Read]:
    """Names of the images, and what reads one."""
    if path.is_dir():
        found = [str(file) for file in path.glob("**/*") if _is_image(file.name)]
        return found, lambda name: Path(name).read_bytes()
    if not path.is_file():
        raise ValueError(f"{path}: no such folder or tar file")
    try:
        # Uncompressed, so that an image is a slice of the file.
        with tarfile.open(path, "r:") as archive:
            members = {m.name: m for m in archive if m.isfile() and _is_image(m.name)}
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ValueError(f"{path}: cannot be read as an uncompressed tar file ({error})") from None

    def read(name: str) -> bytes:
        with path.open("rb") as file:
            file.seek(members[name].offset_data)
            return file.read(members[name].size)

    return list(members), read
