import logging

import pytest

from multitask.errors import UserError
from training import Run
from training.comparison.processes import train_all


def test_runs_are_trained_in_processes_of_their_own_and_a_failed_one_is_named(tiny, caplog):
    good, unfit = tiny("good", epochs=1), tiny("unfit", trunk="pretrained:MobileNet", weights="gone.h5")
    with caplog.at_level(logging.INFO):
        (failure,) = train_all([unfit, good], [192, 192])
    assert "unfit: weights must be a file that is there; received" in failure
    assert Run.open(good.run).summary["epochs"] == 1
    assert "val_loss" in (good.run / "train.log").read_text()
    assert [record.message.split(":")[0] for record in caplog.records] == ["run 1 of 2", "run 2 of 2"]


def test_a_folder_with_other_settings_is_refused_before_anything_is_trained(tiny):
    Run.start(tiny("one")).folder.joinpath("metrics.jsonl").write_text('{"epoch": 1}\n')
    with pytest.raises(UserError, match=r"a run keeps its settings; .* was started with seed=0, received 1"):
        train_all([tiny("other"), tiny("one", seed=1)], [192, 192])
    assert not tiny("other").run.exists()
