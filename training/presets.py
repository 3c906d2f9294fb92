"""Settings to start from: `--preset NAME`."""

from pathlib import Path

from training.config import Augmentation, TrainConfig

PRESETS: dict[str, TrainConfig] = {
    # Drawn faces of 64x64 pixels: some minutes on 2 cores.
    "drawn": TrainConfig(),
    # Half as many at 32x32, for a first look: a minute.
    "quick": TrainConfig(
        run=Path("runs/quick"),
        datasets=("synthetic_faces/small",),
        image_size=32,
        epochs=4,
        learning_rate=3e-3,
    ),
    # UTKFace for age and gender, FER2013 for emotion: about an hour.
    "faces": TrainConfig(
        run=Path("runs/faces"),
        datasets=("utk_face", "fer2013"),
        epochs=24,
        batch_size=128,
        warmup_epochs=1,
        dropout=0.3,
        label_smoothing=0.1,
        augmentation=Augmentation(shift=0.1, brightness=0.2, contrast=0.2, erasing=0.5),
    ),
    # The model that comes with the project, taught a few hundred pictures of one's own: a minute.
    "fine_tune": TrainConfig(
        run=Path("runs/mine"),
        datasets=("manifest:mine.csv",),
        start_from="pretrained",
        trunk="seresnet_deep",
        epochs=8,
        batch_size=32,
        learning_rate=2e-4,
        dropout=0.3,
        label_smoothing=0.1,
        gradients="fastest",
        augmentation=Augmentation(
            shift=0.08, brightness=0.2, contrast=0.25, rotation=0.03, zoom=0.12, grey=0.2
        ),
    ),
}
