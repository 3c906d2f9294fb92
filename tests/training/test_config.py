import pytest

from multitask.errors import UserError
from training.config import Augmentation, TrainConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"datasets": ()}, "datasets must name at least one source"),
        ({"tasks": ("age", "mood")}, "tasks must be of age, emotion, gender; received 'mood'"),
        ({"tasks": ("age", "age")}, "tasks must differ"),
        ({"approach": "naive"}, "the naive approach trains one task a run; received age emotion gender"),
        ({"trunk": "vgg99"}, "trunk must be one of lenet, .*; received 'vgg99'"),
        ({"weights": "there.h5"}, "weights are for trunks pretrained:NAME"),
        ({"frozen_epochs": 7}, "frozen_epochs must be of the 6 epochs; received 7"),
        ({"unfrozen_layers": 2}, "unfrozen_layers are what is trained after frozen_epochs"),
        ({"balancing": "fair"}, "balancing must be one of equal, given, .*; received 'fair'"),
        ({"balancing": "given"}, 'task_weights belong to the balancing "given"'),
        ({"task_weights": {"age": 2.0}}, 'task_weights belong to the balancing "given"'),
        (
            {"balancing": "given", "task_weights": {"mood": 2.0}},
            "task_weights must be of age, emotion, gender",
        ),
        ({"balancing": "given", "task_weights": {"age": 0.0}}, "task_weights must be positive; received 0.0"),
        ({"epochs": 0}, "epochs must be at least 1; received 0"),
        ({"supersampling": 0}, "supersampling must be 1 or 2; received 0"),
        ({"seed": -1}, "seed must be in"),
        ({"learning_rate": -1.0}, "learning_rate must not be negative; received -1.0"),
        ({"augmentation": Augmentation(zoom=1.0)}, "augmentation.zoom must be below 1"),
        ({"mixup": -0.1}, "mixup must not be negative; received -0.1"),
        ({"distillation": 0.0}, r"distillation must be in \(0, 1\]; received 0.0"),
        ({"weight_averaging": 1.0}, r"weight_averaging must be in \[0, 1\); received 1.0"),
        ({"splits": ("test",)}, "splits must be train, validation or both; received test"),
        ({"splits": ()}, "splits must be train, validation or both; received none"),
        ({"splits": ("train", "validation")}, "keep must be last and patience 0; received keep best"),
        ({"engine": "torch", "gradients": "derived"}, 'the engine "torch" differentiates .* by itself'),
        ({"engine": "torch", "balancing": "pcgrad"}, "balancing must be equal or given by the engine"),
        ({"engine": "torch", "precision": "mixed_float16"}, "precision must be float32 or mixed_bfloat16"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\); received 1.0"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        TrainConfig(**settings)
