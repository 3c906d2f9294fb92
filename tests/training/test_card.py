import dataclasses
import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from multitask.errors import UserError
from training.card import _commands, _main, _recipe, command_line, publish
from training.commands import parse_config
from training.config import Augmentation, TrainConfig
from training.presets import PRESETS
from training.runs import Run
from training.train import train


@pytest.fixture(scope="module")
def published(data_dir, tmp_path_factory) -> tuple[Run, Path]:
    """What is given away of a run that started from another."""
    folder = tmp_path_factory.mktemp("runs")
    settings = {"datasets": "synthetic_faces/tiny", "trunk": "lenet", "image_size": 32, "epochs": 1}
    first = train(TrainConfig(run=folder / "first", data_dir=data_dir, calibrate=True, **settings))
    third = train(TrainConfig(run=folder / "third", data_dir=data_dir, teachers=first.folder, **settings))
    second = train(
        TrainConfig(
            run=folder / "second",
            data_dir=data_dir,
            start_from=first.folder,
            teachers=(first.folder, third.folder),
            splits=("train", "validation"),
            keep="last",
            calibrate=True,
            **settings,
        )
    )
    (folder / "given").mkdir()
    (folder / "given" / "LICENSE").write_text("own")
    return second, publish(second, folder / "given", terms="For research alone.")


def test_no_run_is_given_away_into_itself(published):
    run, _ = published
    with pytest.raises(UserError, match="to must be another folder than the run's"):
        publish(run, run.folder / ".." / run.folder.name)


def test_what_is_given_away_is_a_run_and_names_no_place(published):
    run, folder = published
    given = Run.open(folder)
    assert given.best_model().count_params() == run.best_model().count_params()
    assert given.evaluation == run.evaluation
    assert given.config == dataclasses.replace(
        run.config, run=folder, data_dir=None, manual_dir=None, start_from=None, teachers=()
    )
    recipe = json.loads((folder / "recipe.json").read_text())
    assert [settings["run"] for settings in recipe] == ["runs/first", "runs/third", "runs/second"]
    assert recipe[-1]["start_from"] == "runs/first"
    assert recipe[-1]["teachers"] == ["runs/first", "runs/third"]
    texts = [path.read_text() for path in folder.iterdir() if path.suffix in (".json", ".md", ".jsonl")]
    assert not [text for text in texts if str(folder.parent) in text or str(Path.cwd()) in text]
    assert (folder / "LICENSE").read_text() == "own"


def test_the_card_has_figures_groups_data_recipe_and_terms(published):
    run, folder = published
    card = (folder / "README.md").read_text()
    found = run.evaluation["tasks"]
    assert "$" not in card
    assert re.search(rf"\| age: error, years \| 64 \| {found['age']['mae']:.1f} \(.* to .*\) \| .* \|", card)
    assert re.search(r"\| age 18-29, gender female \| \d+ \|", card)
    assert "Emotion: can't be split by race" in card
    assert "`synthetic_faces/tiny`" in card
    assert "--start-from runs/first --teachers runs/first runs/third" in card
    assert card.rstrip().endswith("For research alone.")


@pytest.mark.parametrize(
    "config",
    [
        *PRESETS.values(),
        TrainConfig(
            datasets=("utk_face", "fer2013"),
            xla=True,
            balancing="given",
            task_weights={"age": 2.0, "gender": 0.5},
            augmentation=Augmentation(grey=0.2, zoom=0.1),
            gradients="fastest",
        ),
        TrainConfig(datasets=("manifest:/faces of mine/some.csv", "fer2013"), cache=False),
    ],
)
def test_the_command_trains_the_same(config):
    arguments = shlex.split(command_line(config).replace("\\\n", " "))[3:]
    assert parse_config(arguments) == dataclasses.replace(config, run=TrainConfig().run)


def test_a_run_given_away_of_one_that_was_has_the_whole_recipe(published, tmp_path):
    run, folder = published
    (tmp_path / "again").mkdir()
    third = Run(tmp_path / "again", dataclasses.replace(run.config, start_from=folder))
    recipe = json.loads((folder / "recipe.json").read_text())
    assert _recipe(third)[:-1] == recipe
    assert _recipe(third)[-1]["start_from"] == "runs/second"


def test_paths_of_data_and_weights_are_names_alone():
    config = TrainConfig(
        run="/there/mine", datasets=("manifest:/home/me/some.csv",), trunk="pretrained:VGG16", weights="/w.h5"
    )
    run = Run(Path("/there/mine"), config)
    settings = _recipe(run)
    assert "/home" not in json.dumps(settings)
    (command, _) = list(_commands(SimpleNamespace(summary={"seconds": 60}), settings))
    assert "--datasets manifest:some.csv" in command
    assert "--weights w.h5" in command
    assert str(Path.cwd()) not in command


def test_terms_in_another_encoding_are_named(published, tmp_path, monkeypatch):
    run, _ = published
    (tmp_path / "terms.md").write_bytes("Für die Forschung".encode("latin-1"))
    arguments = [str(run.folder), "--to", str(tmp_path / "given"), "--terms", str(tmp_path / "terms.md")]
    monkeypatch.setattr("sys.argv", ["training.card", *arguments])
    with pytest.raises(UserError, match=r"terms must be a file of Markdown in UTF-8; .*terms.md is not"):
        _main()
    assert not (tmp_path / "given").exists()


def test_an_unfinished_run_is_not_given_away(tiny, tmp_path):
    with pytest.raises(UserError, match="has not finished training"):
        publish(Run.start(tiny()), tmp_path / "given")
