"""Folders of images: IDX files and images by class, and batches of them."""

import gzip
import shutil
import struct

import pytest
import torch
from PIL import Image

from pa_nn.data import Batches, ImageSet, load_folder
from pa_nn.distributed import World


def idx(values, *shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + bytes(values)


@pytest.fixture
def folder(tmp_path):
    for stem, count in (("train", 6), ("t10k", 2)):
        images = idx(range(count * 12), count, 3, 4)
        labels = idx([i % 3 for i in range(count)], count)
        (tmp_path / f"{stem}-images-idx3-ubyte").write_bytes(images)
        (tmp_path / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    return tmp_path


def image_set(count=10, channels=1):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, channels, 6, 5), generator=generator, dtype=torch.uint8)
    return ImageSet(images=pixels, labels=torch.arange(count), classes=tuple("ab"))


def test_idx_files_plain_or_gzipped(folder):
    train = load_folder(folder, "train")
    assert train.images.shape == (6, 1, 3, 4)
    assert train.images.flatten().tolist() == list(range(72))
    assert train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert train.classes == ("0", "1", "2")
    assert len(load_folder(str(folder), "test")) == 2


def test_images_by_class(tmp_path):
    for label, shade in (("cat", 10), ("dog", 200)):
        (tmp_path / "train" / label).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (4, 3), (shade, i, 0)).save(tmp_path / "train" / label / f"{i}.png")
        (tmp_path / "train" / label / "notes.txt").write_text("not an image")
    train = load_folder(tmp_path, "train")
    assert train.images.shape == (4, 3, 3, 4)
    assert train.images[:, 0, 0, 0].tolist() == [10, 200, 10, 200]
    assert train.labels.tolist() == [0, 1, 0, 1]
    assert train.classes == ("cat", "dog")


def test_the_last_images_are_held_out():
    images = image_set(count=10)
    rest, held = images.hold_out(3)
    assert (len(rest), len(held)) == (7, 3)
    assert torch.equal(torch.cat([rest.images, held.images]), images.images)
    assert torch.equal(torch.cat([rest.labels, held.labels]), images.labels)
    assert rest.classes == held.classes == images.classes


@pytest.mark.parametrize("count", [-1, 0, 10, 11])
def test_held_out_images_must_leave_some(count):
    with pytest.raises(ValueError, match=f"must be from 1 to 9, not {count}"):
        image_set(count=10).hold_out(count)


def test_statistics_are_of_the_population():
    pixels = torch.tensor([0, 255, 51, 102], dtype=torch.uint8).view(1, 1, 2, 2)
    one = ImageSet(images=pixels, labels=torch.zeros(1), classes=("a",))
    assert one.statistics() == ((0.4,), (0.3742,))


def test_batches_are_normalised_in_order():
    images = image_set()
    batches = list(Batches(images, batch_size=4, mean=(0.5,), std=(0.25,)))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    assert torch.cat([labels for _, labels in batches]).tolist() == list(range(10))
    expected = (images.images[:4].float() / 255 - 0.5) / 0.25
    assert torch.equal(batches[0][0], expected)


def test_an_epoch_is_the_same_whatever_ran_before():
    def epoch(number, **options):
        batches = Batches(
            image_set(),
            batch_size=3,
            mean=(0.0,),
            std=(1.0,),
            shuffle=True,
            augment=True,
            **options,
        )
        batches.epoch = number
        return [tensor for pair in batches for tensor in pair]

    def equal(first, second):
        return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))

    first = epoch(1)
    torch.manual_seed(99)
    assert equal(first, epoch(1))
    assert not equal(first, epoch(2))
    assert not equal(first, epoch(1, seed=1))


def test_augmentation_moves_and_mirrors_whole_images():
    pixels = torch.zeros(64, 2, 9, 9, dtype=torch.uint8)
    pixels[:, :, 3:6, 3:6] = torch.arange(1, 10, dtype=torch.uint8).view(3, 3)
    images = ImageSet(images=pixels, labels=torch.zeros(64), classes=("a",))
    batches = Batches(images, batch_size=64, mean=(0.0,) * 2, std=(1 / 255,) * 2, augment=True)
    ((moved, _),) = batches
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert moved[:, 0].round().sum((1, 2)).tolist() == [45.0] * 64
    assert len({tuple(image.flatten().tolist()) for image in moved.round()}) > 20


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", None, "no train-images-idx3-ubyte or"),
        ("train-images-idx3-ubyte", b"PK", "not an IDX file of unsigned bytes"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x03\0\0", "IDX header is cut short at 6 bytes"),
        ("train-images-idx3-ubyte", idx([1], 6, 3, 4), "has 17 bytes, its header asks for 88"),
        ("train-images-idx3-ubyte", idx(range(24), 2, 3, 4), "do not fit together"),
        ("train-labels-idx1-ubyte.gz", b"not gzip", "cannot be read as an IDX file"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(idx([1, 2], 2))[:-5], "cannot be read"),
    ],
    # Not the contents: a gzipped one holds the time, and workers would collect different tests.
    ids=["missing", "foreign", "short header", "short", "mismatched", "not gzip", "cut gzip"],
)
def test_bad_idx_files_are_refused_by_name(folder, name, content, message):
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        load_folder(folder, "train")
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_empty_idx_files_are_refused(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(idx([], 0, 3, 4))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx([], 0)))
    with pytest.raises(ValueError, match="holds no images"):
        load_folder(folder, "train")


def test_missing_folder_and_split_are_refused(folder):
    with pytest.raises(ValueError, match="no such folder"):
        load_folder(folder / "nowhere", "train")
    with pytest.raises(ValueError, match="'train' or 'test', not 'val'"):
        load_folder(folder, "val")


def test_bad_images_are_refused_by_name(tmp_path):
    (tmp_path / "train" / "cat").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"holds no images \(\.bmp, \.jpeg, \.jpg, \.png\)"):
        load_folder(tmp_path, "train")
    path = tmp_path / "train" / "cat" / "a.png"
    path.write_text("nothing of the kind")
    with pytest.raises(ValueError, match=r"a\.png: cannot be read as an image"):
        load_folder(tmp_path, "train")
    Image.new("L", (4, 3)).save(path)
    Image.new("L", (3, 4)).save(tmp_path / "train" / "cat" / "b.png")
    with pytest.raises(ValueError, match="must share one shape"):
        load_folder(tmp_path, "train")


@pytest.fixture
def photos(tmp_path):
    """Two classes of one image each, to train and to test with."""
    for place in ("train/cat", "train/dog", "test/cat", "test/dog"):
        (tmp_path / place).mkdir(parents=True)
        Image.new("RGB", (4, 3), (1, 2, 3)).save(tmp_path / place / "0.png")
    return tmp_path


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: shutil.rmtree(root / "test"), "test: no such folder, the data set is not"),
        (
            lambda root: shutil.rmtree(root / "test" / "cat"),
            "test: lacks class 'cat', which ",
        ),
        (
            lambda root: (root / "test" / "emu").mkdir(),
            "train: lacks class 'emu', which ",
        ),
        (lambda root: (root / "test" / "cat" / "0.png").unlink(), "test/cat: holds no images"),
        (
            lambda root: (root / "test" / "dog" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n"),
            "test/dog/0.png: cannot be read as an image",
        ),
    ],
)
def test_half_unpacked_folders_are_refused_in_one_line(photos, break_it, message):
    assert len(load_folder(photos, "test")) == 2
    break_it(photos)
    with pytest.raises(ValueError, match=message) as caught:
        load_folder(photos, "test")
    assert "\n" not in str(caught.value)


def test_shares_and_later_starts_are_parts_of_the_same_batches():
    def epoch(start=0, **options):
        batches = Batches(
            image_set(),
            batch_size=4,
            mean=(0.0,),
            std=(1.0,),
            shuffle=True,
            augment=True,
            **options,
        )
        batches.start = start
        assert [batches.size_of(step) for step in range(len(batches))] == [4, 4, 2]
        return list(batches)

    whole = epoch()
    for (images, labels), (expected, names) in zip(epoch(start=1), whole[1:], strict=True):
        assert torch.equal(images, expected)
        assert torch.equal(labels, names)
    shares = [epoch(world=World(rank=rank, size=3)) for rank in range(3)]
    assert [len(share) for share in shares] == [2, 3, 3]  # the last batch has two images
    for step in range(2):
        together = torch.cat([share[step][0] for share in shares])
        assert torch.equal(together, whole[step][0])
