"""Image sets too large for memory: ImageNet in torchvision's folder layout, read as it is needed.

A folder holds ``train/CLASS/*`` and ``val/CLASS/*``, images of any size; JPEG, PNG or BMP.
Classes are numbered in the sorted order of their names, which for ImageNet's WordNet identifiers is
the order of torchvision's pre-trained weights.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from pa_nn.data import IMAGE_SUFFIXES, UNREADABLE, check_classes
from pa_nn.distributed import World
from pa_nn.vision import import_torchvision

__all__ = ["FolderBatches", "FolderSet", "is_large", "open_folders"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as everywhere
SMALLEST_CROP = 0.08
CROPPED = 0.875  # 224 of 256 pixels

Item = tuple[torch.Tensor, int] | str


@dataclass(frozen=True, kw_only=True)
class FolderSet:
    """Names of images by class; nothing is read before a batch asks for it.

    Parameters
    ----------
    root : path
        Folder of one folder a class.
    classes : names in order of their labels
    names : bytes ``(count,)``
        File names.  One array, not a list: worker processes then share its memory.
    labels : int64 ``(count,)``
    image_size : int
        Height and width of the square that a network is given.
    """

    root: Path
    classes: tuple[str, ...]
    names: np.ndarray
    labels: np.ndarray
    image_size: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def channels(self) -> int:
        """Every image is read as RGB."""
        return 3

    def path(self, index: int) -> Path:
        """File of image ``index``."""
        return self.root / self.classes[self.labels[index]] / os.fsdecode(self.names[index])

    def take(self, count: int) -> "FolderSet":
        """The first ``count`` images: one of each class in turn."""
        return replace(self, names=self.names[:count], labels=self.labels[:count])

    def hold_out(self, count: int) -> tuple["FolderSet", "FolderSet"]:
        """All but the last ``count`` images, and these; both must hold at least one."""
        if not 1 <= count < len(self):
            raise ValueError(f"Held-out images must be from 1 to {len(self) - 1}, not {count}")
        cut = len(self) - count
        return self.take(cut), replace(self, names=self.names[cut:], labels=self.labels[cut:])

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """ImageNet's usual mean and standard deviation, not those of these images."""
        return MEAN, STD

    def batches(self, **options: Any) -> "FolderBatches":
        """:class:`FolderBatches` of this set."""
        return FolderBatches(self, **options)


def is_large(folder: Path) -> bool:
    """Whether ``folder`` has torchvision's layout: ``val`` beside ``train``, and no ``test``."""
    return (folder / "val").is_dir() and not (folder / "test").is_dir()


def open_folders(folder: str | Path, *, image_size: int = 224) -> tuple[FolderSet, FolderSet]:
    """Training and validation images of a folder in torchvision's layout.

    Raises
    ------
    ValueError
        A split is missing or holds no classes, a class holds no images, or the classes of the two
        differ; one line.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    train, val = (_scan(folder / split, image_size) for split in ("train", "val"))
    check_classes(train.root, train.classes, val.root, val.classes)
    return train, val


def _scan(root: Path, image_size: int) -> FolderSet:
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder, the data set is not complete")
    classes = tuple(sorted(entry.name for entry in os.scandir(root) if entry.is_dir()))
    if not classes:
        raise ValueError(f"{root}: holds no classes, a folder of images each")
    names: list[bytes] = []
    labels, places = [], []
    for label, name in enumerate(classes):
        files = sorted(
            os.fsencode(entry.name)
            for entry in os.scandir(root / name)
            if os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES
        )
        if not files:
            raise ValueError(
                f"{root / name}: holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})"
            )
        names += files
        labels.append(np.full(len(files), label, dtype=np.int64))
        places.append(np.arange(len(files)))
    label_of = np.concatenate(labels)
    # One image of each class in turn: the first images of a set stand for all of it.
    order = np.lexsort((label_of, np.concatenate(places)))
    return FolderSet(
        root=root,
        classes=classes,
        names=np.array(names)[order],
        labels=label_of[order],
        image_size=image_size,
    )


class _Images(Dataset):
    """Images of a set as ``(3, size, size)`` uint8 and labels; the keys are ``(epoch, index)``.

    What is random of an image follows from seed, epoch and index alone, whichever process or worker
    reads it.  An image that cannot be read is answered by a message, since an exception would leave
    a worker with a traceback of many lines.
    """

    def __init__(self, images: FolderSet, *, augment: bool, seed: int) -> None:
        v2 = import_torchvision("torchvision.transforms.v2")
        size = images.image_size
        steps = (
            [v2.RandomResizedCrop(size, scale=(SMALLEST_CROP, 1)), v2.RandomHorizontalFlip()]
            if augment
            else [v2.Resize(round(size / CROPPED)), v2.CenterCrop(size)]
        )
        self.images = images
        self.transform = v2.Compose([*steps, v2.PILToTensor()])
        self.seed = seed

    def __getitem__(self, key: tuple[int, int]) -> Item:
        from PIL import Image

        epoch, index = key
        path = self.images.path(index)
        try:
            with Image.open(path) as image:
                rgb = image.convert("RGB")
        except UNREADABLE as error:
            return f"{path}: cannot be read as an image ({error})"
        state = np.random.SeedSequence([self.seed, epoch, index]).generate_state(1)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(state[0]))
            pixels = self.transform(rgb)
        return pixels, int(self.images.labels[index])


def _collate(items: list[Item]) -> tuple[torch.Tensor, torch.Tensor] | str:
    pixels, labels = [], []
    for item in items:
        if isinstance(item, str):
            return item
        pixels.append(item[0])
        labels.append(item[1])
    return torch.stack(pixels), torch.tensor(labels, dtype=torch.int64)


class FolderBatches:
    """Normalised, optionally shuffled and augmented batches of a :class:`FolderSet`.

    As :class:`~pa_nn.data.Batches`, but images are read by ``workers`` processes beside the
    training (0: by itself), which change nothing in the result.  Augmentation is a random crop
    of 8 to 100 % of the area, scaled to the size of the network, and a horizontal flip; without,
    the shorter side is scaled to 8/7 of that size, and the middle cut out.

    Yields ``(images, labels)`` of this process: float32 ``(share, 3, size, size)``,
    ``(p / 255 - mean) / std``; int64.  Raises :class:`OSError` naming an image that cannot be
    read.
    """

    def __init__(
        self,
        images: FolderSet,
        *,
        batch_size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        shuffle: bool = False,
        augment: bool = False,
        seed: int = 0,
        device: torch.device | str = "cpu",
        world: World | None = None,
        workers: int = 0,
    ) -> None:
        self.set = images
        self.normalisation = (tuple(mean), tuple(std))
        self.mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self.std = torch.tensor(std, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self.device = device
        # Not this object itself: in a circle of references a loader takes seconds to end.
        self._order = _Order(
            len(images),
            batch_size=batch_size,
            seed=seed if shuffle else None,
            world=World() if world is None else world,
        )
        # A generator of its own: the loader draws a seed, and the model's random numbers stay.
        self._loader: DataLoader = DataLoader(
            _Images(images, augment=augment, seed=seed),
            batch_sampler=self._order,
            num_workers=workers,
            collate_fn=_collate,
            pin_memory=torch.device(device).type == "cuda",
            generator=torch.Generator(),
        )

    @property
    def epoch(self) -> int:
        """Epoch that the next iteration gives."""
        return self._order.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._order.epoch = epoch

    @property
    def start(self) -> int:
        """Batch of the epoch that the next iteration begins with."""
        return self._order.start

    @start.setter
    def start(self, start: int) -> None:
        self._order.start = start

    def __len__(self) -> int:
        return -(-len(self.set) // self._order.batch_size)

    def size_of(self, step: int) -> int:
        """Images of all processes in batch ``step`` of an epoch."""
        return self._order.size_of(step)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for batch in self._read():
            if isinstance(batch, str):
                raise OSError(batch)
            pixels, labels = batch
            pixels = pixels.to(self.device, non_blocking=True).float() / 255
            yield (pixels - self.mean) / self.std, labels.to(self.device, non_blocking=True)

    def _read(self) -> Iterator[Any]:
        try:
            yield from self._loader
        except RuntimeError as error:  # a worker was killed
            reason = str(error).splitlines()[0]
            raise OSError(f"{self.set.root}: cannot be read ({reason})") from None


class _Order:
    """This process's keys of each batch of an epoch, from batch ``start`` on."""

    def __init__(self, count: int, *, batch_size: int, seed: int | None, world: World) -> None:
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.world = world
        self.epoch = 0
        self.start = 0

    def size_of(self, step: int) -> int:
        return min(self.batch_size, self.count - step * self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        if self.seed is None:
            order = torch.arange(self.count)
        else:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(self.count, generator=generator)
        for step in range(self.start, -(-self.count // self.batch_size)):
            index = order[step * self.batch_size :][: self.batch_size]
            keys = [(self.epoch, int(i)) for i in index[self.world.share(len(index))]]
            if keys:
                yield keys
