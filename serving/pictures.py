"""Pictures as people have them."""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from serving.errors import Refused
from serving.headers import MAX_PIXELS, claimed_pixels

ORIENTATION = 0x0112
TURNED = range(2, 9)
"""Orientations other than upright; what is none of EXIF's means nothing."""
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")


def upright(image: bytes) -> bytes:
    """An encoded picture turned as its EXIF orientation says, which a model does not see.

    The bytes stay as they are if there is nothing to turn, or they are no picture or too large a one: what
    reads them says so.
    """
    if claimed_pixels(image) > MAX_PIXELS:
        return image
    try:
        with Image.open(io.BytesIO(image)) as picture:
            if picture.getexif().get(ORIENTATION) not in TURNED:
                return image
            turned = io.BytesIO()
            # A PNG of a phone's photo would be ten times as large, and knows no CMYK.
            _turned(picture).convert("RGB").save(turned, "JPEG", quality=95)
            return turned.getvalue()
    except Exception:  # broken files raise what no list has: struct.error, IndexError, ...
        return image


def animated(image: bytes) -> bool:
    """Whether an encoded picture, which `decode` takes, has further frames than the first."""
    try:
        with Image.open(io.BytesIO(image), formats=FORMATS) as picture:
            return getattr(picture, "is_animated", False)
    except Exception:  # as above: the next frame is broken
        return False


def decode(image: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """An encoded picture's RGB pixels, turned upright; of an animated one, those of its first frame.

    Args:
        image: as it came.
        max_pixels: of it, by its header; never more than MAX_PIXELS.

    Raises:
        Refused: INVALID_ARGUMENT, it is none of `FORMATS` (status 415), too large (413) or broken (400).
    """
    most = min(max_pixels, MAX_PIXELS)
    kinds = f"must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    try:
        with Image.open(io.BytesIO(image), formats=FORMATS) as picture:
            if picture.width * picture.height > most:
                raise Image.DecompressionBombError(f"{picture.width} x {picture.height} pixels")
            turned = _turned(picture)
            if turned.mode.startswith("I;16"):  # whose upper half is all that RGB has room for
                import numpy as np  # late: the client, which decodes nothing, does without

                turned = Image.fromarray((np.asarray(turned) >> 8).astype(np.uint8))
            return turned.convert("RGB")
    except UnidentifiedImageError as error:
        raise Refused("INVALID_ARGUMENT", f"this is no picture: it {kinds}", 415) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        text = f"the picture is too large: it may have {most:,} pixels; scale it down"
        raise Refused("INVALID_ARGUMENT", text, 413) from error
    except Exception as error:
        raise Refused("INVALID_ARGUMENT", "the picture is broken or cut off") from error


def _turned(picture: Image.Image) -> Image.Image:
    """The picture as its EXIF orientation says. Its other tags are left out: broken ones can't be written."""
    picture.load()
    picture.getexif()  # is remembered
    picture.info.clear()
    return ImageOps.exif_transpose(picture)
