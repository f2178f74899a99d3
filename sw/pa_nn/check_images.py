"""Read every image of a folder once: ``python -m pa_nn.check_images --data IMAGENET``.

Training names an image that it cannot read and stops; this finds all of them beforehand.  The
folder has ImageNet's layout, see :mod:`pa_nn.folders`.  Prints one line for each such image; the
exit status is 0 where there is none, 1 where there are some, 2 for bad input.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tqdm import tqdm

from pa_nn.data import UNREADABLE
from pa_nn.folders import open_folders
from pa_nn.train import OneLineParser

__all__ = ["damage", "main"]

CHUNK = 256


def damage(path: str | Path) -> str | None:
    """Why an image cannot be read, in one line, or None if it can."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.convert("RGB")
    except UNREADABLE as error:
        return f"{path}: cannot be read as an image ({' '.join(str(error).split())})"
    return None


def _damages(paths: Sequence[Path], workers: int) -> Iterator[str | None]:
    if workers == 0:
        yield from map(damage, paths)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(damage, paths, chunksize=CHUNK)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = OneLineParser(prog="pa_nn.check_images", description="Read every image once.")
    parser.add_argument("--data", type=Path, required=True, help="folder with train and val")
    parser.add_argument("--workers", type=int, default=4, help="processes that read")
    args = parser.parse_args(argv)
    try:
        if args.workers < 0:
            raise ValueError(f"--workers must be at least 0, not {args.workers}")
        sets = open_folders(args.data)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    paths = [images.path(index) for images in sets for index in range(len(images))]
    found = 0
    try:
        for line in tqdm(_damages(paths, args.workers), total=len(paths), disable=None):
            if line is not None:
                tqdm.write(line)
                found += 1
    except BrokenProcessPool as error:
        parser.error(f"{args.data}: {error}")
    print(f"{len(paths)} images, {found} cannot be read")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
