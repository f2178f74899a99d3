import re

import numpy as np
import pytest
from network_toys import IMAGES, PORT, passing, run, stimulus

from sim.network_harness import Findings, Frame, Port, Stimulus, memory_text
from sim.simulators import SIMULATORS

ELEMENTS = IMAGES[0].size
AVAILABLE = [simulator for simulator in SIMULATORS.values() if simulator.available()]


@pytest.mark.parametrize("simulator", AVAILABLE, ids=lambda simulator: simulator.name)
def test_compares_every_element(simulator):
    result, problems = run(passing(), simulator=simulator, name="whole")
    assert problems == []
    counts = result.findings.counts
    assert (counts["frames"], counts["compared"], counts["mismatches"]) == (5, 5 * ELEMENTS, 0)


@pytest.mark.parametrize("simulator", AVAILABLE, ids=lambda simulator: simulator.name)
def test_cycles_of_each_frame(simulator):
    result, _ = run(passing(), simulator=simulator, name="cycles")
    frames = result.findings.frames
    assert [frame.last - frame.first for frame in frames] == [PORT.beats - 1] * 5
    assert {frame.out - frame.last for frame in frames} == {1}
    assert result.findings.latency == PORT.beats
    assert result.findings.cycles_per_image == PORT.beats


@pytest.mark.parametrize("simulator", AVAILABLE, ids=lambda simulator: simulator.name)
@pytest.mark.parametrize(("into", "out_of"), [(128, 0), (0, 128), (200, 90)])
def test_stalls_change_only_time(simulator, into, out_of):
    given = stimulus(frames=60, in_density=into, out_density=out_of, seed=5)
    result, problems = run(passing(), given, simulator=simulator, name="stalls")
    assert problems == []
    assert result.findings.counts["cycles"] > 1.3 * 60 * PORT.beats


def test_seed_of_stalls_decides_the_cycles():
    cycles = [
        run(passing(), stimulus(frames=20, in_density=99, seed=seed))[0].findings.counts["cycles"]
        for seed in (1, 1, 2)
    ]
    assert cycles[0] == cycles[1] != cycles[2]


def test_wrong_element():
    result, problems = run(passing(data="sent == 17 ? data ^ 16'h0020 : data"))
    assert result.findings.counts["mismatches"] == 1
    assert re.fullmatch(r"mismatch: frame 1 beat 5 lane 1: \w+, not \w+", problems[0])
    assert "mismatches: 1" in problems


def test_unknown_element():
    # Verilator has no unknown bits.
    if SIMULATORS["icarus"].available():
        broken = passing(data="sent == 17 ? 16'h00xx : data")
        assert "mismatches: 2" in run(broken, simulator=SIMULATORS["icarus"])[1]


def test_padding_bits_must_be_zero():
    problems = run(passing(data="data | (sent == 3) << 15"))[1]
    assert "mismatch: frame 0 beat 3 padding: 0020, not 0" in problems
    assert "mismatches: 1" in problems


def test_only_the_first_mismatches_are_shown():
    result, problems = run(passing(data="~data & 16'h03ff"))
    assert result.findings.counts["mismatches"] == 5 * ELEMENTS
    assert 8 <= sum(line.startswith("mismatch") for line in problems) <= 9


def test_missing_tlast():
    problems = run(passing(last="last & (sent > 12)"))[1]
    assert problems == ["mismatch: frame 0 beat 11 of 12: TLAST is 0", "last errors: 1"]


def test_surplus_tlast():
    assert "last errors: 1" in run(passing(last="last | (sent == 14)"))[1]


def test_surplus_beats():
    # Once all frames are out, one beat more.
    assert "surplus: 1" in run(passing(valid="valid | (sent == 60)"))[1]


def test_beat_taken_back():
    given = stimulus(out_density=128)
    assert any(
        line.startswith("unstable: ")
        for line in run(passing(data="data ^ {15'h0, frame_long ^ m_axis_tready}"), given)[1]
    )


def test_hang_ends_the_run():
    result, problems = run(passing(valid="valid & (sent != 30)"))
    assert result.findings.counts["hung"] == 1
    assert result.findings.counts["cycles"] < 700
    assert problems[0].startswith("hang: nothing transferred for 500 cycles")
    assert problems[0].endswith("waiting for frame 2 beat 6")
    assert "frames: 2, not 5" in problems
    assert f"compared: {30 * PORT.lanes}, not {5 * ELEMENTS}" in problems


def test_flag_without_reason():
    broken = passing()
    text = broken.verilog.replace("frame_short <= 0;", "frame_short <= 1;")
    problems = run(type(broken)(top=broken.top, verilog=text))[1]
    assert any(line.endswith("frame_short is 1, frame_long is 0") for line in problems)


@pytest.mark.parametrize("lengths", [(5,), (30,), (12, 1, 25, 12), (1, 1, 40)])
def test_frames_of_wrong_length_raise_flags_and_spoil_no_others(lengths):
    result, problems = run(passing(), stimulus(frames=6, lengths=lengths))
    assert problems == []
    good = 6 - sum(length != PORT.beats for length in lengths)
    assert result.findings.counts["compared"] == good * ELEMENTS


def test_missing_flag():
    problems = run(passing(flag="0"), stimulus(lengths=(5,)))[1]
    assert any("frame_short is 0, not 1" in line for line in problems)


def test_no_summary_is_a_problem():
    findings = Findings.parse(["frame 0: in 1 2 out 3"])
    assert findings.frames == (Frame(first=1, last=2, out=3),)
    given = stimulus()
    assert findings.problems(given, PORT, PORT) == ["the simulation ended without a summary"]


def test_rate_leaves_out_the_first_frames():
    ends = (100, 210, 300, 400)
    frames = tuple(Frame(first=10, last=20, out=end) for end in ends)
    assert Findings(frames=frames, counts={}, remarks=()).cycles_per_image == 95
    two = Findings(frames=frames[:2], counts={}, remarks=())
    assert two.cycles_per_image == two.latency == 90


def test_beats_are_channels_innermost_and_lane_zero_lowest():
    port = Port(channels=2, height=1, width=2, lanes=2, bits=12, signed=True, beats=2)
    frames = np.array([[[[1, 2]], [[-1, 4]]]])
    assert memory_text(frames, port) == "fff001\n004002\n"


def test_images_that_do_not_fit():
    with pytest.raises(ValueError, match=r"frames must have shape \(4, 3, 2\), not \(4, 3, 3\)"):
        memory_text(np.zeros((1, 4, 3, 3), dtype=np.int64), PORT)
    with pytest.raises(ValueError, match="values must be -16 to 15, not 0 to 16"):
        memory_text(np.full_like(IMAGES, 16) * (IMAGES > 0), PORT)


def test_impossible_stimulus():
    with pytest.raises(ValueError, match="frames must be at least 1, not 0"):
        Stimulus(frames=0, stored=1, patience=1)
    with pytest.raises(ValueError, match="lengths must be of 64 frames at most"):
        Stimulus(frames=1, stored=1, patience=1, lengths=(1,) * 65)
