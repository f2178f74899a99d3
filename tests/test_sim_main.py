import pytest
from pa_networks import residual_network

import pa_artifact
from pa_hdl.config import EngineConfig
from sim.main import DATA, cropped, lanes, layer_jobs, main, middle

CONFIG = EngineConfig(
    in_channels=8, out_channels=8, height=28, width=28, m=4, n=5, simd=4, pe=4, loadable=False
)


def test_embedded_network_has_a_job_for_each_layer_and_simulator():
    network = pa_artifact.read(DATA / "resnet8.pa")
    jobs = layer_jobs(DATA / "resnet8.pa", DATA, ["verilator", "icarus"], images=None, seed=1)
    layers = [node.name for node in network.of_kind("pa_conv")]
    assert [job.layer for job in jobs] == layers * 2
    assert {job.simulator: job.images for job in jobs} == {"verilator": 4, "icarus": 1}


def test_each_datapath_where_it_applies():
    network = pa_artifact.read(DATA / "resnet8.pa")
    jobs = layer_jobs(
        *(DATA / "resnet8.pa", DATA, ["verilator"]),
        images=None,
        seed=1,
        datapaths=["popcount", "inside"],
        targets=["generic", "xc7"],
        products=1000,
    )
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)
    inside = [job.layer for job in jobs if (job.datapath, job.target) == ("inside", "xc7")]
    kernels = {node.name: node.attributes["kernel"] for node in network.of_kind("pa_conv")}
    assert inside == [name for name, kernel in kernels.items() if tuple(kernel) == (1, 1)]
    assert all("--products 1000" in job.replay for job in jobs)


def test_inside_takes_as_many_lanes_as_it_needs():
    network = pa_artifact.read(DATA / "resnet8.pa")
    node = network.node("stages.2.0.downsample.0")
    assert lanes(node, "icarus", "popcount") == (8, 8)
    assert lanes(node, "icarus", "inside") == (32, 8)


def test_crop_bounds_the_work():
    small = cropped(CONFIG, 100_000)
    assert small.out_height * small.out_width * small.taps * small.out_channels <= 100_000
    assert (small.height, small.width) == (13, 13)
    assert (small.kernel, small.pad, small.m, small.n) == (CONFIG.kernel, CONFIG.pad, 4, 5)


def test_crop_leaves_small_layers_alone_and_keeps_a_window():
    assert cropped(CONFIG, 1 << 40) is CONFIG
    assert cropped(CONFIG, 1).height == 4


def test_crop_takes_the_middle():
    import numpy as np

    images = np.arange(25).reshape(1, 5, 5, 1)
    assert middle(images, 3, 1)[0, :, :, 0].tolist() == [[7], [12], [17]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "absent.pa"], "absent.pa"),
        (["--images", "0"], "must be at least 1, not '0'"),
        (["--images", "65"], "--images must be at most 64, not 65"),
        (["--data", "absent"], "absent"),
        (["--workers", "none"], "none"),
        (["--datapath", "abacus"], "invalid choice: 'abacus'"),
        (["--target", "abacus"], "invalid choice: 'abacus'"),
        (["--products", "0"], "must be at least 1, not '0'"),
    ],
)
def test_bad_input_is_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_images_that_do_not_suit_the_network(tmp_path, capsys):
    path = tmp_path / "other.pa"
    pa_artifact.write(path, residual_network())
    with pytest.raises(SystemExit) as ended:
        main(["--model", str(path)])
    assert ended.value.code == 2
    assert "images must have shape" in capsys.readouterr().err


def test_no_layer_of_that_name_is_a_failure(capsys):
    assert main(["--only", "no.such.layer"]) == 1
    assert "no test collected" in capsys.readouterr().err
