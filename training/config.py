"""What a training run is made of."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

from models.trunks import check_trunk
from models.trunks.pretrained import RANDOM
from multitask.errors import UserError
from multitask.tasks import TASKS, Task
from training.balancing import Balancing


@dataclass(frozen=True)
class Augmentation:
    """How training pictures are varied; a probability or an extent of 0 switches one off.

    Args:
        flip: probability of a left-right flip.
        shift: largest shift along each axis, as a share of the picture's side; borders are reflected.
        brightness: largest change, as a share of white.
        contrast: largest change of the factor 1.
        rotation: largest turn about the centre, as a share of a full one: 0.03 are 11 degrees.
        zoom: largest change of the scale 1.
        grey: probability that colours go.
        blur: probability that pixels are drawn towards what half the resolution holds, so that sources of
            unlike sharpness look alike.
        erasing: probability that a square of 1/8 to 3/8 of the side is painted over in one grey.
    """

    flip: float = 0.5
    shift: float = 0.05
    brightness: float = 0.1
    contrast: float = 0.1
    rotation: float = 0.0
    zoom: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    erasing: float = 0.0


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Args:
        run: folder of the run; one that was started with the same settings is resumed.
        datasets: sources of examples, mixed; names of training.datasets.DATASETS, as `name`, `name/config` or
            `manifest:PATH`.
        splits: what is learned from. With "validation" among them, figures of validation are of examples that
            are learned, so it takes keep "last": for when settings are found.
        tasks: what the model learns, names of multitask.tasks.TASKS; examples without a label for any of
            them are left out.
        approach: "functional": one trunk, a head per task; "naive": one network for one task.
        trunk: a name of models.trunks.TRUNKS, or pretrained:NAME for a network of keras.applications.
        weights: of a pretrained trunk: a local file, or "random"; ImageNet's by download if not given.
        frozen_epochs: epochs at the start in which the trunk is frozen, its batch normalization too (feature
            extraction); the others are fine-tuning.
        unfrozen_layers: the last layers of the trunk that fine-tuning trains; all if not given.
        fine_tuning_rate: as learning_rate, of fine-tuning.
        start_from: what the network's weights are before its first step: a run's folder (of its best model),
            or "pretrained" (the model that comes with the project). Its trunk must be the same, or one
            that this trunk grows from (seresnet_deep from seresnet), and for most trunks its image_size;
            heads of tasks that it hasn't learned start from random weights.
        teachers: runs, or "pretrained", whose models' mean answers to each training picture (not varied) are
            learned beside its labels, and in place of those it lacks.
        distillation: what the teachers' answers count; a label counts the rest to 1.
        image_size: height and width that pictures are brought to, in pixels.
        supersampling: by 2 training pictures are read at twice that and brought to it by turning and zooming,
            so that they stay as sharp as those that the model is asked about; their cache takes four times
            the room of the other, beside it.
        epochs: passes over the training examples.
        batch_size: examples a step.
        learning_rate: the peak, reached after warmup_epochs; then a cosine down to 0.
        warmup_epochs: length of the linear rise.
        weight_decay: AdamW's, on kernels alone.
        weight_averaging: share that the running average of the weights keeps at each step; the averages are
            what is validated and kept as the best model. 0: no average.
        mixup: a of Beta(a, a), from which is drawn by which shares a picture and another of its batch are
            blended, and their labels, the larger share its own: the larger a, the nearer to halves. 0: none.
        dropout: rate before each head's dense layer.
        label_smoothing: of categorical and binary tasks.
        balancing: what the tasks' losses or gradients weigh in the shared trunk; see docs/balancing.md.
        task_weights: a weight for each task, for the balancing "given".
        patience: epochs without a better validation loss after which training ends; 0: never.
        keep: which model is kept: "best", of the epoch with the lowest validation loss; "last", of the last
            one, which suits a rate that falls to 0 and labels that are blended or taught: the loss in
            validation is against whole ones.
        calibrate: divide each head's logits, once training has ended, by a temperature found on the
            validation split (training.temperatures); with that among `splits`, by that of start_from's run.
        seed: of weights, dropout, order and augmentation: two runs on one machine are equal.
        precision: Keras's dtype policy; by the engine "torch", what convolutions and dense layers compute in
            during training, float32 or mixed_bfloat16: the model that is kept computes in float32.
        engine: what computes the training steps: "tensorflow", or "torch", PyTorch's compiler (the extra
            `peers`), for the trunks resnet, seresnet and seresnet_deep; on processors with matrix units for
            bfloat16 it takes with mixed_bfloat16 about half the time.
        xla: compile the training step; then two runs agree only to rounding.
        gradients: "derived": by hand, as multitask.ops has them; "autodiff": TensorFlow's, of Keras's layers;
            "fastest": by hand for batch normalization alone, where that is faster on a processor. The
            networks are the same, and so are their weights.
        cache: decode pictures once, into an uncompressed array on disk (12 KB a picture of 64x64 pixels);
            without it they are decoded anew at every step, which needs no room.
        data_dir: where prepared datasets are; TFDS's default if not given.
        manual_dir: where downloaded archives are; TFDS's default if not given.
    """

    run: Path = Path("runs/drawn")
    datasets: tuple[str, ...] = ("synthetic_faces",)
    splits: tuple[Literal["train", "validation"], ...] = ("train",)
    tasks: tuple[str, ...] = tuple(TASKS)
    approach: Literal["functional", "naive"] = "functional"
    trunk: str = "resnet"
    weights: str | None = None
    frozen_epochs: int = 0
    unfrozen_layers: int | None = None
    fine_tuning_rate: float = 1e-4
    start_from: str | None = None
    teachers: tuple[str, ...] = ()
    distillation: float = 0.5
    image_size: int = 64
    supersampling: Literal[1, 2] = 1
    epochs: int = 6
    batch_size: int = 64
    learning_rate: float = 2e-3
    warmup_epochs: float = 0.5
    weight_decay: float = 0.05
    weight_averaging: float = 0.0
    mixup: float = 0.0
    dropout: float = 0.1
    label_smoothing: float = 0.0
    balancing: Balancing = "equal"
    task_weights: dict[str, float] = field(default_factory=dict)
    patience: int = 0
    keep: Literal["best", "last"] = "best"
    calibrate: bool = False
    seed: int = 0
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    engine: Literal["tensorflow", "torch"] = "tensorflow"
    xla: bool = False
    gradients: Literal["derived", "autodiff", "fastest"] = "autodiff"
    augmentation: Augmentation = field(default_factory=Augmentation)
    cache: bool = True
    data_dir: Path | None = None
    manual_dir: Path | None = None

    def __post_init__(self) -> None:
        # From a script, a path may come as a string and names as a list.
        for name in ("run", "data_dir", "manual_dir"):
            path = getattr(self, name)
            object.__setattr__(self, name, path if path is None else Path(path))
        for name in ("datasets", "splits", "tasks", "teachers"):
            names = getattr(self, name)
            object.__setattr__(self, name, (names,) if isinstance(names, str | Path) else tuple(names))
        # As paths are: so that a run can be judged from any folder.
        object.__setattr__(self, "datasets", tuple(map(_absolute, self.datasets)))
        if self.weights not in (None, RANDOM):
            object.__setattr__(self, "weights", str(Path(self.weights).absolute()))
        if self.start_from is not None:
            object.__setattr__(self, "start_from", _run_named(self.start_from))
        object.__setattr__(self, "teachers", tuple(map(_run_named, self.teachers)))
        _check(bool(self.datasets), "datasets must name at least one source; received none")
        _check(bool(self.tasks), f"tasks must name at least one of {', '.join(TASKS)}; received none")
        for name in self.tasks:
            _check(name in TASKS, f"tasks must be of {', '.join(TASKS)}; received {name!r}")
        _check(len(set(self.tasks)) == len(self.tasks), f"tasks must differ; received {' '.join(self.tasks)}")
        _check(
            self.approach != "naive" or len(self.tasks) == 1,
            f"the naive approach trains one task a run; received {' '.join(self.tasks)}: name one by --tasks",
        )
        check_trunk(self.trunk, self.weights and RANDOM)  # a file is looked for when the network is built
        _check(self.supersampling in (1, 2), f"supersampling must be 1 or 2; received {self.supersampling}")
        self._check_splits()
        self._check_fine_tuning()
        self._check_balancing()
        self._check_engine()
        for name in ("image_size", "epochs", "batch_size"):
            _check(getattr(self, name) >= 1, f"{name} must be at least 1; received {getattr(self, name)}")
        for name in (
            "warmup_epochs",
            "weight_decay",
            "patience",
            "learning_rate",
            "fine_tuning_rate",
            "mixup",
        ):
            _check(getattr(self, name) >= 0, f"{name} must not be negative; received {getattr(self, name)}")
        _check(0 < self.distillation <= 1, f"distillation must be in (0, 1]; received {self.distillation}")
        for name in ("dropout", "label_smoothing", "weight_averaging"):
            _check(0 <= getattr(self, name) < 1, f"{name} must be in [0, 1); received {getattr(self, name)}")
        _check(0 <= self.seed < 2**32, f"seed must be in [0, 2**32); received {self.seed}")
        for part in fields(self.augmentation):
            value = getattr(self.augmentation, part.name)
            _check(0 <= value <= 1, f"augmentation.{part.name} must be in [0, 1]; received {value}")
        _check(
            self.augmentation.zoom < 1, "augmentation.zoom must be below 1; received 1: nothing would be left"
        )

    def _check_splits(self) -> None:
        wrong = not self.splits or len(set(self.splits)) < len(self.splits)
        _check(
            not wrong and set(self.splits) <= {"train", "validation"},
            f"splits must be train, validation or both; received {' '.join(self.splits) or 'none'}",
        )
        _check(
            "validation" not in self.splits or (self.keep == "last" and not self.patience),
            "what is learned from can't choose an epoch: with validation among splits, keep must be last and "
            f"patience 0; received keep {self.keep}, patience {self.patience}",
        )

    def _check_engine(self) -> None:
        if self.engine == "tensorflow":
            return
        _check(
            self.gradients == "autodiff" and not self.xla,
            'the engine "torch" differentiates and compiles by itself; received gradients '
            f"{self.gradients!r}, xla {self.xla}: leave them at autodiff and False",
        )
        _check(
            self.balancing in ("equal", "given"),
            f'balancing must be equal or given by the engine "torch"; received {self.balancing!r}',
        )
        _check(
            self.precision != "mixed_float16",
            'precision must be float32 or mixed_bfloat16 by the engine "torch"; received mixed_float16',
        )

    def _check_fine_tuning(self) -> None:
        _check(
            0 <= self.frozen_epochs <= self.epochs,
            f"frozen_epochs must be of the {self.epochs} epochs; received {self.frozen_epochs}",
        )
        layers = self.unfrozen_layers
        _check(layers is None or layers >= 1, f"unfrozen_layers must be at least 1; received {layers}")
        _check(
            layers is None or self.frozen_epochs > 0,
            "unfrozen_layers are what is trained after frozen_epochs; received no frozen_epochs",
        )

    def _check_balancing(self) -> None:
        _check(
            self.balancing in get_args(Balancing),
            f"balancing must be one of {', '.join(get_args(Balancing))}; received {self.balancing!r}",
        )
        _check(
            (self.balancing == "given") == bool(self.task_weights),
            'task_weights belong to the balancing "given", which needs them; received balancing '
            f"{self.balancing!r}, task_weights {self.task_weights}",
        )
        for name, weight in self.task_weights.items():
            _check(name in self.tasks, f"task_weights must be of {', '.join(self.tasks)}; received {name!r}")
            _check(weight > 0, f"task_weights must be positive; received {weight} for {name}")

    @property
    def policy(self) -> str:
        """Keras's dtype policy of the network: by the engine "torch" the steps alone have another."""
        return self.precision if self.engine == "tensorflow" else "float32"

    @property
    def chosen_tasks(self) -> tuple[Task, ...]:
        """The tasks of `tasks`, in TASKS' order."""
        return tuple(task for name, task in TASKS.items() if name in self.tasks)


def _absolute(dataset: str) -> str:
    source, colon, path = dataset.partition(":")
    return f"{source}:{Path(path).expanduser().absolute()}" if colon and path else dataset


def _run_named(name: str | Path) -> str:
    return name if name == "pretrained" else str(Path(name).absolute())


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise UserError(message)
