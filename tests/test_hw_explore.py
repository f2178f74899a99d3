"""The sweep and its command line."""

import csv

import pytest
from explore_bench import point, row, work

from hw import explore


@pytest.fixture(scope="module")
def client():
    with explore._connected(None, 1) as client:
        yield client


# Dask leaves sockets and pipes of workers that died to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_sweep_goes_on_past_what_fails_and_resumes(client, tmp_path):
    points = [point(pe=pe) for pe in (1, 7, 6, 2)]
    rows = explore.sweep(points, client=client, cache=tmp_path, work=work)
    assert rows[points[0]] == row(points[0])
    assert rows[points[3]] == row(points[3])
    assert rows[points[1]]["error"] == "its worker died, twice"
    assert rows[points[2]]["error"] == "OSError: no space left"
    # Everything that was found is kept; the rest is tried again.
    (tmp_path / "trace").unlink()
    assert explore.sweep(points[2:], client=client, cache=tmp_path, work=work)[points[3]]
    assert (tmp_path / "trace").read_text() == "6\n"


@pytest.fixture
def stub(monkeypatch):
    """The sweep without workers: a row for each point."""
    monkeypatch.setattr(explore, "_connected", lambda *_: _nothing())

    def sweep(points, **_):
        return {p: row(p) if p.pe < 9 else row(p, error="too many") for p in points}

    monkeypatch.setattr(explore, "sweep", sweep)


class _nothing:  # noqa: N801
    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


def run(tmp_path, *options):
    return explore.main(
        ["--reports", str(tmp_path / "r"), "--cache", str(tmp_path / "c"), *options]
    )


def test_writes_table_page_and_picture(stub, tmp_path, capsys):
    assert run(tmp_path, "--m", "2,4", "--pe", "1,2", "--datapath", "popcount") == 0
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        "explore.csv", "explore.html", "explore.png",
    }  # fmt: skip
    rows = list(csv.DictReader((tmp_path / "r" / "explore.csv").read_text().splitlines()))
    assert len(rows) == 2 * 2 * 2 * 2 * 2
    assert "32 of 32 points" in capsys.readouterr().out


def test_points_without_a_result_are_told(stub, tmp_path, capsys):
    assert run(tmp_path, "--pe", "9,1", "--n", "5", "--simd", "8", "--target", "xc7",
               "--datapath", "popcount") == 1  # fmt: skip
    captured = capsys.readouterr()
    assert captured.err == "python -m hw.explore: dot-popcount-m4n5p8-8x9 on xc7: too many\n"
    assert "1 of 2 points" in captured.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--m", "4,x"], "--m: must be integers of at least 1 with commas between, not '4,x'"),
        (["--phi-bits", "1"], "--phi-bits: must be integers of at least 2"),
        (["--pe", ""], "--pe: must be integers of at least 1 with commas between, not ''"),
        (["--jobs", "1,2"], "--jobs: must be an integer of at least 1, not '1,2'"),
        (["--jobs", "0"], "--jobs: must be an integer of at least 1, not '0'"),
        (["--datapath", "popcount,magic"], "with commas between, not 'magic'"),
        (["--target", "asic"], "must be some of generic, xc7, ecp5, ice40 with commas between"),
        (["--unit", "lane"], "invalid choice: 'lane'"),
        (["--accuracies", "nosuch.json"], "nosuch.json"),
        (["--scheduler", "nowhere"], "must be a Dask scheduler that answers, not 'nowhere'"),
    ],
)
def test_bad_options_are_one_line(options, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        run(tmp_path, *options)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
