"""What README.md shows is run as it stands, in an empty folder."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

import pa_artifact
from pa_hdl import gen

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """A working folder that holds nothing but the embedded data."""
    (tmp_path / "sim").symlink_to(ROOT / "sim")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example_leads_from_a_model_to_verilog(empty_folder, capsys):
    [source] = _blocks("python")
    example = empty_folder / "example.py"
    example.write_text(source)
    runpy.run_path(str(example), run_name="__main__")
    layers = [
        node.name
        for node in pa_artifact.read("build/example/net.pa").nodes
        if node.kind == "pa_conv"
    ]
    assert capsys.readouterr().out.strip() == str(layers)
    [command] = [
        line for block in _blocks("sh") for line in block.splitlines() if "build/example" in line
    ]
    gen.main(shlex.split(command.replace("LAYER", layers[0]))[3:])
    assert (empty_folder / "build/example/conv.v").is_file()


def test_the_first_network_is_written_where_the_text_says(empty_folder, capsys):
    [command] = [
        line for block in _blocks("sh") for line in block.splitlines() if "--network" in line
    ]
    gen.main(shlex.split(command)[3:])
    written = {path.name for path in Path("build/pa_network").iterdir()}
    assert {"pa_network.v", "pa_network.json", "folding.json", "report.md"} <= written
    assert "56448 cycles an image" in capsys.readouterr().out
    assert "cycles 56448/56448 measured/predicted" in README


def test_the_first_engine_is_written_where_the_text_says(empty_folder):
    assert "pa_hdl.gen --M 4 --N 5\n" in README
    gen.main(["--M", "4", "--N", "5"])
    assert sorted(path.name for path in Path("build").iterdir()) == [
        "pa_engine.json",
        "pa_engine.v",
    ]


def test_every_parameter_of_the_table_exists(capsys):
    with pytest.raises(SystemExit):
        gen.main(["--help"])
    known = set(re.findall(r"--?[A-Za-z-]+", capsys.readouterr().out))
    table = README[README.index("| parameter | meaning |") : README.index("## A whole network")]
    named = {flag for cell in re.findall(r"`([^`]*)`", table) for flag in cell.split()}
    assert {flag for flag in named if flag.startswith("-")} <= known | {"-"}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_instance_has_the_ports_of_the_engine(empty_folder):
    [instance] = _blocks("verilog")
    gen.main(["--M", "4", "--N", "5"])
    text = Path("build/pa_engine.v").read_text()
    header = text[text.index("module pa_engine (") :]
    header = header[: header.index(");")]
    ports = set(
        re.findall(r"^\s+(?:in|out)put\s+wire\s+(?:\[[^]]*\]\s+)?(\w+)", header, re.MULTILINE)
    )
    assert set(re.findall(r"\.(\w+)\(", instance)) == ports
