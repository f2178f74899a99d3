"""Estimates of time."""

import pytest

from experiments.cost import Estimate, duration
from experiments.protocol import PROTOCOLS, Places, Run


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("1.5h", 5400), ("40s", 40), ("2", 120)]
)
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-1h", "0", "nan", "inf", "3 days"])
def test_bad_durations_are_refused(text):
    with pytest.raises(ValueError, match=f"as in 90m, not {text!r}"):
        duration(text)


def log(folder, *seconds):
    folder.mkdir(parents=True)
    rows = [f"{i + 1},0.5,90,0.1,{value}\n" for i, value in enumerate(seconds)]
    (folder / "log.csv").write_text("epoch,loss,top1,learning_rate,seconds\n" + "".join(rows))


def test_what_was_measured_stands_for_what_is_like_it(tmp_path):
    places = Places(data={}, state=tmp_path)

    def training(scheme):
        return Run(protocol=PROTOCOLS["short"], scheme=scheme).training(0.03)

    # An epoch costs 20,000 images, and 0.35 times 10,000 for evaluation.
    log(training("pa:4,5").folder(places), 23.5)
    log(training("abc:5,5").folder(places), 70.5, 70.5, 70.5)
    estimate = Estimate([training("pa:4,5"), training("abc:5,5")], places)
    assert estimate.seconds(training("pa:4,5")) == pytest.approx(2 * 23.5)  # one epoch is done
    assert estimate.seconds(training("abc:5,5")) == 0
    assert estimate.seconds(training("pa:8,7")) == pytest.approx(3 * 23.5)
    assert estimate.seconds(training("abc:7,7")) == pytest.approx(3 * 70.5)
    # Nothing of LSQ was measured: the mean of the network's epochs.
    assert estimate.seconds(training("lsq:3,3")) == pytest.approx(3 * (23.5 + 3 * 70.5) / 4)


def test_an_estimate_without_any_measurement(tmp_path):
    places = Places(data={}, state=tmp_path)
    trial = Run(protocol=PROTOCOLS["short"], scheme="pa:4,5").trials()[0]
    assert Estimate([], places).seconds(trial) == pytest.approx(21.75)  # 20,000 + 0.35 x 5,000
