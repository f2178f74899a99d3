"""What is trained: protocols, the runs of each, and the command line of every training.

A *run* is one scheme, with one seed, under one protocol.  All schemes of a protocol start from the
same full-precision network, see the same images in the same order, and choose their learning rate
among the same candidates: each is tried for one epoch and judged by held-out training images, so
that no test image has a say.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from experiments.factors import DEFAULT, FACTORS, Factor
from pa_nn.schemes import Scheme

__all__ = [
    "CIFAR",
    "FASHION",
    "FULL_PRECISION",
    "PROTOCOLS",
    "Places",
    "Protocol",
    "Run",
    "Training",
    "all_runs",
    "select",
]

TRIAL_EPOCHS = 1
TRIAL_IMAGES = 20_000
HELD_OUT = 5_000
RATES = (0.008, 0.02, 0.05)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Folders of data by data set, of full-precision networks, and of everything else trained.

    The defaults are those of the commands that are printed and recorded.
    """

    data: dict[str, Path]
    start: Path = Path("build/train")
    state: Path = Path("build/experiments")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How the runs of one kind are trained.

    Parameters
    ----------
    name, dataset, model : str
    epochs, images : int
        Training images are the first ones of the training set.
    test_images : int
    rates : tuple of float
        Candidates for the learning rate; a single one needs no trial.
    start : str or None
        Protocol of the full-precision run whose network is the start; None for random weights.
    """

    name: str
    dataset: str
    model: str
    epochs: int
    images: int
    test_images: int = 10_000
    rates: tuple[float, ...] = RATES
    start: str | None = None


FASHION, CIFAR = "fashion-mnist", "cifar10-jpeg"
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="start", dataset=FASHION, model="resnet8", epochs=36, images=60_000, rates=(0.1,)
        ),
        Protocol(
            name="short", dataset=FASHION, model="resnet8", epochs=3, images=20_000, start="start"
        ),
        Protocol(
            name="long", dataset=FASHION, model="resnet8", epochs=6, images=60_000, start="start"
        ),
        Protocol(
            name="factor", dataset=FASHION, model="resnet8", epochs=3, images=20_000, start="start"
        ),
        Protocol(
            name="cifar-start",
            dataset=CIFAR,
            model="resnet20",
            epochs=24,
            images=50_000,
            rates=(0.1,),
        ),
        Protocol(
            name="cifar",
            dataset=CIFAR,
            model="resnet20",
            epochs=4,
            images=50_000,
            start="cifar-start",
        ),
    )
}

FULL_PRECISION = "full"
# The rows of the paper's Tables 3 and 6 and their closest rivals, the most telling first.
TABLES = (
    FULL_PRECISION,
    "pa:4,5",
    "abc:5,5",
    "pa:8,7",
    "lsq:3,3",
    "xnor",
    "bireal",
    "bwn",
    "dorefa:2,2",
    "pa:8,full",
    "pa:4,full",
    "abc:5,full",
    "pa:4,7",
    "pa:6,7",
    "lsq:2,2",
    "lsq:4,4",
    "ternary:2",
)
# PA and ABC-Net as they grow, and what fills a lookup table or shares its size with a PA scheme.
GROWTH = (
    "abc:7,7",
    "abc:3,3",
    "abc:1,1",
    "pa:2,2",
    "pa:2,3",
    "pa:4,3",
    "pa:4,4",
    "pa:6,6",
    "pa:8,8",
    "lsq:8,3",
    "pa:254,7",
    "lsq:3,2",
    "lsq:4,3",
    "dorefa:3,3",
    "dorefa:4,4",
    "ternary:full",
    "ternary:3",
)
HEADLINES = (
    "pa:4,5",
    "abc:5,5",
    "lsq:3,3",
    "pa:8,7",
    FULL_PRECISION,
    "pa:6,7",
    "lsq:2,2",
    "lsq:4,4",
    "pa:4,7",
)
ON_CIFAR = ("pa:4,5", "abc:5,5", "pa:8,7")


def _path_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in ".-" else "_" for c in text)


@dataclass(frozen=True, kw_only=True)
class Training:
    """One call of ``pa_nn.train``: a run, or the trial of a learning rate for it."""

    run: "Run"
    rate: float
    trial: bool

    @property
    def name(self) -> str:
        """Unique and readable; its parts are separated by slashes."""
        return f"{self.run.trials_name}/lr{self.rate}" if self.trial else self.run.name

    @property
    def epochs(self) -> int:
        """Epochs it takes."""
        return TRIAL_EPOCHS if self.trial else self.run.protocol.epochs

    @property
    def images(self) -> int:
        """Training images of each epoch."""
        images = self.run.protocol.images
        return min(TRIAL_IMAGES, images) if self.trial else images

    @property
    def tested(self) -> int:
        """Images that each epoch is judged by."""
        return HELD_OUT if self.trial else self.run.protocol.test_images

    def folder(self, places: Places) -> Path:
        """Where ``--out`` points."""
        if self.run.protocol.start is None:
            return self.run.start_folder(places)
        return places.state.joinpath(*map(_path_name, self.name.split("/")))

    def argv(self, places: Places, *, precision: str = "bfloat16") -> list[str]:
        """Flags of ``pa_nn.train``, those that say how to use the machine left out."""
        protocol = self.run.protocol
        argv = ["--data", str(places.data[protocol.dataset]), "--model", protocol.model]
        if protocol.start is not None:
            start = self.run.start_run.start_folder(places) / "model.pt"
            argv += ["--init", str(start), "--scheme", self.run.scheme, "--warmup", "50"]
            argv += self.run.factor.argv if self.run.factor is not None else ()
        argv += ["--epochs", str(self.epochs), "--limit", str(self.images), "--lr", str(self.rate)]
        argv += ["--hold-out", str(HELD_OUT)] if self.trial else []
        argv += ["--seed", str(self.run.seed), "--precision", precision]
        return [*argv, "--out", str(self.folder(places))]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A row of the results."""

    protocol: Protocol
    scheme: str
    seed: int = 0
    factor: Factor | None = None

    @property
    def name(self) -> str:
        """Unique and readable: ``short/pa:4,5/seed0``, ``factor/lambda-w=1/seed0``."""
        what = self.scheme if self.factor is None else str(self.factor)
        return f"{self.protocol.name}/{what}/seed{self.seed}"

    @property
    def trials_name(self) -> str:
        """Shared by all runs that choose their learning rate together."""
        return f"trials/{self.protocol.dataset}/{self.scheme}"

    @property
    def start_run(self) -> "Run":
        """The run whose network this one starts from."""
        if self.protocol.start is None:
            raise ValueError(f"{self.name} starts from random weights")
        return Run(protocol=PROTOCOLS[self.protocol.start], scheme=FULL_PRECISION)

    def start_folder(self, places: Places) -> Path:
        """Folder of this full-precision run."""
        return places.start / {"start": "full", "cifar-start": "cifar_full_24"}[self.protocol.name]

    def trials(self) -> list[Training]:
        """One training for each candidate learning rate, none where there is no choice."""
        rates = self.protocol.rates
        # The seed of trials is that of the first run: the choice is made once.
        first = Run(protocol=self.protocol, scheme=self.scheme)
        return [Training(run=first, rate=rate, trial=True) for rate in rates] if rates[1:] else []

    def training(self, rate: float) -> Training:
        """The training of the run itself."""
        return Training(run=self, rate=rate, trial=False)

    def identity(self) -> dict[str, object]:
        """The fields of its record that tell it from all others."""
        scheme = Scheme.parse(self.scheme)
        return {
            "protocol": self.protocol.name,
            "dataset": self.protocol.dataset,
            "model": self.protocol.model,
            "scheme": scheme.name,
            "m": scheme.m,
            "n": scheme.n,
            "weight_bits": scheme.weight_bits,
            "activation_bits": scheme.activation_bits,
            "phi_bits": None,
            "options": None if self.factor is None else {self.factor.name: self.factor.value},
            "seed": self.seed,
            "epochs": self.protocol.epochs,
            "train_images": self.protocol.images,
            "test_images": self.protocol.test_images,
        }


def all_runs() -> list[Run]:
    """Every run, the most telling first, so that a queue that is cut off is still of use.

    The default that factors depart from is a short run already.
    """

    def runs(name: str, schemes: Iterable[str], seed: int) -> list[Run]:
        return [Run(protocol=PROTOCOLS[name], scheme=scheme, seed=seed) for scheme in schemes]

    def studies(seed: int) -> list[Run]:
        protocol = PROTOCOLS["factor"]
        return [Run(protocol=protocol, scheme="pa:4,5", seed=seed, factor=f) for f in settings]

    settings = [factor for factor in FACTORS if factor != DEFAULT]
    return [
        *runs("start", (FULL_PRECISION,), 0),
        *runs("short", TABLES, 0),
        *runs("short", TABLES, 1),
        *runs("short", GROWTH, 0),
        *runs("short", GROWTH, 1),
        *runs("long", HEADLINES, 0),
        *studies(0),
        *studies(1),
        *runs("cifar-start", (FULL_PRECISION,), 0),
        *runs("cifar", ON_CIFAR, 0),
        *runs("long", HEADLINES, 1),
    ]


def select(runs: Iterable[Run], pattern: str) -> list[Run]:
    """Runs whose name matches a pattern with ``*``, ``?`` and ``[]``.

    Raises
    ------
    ValueError
        None does.
    """
    names = list(runs)
    chosen = [run for run in names if fnmatchcase(run.name, pattern)]
    if not chosen:
        raise ValueError(f"--only {pattern!r} matches none of {len(names)} runs, see --list")
    return chosen
