"""Photographs by class, from a folder or a tar file."""

import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from pa_nn.labelled import LabelledImages

PLAIN = ((0.0,) * 3, (1.0,) * 3)


def png(values):
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def flat(value, height=4, width=4):
    return png(np.full((height, width, 3), value, np.uint8))


# Classes out of order, of different size, and files that are no images.
FILES = {
    "sample/b/2.png": flat(21),
    "sample/b/1.png": flat(20),
    "sample/a/x.png": flat(10),
    "sample/c/y.PNG": flat(30),
    "sample/b/notes.txt": b"",
    "sample/readme.md": b"",
}


@pytest.fixture(params=["folder", "tar"])
def pack(request, tmp_path):
    """Writes files and gives the path to open."""

    def write(files, kind=request.param):
        if kind == "folder":
            for name, data in files.items():
                path = tmp_path / "images" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            (tmp_path / "images").mkdir(exist_ok=True)
            return tmp_path / "images"
        path = tmp_path / "images.tar"
        with tarfile.open(path, "w") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return path

    return write


def test_one_image_of_each_class_in_turn(pack):
    images = LabelledImages(pack(FILES), size=4)
    assert images.classes == ("a", "b", "c")
    assert len(images) == 4
    batches = list(images.batches(3, PLAIN))
    assert [len(labels) for _, labels in batches] == [3, 1]
    pixels = torch.cat([x for x, _ in batches])
    assert pixels.shape == (4, 3, 4, 4)
    assert torch.cat([labels for _, labels in batches]).tolist() == [0, 1, 2, 1]
    assert (pixels[:, 0, 0, 0] * 255).round().tolist() == [10, 20, 30, 21]
    ((some, labels),) = images.batches(3, ((0.5,) * 3, (0.25,) * 3), only=[3, 0])
    assert labels.tolist() == [1, 0]
    torch.testing.assert_close(some[:, 2, 1, 1], (torch.tensor([21, 10]) / 255 - 0.5) / 0.25)


def test_only_images_of_another_size_are_scaled_and_cropped(pack):
    values = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    wide = np.zeros((8, 20, 3), np.uint8)
    wide[:, 6:14] = 200
    images = LabelledImages(pack({"a/0.png": png(values), "b/0.png": png(wide)}), size=4)
    ((pixels, _),) = images.batches(2, PLAIN)
    assert torch.equal((pixels[0] * 255).round().permute(1, 2, 0), torch.tensor(values).float())
    # 8x20 becomes 5x11 (4 / 0.875 and so on); in the middle are the bright columns.
    assert (pixels[1, :, :, 1:3] * 255).min() > 150


def test_grey_images_are_read_as_colour(pack):
    grey = np.full((4, 4), 9, np.uint8)
    ((pixels, _),) = LabelledImages(pack({"a/0.png": png(grey)}), size=4).batches(1, PLAIN)
    assert (pixels * 255).round().unique().tolist() == [9]
    assert pixels.shape == (1, 3, 4, 4)


@pytest.mark.parametrize("data", [b"no image", flat(1)[:50]])
def test_unreadable_images_are_named(pack, data):
    images = LabelledImages(pack({"a/0.png": data}), size=4)
    with pytest.raises(ValueError, match=r"a/0\.png: cannot be read as an image"):
        list(images.batches(1, PLAIN))


def test_places_without_images_are_refused(pack, tmp_path):
    with pytest.raises(ValueError, match=r"holds no images \(\.bmp, \.jpeg, \.jpg, \.png\)"):
        LabelledImages(pack({"a/notes.txt": b""}))
    with pytest.raises(ValueError, match="nowhere: no such folder or tar file"):
        LabelledImages(tmp_path / "nowhere")
    (tmp_path / "a.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(ValueError, match=r"a\.tar: cannot be read as an uncompressed tar file"):
        LabelledImages(tmp_path / "a.tar")


def test_sizes_below_one_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Image size must be at least 1, not 0"):
        LabelledImages(tmp_path, size=0)
