"""How a model learns and is judged: `from training import TrainConfig, train`."""

import warnings

# `python -m training.train` finds its module imported already, by the lines below, and runs it once more as
# __main__: harmless, since importing one does nothing but define things.
warnings.filterwarnings("ignore", message=r".*found in sys\.modules", category=RuntimeWarning, module="runpy")

import multitask  # noqa: E402, F401  before anything else imports TensorFlow, and not quietly
from training.compare import compare  # noqa: E402
from training.comparison.matrix import CompareConfig  # noqa: E402
from training.config import Augmentation, TrainConfig  # noqa: E402
from training.evaluate import evaluate  # noqa: E402
from training.export import export  # noqa: E402
from training.presets import PRESETS  # noqa: E402
from training.runs import Run  # noqa: E402
from training.train import train  # noqa: E402

__all__ = [
    "PRESETS",
    "Augmentation",
    "CompareConfig",
    "Run",
    "TrainConfig",
    "compare",
    "evaluate",
    "export",
    "train",
]
