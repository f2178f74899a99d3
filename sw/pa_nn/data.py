"""Image data sets: a folder of IDX files (Fashion-MNIST, MNIST) or of images by class.

Everything is held in memory as unsigned 8-bit tensors ``(count, channels, H, W)``; normalisation
and augmentation run per batch.
"""

import gzip
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from pa_nn.distributed import World

__all__ = ["Batches", "ImageSet", "check_classes", "load_folder"]

_IDX_NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp"}
# Pillow's decoders raise any of these for a damaged file.
UNREADABLE = (OSError, SyntaxError, ValueError, struct.error)


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Images ``(count, C, H, W)`` uint8, labels ``(count,)`` int64, and the class names."""

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def channels(self) -> int:
        """Channels of each image."""
        return self.images.shape[1]

    def batches(self, **options: Any) -> "Batches":
        """:class:`Batches` of this set."""
        return Batches(self, **options)

    def take(self, count: int) -> "ImageSet":
        """The first ``count`` images."""
        return ImageSet(
            images=self.images[:count], labels=self.labels[:count], classes=self.classes
        )

    def hold_out(self, count: int) -> tuple["ImageSet", "ImageSet"]:
        """All but the last ``count`` images, and these; both must hold at least one."""
        if not 1 <= count < len(self):
            raise ValueError(f"Held-out images must be from 1 to {len(self) - 1}, not {count}")
        cut = len(self) - count
        return self.take(cut), ImageSet(
            images=self.images[cut:], labels=self.labels[cut:], classes=self.classes
        )

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of ``p / 255`` for each channel, rounded to four digits."""
        scaled = self.images.double() / 255
        mean = scaled.mean(dim=(0, 2, 3))
        std = scaled.std(dim=(0, 2, 3), unbiased=False)
        return (
            tuple(round(float(v), 4) for v in mean),
            tuple(round(float(v), 4) for v in std),
        )


def _read_idx(path: Path) -> np.ndarray:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            data = file.read()
    except (OSError, EOFError) as error:
        raise ValueError(f"{path}: cannot be read as an IDX file ({error})") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != 0x08:
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    rank = data[3]
    header = 4 + 4 * rank
    if len(data) < header:
        raise ValueError(f"{path}: IDX header is cut short at {len(data)} bytes")
    shape = struct.unpack(f">{rank}I", data[4:header])
    expected = header + int(np.prod(shape, dtype=np.int64))
    if len(data) != expected:
        raise ValueError(f"{path}: IDX file has {len(data)} bytes, its header asks for {expected}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _find_idx(folder: Path, stem: str) -> Path | None:
    for name in (stem, stem + ".gz"):
        if (folder / name).is_file():
            return folder / name
    return None


def _load_idx(folder: Path, split: str) -> ImageSet:
    paths = [_find_idx(folder, stem) for stem in _IDX_NAMES[split]]
    for path, stem in zip(paths, _IDX_NAMES[split], strict=True):
        if path is None:
            raise ValueError(f"{folder}: no {stem} or {stem}.gz")
    images, labels = (_read_idx(path) for path in paths if path is not None)
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise ValueError(
            f"{folder}: {split} images {images.shape} and labels {labels.shape} do not fit together"
        )
    if images.size == 0:
        raise ValueError(f"{folder}: holds no images ({split} images have shape {images.shape})")
    classes = tuple(str(label) for label in range(int(labels.max()) + 1))
    return ImageSet(
        images=torch.from_numpy(images.copy()).unsqueeze(1),
        labels=torch.from_numpy(labels.astype(np.int64)),
        classes=classes,
    )


def _image_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def check_classes(
    root: Path, classes: tuple[str, ...], other_root: Path, others: tuple[str, ...]
) -> None:
    """Raise :class:`ValueError`, in one line, unless two folders hold the same classes.

    Labels are places in the sorted list of names: a class that one folder lacks shifts all labels
    behind it.
    """
    for one, names, other, known in (
        (root, classes, other_root, set(others)),
        (other_root, others, root, set(classes)),
    ):
        missing = [name for name in names if name not in known]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ValueError(f"{other}: lacks class {missing[0]!r}{more}, which {one} has")


def _class_names(root: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in root.iterdir() if path.is_dir()))


def _load_image_folder(folder: Path, split: str) -> ImageSet:
    from PIL import Image

    root = folder / split
    classes = _class_names(root)
    for other in _IDX_NAMES.keys() - {split}:
        if (folder / other).is_dir():
            check_classes(root, classes, folder / other, _class_names(folder / other))
    files = [
        (place, label, path)
        for label, name in enumerate(classes)
        for place, path in enumerate(_image_files(root / name))
    ]
    empty = set(range(len(classes))) - {label for _, label, _ in files}
    if files and empty:
        raise ValueError(f"{root / classes[min(empty)]}: holds no images")
    images, labels = [], []
    # One image of each class in turn: the first images of a set stand for all of it.
    for _, label, path in sorted(files):
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("L" if image.mode == "L" else "RGB"))
        except UNREADABLE as error:
            raise ValueError(f"{path}: cannot be read as an image ({error})") from None
        images.append(np.atleast_3d(pixels).transpose(2, 0, 1))
        labels.append(label)
    if not images:
        raise ValueError(f"{root}: holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise ValueError(f"{root}: images must share one shape, not {sorted(shapes)}")
    return ImageSet(
        images=torch.from_numpy(np.stack(images)),
        labels=torch.tensor(labels, dtype=torch.int64),
        classes=classes,
    )


def load_folder(folder: str | Path, split: str) -> ImageSet:
    """Load ``split`` (``"train"`` or ``"test"``) from a folder.

    The folder holds either IDX files as Fashion-MNIST and MNIST ship them (plain or gzipped), or
    ``{train,test}/CLASS/*.png``, of which one of each class comes in turn.  Raises
    :class:`ValueError` naming what is missing or malformed.
    """
    folder = Path(folder)
    if split not in _IDX_NAMES:
        raise ValueError(f"Split must be 'train' or 'test', not {split!r}")
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    if (folder / split).is_dir():
        return _load_image_folder(folder, split)
    for other in _IDX_NAMES.keys() - {split}:
        if (folder / other).is_dir():
            raise ValueError(f"{folder / split}: no such folder, the data set is not complete")
    return _load_idx(folder, split)


class Batches:
    """Normalised, optionally shuffled and augmented batches of an :class:`ImageSet`.

    Iterating epoch ``e`` gives the same batches for the same ``seed`` whatever ran before, so a
    resumed run sees what the unbroken one would have seen; with ``start`` the first batches of the
    epoch are left out.  Augmentation is a horizontal flip and a shift by up to two pixels, zero
    filled before normalisation.  Where several processes train, each has its share of every batch.

    Yields ``(images, labels)``: float32 ``(batch, C, H, W)``, ``(p / 255 - mean) / std``; int64.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        batch_size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        shuffle: bool = False,
        augment: bool = False,
        seed: int = 0,
        device: torch.device | str = "cpu",
        world: World | None = None,
    ) -> None:
        self.set = images
        self.batch_size = batch_size
        self.normalisation = (tuple(mean), tuple(std))
        self.mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self.std = torch.tensor(std, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self.shuffle = shuffle
        self.augment = augment
        self.seed = seed
        self.device = device
        self.world = World() if world is None else world
        self.epoch = 0
        self.start = 0

    def __len__(self) -> int:
        return -(-len(self.set) // self.batch_size)

    def size_of(self, step: int) -> int:
        """Images of all processes in batch ``step`` of an epoch."""
        return min(self.batch_size, len(self.set) - step * self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        count = len(self.set)
        order = torch.randperm(count, generator=generator) if self.shuffle else torch.arange(count)
        for step in range(len(self)):
            index = order[step * self.batch_size :][: self.batch_size]
            pixels = self.set.images[index]
            if self.augment:
                # Of the whole batch, and of batches left out: random numbers come in a row.
                pixels = _augment(pixels, generator)
            share = self.world.share(len(index))
            if step < self.start or share.start == share.stop:
                continue
            pixels = pixels[share].to(self.device).float() / 255
            yield (pixels - self.mean) / self.std, self.set.labels[index[share]].to(self.device)


def _augment(pixels: torch.Tensor, generator: torch.Generator, shift: int = 2) -> torch.Tensor:
    count, _, height, width = pixels.shape
    flip = torch.rand(count, generator=generator) < 0.5
    pixels = torch.where(flip.view(-1, 1, 1, 1), pixels.flip(3), pixels)
    padded = F.pad(pixels, (shift,) * 4)
    offsets = torch.randint(0, 2 * shift + 1, (2, count), generator=generator)
    rows = (offsets[0, :, None] + torch.arange(height)).view(count, 1, height, 1)
    columns = (offsets[1, :, None] + torch.arange(width)).view(count, 1, 1, width)
    batch = torch.arange(count).view(count, 1, 1, 1)
    channel = torch.arange(pixels.shape[1]).view(1, -1, 1, 1)
    return padded[batch, channel, rows, columns]
