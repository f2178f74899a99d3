"""Figures of the paper, drawn from the trained network and from a generated engine."""

import json
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from experiments.figures import FIGURES, main
from experiments.figures_architecture import architecture, read_structure
from experiments.figures_files import save
from experiments.figures_hierarchy import Instance, Pin, drivers, instances, modules
from experiments.figures_network import (
    activation_functions,
    activation_histograms,
    load_trained,
    weight_functions,
    weight_histograms,
)
from pa_nn.embedded import FOLDER, Embedded
from pa_nn.weights import approximate_weights, endpoints

VERILOG = """
module leaf(input clk, input [1:0] a, output [1:0] o);
  assign o = a;
endmodule
module top(input clk, input rst, input [3:0] i, output [1:0] sum);
  wire [1:0] x, y;
  leaf one(.clk(clk), .a(i[1:0]), .o(x));
  leaf two(.clk(clk), .a({i[3], x[1]}), .o(y));
  reg [1:0] kept;
  always @(posedge clk) if (rst) kept <= 0; else kept <= x + 1;
  assign sum = kept;
endmodule
"""


@pytest.fixture(scope="module")
def trained():
    return load_trained(Embedded())


@pytest.fixture(scope="module")
def structure():
    return read_structure()


def lines_of(figure, place):
    return figure.axes[place].lines


def test_the_trained_network_is_what_is_embedded(trained):
    assert (trained.m, trained.activation.n) == (4, 5)
    assert trained.weight.shape == (32, 16, 3, 3)
    assert trained.before.shape == trained.weight.shape
    assert len(trained.inputs) == 64
    # A ReLU stands before the layer.
    assert trained.inputs.min() == 0


def test_steps_of_weights_stand_at_the_endpoints(trained):
    figure = weight_functions(trained)
    step = lines_of(figure, 0)[2]
    levels = approximate_weights(trained.weight, 4).unique()
    assert np.unique(step.get_ydata()).tolist() == levels.double().tolist()
    starts = step.get_xdata()[::2][1:]
    for place, end in zip(starts, endpoints(trained.weight, 4), strict=True):
        assert place == trained.weight[trained.weight >= end].min()


def test_slopes_of_weights_add_up_to_what_lies_between_levels(trained):
    """With the inverse width as factor, the linear pieces meet the levels at s_i (Eq. 8, 9)."""
    figure = weight_functions(trained)
    line = lines_of(figure, 0)[1]
    u = endpoints(trained.weight, 4)
    alpha = approximate_weights(trained.weight, 4).unique().tolist()
    # From the middle of the zero piece to the middle of the next: one level up.
    reached = np.interp((u[2] + u[3]) / 2, line.get_xdata(), line.get_ydata())
    assert reached == pytest.approx(alpha[3], rel=0.05)


def test_steps_of_activations_are_those_of_the_layer(trained):
    figure = activation_functions(trained)
    step = lines_of(figure, 0)[2]
    beta = trained.activation.beta.detach().double()
    assert np.unique(step.get_ydata()).tolist() == sorted([0.0, *beta.tolist()])
    slopes = lines_of(figure, 1)[0].get_ydata()
    assert slopes[0] == slopes[-1] == 0
    assert slopes.max() > 0


@pytest.mark.parametrize("m", [2, 8])
def test_other_numbers_of_weights_pieces_are_drawn(trained, m):
    step = lines_of(weight_functions(trained, m=m), 0)[2]
    assert len(np.unique(step.get_ydata())) == m + 1


def test_histograms_count_every_value(trained):
    figure = weight_histograms(trained)
    for axes, levels in zip(figure.axes[1:], (5, 9), strict=True):
        heights = [patch.get_height() for patch in axes.patches]
        assert len(heights) == levels
        assert sum(heights) == trained.weight.numel()
    inside = sum(patch.get_height() for patch in figure.axes[0].patches[:80])
    assert 0.99 * trained.weight.numel() < inside <= trained.weight.numel()
    left, right = activation_histograms(trained).axes
    for axes in (left, right):
        assert sum(patch.get_height() for patch in axes.patches) == trained.inputs.numel()
    assert len(right.patches) == 6


def test_drivers_are_found_through_logic_and_registers():
    top = modules(VERILOG, {}, top="top")["top"]
    assert instances(top) == [
        Instance(name="one", module="leaf"),
        Instance(name="two", module="leaf"),
    ]
    assert drivers(top, "two", "a") == {
        Pin(instance="", port="i", bit=3),
        Pin(instance="one", port="o", bit=1),
    }
    assert {pin.instance for pin in drivers(top, "", "sum")} == {"one"}
    assert {(pin.port, pin.bit) for pin in drivers(top, "one", "a")} == {("i", 0), ("i", 1)}


def test_the_engine_is_as_the_paper_draws_it(structure):
    """M x N lanes, each of one activation base and one weight base, all added up (Fig. 3)."""
    assert (structure.m, structure.n, structure.encoders) == (3, 3, 8)
    assert set(structure.lanes.values()) == {(v, t) for v in (1, 2, 3) for t in (1, 2, 3)}
    assert structure.lanes["lane_2_3"] == (3, 2)
    assert structure.counts == set(structure.lanes)
    assert structure.engine["dot"] == {"window", "weights"}
    assert structure.engine["window"] == {"comparators"}
    assert structure.engine["collector"] == {"dot"}
    # Eight lanes are at most 8 set pairs.
    assert structure.bits["count"] == 4


def test_the_picture_names_every_lane_and_coefficient(structure):
    [axes] = architecture(structure).axes
    texts = " ".join(text.get_text() for text in axes.texts)
    for lane, phi in structure.phi.items():
        assert lane in texts
        assert f"= {phi}" in texts
    for name in ("act_bases", "weight_bases", "comparators", "window", "tree", "collector"):
        assert name in texts


def test_other_sizes_are_read():
    structure = read_structure(m=2, n=1, simd=4)
    assert structure.lanes == {"lane_1_1": (1, 1), "lane_2_1": (1, 2)}
    assert architecture(structure).axes


def test_files_are_the_same_each_time(tmp_path):
    def picture():
        figure = Figure(figsize=(2, 2))
        figure.subplots().plot([1, 2])
        return figure

    first, second = save(picture(), tmp_path / "one"), save(picture(), tmp_path / "two")
    assert [path.name for path in first] == ["one.svg", "one.png"]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert ElementTree.parse(first[0]).getroot().tag.endswith("svg")


def test_the_command_writes_what_is_asked_for(tmp_path, capsys):
    name = "figure-4-weights"
    assert main(["--out", str(tmp_path), "--only", name]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.png", f"{name}.svg"]
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / f"{name}{suffix}") for suffix in (".svg", ".png")
    ]
    assert {f"figure-{number}" for number in "12345"} == {each[:8] for each in FIGURES}


def test_a_network_without_its_file_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--network", str(tmp_path), "--out", str(tmp_path)])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_layers_that_are_not_approximated_are_refused(tmp_path):
    for path in (*Embedded().images, Embedded().checkpoint):
        shutil.copy(path, tmp_path)
    entries = torch.load(FOLDER / "resnet8.pt", weights_only=True)
    entries["stages"]["pa_float"] = entries["stages"]["full_precision"]
    torch.save(entries, tmp_path / "resnet8.pt")
    with pytest.raises(ValueError, match=r"stages.1.0.conv1 and stages.1.0.conv2 must be PA"):
        load_trained(Embedded(tmp_path))


def test_json_of_a_netlist_is_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = modules(VERILOG, {}, top="top")
    assert set(found) == {"leaf", "top"}
    assert json.dumps(found)
    assert not list(tmp_path.iterdir())
