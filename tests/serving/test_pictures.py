"""Picture files as people have them, of which some are broken."""

import io
import struct

import pytest
from drawn_faces import encode
from PIL import Image

from serving.pictures import animated, decode, upright

RED, BLUE = (Image.new("RGB", (9, 6), color) for color in ("red", "blue"))


def jpeg(*tags: tuple[int, int, int, int]) -> bytes:
    """A picture whose EXIF data has these tags: number, type, count, value."""
    packed = b"".join(struct.pack("<HHLL", *tag) for tag in tags)
    exif = b"Exif\0\0II*\0" + struct.pack("<LH", 8, len(tags)) + packed + bytes(4)
    return encode(RED, "JPEG", exif=exif)


@pytest.mark.parametrize("broken", [(), [(0x011A, 7, 4, 0)]], ids=["whole", "a resolution that is no number"])
def test_a_picture_is_turned_whatever_else_its_exif_data_say(broken):
    sideways = jpeg((0x0112, 3, 1, 6), *broken)
    assert decode(sideways).size == (6, 9)
    assert Image.open(io.BytesIO(upright(sideways))).size == (6, 9)


@pytest.mark.parametrize("orientation", [0, 1, 9])
def test_an_orientation_that_turns_nothing_leaves_the_bytes(orientation):
    assert upright(jpeg((0x0112, 3, 1, orientation))) == jpeg((0x0112, 3, 1, orientation))


def test_a_next_frame_that_is_broken_is_none():
    moving = encode(RED, "GIF", save_all=True, append_images=[BLUE])
    cut = moving[: moving.rindex(b",") + 10]
    assert (animated(moving), animated(cut)) == (True, False)
    assert decode(cut).getpixel((0, 0)) == (255, 0, 0)
