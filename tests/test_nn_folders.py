"""ImageNet's folder layout: what is listed, read and refused."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from train_processes import image_folder

from pa_nn.distributed import World
from pa_nn.folders import FolderBatches, is_large, open_folders

PLAIN = {"mean": (0.0,) * 3, "std": (1 / 255,) * 3}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Three classes of four images to train on, and of two to validate with; left unchanged."""
    return image_folder(tmp_path_factory.mktemp("images") / "set", train=4, val=2, size=16)


@pytest.fixture
def folder(shared, tmp_path):
    return shutil.copytree(shared, tmp_path / "set")


def read(batches, epoch=0, start=0):
    batches.epoch, batches.start = epoch, start
    return list(batches)


def equal(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b)
        for x, y in zip(one, other, strict=True)
        for a, b in zip(x, y, strict=True)
    )


def test_one_image_of_each_class_comes_in_turn(shared):
    train, val = open_folders(shared, image_size=8)
    assert (len(train), len(val), train.channels) == (12, 6, 3)
    assert train.classes == val.classes == ("n0000", "n0001", "n0002")
    assert train.labels.tolist() == [0, 1, 2] * 4
    assert train.path(4) == shared / "train" / "n0001" / "1.JPEG"
    assert train.take(5).labels.tolist() == [0, 1, 2, 0, 1]
    rest, held = train.hold_out(4)
    assert (len(rest), held.labels.tolist()) == (8, [2, 0, 1, 2])
    assert held.path(3) == train.path(11)
    assert train.statistics()[0] == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("count", [0, 12])
def test_held_out_images_must_leave_some(shared, count):
    with pytest.raises(ValueError, match=f"must be from 1 to 11, not {count}"):
        open_folders(shared)[0].hold_out(count)


def test_evaluation_scales_the_shorter_side_and_cuts_out_the_middle(shared):
    _, val = open_folders(shared, image_size=14)
    ((images, labels),) = val.take(1).batches(batch_size=4, **PLAIN)
    with Image.open(val.path(0)) as image:
        assert image.size == (16, 16)  # 14 * 8 / 7
        expected = np.asarray(image)[1:15, 1:15].transpose(2, 0, 1)
    assert labels.tolist() == [0]
    np.testing.assert_allclose(images[0].numpy(), expected, atol=1e-3)


def test_augmented_images_follow_from_seed_epoch_and_place_alone(shared):
    train, _ = open_folders(shared, image_size=8)

    def batches(**options):
        return train.batches(
            batch_size=5, shuffle=True, augment=True, **PLAIN, **{"seed": 3, **options}
        )

    first = read(batches())
    assert [len(labels) for _, labels in first] == [5, 5, 2]
    assert (
        sorted(torch.cat([labels for _, labels in first]).tolist()) == [0] * 4 + [1] * 4 + [2] * 4
    )
    torch.manual_seed(5)
    before = torch.get_rng_state()
    again = batches()
    assert equal(read(again), first)
    assert equal(read(again, start=1), first[1:])
    assert not equal(read(again, epoch=1), first)
    assert not equal(read(batches(seed=4)), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_change_nothing(shared):
    train, _ = open_folders(shared, image_size=8)
    options = {"batch_size": 5, "shuffle": True, "augment": True, **PLAIN}
    with_worker = train.batches(**options, workers=1)
    for epoch in range(2):
        assert equal(read(with_worker, epoch), read(train.batches(**options), epoch))


def test_shares_of_processes_make_up_each_batch(shared):
    train, _ = open_folders(shared, image_size=8)
    options = {"batch_size": 5, "shuffle": True, "augment": True, **PLAIN}
    whole = train.batches(**options)
    assert [whole.size_of(step) for step in range(len(whole))] == [5, 5, 2]
    shares = [read(train.batches(**options, world=World(rank=rank, size=2))) for rank in range(2)]
    together = [
        tuple(torch.cat(pair) for pair in zip(*parts, strict=True))
        for parts in zip(*shares, strict=True)
    ]
    assert equal(together, read(whole))


def test_a_batch_smaller_than_the_processes_leaves_some_without(shared):
    _, val = open_folders(shared, image_size=8)
    sizes = []
    for rank in range(2):
        share = val.batches(batch_size=5, **PLAIN, world=World(rank=rank, size=2))
        sizes.append([len(labels) for _, labels in share])
    assert sizes == [[2], [3, 1]]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("content", [b"", b"half", None])
def test_an_image_that_cannot_be_read_is_named_in_one_line(folder, workers, content):
    victim = folder / "train" / "n0001" / "1.JPEG"
    victim.write_bytes(victim.read_bytes()[:400] if content is None else content)
    train, _ = open_folders(folder, image_size=8)
    with pytest.raises(OSError, match=r"n0001/1\.JPEG: cannot be read as an image \(") as caught:
        read(FolderBatches(train, batch_size=4, **PLAIN, workers=workers))
    assert "\n" not in str(caught.value)


def test_a_folder_is_large_where_it_has_val_and_no_test(folder):
    assert is_large(folder)
    (folder / "test").mkdir()
    assert not is_large(folder)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: shutil.rmtree(root), "set: no such folder"),
        (lambda root: shutil.rmtree(root / "train"), "set/train: no such folder, the data set is"),
        (lambda root: shutil.rmtree(root / "val"), "set/val: no such folder, the data set is"),
        (
            lambda root: [shutil.rmtree(path) for path in (root / "train").iterdir()],
            "set/train: holds no classes, a folder of images each",
        ),
        (
            lambda root: [path.unlink() for path in (root / "train" / "n0001").iterdir()],
            "set/train/n0001: holds no images",
        ),
        (
            lambda root: shutil.rmtree(root / "val" / "n0001"),
            "set/val: lacks class 'n0001', which .*set/train has",
        ),
        (
            lambda root: [shutil.rmtree(root / "train" / f"n000{i}") for i in (0, 2)],
            "set/train: lacks class 'n0000' and 1 more, which .*set/val has",
        ),
    ],
)
def test_incomplete_folders_are_refused_in_one_line(folder, break_it, message):
    break_it(folder)
    with pytest.raises(ValueError, match=message) as caught:
        open_folders(folder)
    assert "\n" not in str(caught.value)
