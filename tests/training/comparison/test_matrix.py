import pytest

from multitask.errors import UserError
from training import CompareConfig, Run, TrainConfig

LABELLED = {"age": 60, "emotion": 80, "gender": 60}  # of 140 examples, as sets with other labels have it


def runs(config, labelled=LABELLED, examples=140):
    return {
        cell.name: {arm.name: arm.runs for arm in cell.arms(0, labelled, examples)} for cell in config.cells
    }


def test_what_is_not_asked_for_is_that_of_the_training():
    training = TrainConfig(
        trunk="lenet", datasets=("utk_face", "fer2013"), gradients="derived", balancing="pcgrad"
    )
    (cell,) = CompareConfig(training=training).cells
    assert (cell.mixture, cell.trunk, cell.gradients) == ("utk_face+fer2013", "lenet", "derived")
    assert cell.config("functional", 0).balancing == "equal"


def test_feature_extraction_takes_the_same_part_of_a_longer_training():
    config = CompareConfig(training=TrainConfig(epochs=7, frozen_epochs=3))
    (arms,) = runs(config).values()
    assert [(run.epochs, run.frozen_epochs) for run in arms["functional_equal_compute"]] == [(10, 4)]


def test_cells_are_every_mixture_trunk_and_kind_of_gradients():
    config = CompareConfig(
        datasets=("utk_face+fer2013", "synthetic_faces/small"),
        trunks=("lenet", "pretrained:MobileNet"),
        gradients=("autodiff", "derived"),
    )
    assert [cell.name for cell in config.cells] == [
        f"{mixture}/{trunk}{gradients}"
        for mixture in ("utk_face+fer2013", "synthetic_faces_small")
        for trunk in ("lenet", "pretrained_MobileNet")
        for gradients in ("", "_derived")
    ]


def test_arms_differ_in_sharing_and_compute_alone():
    config = CompareConfig(run="runs/a", training=TrainConfig(epochs=7, dropout=0.3))
    (arms,) = runs(config).values()
    naive, (shared,), (longer,) = arms.values()
    assert [run.tasks for run in naive] == [("age",), ("emotion",), ("gender",)]
    assert {run.approach for run in naive} == {"naive"}
    assert (shared.approach, shared.epochs) == ("functional", 7)
    assert longer.epochs == 10  # 7 * 200 / 140
    assert {run.dropout for run in (*naive, shared, longer)} == {0.3}
    assert [run.run.name for run in naive] == ["naive_age", "naive_emotion", "naive_gender"]
    assert shared.run.as_posix() == "runs/a/synthetic_faces/resnet/seed0/functional"


@pytest.mark.parametrize(
    ("settings", "labelled", "names"),
    [
        ({}, {"age": 140}, ["naive", "functional"]),  # with one task, a longer run would be the same one
        ({"equal_compute": False}, LABELLED, ["naive", "functional"]),
        (
            {"balancings": ("pcgrad", "given"), "task_weights": {"age": 2.0}},
            LABELLED,
            ["naive", "functional", "functional_equal_compute", "functional_pcgrad", "functional_given"],
        ),
    ],
)
def test_which_arms_there_are(settings, labelled, names):
    (arms,) = runs(CompareConfig(**settings), labelled).values()
    assert list(arms) == names
    for name, (run, *_) in arms.items():
        assert run.task_weights == ({"age": 2.0} if name == "functional_given" else {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trunks": ("lenet", "vgg99")}, "trunk must be one of lenet, .*; received 'vgg99'"),
        ({"balancings": ("fair",)}, "balancing must be one of equal, .*; received 'fair'"),
        ({"balancings": ("given",)}, 'task_weights belong to the balancing "given"'),
        ({"balancings": ("equal",)}, "equal weights are always compared"),
        ({"task_weights": {"age": 2.0}}, 'task_weights belong to the balancing "given"'),
        (
            {"gradients": ("dervied",)},
            "gradients that are compared must be of derived, autodiff; .*'dervied'",
        ),
        ({"training": TrainConfig(gradients="fastest")}, "must be of derived, autodiff; received 'fastest'"),
        ({"seeds": ()}, "seeds must name at least one; received none"),
        ({"datasets": ("utk_face", "utk_face")}, "datasets must differ; received utk_face utk_face"),
        ({"seeds": (-1,)}, "seed must be in"),
        ({"training": TrainConfig(start_from="there")}, "trains every network from its beginning"),
        (
            {"training": TrainConfig(teachers=("there",))},
            "by labels alone; received start_from or teachers .*there",
        ),
    ],
)
def test_settings_that_no_run_would_take_are_named_at_once(settings, message):
    with pytest.raises(UserError, match=message):
        CompareConfig(**settings)


def test_a_single_runs_folder_is_not_taken_for_a_comparisons(tiny):
    run = Run.start(tiny())
    with pytest.raises(UserError, match="run must be a new folder or a comparison's"):
        CompareConfig(run=run.folder)
