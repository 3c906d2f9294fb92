"""What a comparison is made of: cells of trunks and data, in each the arms to compare, seed by seed."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from multitask.errors import UserError
from multitask.losses import Gradients
from training.balancing import Balancing
from training.config import TrainConfig

NAIVE, FUNCTIONAL, EQUAL_COMPUTE = "naive", "functional", "functional_equal_compute"


@dataclass(frozen=True)
class CompareConfig:
    """A comparison: every trunk on every mixture of datasets, every seed.

    Args:
        run: folder of the comparison; one that was begun with the same settings goes on.
        datasets: mixtures of sources, each as names joined by "+"; that of `training` if not given.
        trunks: names of models.trunks.TRUNKS, or pretrained:NAME; that of `training` if not given.
        seeds: of weights, order and augmentation.
        gradients: by which networks are trained; those of `training` if not given.
        balancings: strategies by which the shared trunk is trained as well, beside equal weights.
        task_weights: a weight for each task, for the balancing "given".
        equal_compute: train the shared trunk a second time, for as many pictures as the networks of one task
            see together.
        http: time the answers of a server as well.
        report_only: train nothing; report what is finished.
        training: settings of every run; its folder, approach, seed and balancing are the matrix's.
    """

    run: Path = Path("runs/comparison")
    datasets: tuple[str, ...] = ()
    trunks: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    gradients: tuple[Gradients, ...] = ()
    balancings: tuple[Balancing, ...] = ()
    task_weights: dict[str, float] = field(default_factory=dict)
    equal_compute: bool = True
    http: bool = True
    report_only: bool = False
    training: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "run", Path(self.run))
        of_training = {
            "datasets": "+".join(self.training.datasets),
            "trunks": self.training.trunk,
            "gradients": self.training.gradients,
        }
        for name in ("datasets", "trunks", "seeds", "gradients", "balancings"):
            values = getattr(self, name)
            values = (values,) if isinstance(values, str | int) else tuple(values)
            values = values or ((of_training[name],) if name in of_training else ())
            object.__setattr__(self, name, values)
            if len(set(values)) < len(values):
                raise UserError(f"{name} must differ; received {' '.join(map(str, values))}")
        for word in self.gradients:
            if word not in get_args(Gradients):
                known = ", ".join(get_args(Gradients))
                raise UserError(f"gradients that are compared must be of {known}; received {word!r}")
        if self.training.start_from is not None or self.training.teachers:
            given = self.training.start_from or ", ".join(self.training.teachers)
            raise UserError(
                "a comparison trains every network from its beginning and by labels alone; received "
                f"start_from or teachers {given}, whose trunk was shared: leave them out"
            )
        if not self.seeds:
            raise UserError("seeds must name at least one; received none")
        if "equal" in self.balancings:
            raise UserError("equal weights are always compared; balancings are those beside them")
        if self.task_weights and "given" not in self.balancings:
            raise UserError(
                f'task_weights belong to the balancing "given"; received balancings {self.balancings}'
            )
        if (self.run / "config.json").exists():
            raise UserError(
                f"run must be a new folder or a comparison's; {self.run} is a single run's: name another"
            )
        # Settings that any run would refuse are refused before the first is trained.
        for cell in self.cells:
            for seed in self.seeds:
                for balancing in ("equal", *self.balancings):
                    cell.config(FUNCTIONAL, seed, balancing=balancing)

    @property
    def cells(self) -> list["Cell"]:
        """Every trunk on every mixture by every kind of gradients."""
        return [
            Cell(self, datasets, trunk, gradients)
            for datasets in self.datasets
            for trunk in self.trunks
            for gradients in self.gradients
        ]


@dataclass(frozen=True)
class Arm:
    """One way to get all answers.

    Args:
        name: of its folders and in the report's figures.
        title: what a reader is told.
        runs: the runs it takes, of one seed: one for each task it has a network for, or one alone.
    """

    name: str
    title: str
    runs: tuple[TrainConfig, ...]


@dataclass(frozen=True)
class Cell:
    """The arms on one mixture of datasets, with one trunk, by one kind of gradients."""

    comparison: CompareConfig
    mixture: str
    trunk: str
    gradients: Gradients

    @property
    def name(self) -> str:
        """Its folder within the comparison's, and what it is called."""
        derived = "" if self.gradients == "autodiff" else f"_{self.gradients}"
        return f"{self.mixture.replace('/', '_')}/{self.trunk.replace(':', '_')}{derived}"

    @property
    def datasets(self) -> tuple[str, ...]:
        """The sources of its mixture."""
        return tuple(self.mixture.split("+"))

    def config(self, arm: str, seed: int, **settings: object) -> TrainConfig:
        """The run `arm` of `seed`, with settings of its own."""
        weights = self.comparison.task_weights if settings.get("balancing") == "given" else {}
        every = {
            "run": self.comparison.run / self.name / f"seed{seed}" / arm,
            "approach": "functional",
            "datasets": self.datasets,
            "trunk": self.trunk,
            "gradients": self.gradients,
            "seed": seed,
            "balancing": "equal",
            "task_weights": weights,
        }
        return replace(self.comparison.training, **{**every, **settings})  # type: ignore[arg-type]

    def arms(self, seed: int, labelled: dict[str, int], examples: int) -> list[Arm]:
        """The arms of `seed`, the naive one first.

        Args:
            labelled: examples with a label, by task that has any.
            examples: all of them.
        """
        naive = tuple(
            self.config(f"{NAIVE}_{task}", seed, approach="naive", tasks=(task,)) for task in labelled
        )
        title = "one trunk, all heads"
        arms = [
            Arm(NAIVE, "a network for each task", naive),
            Arm(FUNCTIONAL, title, (self.config(FUNCTIONAL, seed),)),
        ]
        training = self.comparison.training
        longer = sum(labelled.values()) / examples
        epochs = round(training.epochs * longer)
        if self.comparison.equal_compute and epochs > training.epochs:
            frozen = round(training.frozen_epochs * longer)
            run = self.config(EQUAL_COMPUTE, seed, epochs=epochs, frozen_epochs=min(frozen, epochs))
            arms.append(Arm(EQUAL_COMPUTE, f"{title}, for {epochs} epochs", (run,)))
        for balancing in self.comparison.balancings:
            run = self.config(f"{FUNCTIONAL}_{balancing}", seed, balancing=balancing)
            arms.append(Arm(f"{FUNCTIONAL}_{balancing}", f"{title}, {balancing}", (run,)))
        return arms
