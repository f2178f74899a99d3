import pytest
from network_toys import PORT, SIMULATOR, passing

from sim.build import BuildError, Design
from sim.network_build import build_network


def test_content_is_built_once_for_any_number_of_images():
    model = build_network(passing(), PORT, PORT, SIMULATOR, images=3)
    stamp = (model.folder / "complete").stat().st_mtime_ns
    again = build_network(passing(), PORT, PORT, SIMULATOR, images=64)
    assert again == model
    assert (model.folder / "complete").stat().st_mtime_ns == stamp
    assert model.seconds > 0


def test_content_decides():
    model = build_network(passing(), PORT, PORT, SIMULATOR, images=3)
    other = build_network(passing(last="0"), PORT, PORT, SIMULATOR, images=3)
    assert other.folder != model.folder


def test_refused_verilog_names_its_log():
    with pytest.raises(BuildError, match=r"refused .*design\.v, see .*build\.log"):
        build_network(
            Design(top="passing", verilog="module passing(\n"), PORT, PORT, SIMULATOR, images=1
        )


def test_missing_port_is_refused():
    text = passing().verilog.replace("output reg frame_long", "output reg frame_lengthy")
    with pytest.raises(BuildError, match="frame_long"):
        build_network(Design(top="passing", verilog=text), PORT, PORT, SIMULATOR, images=1)
