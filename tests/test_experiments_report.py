"""Tables made from results, and that the committed ones agree with the committed results."""

import pytest

from experiments import paper_accuracy as paper
from experiments.__main__ import README, RESULTS, main
from experiments.report import SECTIONS, fill
from experiments.results import add, load, scheme_of
from experiments.summary import summarise
from pa_nn.schemes import Scheme

EMPTY = {"runs": [], "failures": []}


def record(scheme, top1, *, protocol="short", seed=0, options=None, lr=0.03, **changes):
    parsed = Scheme.parse(scheme)
    return {
        "protocol": protocol,
        "dataset": "fashion-mnist",
        "model": "resnet8",
        "scheme": parsed.name,
        "m": parsed.m,
        "n": parsed.n,
        "weight_bits": parsed.weight_bits,
        "activation_bits": parsed.activation_bits,
        "phi_bits": None,
        "options": options,
        "seed": seed,
        "epochs": 3,
        "train_images": 20000,
        "test_images": 10000,
        "top1": top1,
        "full_precision_top1": 93.0,
        "lr": lr,
        "trials": [[0.01, 80.0], [0.03, 81.25], [0.1, None]],
        "seconds": 1.0,
        "command": "python -m pa_nn.train",
        **changes,
    }


RUNS = [
    record("abc:5,5", 90.0),
    record("pa:4,5", 91.0),
    record("pa:4,5", 92.0, seed=1),
    record("pa:8,7", 92.5),
    record("xnor", 80.0, lr=0.1),
    record("pa:4,5", 91.0, protocol="factor", options={"lambda-w": "1"}),
    record("pa:4,5", 92.2, protocol="factor", options={"lambda-w": "1"}, seed=1),
    record("lsq:3,3", 70.0, protocol="post-training", options={"batch_norm": True}, trials=None),
]
RESULT = {"runs": RUNS, "failures": [{**record("bireal", None), "error": "Loss is nan in step 7"}]}


def rows(section, results=RESULT):
    lines = SECTIONS[section](results).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_committed_results_are_well_formed_and_their_tables_agree():
    # The queue may be at work in this very tree.
    results = load(RESULTS)
    assert fill(README, results, write=False) or load(RESULTS) != results


def test_mean_half_spread_and_gap():
    assert rows("short") == [
        ["`pa:4,5`", "0.03", "2", "91.50 ± 0.50", "1.50 ± 0.50"],
        ["`abc:5,5`", "0.03", "1", "90.00", "3.00"],
        ["`pa:8,7`", "0.03", "1", "92.50", "0.50"],
        ["`xnor`", "0.1", "1", "80.00", "13.00"],
    ]


def test_claims():
    found = {row[0]: row[1:] for row in rows("claims")}
    assert found["PA (4, 5) is closer to full precision than ABC (5, 5)"] == [
        "yes: 1.50 and 3.00",
        "-",
        "-",
    ]
    assert found["PA (8, 7) is closer still"][0] == "yes: 0.50 and 1.50"
    swapped = [record("pa:4,5", 89.0), record("abc:5,5", 90.0)]
    assert rows("claims", {"runs": swapped, "failures": []})[0][1] == "no: 4.00 and 3.00"


def test_growth_is_in_the_order_of_size():
    assert [row[:3] for row in rows("growth")] == [
        ["`pa:4,5`", "4", "5"],
        ["`pa:8,7`", "8", "7"],
        ["`abc:5,5`", "5", "5"],
    ]


def test_the_papers_rows_stand_beside_ours():
    table = rows("table 3")
    assert table[3] == ["ABC-ResNet18", "`abc:5,5`", "65.0", "85.9", "4.3", "3.00", "-", "-"]
    assert table[4][4:6] == ["2.7", "1.50 ± 0.50"]
    assert table[7][5:] == ["not reproducible here: data"] * 3
    assert {row[5] for row in (*rows("table 4"), *rows("table 5"))} == {
        "not reproducible here: data"
    }
    six = {row[0]: row for row in rows("table 6")}
    assert six["XNOR-Net"][4:6] == ["18.1", "13.00"]
    assert six["SYQ"][1] == "-"
    assert six["SYQ"][5] == "not implemented"


def test_gaps_of_the_papers_rows_are_those_it_prints():
    gaps = [round(block[-1].score - row.score, 1) for block in paper.TABLE_3 for row in block]
    assert gaps == [1.0, 0.9, 0.0, 4.3, 2.7, 1.2, 0.0, 4.9, 3.2, 1.8, 0.0, 6.0, 3.1, 1.8, 0.0]
    gaps = [round(block[-1].score - row.score, 2) for block in paper.TABLE_5 for row in block]
    assert gaps == [1.82, 15.75, 0.0]
    for block in (*paper.TABLE_3, *paper.TABLE_4, *paper.TABLE_5, *paper.TABLE_6):
        for row in block:
            if row.scheme is not None:
                assert str(Scheme.parse(row.scheme)) == row.scheme


def test_factors_are_set_against_the_default():
    assert rows("factors") == [
        ["default", "", "2", "91.50 ± 0.50", ""],
        ["`lambda-w`", "1", "2", "91.60 ± 0.60", "+0.10"],
    ]


def test_other_sections():
    assert rows("post-training") == [["`lsq:3,3`", "batch norm: True", "1", "70.00", "23.00"]]
    assert rows("trials")[0] == ["fashion-mnist", "`abc:5,5`", "80.00", "81.25", "-", "0.03"]
    assert rows("failures") == [["short bireal seed 0", "Loss is nan in step 7"]]
    assert [row[7] for row in rows("protocols")] == ["0", "5", "0", "2", "0", "0"]


def test_phi_bits_set_runs_apart():
    found = summarise([record("pa:4,5", 90.0, phi_bits=8), record("pa:4,5", 91.0)], "short")
    assert list(found) == [("pa:4,5", (("phi bits", "8"),)), ("pa:4,5", ())]
    assert scheme_of(record("ternary:full", 90.0)) == "ternary:full"


def test_sections_without_runs_say_so():
    for name in ("short", "growth", "factors", "post-training", "trials"):
        assert SECTIONS[name](EMPTY) == "No run has ended yet."
    assert SECTIONS["failures"](EMPTY) == "None."


def test_sections_of_a_file_are_filled_and_the_rest_is_kept(tmp_path):
    path = tmp_path / "a.md"
    path.write_text("before\n<!-- begin failures -->\nold\n<!-- end failures -->\nafter\n")
    assert not fill(path, EMPTY, write=False)
    assert "old" in path.read_text()
    assert not fill(path, EMPTY)
    expected = "before\n<!-- begin failures -->\n\nNone.\n\n<!-- end failures -->\nafter\n"
    assert path.read_text() == expected
    assert fill(path, EMPTY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "has no section to fill"),
        ("<!-- begin x -->\n<!-- end x -->", "section must be one of protocols, .* not 'x'"),
    ],
)
def test_files_without_a_known_section_are_refused(tmp_path, text, message):
    path = tmp_path / "a.md"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        fill(path, EMPTY)


def test_rows_made_elsewhere_are_added_and_reported(tmp_path, capsys):
    made, file, page = (tmp_path / name for name in ("made.json", "results.json", "page.md"))
    add(made, RUNS)
    page.write_text("<!-- begin short -->\n<!-- end short -->\n")
    options = ["--results", str(file)]
    assert main(["add", str(made), *options]) == 0
    assert load(file) == {"runs": RUNS, "failures": []}
    assert main(["report", str(page), *options, "--check"]) == 1
    assert capsys.readouterr().err == f"experiments: {page} does not agree with {file}\n"
    assert main(["report", str(page), *options]) == 0
    assert main(["report", str(page), *options, "--check"]) == 0
    assert "91.50 ± 0.50" in page.read_text()
    with pytest.raises(SystemExit):
        main(["add", str(tmp_path / "none.json"), *options])
    assert capsys.readouterr().err.endswith("none.json: no such file\n")
