"""Prices of schemes, and the pictures and tables of accuracy per LUT, from made-up rows."""

import json
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments import accuracy_per_lut
from experiments.accuracy_entries import entries, losses, pareto
from experiments.accuracy_per_lut import main, markdown, missing_rows
from experiments.labels import label
from experiments.luts import price, table_kind
from hw.datapath_store import FIELDS
from pa_nn.schemes import Scheme


def row(datapath, luts, *, m=None, n=None, phi_bits=8, fold=None, target="xc7", **changes):
    shape = "" if m is None else f"-m{m}n{n}p{phi_bits}"
    return {
        **dict.fromkeys(FIELDS["rows"]),
        "name": f"dot-{datapath}{shape}-32x2" + (f"-fold{fold}" if fold else ""),
        "unit": "dot",
        "datapath": datapath,
        "m": m,
        "n": n,
        "phi_bits": phi_bits,
        "fold": fold,
        "target": target,
        "dsp": 0,
        "lut_per_mac": luts,
        **changes,
    }


ROWS = [
    row("popcount", 59.0, m=4, n=5),
    row("gated", 7.5, m=4, n=5),
    row("gated", 7.0, m=4, n=7),
    row("gated", 10.5, m=8, n=7),
    row("gated", 5.5, m=4, n=7, phi_bits=6),
    row("inside", 7.25, m=8, n=7, fold=4),
    row("xnor", 2.25, phi_bits=None),
    row("int3-lookup", 6.5, phi_bits=6),
    row("int3-gated", 6.6, phi_bits=6),
    row("int3-multiply", 1.0, phi_bits=None, dsp=64),
    row("w3a2-gated", 4.5, phi_bits=5),
    row("ternary3-gated", 3.5, phi_bits=4),
    row("abc5x5-lookup", 10.0),
    row("abc5x5-xnor", 31.0, phi_bits=None),
    row("gated", 3.0, m=4, n=5, target="ecp5"),
    row("lookup", 1.0, m=9, n=9, unit="engine"),
]


def run(scheme, top1, *, seed=0, protocol="short", phi_bits=None, options=None):
    parsed = Scheme.parse(scheme)
    return {
        "dataset": "fashion-mnist",
        "model": "resnet8",
        "scheme": parsed.name,
        "m": parsed.m,
        "n": parsed.n,
        "weight_bits": parsed.weight_bits,
        "activation_bits": parsed.activation_bits,
        "phi_bits": phi_bits,
        "seed": seed,
        "epochs": 3,
        "train_images": 20000,
        "test_images": 10000,
        "top1": top1,
        "full_precision_top1": 93.0,
        "command": "python -m pa_nn.train",
        "protocol": protocol,
        "options": options,
        "lr": 0.016,
        "trials": None,
        "seconds": 1.0,
    }


RUNS = [
    run("full", 93.0),
    run("pa:4,5", 92.0),
    run("pa:4,5", 92.5, seed=1),
    run("pa:4,5", 90.0, seed=None, phi_bits=16, protocol="post-training", options={"init": "a"}),
    run("pa:4,5", 89.9, seed=None, phi_bits=8, protocol="post-training", options={"init": "a"}),
    run("pa:4,5", 88.75, seed=None, phi_bits=6, protocol="post-training", options={"init": "a"}),
    run("pa:6,7", 89.0, protocol="post-training", options={"levels": "means", "batch_norm": True}),
    run(
        "pa:6,7", 90.0, protocol="post-training", options={"levels": "trained", "batch_norm": True}
    ),
    run(
        "pa:6,7", 80.0, protocol="post-training", options={"levels": "trained", "batch_norm": False}
    ),
    run("lsq:3,3", 88.0, protocol="post-training", options={"levels": "layer", "batch_norm": True}),
    run("pa:4,5", 50.0, options={"lambda_w": "1"}),
    run("pa:8,full", 92.9),
    run("lsq:3,3", 92.0),
    run("abc:5,5", 91.0),
    run("xnor", 83.0),
    run("pa:4,7", 92.75, protocol="long"),
]


@pytest.mark.parametrize(
    ("scheme", "options", "luts"),
    [
        # (4, 7) is cheaper here than (4, 5), and serves it.
        ("pa:4,5", {}, 7.0),
        ("pa:4,5", {"phi_bits": 6}, 5.5),
        ("pa:4,5", {"phi_bits": 16}, None),
        ("pa:4,5", {"literal": True}, 59.0),
        ("pa:4,5", {"fold": 4}, 7.25),
        ("pa:4,5", {"target": "ecp5"}, 3.0),
        ("pa:6,6", {}, 10.5),
        ("pa:8,8", {}, None),
        ("pa:4,full", {}, None),
        ("lsq:3,3", {}, 6.5),
        ("dorefa:3,3", {}, 6.5),
        ("lsq:3,2", {}, 4.5),
        ("lsq:2,2", {}, 4.5),
        ("lsq:2,3", {}, 6.5),
        ("lsq:4,4", {}, None),
        ("ternary:3", {}, 3.5),
        ("ternary:2", {}, None),
        ("ternary:full", {}, None),
        ("abc:5,5", {}, 10.0),
        ("abc:5,5", {"literal": True}, 31.0),
        ("abc:3,3", {}, None),
        ("abc:1,1", {}, 2.25),
        ("bireal", {}, 2.25),
        ("xnor", {"literal": True}, None),
        ("bwn", {}, None),
        ("full", {}, None),
    ],
)
def test_a_scheme_costs_what_its_cheapest_table_costs(scheme, options, luts):
    found = price(Scheme.parse(scheme), ROWS, **{"target": "xc7", **options})
    assert (found and found.luts) == luts


def test_the_row_is_named():
    found = price(Scheme.parse("pa:4,5"), ROWS, target="xc7")
    assert found.row == "dot-gated-m4n7p8-32x2"


def test_kinds_of_tables():
    assert table_kind(Scheme.parse("pa:4,5")) is None
    assert table_kind(Scheme.parse("lsq:4,full")) is None
    assert table_kind(Scheme.parse("dorefa:2,2")) == "int2"


def test_entries_gather_seeds():
    found = entries(RUNS, ROWS, protocol="short")
    assert [each.name for each in found] == [
        "full precision", "PA 8,full", "PA 4,5", "LSQ 3,3", "ABC 5,5", "PA 4,5 φ6", "XNOR",
    ]  # fmt: skip
    by_name = {each.name: each for each in found}
    pa = by_name["PA 4,5"]
    assert (pa.top1, pa.mean, pa.gap) == ((92.0, 92.5), 92.25, 0.75)
    assert (pa.weight_levels, pa.weight_bits) == (5, 3)
    assert pa.prices["xc7", None] == (7.0, "dot-gated-m4n7p8-32x2")
    assert pa.literal == {("xc7", None): (59.0, "dot-popcount-m4n5p8-32x2")}
    narrow = by_name["PA 4,5 φ6"]
    assert (narrow.top1, narrow.prices["xc7", None][0]) == ((90.75, 91.25), 5.5)
    assert by_name["PA 4,5 φ6"].literal == {}
    assert by_name["full precision"].weight_bits is None
    assert (by_name["XNOR"].weight_levels, by_name["XNOR"].weight_bits) == (2, 1)
    assert by_name["PA 8,full"].prices == {}


@pytest.mark.parametrize(
    ("scheme", "name", "bits"),
    [
        ("ternary:3", "ternary 3", 2),
        ("lsq:8,full", "LSQ 8,full", 8),
        ("dorefa:4,4", "DoReFa 4,4", 4),
        ("pa:254,7", "PA 254,7", 8),
        ("bwn", "BWN", 1),
        ("bireal", "Bi-Real", 1),
    ],
)
def test_names_and_bits(scheme, name, bits):
    [entry] = entries([run(scheme, 90.0)], [], protocol="short")
    assert (entry.name, entry.weight_bits) == (name, bits)


def test_what_narrow_tables_lose():
    """Against the widest phi of the same network; 8 bits are what every row has."""
    size = ("fashion-mnist", 4, 5)
    assert losses(RUNS) == {size: {6: 1.25}}
    assert losses([]) == {}
    another = [
        {**each, "top1": each["top1"] - 10 * (each["phi_bits"] == 6), "options": {"init": "b"}}
        for each in RUNS[3:6]
    ]
    assert losses([*RUNS, *another]) == {size: {6: 6.25}}
    elsewhere = [{**each, "dataset": "cifar10-jpeg"} for each in another]
    assert losses([*RUNS, *elsewhere])[size] == {6: 1.25}


def test_a_narrower_table_that_costs_no_less_is_left_out():
    runs = [*RUNS, {**RUNS[5], "phi_bits": 5, "top1": 88.0}]
    assert losses(runs)["fashion-mnist", 4, 5] == {5: 2.0, 6: 1.25}
    assert [each.name for each in entries(runs, ROWS, protocol="short")] == [
        each.name for each in entries(RUNS, ROWS, protocol="short")
    ]


def test_after_training_levels_of_least_squared_error_count():
    found = entries(RUNS, ROWS, protocol="post-training")
    assert [(each.name, each.top1) for each in found] == [
        ("PA 6,7", (90.0,)),
        ("LSQ 3,3", (88.0,)),
    ]


def test_nothing_smaller_is_closer():
    assert pareto([]) == []
    assert pareto([(5, 1.0), (5, 2.0), (1, 3.0), (9, 1.0), (2, 3.0)]) == [(1, 3.0), (5, 1.0)]


def test_the_table_has_stars_where_nothing_beats():
    text = markdown(entries(RUNS, ROWS, protocol="short"), protocol="short")
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines()}
    assert "| 92.25 ± 0.25 (2) | 0.75 | 7.00 * | 7.25 * | 3.00 * |  |" in lines["PA 4,5"]
    assert "| 92.00 (1) | 1.00 | 6.50 * |" in lines["LSQ 3,3"]
    assert "| 10.00 |" in lines["ABC 5,5"]
    assert "| 31.00 |" in lines["ABC 5,5, as printed"]
    assert "| real | 32 | 93.00 (1) | 0.00 |  |" in lines["full precision"]


def test_missing_rows_are_dot_products_of_the_devices():
    missing = missing_rows([])
    assert {case.target for case in missing} == {"xc7", "ecp5"}
    assert {case.fold for case in missing} == {None, 4}
    known = [{"name": case.name, "target": case.target} for case in missing]
    assert missing_rows(known) == []
    assert missing_rows(known[1:]) == missing[:1]


@pytest.fixture
def no_synthesis(monkeypatch):
    monkeypatch.setattr(accuracy_per_lut, "missing_rows", lambda rows: [])


def written(tmp_path, runs):
    (tmp_path / "results.json").write_text(json.dumps({"runs": runs}))
    report = {"rows": ROWS, "equivalence": [], "model": []}
    (tmp_path / "datapath.json").write_text(json.dumps(report))
    return ["--results", str(tmp_path / "results.json"), "--out", str(tmp_path / "out"),
            "--report", str(tmp_path / "datapath.json")]  # fmt: skip


def test_the_command_writes_pictures_table_and_json(tmp_path, capsys, no_synthesis):
    assert main([*written(tmp_path, RUNS), "--protocol", "short"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    stems = {"accuracy-per-lut-short", "accuracy-per-lut-inside-short"}
    stems.add("accuracy-per-weight-bit-short")
    assert names == {f"{stem}{suffix}" for stem in stems for suffix in (".svg", ".png")} | {
        "accuracy-per-lut-short.md",
        "accuracy-per-lut-short.json",
    }
    assert len(capsys.readouterr().out.splitlines()) == len(names)
    for stem in stems:
        assert ElementTree.parse(tmp_path / "out" / f"{stem}.svg").getroot().tag.endswith("svg")
    rows = json.loads((tmp_path / "out" / "accuracy-per-lut-short.json").read_text())
    pa = next(each for each in rows if each["scheme"] == "pa:4,5" and each["phi_bits"] is None)
    assert pa["top1"] == [92.0, 92.5]
    assert pa["lut_per_mac"][0] == {
        "target": "xc7", "fold": None, "lut": 7.0, "row": "dot-gated-m4n7p8-32x2",
    }  # fmt: skip


def test_a_single_run_is_enough(tmp_path, no_synthesis):
    assert main([*written(tmp_path, [run("pa:4,7", 92.0, protocol="long")])]) == 0
    assert (tmp_path / "out" / "accuracy-per-weight-bit-long.svg").exists()


def test_no_runs_are_one_line(tmp_path, capsys, no_synthesis):
    with pytest.raises(SystemExit) as stop:
        main([*written(tmp_path, RUNS), "--protocol", "cifar"])
    assert stop.value.code == 2
    assert "no runs of cifar" in capsys.readouterr().err


def test_what_is_missing_is_synthesised(tmp_path, monkeypatch, capsys):
    class Case:
        name, target, unit, fold = "dot-gated-m8n8p8-32x2", "xc7", "dot", None

    class Found:
        row = row("gated", 20.0, m=8, n=8)

    monkeypatch.setattr(accuracy_per_lut, "missing_rows", lambda rows: [Case])
    monkeypatch.setattr(accuracy_per_lut, "measure", lambda case, cache: Found)
    main([*written(tmp_path, [run("pa:8,8", 92.0)]), "--protocol", "short"])
    assert "synthesising dot-gated-m8n8p8-32x2 for xc7" in capsys.readouterr().err
    assert "| 20.00 * |" in (tmp_path / "out" / "accuracy-per-lut-short.md").read_text()


def test_labels_keep_clear():
    figure = Figure(figsize=(5, 4))
    axes = figure.subplots()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    label(axes, [(5, 5 + step / 10, f"label {step}", "red") for step in range(6)])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
    room = axes.get_window_extent()
    assert len(boxes) == 6
    for place, box in enumerate(boxes):
        assert room.x0 <= box.x0 <= box.x1 <= room.x1
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])
