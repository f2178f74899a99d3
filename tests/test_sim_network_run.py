import pytest
from network_toys import PORT, SIMULATOR, passing, run, stimulus

from sim.build import BUILDS, Design
from sim.network_build import Model, build_network
from sim.network_run import simulate
from sim.simulators import SIMULATORS

AVAILABLE = [simulator for simulator in SIMULATORS.values() if simulator.available()]
MEMORY = 'reg [3:0] m [0:1]; initial $readmemh("words.mem", m);\nendmodule'


def with_memory(memories):
    text = passing().verilog.replace("endmodule", MEMORY)
    return Design(top="passing", verilog=text, memories=memories)


@pytest.mark.parametrize("simulator", AVAILABLE, ids=lambda simulator: simulator.name)
def test_missing_memory_file_is_a_problem(simulator):
    assert run(with_memory({"words.mem": "1\n2\n"}), simulator=simulator)[1] == []
    problems = run(with_memory({}), simulator=simulator)[1]
    assert any("words.mem" in line for line in problems)


def test_status_of_the_simulator_is_a_problem(tmp_path):
    failing = Model(folder=tmp_path, command=("sh", "-c", "echo broken; exit 3"), seconds=0)
    result = simulate(failing, stimulus(), {}, tmp_path / "run", name="status")
    assert result.problems == ("the simulator ended with status 3: broken",)
    assert result.log.read_text() == "broken\n"


def test_waves():
    model = build_network(passing(), PORT, PORT, SIMULATOR, images=1, waves=True)
    folder = (BUILDS / "runs" / "toy-waves").resolve()
    simulate(model, stimulus(), {}, folder, name="waves")
    [waves] = folder.glob("waves.*")
    assert waves.stat().st_size > 100
