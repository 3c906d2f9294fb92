"""UTKFace in each form it comes in, with what spoils it in the wild."""

import itertools
import logging
from pathlib import Path

import pytest
from archives import jpeg, prepared

from training.datasets.examples import hashed_split, upright

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
FORMS = [("UTKFace.tar", "UTKFace/"), ("UTKFace.tar.gz", "./crops/part 1/"), ("UTKFace", "")]

LABELS = {
    **{
        f"{age}_{gender}_{group}_201701{age:02}{gender}{group}.jpg.chip.jpg": (age, gender, group)
        for age, (gender, group) in zip(
            [1, 9, 18, 26, 35, 47, 58, 69, 88, 101, 116, *range(20, 39)],
            itertools.cycle(itertools.product((0, 1), range(5))),
            strict=False,
        )
    },
    "55_0_0_20170116232725357jpg.chip.jpg": (55, 0, 0),
    "24_0_1_20170116220224657 .jpg.chip.jpg": (24, 0, 1),
}


def name_in(split: str, age: int) -> str:
    """A name whose hash lies in that split."""
    names = (f"{age}_1_2_{number}.jpg.chip.jpg" for number in itertools.count())
    return next(name for name in names if hashed_split(name, SHARES) == split)


COPIES = [name_in("train", 61), name_in("validation", 62), name_in("test", 63)]
SAME_SPLIT = [name_in("train", 64), name_in("train", 65)]
FACES = {name: jpeg(number) for number, name in enumerate(LABELS)}
LEFT_OUT = {
    "39_1_20170116174525125.jpg.chip.jpg": (jpeg(100), "name without age, gender and race"),
    "61_3_20170109150557335.jpg.chip.jpg": (jpeg(101), "name without age, gender and race"),
    "400_1_0_1.jpg.chip.jpg": (jpeg(102), "name without age, gender and race"),
    "40_1_0_1.jpg.chip.jpg": (jpeg(103)[:-200], "unreadable picture"),
    "41_1_0_1.jpg.chip.jpg": (b"", "unreadable picture"),
    "42_1_0_1.jpg.chip.jpg": (b"<html>404 not found</html>", "unreadable picture"),
    COPIES[0]: (jpeg(104), f"same picture in test ({COPIES[2]})"),
    COPIES[1]: (jpeg(104), f"same picture in test ({COPIES[2]})"),
    "copies/43_1_0_1.jpg.chip.jpg": (jpeg(105), "second of its name"),
}
FILES = {
    **FACES,
    COPIES[2]: jpeg(104),
    **dict.fromkeys(SAME_SPLIT, jpeg(108)),
    "43_1_0_1.jpg.chip.jpg": jpeg(106),
    "44_1_0_1.jpg.chip.jpg": jpeg(107, orientation=6),
    **{name: content for name, (content, _) in LEFT_OUT.items()},
    ".DS_Store": b"Bud1",
    "._20_0_0_1.jpg.chip.jpg": b"Mac OS X",
    "__MACOSX/21_0_0_1.jpg.chip.jpg": b"Mac OS X",
    "readme.txt": b"for research only",
}
USED = {
    **LABELS,
    COPIES[2]: (63, 1, 2),
    SAME_SPLIT[0]: (64, 1, 2),
    SAME_SPLIT[1]: (65, 1, 2),
    "43_1_0_1.jpg.chip.jpg": (43, 1, 0),
    "44_1_0_1.jpg.chip.jpg": (44, 1, 0),
}


@pytest.mark.parametrize(("archive", "folder"), FORMS)
def test_each_form_gives_each_picture_upright_with_its_labels(
    archive: str, folder: str, tmp_path: Path
) -> None:
    files = {folder + name: content for name, content in FILES.items()}
    found = prepared("utk_face", tmp_path, archive, files)
    labels = {name: (int(e["age"]), int(e["gender"]), int(e["group"])) for name, e in found.items()}
    assert labels == USED
    assert {e["emotion"] for e in found.values()} == {-1}
    assert {name: e["image"] for name, e in found.items()} == {name: upright(FILES[name]) for name in USED}
    assert {name: e["split"] for name, e in found.items()} == {
        name: hashed_split(name, SHARES) for name in USED
    }


def test_names_what_it_leaves_out_and_counts_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "training.datasets")
    prepared("utk_face", tmp_path, "UTKFace.tar", FILES)
    *named, apart, summary = [record.getMessage() for record in caplog.records if "training" in record.name]
    assert sorted(named) == sorted(
        f"utk_face: left out {Path(name).name}: {reason}" for name, (_, reason) in LEFT_OUT.items()
    )
    # 61, 62 and 63 years, and 64 and 65; gender is the same.
    assert apart == (
        "utk_face: two labels of one picture are apart, in the mean: age 1.2 years (2 pictures), "
        "gender 0.0% (2 pictures)"
    )
    assert summary == (
        f"utk_face: {len(USED)} examples; 3 left out: name without age, gender and race; "
        "2 left out: same picture in test; 1 left out: second of its name; 3 left out: unreadable picture"
    )
