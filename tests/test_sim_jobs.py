from dataclasses import dataclass

from sim.build import BuildError
from sim.jobs import one_line, run_all


@dataclass(frozen=True)
class BadJob:
    """A job whose benches cannot be made."""

    error: type[Exception]
    name: str = "bad"
    simulator: str = "icarus"
    replay: str = "python -m sim.bad"

    def benches(self):
        raise self.error("out of paper")

    def summary(self, outcomes):
        return one_line(outcomes)


def test_nothing_to_run_is_a_failure(capsys):
    assert run_all([]) == 1
    assert "no test collected" in capsys.readouterr().err


def test_a_job_that_cannot_run_fails_and_says_how_to_run_it_again(capsys):
    assert run_all([BadJob(BuildError), BadJob(KeyError)], workers=1) == 1
    out = capsys.readouterr().out
    assert out.count("FAIL bad") == 2
    assert "out of paper" in out
    assert "again: python -m sim.bad" in out
    assert "2 benches on icarus: 0 tests" in out
