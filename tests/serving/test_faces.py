"""Where faces are, and how they are cut out."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from drawn_faces import face, photo
from PIL import Image

from serving.faces import crop, detector, visible


@pytest.mark.parametrize("scale", [0.3, 1, 6])
def test_a_face_is_found_at_any_size_of_photo(scale):
    size, place = (round(640 * scale), round(480 * scale)), (round(n * scale) for n in (200, 100, 240))
    (found,) = detector().find(photo(tuple(place), size=size))
    np.testing.assert_allclose(found, np.multiply((225, 127, 186), scale), atol=12 * scale)


def test_nothing_is_found_where_nothing_is():
    assert detector().find(photo()) == []
    assert detector().find(Image.new("RGB", (1, 1))) == []
    assert detector().find(Image.new("RGB", (3000, 2))) == []


def test_a_crop_that_the_face_more_than_fills():
    tight = face(200).crop((40, 20, 160, 190))
    ((left, top, side),) = detector().find(tight)
    assert left < 0
    assert visible(tight, (left, top, side)) == (0, top, 120, side)


def test_threads_find_what_one_finds():
    photos = [photo((x, 100, 150)) for x in range(50, 450, 50)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(detector().find, photos)) == [detector().find(one) for one in photos]


ROWS, COLUMNS = np.indices((300, 200))
GRID = np.stack([ROWS % 256, COLUMNS, ROWS // 256], -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("square", "rows", "columns"),
    [
        ((50, 100, 100), [*range(104, 204)], [*range(50, 150)]),
        ((-30, 100, 100), [*range(104, 204)], [*range(29, -1, -1), *range(70)]),
        ((150, 100, 100), [*range(104, 204)], [*range(150, 200), *range(199, 149, -1)]),
        ((50, -24, 100), [*range(19, -1, -1), *range(80)], [*range(50, 150)]),
        ((50, 216, 100), [*range(220, 300), *range(299, 279, -1)], [*range(50, 150)]),
    ],
)
def test_a_face_is_cut_out_a_little_below_and_mirrored_beyond_the_border(square, rows, columns):
    cut = np.asarray(crop(Image.fromarray(GRID), square))
    np.testing.assert_array_equal(cut, GRID[np.ix_(rows, columns)])
