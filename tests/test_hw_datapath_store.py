"""The report that several programs write: parts, owners, locks and damage."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from hw.datapath_store import FIELDS, change, read, replace

ROW = dict.fromkeys(FIELDS["rows"], 1)
PROOF = dict.fromkeys(FIELDS["equivalence"], "x")


def row(**members):
    return ROW | members


def test_a_report_that_is_not_there_is_empty(tmp_path):
    assert read(tmp_path / "none.json") == {"rows": [], "equivalence": [], "model": []}


def test_each_writer_replaces_only_its_own(tmp_path):
    path = tmp_path / "new" / "datapath.json"
    replace(path, "rows", [row(target="xc7", lut=3), row(target="ecp5", lut=4)])
    replace(path, "equivalence", [PROOF])
    mine = [row(target="xc7", lut=5), row(target="xc7", lut=6)]
    replace(path, "rows", mine, owns=lambda entry: entry["target"] == "xc7")
    parts = read(path)
    assert [(each["target"], each["lut"]) for each in parts["rows"]] == [
        ("ecp5", 4),
        ("xc7", 5),
        ("xc7", 6),
    ]
    assert parts["equivalence"] == [PROOF]
    assert list(json.loads(path.read_text())) == ["rows", "equivalence", "model"]


def test_members_are_written_in_order(tmp_path):
    path = tmp_path / "datapath.json"
    replace(path, "rows", [dict(reversed(ROW.items()))])
    assert tuple(read(path)["rows"][0]) == FIELDS["rows"]


def test_an_entry_can_be_changed_in_place(tmp_path):
    path = tmp_path / "datapath.json"
    replace(path, "rows", [row(fmax_mhz=None), row(lut=2)])
    change(path, "rows", lambda rows: [rows[0] | {"fmax_mhz": [201.5]}, *rows[1:]])
    assert [each["fmax_mhz"] for each in read(path)["rows"]] == [[201.5], 1]


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    path = tmp_path / "datapath.json"

    def write(number):
        replace(path, "rows", [row(lut=number)], owns=lambda entry: entry["lut"] == number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, [*range(12), *range(12)]))
    assert sorted(each["lut"] for each in read(path)["rows"]) == list(range(12))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"rows": [', "Expecting value"),
        ("[" * 100000, "recursion"),
        ("[]", "must have the members rows, equivalence, model"),
        ('{"rows": []}', "must have the members rows, equivalence, model"),
        ('{"rows": 1, "equivalence": [], "model": []}', "rows must be a list"),
        ('{"rows": [7], "equivalence": [], "model": []}', "rows must be an object, not 7"),
        ('{"rows": [{}], "equivalence": [], "model": []}', "one lacks 'name'"),
    ],
)
def test_damage_is_one_line_and_stays(tmp_path, text, reason):
    path = tmp_path / "datapath.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason) as raised:
        replace(path, "rows", [ROW])
    assert str(raised.value).startswith(f"{path} is no datapath report (remove it to start")
    assert "\n" not in str(raised.value)
    assert path.read_text() == text


def test_wrong_entries_are_refused_and_nothing_is_written(tmp_path):
    path = tmp_path / "datapath.json"
    with pytest.raises(ValueError, match="part must be one of rows, equivalence, model, not 'row'"):
        replace(path, "row", [])
    with pytest.raises(ValueError, match=r"an entry of model has the members name, .* lacks"):
        replace(path, "model", [{"name": "x"}])
    with pytest.raises(ValueError, match="one has 'luts'"):
        replace(path, "rows", [row(luts=1)])
    assert not path.exists()
