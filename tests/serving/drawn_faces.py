"""Faces drawn well enough for the detector to take them for real."""

import io

from PIL import Image, ImageDraw, ImageFilter

WALL = (170, 175, 185)
PALE, DARK = (224, 188, 160), (150, 105, 80)


def face(side: int, skin: tuple[int, int, int] = PALE) -> Image.Image:
    """A face from the front, as large as a crop would have it."""
    picture = Image.new("RGB", (200, 200), (120, 130, 140))
    pen = ImageDraw.Draw(picture)

    def ellipse(x: int, y: int, width: int, height: int, colour: tuple[int, int, int]) -> None:
        pen.ellipse((x - width, y - height, x + width, y + height), colour)

    ellipse(100, 92, 72, 88, (70, 50, 40))
    ellipse(100, 105, 58, 80, skin)
    for x in (76, 124):
        ellipse(x, 86, 17, 9, (150, 112, 92))
        ellipse(x, 88, 13, 7, (250, 250, 250))
        ellipse(x, 88, 7, 7, (40, 30, 30))
        pen.rectangle((x - 17, 68, x + 17, 74), (80, 55, 40))
    ellipse(100, 118, 9, 5, (190, 145, 120))
    pen.rectangle((97, 92, 103, 116), (236, 204, 180))
    ellipse(100, 146, 24, 8, (170, 80, 80))
    pen.rectangle((76, 144, 124, 147), (110, 40, 40))
    return picture.filter(ImageFilter.GaussianBlur(2)).resize((side, side))


def photo(*places: tuple[int, int, int], size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A wall with faces before it, each by the left, top and side of its crop; every other one is darker."""
    picture = Image.new("RGB", size, WALL)
    for number, (left, top, side) in enumerate(places):
        picture.paste(face(side, (PALE, DARK)[number % 2]), (left, top))
    return picture


def encode(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The picture as a file of this kind."""
    encoded = io.BytesIO()
    picture.save(encoded, kind, **options)
    return encoded.getvalue()
