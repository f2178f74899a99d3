"""Networks to show accelerators on: alive, reproducible, and made once."""

import numpy as np
import pytest
import torch
from PIL import Image
from test_nn_mobilenet import save, variables  # noqa: F401

import pa_artifact
from pa_nn import golden
from pa_nn.data import load_folder
from sim import zoo
from sim.zoo import ZOO, Order, main, make, noise

SMALL = {
    "bottleneck": Order(size=32, images=3),
    "densenet": Order(size=8, images=3),
    "mobilenet_v1": Order(size=32, images=3),
    "resnet18": Order(size=32, images=3, width=8),
    "resnet8": Order(images=3),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of this module's own."""
    before, zoo.CACHE = zoo.CACHE, tmp_path_factory.mktemp("zoo")
    yield zoo.CACHE
    zoo.CACHE = before


def test_every_network_made_to_order_is_tested():
    assert set(ZOO) < set(SMALL)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", sorted(SMALL))
def test_networks_are_alive(name):
    specimen = make(name, SMALL[name])
    network, images = specimen.network, specimen.images
    assert specimen.name == name
    assert images.dtype == torch.uint8
    assert tuple(images.shape) == (3, *network.node("input").shape_out)
    values = golden.run(network, images, fast=True)
    for node in network.nodes[1:]:
        found = values[node.name].double()
        assert float(found.std()) > 0, node.name
        assert float((found[0] - found[1]).abs().max()) > 0, node.name
        if node.kind == "add":
            attributes = node.attributes
            high = (1 << (attributes["bits"] - attributes["signed"])) - 1
            assert float((found >= high).double().mean()) < 0.05, node.name
            assert float((found == 0).double().mean()) < 0.75, node.name
    logits = values["logits"].flatten(1).double()
    assert float(logits.std(dim=0).mean()) > 0.2 * float(logits.std())
    convolutions = network.of_kind("pa_conv")
    assert {(node.attributes["m"], node.attributes["n"]) for node in convolutions} == {(4, 5)}
    # Batch normalisation of either sign.
    assert name not in ZOO or any(node.tensors["flip"].any() for node in convolutions)


@pytest.mark.usefixtures("cache")
def test_topologies_are_what_their_names_say():
    def kinds(name):
        return [node.kind for node in make(name, SMALL[name]).network.nodes]

    def kernels(name):
        network = make(name, SMALL[name]).network
        return [tuple(node.attributes["kernel"]) for node in network.of_kind("pa_conv")]

    assert kinds("densenet").count("concat") == 6
    assert kinds("densenet").count("avg_pool") == 1
    assert kinds("resnet18").count("pa_conv") == 19
    assert kinds("resnet18").count("max_pool") == 1
    assert kernels("bottleneck").count((3, 3)) == 4
    assert kernels("bottleneck").count((1, 1)) == 12
    network = make("mobilenet_v1", SMALL["mobilenet_v1"]).network
    depthwise = [node for node in network.of_kind("conv8") if node.attributes["groups"] > 1]
    assert len(depthwise) == 13
    assert {tuple(node.attributes["pad"]) for node in depthwise} == {(1, 1, 1, 1), (0, 1, 0, 1)}


def test_what_was_made_is_read_again(cache):
    first = make("densenet", SMALL["densenet"])
    files = {path: path.stat().st_mtime_ns for path in cache.glob("densenet-*.pa")}
    again = make("densenet", SMALL["densenet"])
    assert {path: path.stat().st_mtime_ns for path in cache.glob("densenet-*.pa")} == files
    assert torch.equal(first.images, again.images)
    # The number of images is no part of the network, the seed is.
    make("densenet", Order(size=8, images=1))
    assert len(list(cache.glob("densenet-*.pa"))) == len(files)
    make("densenet", Order(size=8, seed=5))
    assert len(list(cache.glob("densenet-*.pa"))) == len(files) + 1


@pytest.mark.usefixtures("cache")
def test_weights_of_tensorflow(variables, tmp_path):  # noqa: F811
    weights = save(tmp_path / "weights.npz", variables)
    network = make("mobilenet_v1", Order(size=32, images=1, weights=weights)).network
    assert network.node("fc").shape_out == (5, 1, 1)
    with pytest.raises(ValueError, match=r"none\.npz: cannot be read"):
        make("mobilenet_v1", Order(weights=tmp_path / "none.npz"))


def test_noise_is_seeded_and_differs_between_images():
    images = noise(4, (3, 16, 8), seed=2)
    assert tuple(images.shape) == (4, 3, 16, 8)
    assert torch.equal(images, noise(4, (3, 16, 8), seed=2))
    assert not torch.equal(images, noise(4, (3, 16, 8), seed=3))
    means = images.double().mean(dim=(1, 2, 3))
    assert float(means.std()) > 5


@pytest.fixture
def photos(tmp_path):
    """A folder of 40 images of two classes, 12x12."""
    rng = np.random.default_rng(0)
    for index in range(40):
        folder = tmp_path / "photos" / "test" / "ab"[index // 20]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:03}.png")
    return tmp_path / "photos"


@pytest.mark.usefixtures("cache")
def test_images_of_a_folder_take_the_place_of_noise(photos):
    specimen = make("densenet", Order(size=8, images=2, data=photos))
    assert tuple(specimen.images.shape) == (2, 3, 8, 8)
    whole = make("densenet", Order(size=12, images=2, data=photos)).images
    assert torch.equal(whole, load_folder(photos, "test").images[:2])
    assert not torch.equal(specimen.images, make("densenet", SMALL["densenet"]).images[:2])
    with pytest.raises(ValueError, match="photos: 41 images are needed, there are 40"):
        make("densenet", Order(size=8, images=41, data=photos))
    with pytest.raises(ValueError, match="photos: images must have 1 channels, not 3"):
        make("resnet8", Order(data=photos))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vgg", {}, "Network must be one of bottleneck, densenet, mobilenet_v1, resnet18,"),
        ("mobilenet_v1", {"size": 40}, "mobilenet_v1: size must be a multiple of 32, not 40"),
        ("densenet", {"width": 8}, "densenet: width cannot be chosen, not even 8"),
        ("resnet18", {"weights": "w.npz"}, r"resnet18: weights cannot be chosen, not even w\.npz"),
        ("mobilenet_v1", {"weights": "w", "width": 8}, "width 8 follows from the weights"),
        ("resnet8", {"size": 32}, "resnet8: size must be 28, not 32"),
        ("resnet8", {"width": 32}, "resnet8: width cannot be chosen, not even 32"),
        ("densenet", {"size": 0}, "size must be from 1 to 1024, not 0"),
        ("densenet", {"images": 0}, "images must be from 1 to 10000, not 0"),
        ("resnet18", {"width": 257}, "width must be from 1 to 256, not 257"),
    ],
)
def test_orders_that_cannot_be_met(name, options, message):
    with pytest.raises(ValueError, match=message):
        make(name, Order(**options))


@pytest.mark.usefixtures("cache")
def test_command_line(tmp_path, capsys):
    path = tmp_path / "made.pa"
    assert main(["densenet", "-o", str(path), "--size", "8"]) == 0
    nodes = pa_artifact.read(path).nodes
    assert capsys.readouterr().out == f"{path}: {len(nodes)} nodes\n"
    with pytest.raises(SystemExit) as caught:
        main(["densenet", "-o", str(tmp_path / "other.pa"), "--size", "9"])
    assert caught.value.code == 2
    error = "densenet: size must be a multiple of 2, not 9\n"
    assert capsys.readouterr().err.endswith(error)
    assert not (tmp_path / "other.pa").exists()
