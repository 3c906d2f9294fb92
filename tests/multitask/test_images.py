import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from multitask import headers, images
from multitask.headers import claimed_pixels
from multitask.images import decode_image, decode_images


def encoded(image: Image.Image, format: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


COLOURS = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
QUARTERS = Image.fromarray(np.array(COLOURS, np.uint8).reshape(2, 2, 3).repeat(32, 0).repeat(32, 1))
GREYS = [[76] * 3, [150] * 3, [29] * 3, [255] * 3]


@pytest.mark.parametrize(
    ("mode", "format", "expected"),
    [
        ("RGB", "PNG", COLOURS),
        ("RGB", "JPEG", COLOURS),
        ("RGB", "BMP", COLOURS),
        ("P", "GIF", COLOURS),
        ("P", "PNG", COLOURS),
        ("RGBA", "PNG", COLOURS),
        ("L", "PNG", GREYS),
        ("L", "JPEG", GREYS),
        ("CMYK", "JPEG", COLOURS),
    ],
)
@pytest.mark.parametrize("size", [16, 64, 100])
def test_pictures_of_every_kind_become_square_rgb(mode, format, expected, size):
    pixels = decode_image(encoded(QUARTERS.convert(mode), format), size).numpy()
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    near, far = size // 4, 3 * size // 4
    corners = [pixels[y, x].astype(int) for y in (near, far) for x in (near, far)]
    np.testing.assert_allclose(corners, expected, atol=4)


def test_an_animation_gives_its_first_frame():
    frames = encoded(QUARTERS, "GIF", save_all=True, append_images=[Image.new("RGB", (64, 64))])
    assert decode_image(frames, 64).numpy().max() == 255


@pytest.mark.parametrize("shape", [(64, 128), (128, 64)])
def test_the_central_square_is_taken(shape):
    picture = Image.new("RGB", shape)
    picture.paste(QUARTERS, ((shape[0] - 64) // 2, (shape[1] - 64) // 2))
    np.testing.assert_array_equal(decode_image(encoded(picture, "PNG"), 64).numpy(), np.asarray(QUARTERS))


def test_shrinking_averages_instead_of_skipping():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    pixels = decode_image(encoded(Image.fromarray(stripes), "PNG"), 16).numpy()
    assert pixels.min() > 100
    assert pixels.max() < 155


def test_a_batch_equals_its_pictures_and_may_be_empty():
    pictures = [encoded(QUARTERS, "PNG"), encoded(QUARTERS.rotate(90), "JPEG")]
    graph = tf.function(lambda b: decode_images(b, 32), input_signature=[tf.TensorSpec([None], tf.string)])
    np.testing.assert_array_equal(graph(pictures), [decode_image(p, 32) for p in pictures])
    assert graph(tf.constant([], tf.string)).shape == (0, 32, 32, 3)


@pytest.mark.parametrize("spoiled", [b"", b"no picture", encoded(QUARTERS, "JPEG")[:300]])
def test_what_is_no_picture_is_refused(spoiled):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(spoiled, 32)


KINDS = {
    "JPEG": {},
    "JPEG, progressive": {"progressive": True},
    "PNG": {},
    "GIF": {},
    "WEBP": {},
    "WEBP, lossless": {"lossless": True},
    "WEBP, extended": {"exif": b"Exif\0\0MM"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_header_tells_the_size_and_what_is_too_large_is_not_decoded(monkeypatch, kind):
    def drawn(width, height):
        return encoded(Image.new("RGB", (width, height)), kind.partition(",")[0], **KINDS[kind])

    assert claimed_pixels(drawn(61, 300)).numpy() == 61 * 300
    monkeypatch.setattr(images, "MAX_PIXELS", 6000)
    graph = tf.function(lambda one: decode_image(one, 8), input_signature=[tf.TensorSpec([], tf.string)])
    assert graph(drawn(60, 100)).shape == (8, 8, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"at most 6000 pixels; received\] \[6100"):
        graph(drawn(61, 100))
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 6000 pixels"):
        decode_image(drawn(61, 100), 8)


def test_a_gifs_frames_count_together_whatever_its_screen(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (3, 30, 41), np.uint8)
    first, *more = map(Image.fromarray, noise)
    file = bytearray(encoded(first, "GIF", save_all=True, append_images=more, comment=b"a" * 300))
    file[6:10] = b"\1\0\1\0"
    count = tf.function(claimed_pixels, input_signature=[tf.TensorSpec([], tf.string)])
    assert count(bytes(file)) == 3 * 41 * 30
    monkeypatch.setattr(headers, "MAX_STEPS", 4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 67108864 pixels"):
        decode_image(bytes(file), 8)


@pytest.mark.parametrize(("length", "frames"), [(4, 0), (12, 1), (30, 1), (50, 1), (120, 2), (282, 3)])
def test_of_a_gif_cut_off_what_is_there_counts(length, frames):
    first, *more = (Image.new("L", (41, 30), grey) for grey in (0, 100, 200))
    file = encoded(first, "GIF", save_all=True, append_images=more)
    assert claimed_pixels(file[:length]).numpy() == frames * 41 * 30


def test_a_small_file_that_claims_to_be_large_costs_nothing():
    bomb = bytearray(encoded(Image.new("L", (16, 16)), "JPEG"))
    start = bomb.index(b"\xff\xc0")
    bomb[start + 5 : start + 9] = (20_000).to_bytes(2) * 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 67108864 pixels"):
        decode_image(bytes(bomb), 8)


def test_jpeg_xl_is_not_taken():
    # Of one whose header claims a side beyond 31 bits TensorFlow's decoder ends the process.
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be a PNG, JPEG, GIF, BMP or WebP"):
        decode_image(b"\xff\x0a" + bytes(64), 8)
