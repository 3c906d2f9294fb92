"""What a comparison is made of: cells of trunks and data, in each the arms to compare, seed by seed."""

from dataclasses import dataclass, field, replace
from pathlib import Path

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
        datasets: mixtures of sources, each as names joined by "+".
        trunks: names of models.trunks.TRUNKS, or pretrained:NAME.
        seeds: of weights, order and augmentation.
        gradients: by which gradients networks are trained.
        balancings: how the tasks of the shared trunk are balanced; the networks of one task have nothing to
            balance. The first is the functional approach that others are seen next to.
        task_weights: a weight for each task, for the balancing "given".
        equal_compute: train a shared trunk a second time, for as many pictures as the networks of one task
            see together.
        http: time the answers of a server as well.
        report_only: train nothing; report what is finished.
        training: settings of every run.
    """

    run: Path = Path("runs/comparison")
    datasets: tuple[str, ...] = ("synthetic_faces",)
    trunks: tuple[str, ...] = ("resnet",)
    seeds: tuple[int, ...] = (0, 1, 2)
    gradients: tuple[Gradients, ...] = ("autodiff",)
    balancings: tuple[Balancing, ...] = ("equal",)
    task_weights: dict[str, float] = field(default_factory=dict)
    equal_compute: bool = True
    http: bool = True
    report_only: bool = False
    training: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "run", Path(self.run))
        for name in ("datasets", "trunks", "seeds", "gradients", "balancings"):
            values = getattr(self, name)
            values = (values,) if isinstance(values, str | int) else tuple(values)
            object.__setattr__(self, name, values)
            if not values or len(set(values)) < len(values):
                raise UserError(f"{name} must name at least one, and none twice; received {values}")
        if (self.run / "config.json").exists():
            raise UserError(
                f"run must be a new folder or a comparison's; {self.run} is a single run's: name another"
            )
        # Settings that any run would refuse are refused before the first is trained.
        for cell in self.cells:
            for seed in self.seeds:
                for balancing in self.balancings:
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
        folder = self.comparison.run / self.name / f"seed{seed}" / arm
        common = {"datasets": self.datasets, "trunk": self.trunk, "gradients": self.gradients, "seed": seed}
        weights = self.comparison.task_weights if settings.get("balancing") == "given" else {}
        every = {"run": folder, "task_weights": weights, **common, **settings}
        return replace(self.comparison.training, **every)  # type: ignore[arg-type]

    def arms(self, seed: int, labelled: dict[str, int], examples: int) -> list[Arm]:
        """The arms of `seed`, the naive one first.

        Args:
            labelled: examples with a label, by task that has any.
            examples: all of them.
        """
        naive = tuple(
            self.config(f"{NAIVE}_{task}", seed, approach="naive", tasks=(task,)) for task in labelled
        )
        arms = [Arm(NAIVE, "a network for each task", naive)]
        first, *others = self.comparison.balancings
        arms.append(Arm(FUNCTIONAL, _title(first), (self.config(FUNCTIONAL, seed, balancing=first),)))
        epochs = round(self.comparison.training.epochs * sum(labelled.values()) / examples)
        if self.comparison.equal_compute and epochs > self.comparison.training.epochs:
            longer = self.config(EQUAL_COMPUTE, seed, balancing=first, epochs=epochs)
            arms.append(Arm(EQUAL_COMPUTE, f"{_title(first)}, for {epochs} epochs", (longer,)))
        for balancing in others:
            run = self.config(f"{FUNCTIONAL}_{balancing}", seed, balancing=balancing)
            arms.append(Arm(f"{FUNCTIONAL}_{balancing}", _title(balancing), (run,)))
        return arms


def _title(balancing: str) -> str:
    return "one trunk, all heads" + ("" if balancing == "equal" else f", {balancing}")
