"""The table and the plots of a sweep."""

import csv
import io

from explore_bench import point, row

from hw.explore_points import COLUMNS
from hw.explore_report import as_csv, html, pareto, png

ROWS = [
    {**row(point(target=target, pe=pe, m=m)), "top1": 80 + m if rated else None}
    for rated, target in ((True, "xc7"), (False, "ecp5"))
    for pe in (1, 2)
    for m in (2, 4)
]
FAILED = {**vars(point()), "error": "pe must be at least 1, not 0", "top1": None}


def test_the_front_is_what_nothing_beats():
    assert pareto([(3, 3), (1, 1), (2, 1), (2, 2), (3, 4), (4, 4)]) == [1, 3, 4]
    assert pareto([]) == []


def test_the_table_has_every_row():
    read = list(csv.DictReader(io.StringIO(as_csv([*ROWS, FAILED]))))
    assert len(read) == len(ROWS) + 1
    assert tuple(read[0]) == COLUMNS
    assert read[0]["lut"] == str(ROWS[0]["lut"])
    assert (read[-1]["lut"], read[-1]["error"]) == ("", FAILED["error"])


def test_the_page_stands_by_itself_and_is_the_same_each_time():
    page = html([*ROWS, FAILED], unit="dot")
    assert page == html([*ROWS, FAILED], unit="dot")
    assert "<script src=" not in page
    assert "Sweep of 8 points (dot)" in page
    assert "popcount (4, 5), 8-bit phi, 16 x 2" in page
    assert page.count("no accuracies are known yet") == 1


def test_the_picture_is_one():
    for rows in (ROWS, [FAILED], []):
        assert png(rows, unit="dot").startswith(b"\x89PNG")
        assert "</html>" in html(rows, unit="dot")
