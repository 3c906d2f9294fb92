import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from training.augment import augment, mix
from training.config import Augmentation

NOTHING = Augmentation(flip=0, shift=0, brightness=0, contrast=0, erasing=0)
SIZE, COUNT = 32, 64
PICTURES = np.random.default_rng(0).integers(40, 200, (COUNT, SIZE, SIZE, 3), np.uint8)


def varied(seed=(0, 0), **changes):
    augmentation = dataclasses.replace(NOTHING, **changes)
    return augment(tf.constant(PICTURES), tf.constant(seed, tf.int64), augmentation).numpy()


def changed(pictures):
    return (pictures != PICTURES).any(axis=(1, 2, 3))


def test_nothing_varies_when_all_is_off():
    np.testing.assert_array_equal(varied(), PICTURES)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Augmentation)])
def test_the_seed_alone_decides(name):
    first = varied(**{name: 0.5})
    assert changed(first).any()
    np.testing.assert_array_equal(varied(**{name: 0.5}), first)
    assert (varied(seed=(0, 1), **{name: 0.5}) != first).any()
    assert (varied(seed=(1, 0), **{name: 0.5}) != first).any()


def test_flip_mirrors_about_half_of_them():
    flipped = varied(flip=0.5)
    assert 16 < changed(flipped).sum() < 48
    expected = np.where(changed(flipped)[:, None, None, None], PICTURES[:, :, ::-1], PICTURES)
    np.testing.assert_array_equal(flipped, expected)


def test_shift_moves_rows_and_columns_and_reflects_borders():
    padded = np.pad(PICTURES, [(0, 0), (3, 3), (3, 3), (0, 0)], mode="symmetric")
    windows = [(dy, dx) for dy in range(7) for dx in range(7)]
    seen = set()
    for picture, original in zip(varied(shift=0.1), padded, strict=True):
        fits = [(dy, dx) for dy, dx in windows if (original[dy : dy + SIZE, dx : dx + SIZE] == picture).all()]
        assert len(fits) == 1
        seen.add(fits[0])
    assert len(seen) > 20


def test_pictures_twice_as_large_come_out_as_means_of_their_pixels_and_stay_sharp_when_turned():
    means = PICTURES.reshape(COUNT, SIZE // 2, 2, SIZE // 2, 2, 3).mean(axis=(2, 4))
    seed, size = tf.constant((0, 0), tf.int64), SIZE // 2
    np.testing.assert_allclose(augment(PICTURES, seed, NOTHING, size), means, atol=0.5)
    turning = dataclasses.replace(NOTHING, rotation=0.1, zoom=0.1)
    turned, smoother = (
        augment(tf.constant(pictures), seed, turning, size).numpy()
        for pictures in (PICTURES, means.round().astype(np.uint8))
    )
    assert smoother.std() < 0.8 * means.std() < 0.8 * turned.std()


def test_light_shifts_all_values_and_contrast_keeps_the_mean():
    brighter = varied(brightness=0.1).astype(int) - PICTURES
    assert (brighter.max(axis=(1, 2, 3)) == brighter.min(axis=(1, 2, 3))).all()
    assert 0 < abs(brighter).max() <= 26
    contrasted = varied(contrast=0.2).astype(float)
    np.testing.assert_allclose(contrasted.mean(axis=(1, 2, 3)), PICTURES.mean(axis=(1, 2, 3)), atol=1)
    ratio = contrasted.std(axis=(1, 2, 3)) / PICTURES.std(axis=(1, 2, 3))
    assert 0.79 < ratio.min() < 0.9
    assert 1.1 < ratio.max() < 1.21


def test_erasing_paints_one_grey_square():
    erased = varied(erasing=0.5)
    assert 16 < changed(erased).sum() < 48
    for picture in erased[changed(erased)]:
        rows, columns = np.nonzero((picture == 128).all(-1))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width
        assert max(height, width) <= 3 * SIZE / 8 + 1


def blended(seed=(0, 0), a=0.4):
    labels = {"who": tf.eye(COUNT), "gender": tf.ones((COUNT, 1))}
    weights = {"who": tf.ones(COUNT), "gender": tf.constant(np.arange(COUNT) % 2, tf.float32)}
    images, labels, weights = mix(tf.constant(PICTURES), labels, weights, tf.constant(seed, tf.int64), a)
    return images.numpy(), *({k: v.numpy() for k, v in part.items()} for part in (labels, weights))


def test_mixup_blends_a_picture_and_its_labels_by_the_same_share():
    images, labels, weights = blended()
    others, share = np.roll(PICTURES, 1, axis=0).astype(float), np.diag(labels["who"])
    assert ((share >= 0.5) & (share <= 1)).all()
    assert share.min() < 0.7
    assert share.max() > 0.99
    of_pixels = share[:, None, None, None]
    np.testing.assert_allclose(images, of_pixels * PICTURES + (1 - of_pixels) * others, atol=0.6)
    np.testing.assert_allclose(np.diag(np.roll(labels["who"], 1, axis=1)), 1 - share, atol=1e-5)
    # Of two genders one is unknown: it takes no part, and the other counts by its share.
    known = np.arange(COUNT) % 2
    np.testing.assert_allclose(weights["gender"], np.where(known, share, 1 - share), atol=1e-5)
    np.testing.assert_allclose(labels["gender"][weights["gender"] > 0], 1, rtol=1e-5)


def test_the_seed_alone_decides_on_blends_and_a_on_how_even_they_are():
    np.testing.assert_array_equal(blended()[0], blended()[0])
    assert (blended(seed=(0, 1))[0] != blended()[0]).any()
    uneven, even = ((abs(blended(a=a)[0].astype(float) - PICTURES)).mean() for a in (0.05, 1.0))
    assert uneven < even / 2
