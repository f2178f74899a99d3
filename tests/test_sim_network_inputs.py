import numpy as np
import pytest
from pa_networks import residual_network

import pa_artifact
from pa_hdl.arguments import OneLineParser
from sim.main import DATA
from sim.network_inputs import add_subject_flags, chosen_folding, images_for, subject

RESNET8 = str(DATA / "resnet8.pa")


def arguments(*given):
    parser = OneLineParser(prog="sim.network")
    add_subject_flags(parser)
    return parser.parse_args([*given, *(() if "--folding" in given else ("--fps", "1000"))])


@pytest.fixture
def path(tmp_path):
    pa_artifact.write(tmp_path / "small.pa", residual_network())
    return str(tmp_path / "small.pa")


def test_file_and_noise(path):
    found = subject(arguments(path, "--images", "3", "--seed", "4"))
    shape = found.network.of_kind("input")[0].shape_out
    assert found.name == "small"
    assert found.images.shape == (3, *shape)
    assert np.array_equal(found.images, images_for(residual_network(), 3, seed=4))
    assert not np.array_equal(found.images, images_for(residual_network(), 3, seed=5))


def test_middle_of_real_images():
    found = subject(arguments(RESNET8, "--data", str(DATA), "--images", "2", "--crop", "14x12"))
    assert found.images.shape == (2, 1, 14, 12)
    whole = images_for(pa_artifact.read(RESNET8), 2, data=DATA)
    assert np.array_equal(found.images, whole[:, :, 7:21, 8:20])


def test_network_of_the_zoo():
    found = subject(arguments("resnet8", "--images", "2", "--name", "mine"))
    assert found.name == "mine"
    assert found.images.shape == (2, 1, 28, 28)


def test_signed_noise():
    network = residual_network()
    attributes = network.nodes[0].attributes
    signed = images_for(network, 2) if attributes["signed"] else images_for(network, 2) - 128
    assert signed.min() < 0 < signed.max()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((RESNET8, "--size", "14"), "--size is for a network of the zoo, not"),
        ((RESNET8, "--data", str(DATA), "--images", "65"), "--images must be at most 64, not 65"),
        ((RESNET8, "--crop", "32x28", "--data", str(DATA)), "images must be 1x32x28 or larger"),
        (("resnet9",), "Network must be one of .*, not 'resnet9'"),
        ((RESNET8, "--folding", "absent.json"), "absent.json"),
    ],
)
def test_rejections(given, message):
    def choose():
        found = arguments(*given)
        return chosen_folding(subject(found).network, found)

    with pytest.raises((OSError, ValueError), match=message):
        choose()


def test_crop_is_height_and_width(capsys):
    with pytest.raises(SystemExit):
        arguments(RESNET8, "--crop", "14")
    assert "must be HxW, such as 14x14, not '14'" in capsys.readouterr().err


def test_folding_for_a_rate_and_for_a_budget():
    network = residual_network()
    given = arguments("small.pa")
    assert set(chosen_folding(network, given).nodes) == {node.name for node in network.nodes}
    given.budget_luts = 50_000
    assert set(chosen_folding(network, given).nodes) == {node.name for node in network.nodes}


def test_a_cheaper_datapath_is_folded_less_for_the_same_budget():
    network = residual_network()
    given = arguments("small.pa", "--datapath", "auto", "--target", "xc7")
    given.budget_luts = 6_000
    cheap = chosen_folding(network, given).nodes
    given.datapath = "popcount"
    dear = chosen_folding(network, given).nodes
    engines = [node.name for node in network.of_kind("pa_conv")]
    sizes = [sum(n[e]["simd"] * n[e]["pe"] for e in engines) for n in (cheap, dear)]
    assert sizes[0] > sizes[1]
